"""The add-in's version: decided in the plan, written into the checkout, published after promotion.

The commit does not touch the work tree, and no branch moves before the push. So an abort only has
to restore the manifest's bytes, and the branch only ever has a version that was promoted.
No deployment serves a lower version than the current one, even if the branch does not have
that one yet.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy_action.adapters.git import Git
from deploy_action.adapters.github_api import PullRequest
from deploy_action.adapters.manifest_file import ManifestFile
from deploy_action.core.manifest import allowed, edit
from deploy_action.core.manifest.edit import Bump
from deploy_action.core.manifest.rules import Rules
from deploy_action.core.manifest.version import Part, Version, next_above
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.run import Run
from deploy_action.core.settings.choices import BumpPart, BumpWhen
from deploy_action.errors import DeployError, InputError, PreflightError, SourceLocation
from deploy_action.rollout.addin_changes import AddIn
from deploy_action.rollout.deployed_version import Served, require_not_lower, version_floor
from deploy_action.rollout.publish import Publisher


@dataclass(slots=True, kw_only=True)
class Versioning:
    """The manifest of one run.

    Args:
        git: the checkout.
        file: the manifest in it.
        path: the manifest's path, relative to the checkout.
        when: when the version is bumped.
        part: which part is bumped.
        addin: the add-in's files, to find out whether they changed.
        publisher: publishes the version commit; None if the user publishes it.
        title: the commit's first line, with ``{version}``, ``{revision}`` and ``{run}``.
        rules: how URLs are treated.
        lists: returns the checkout's allowed lists: name and bytes.
        strict_list: whether an allowed list that names a changing URL is an error.
        run: its commit and branch are the checkout's.
    """

    git: Git
    file: ManifestFile
    path: str
    when: BumpWhen
    part: BumpPart
    addin: AddIn
    publisher: Publisher | None
    title: str
    rules: Rules
    lists: Callable[[], Sequence[tuple[str, bytes]]]
    strict_list: bool
    run: Run

    def decide(
        self,
        revisions: Sequence[Revision],
        *,
        record: Record,
        served: Served,
        remembered: tuple[str, str],
    ) -> tuple[Bump | None, str]:
        """Return the manifest's change, or None, and the version of the candidate.

        A bumped version is above the checkout's, above that of every revision, inactive ones too,
        and above the one stored in the cache. Earlier attempts of this run do not count, so a
        retry reuses the same number. Without a bump the version is at least the served one.

        Args:
            revisions: all revisions of the app.
            record: receives the reasons.
            served: what serves now.
            remembered: the version in the cache, and the run that wrote it.

        Raises:
            InputError: the manifest is missing or unusable.
            PreflightError: the version commit could not be published, or the version would be
                lower than the served one.
        """
        content = self.file.read()
        manifest = edit.read(content, file=self.path)
        self._report_pending(manifest.version, served, record)
        if self.when is BumpWhen.NEVER:
            require_not_lower(
                str(manifest.version),
                served,
                "Merge the pending version commit into the branch, or set bump to auto. To go back "
                "to an earlier version, use the command 'rollback'.",
            )
            return None, str(manifest.version)
        part = None if self.part in {BumpPart.LAST, BumpPart.AUTO} else Part[self.part.name]
        if BumpWhen.AUTO is self.when or BumpPart.AUTO is self.part:
            for pattern in self.addin.unmatched_patterns():
                record.warn(
                    f"Input bump-when-changed: '{pattern}' matches no file of the checkout."
                )
            change = self.addin.changes_since(served.commit)
            record.say(f"Add-in changes: {change.why}")
            if self.when is BumpWhen.AUTO and not change.any:
                return self._catch_up(content, manifest, served, record)
            part = change.part if self.part is BumpPart.AUTO else part
        if self.publisher:
            self._check_publisher(self.publisher, record)
        floor = version_floor(revisions, remembered, self.run)
        target = next_above(manifest.version, floor, part or manifest.form.last_part)
        if served.parsed and target < served.parsed:
            target = served.parsed
        return self._planned(content, target, record)

    def _catch_up(
        self, content: bytes, manifest: edit.Manifest, served: Served, record: Record
    ) -> tuple[Bump | None, str]:
        """Bump an unchanged add-in to the served version if the checkout's is lower."""
        current, target = manifest.version, served.parsed
        if target is None or current >= target:
            return None, str(current)
        if self.publisher:
            try:
                self._check_publisher(self.publisher, record)
            except PreflightError as error:
                record.warn(f"The version commit stays pending: {error}")
                self.publisher = None
        if any(target.parts[manifest.form.last_part.value + 1 :]):
            target = next_above(current, target, manifest.form.last_part)
        return self._planned(content, target, record)

    def _planned(self, content: bytes, target: Version, record: Record) -> tuple[Bump, str]:
        bump = edit.plan(content, file=self.path, target=target, rules=self.rules)
        for text in bump.unused_origins:
            record.warn(f"url-origins: no URL of the manifest is on '{text}'.")
        self.check_allowed_list(bump, record)
        return bump, str(bump.new)

    def check_allowed_list(self, bump: Bump, record: Record) -> None:
        """Compare the script URLs that change with the site's list, as older Outlook does."""
        for name, content in self.lists() if bump.runtime else ():
            if allowed.updated(content, bump.runtime, file=name) != content:
                text = f"{name} names a script URL that changes with the version"
                if self.strict_list:
                    raise InputError(
                        f"{text}, so single sign-on would fail in older builds of Outlook.",
                        hint="Remove the version from that URL, or set allowed-list to warn.",
                        place=SourceLocation(file=name),
                    )
                record.warn(f"{text}, so single sign-on will fail in older builds of Outlook.")

    def _report_pending(self, current: Version, served: Served, record: Record) -> None:
        """Report a version commit that is not on the branch yet, and where it waits."""
        pull, version = self._open_pull_request()
        if version is not None and version > current:
            record.set_facts(pull_request=pull.page if pull else "", pending=str(version))
            record.warn(
                f"The version commit of {version} is pending in pull request "
                f"{pull.page if pull else ''}"
                f"; the checkout has {current}."
            )
        elif served.parsed is not None and served.parsed > current:
            record.set_facts(pending=served.version)
            record.warn(
                f"Version {served.version} is deployed, but its version commit is not in the "
                "checkout, "
                f"which has {current}."
            )

    def _open_pull_request(self) -> tuple[PullRequest | None, Version | None]:
        """Return the open pull request with the highest version of this manifest."""
        result: tuple[PullRequest | None, Version | None] = (None, None)
        with contextlib.suppress(DeployError):
            for pull in self.publisher.pending(self._branch()) if self.publisher else ():
                content = self.publisher.read(pull.commit) if self.publisher else None
                version = edit.read(content, file=self.path).version if content else None
                if version and (result[1] is None or version > result[1]):
                    result = (pull, version)
        return result

    def write(self, bump: Bump) -> None:
        """Write the new bytes into the checkout, so that the image contains them."""
        self.file.write(bump.after, bump.before)

    def restore(self, bump: Bump) -> str:
        """Restore the old bytes if the file still holds ours; return its state in words."""
        restored = self.file.restore(bump.before, bump.after)
        return "as before the bump" if restored else "changed by someone else, kept"

    def publish_served(self, revision: Revision, record: Record) -> bool:
        """Publish the version that *revision* serves, if the checkout's manifest is below it.

        Returns:
            Whether the branch is known to have it.
        """
        # The work tree may still have the bump of the interrupted run.
        content = self.git.file_of(self.git.head().commit, self.path) or self.file.read()
        target = Version.parse(revision.content.version)
        if edit.read(content, file=self.path).version >= target:
            return True
        bump = edit.plan(content, file=self.path, target=target, rules=self.rules)
        return self.publish(bump, revision.name, record)

    def publish(self, bump: Bump, candidate: str, record: Record) -> bool:
        """Publish one commit that changes only the manifest; a failure is a warning.

        The deployment is promoted at this point. The next one takes a higher version whether the
        branch has this one or not.

        Returns:
            Whether the branch or a pull request has it, or the user publishes it.
        """
        record.set_facts(pending=str(bump.new), pull_request="")
        if self.publisher is None:
            record.say("the version commit is not published (commit: none)")
            return True
        pull, version = self._open_pull_request()
        if pull and version and version >= bump.new:
            record.set_facts(pull_request=pull.page)
            record.say(f"the version commit is pending in pull request {pull.page}")
            return True

        def update(theirs: bytes) -> bytes | None:
            if edit.read(theirs, file=self.path).version >= bump.new:
                return None
            return edit.plan(theirs, file=self.path, target=bump.new, rules=self.rules).after

        message = self._message(bump, candidate)
        try:
            result = self.publisher.publish(self._branch(), update, message)
        except DeployError as error:
            record.warn(
                f"Version {bump.new} is deployed, but its commit is not on the branch: {error}"
            )
            return False
        if result.commit:
            record.set_facts(commit=result.commit)
        pending = str(bump.new) if result.pull_request else ""
        record.set_facts(pull_request=result.pull_request, pending=pending)
        record.say(f"version commit: {result.where}")
        return True

    def restore_manifest(
        self, target: Revision, revisions: Sequence[Revision], record: Record
    ) -> None:
        """Publish the manifest that *target* was built from, under a higher version.

        Stores and clients refuse a lower one. A failure is a warning.

        Args:
            target: the revision that serves again.
            revisions: all revisions of the app.
            record: receives the result.
        """
        if self.publisher is None:
            return
        try:
            commit = target.content.commit
            old = self.publisher.read(commit) if commit else None
        except DeployError as error:
            record.warn(f"The manifest on the branch was not changed: {error}")
            return
        if old is None:
            record.warn(
                f"The manifest on the branch was not changed: the commit of {target.name} is "
                "unknown."
            )
            return
        content, new = old, list[Version]()

        def update(theirs: bytes) -> bytes | None:
            manifest = edit.read(theirs, file=self.path)
            floor = version_floor(revisions, ("", ""), Run(id="rollback"))
            new[:] = [next_above(manifest.version, floor, manifest.form.last_part)]
            return edit.plan(content, file=self.path, target=new[0], rules=self.rules).after

        try:
            title = f"Restore the add-in of {target.name} [skip ci]"
            message = f"{title}\n\nRevision: {target.name}\nRun-Id: {self.run.id}\n"
            result = self.publisher.publish(self._branch(), update, message)
        except DeployError as error:
            record.warn(f"The manifest on the branch was not changed: {error}")
            return
        record.set_facts(commit=result.commit, pull_request=result.pull_request)
        record.say(f"restored the manifest of {target.name} as version {new[0]}: {result.where}")

    def _message(self, bump: Bump, candidate: str) -> str:
        values = {"{version}": str(bump.new), "{revision}": candidate, "{run}": self.run.link}
        title = self.title
        for name, value in values.items():
            title = title.replace(name, value)
        link = f"\nRun: {self.run.link}" if self.run.link else ""
        return (
            f"{title}\n\nVersion: {bump.new}\nManifest: {self.path}\nRevision: {candidate}{link}\n"
            f"Run-Id: {self.run.id}\n"
        )

    def preview(self) -> Bump:
        """Return the bump to the next version, regardless of the version that the app serves.

        Raises:
            InputError: the manifest is missing or unusable, or the allowed list contradicts it.
        """
        content = self.file.read()
        manifest = edit.read(content, file=self.path)
        part = None if self.part in {BumpPart.LAST, BumpPart.AUTO} else Part[self.part.name]
        target = next_above(manifest.version, None, part or manifest.form.last_part)
        return edit.plan(content, file=self.path, target=target, rules=self.rules)

    def check_publishing(self, record: Record) -> None:
        """Check whether the version commit can be published, if this run publishes it.

        Raises:
            PreflightError: it cannot.
        """
        if self.publisher:
            self._check_publisher(self.publisher, record)

    def _check_publisher(self, publisher: Publisher, record: Record) -> None:
        """Check before the build whether publishing will work."""
        self.check_committed()
        record.say(f"version commit will be published by {publisher.check(self._branch())}")

    def check_committed(self) -> None:
        """Check that the manifest in the checkout is the commit's.

        Raises:
            PreflightError: it is not, or there is no checkout.
        """
        checkout = self.git.observe(self.path)
        if self.path in checkout.dirty:
            raise PreflightError(
                f"Manifest '{self.path}' has changes in the checkout that are not committed.",
                hint="Commit or discard them before this step.",
            )
        if checkout.blobs.get(self.path) is None:
            raise PreflightError(
                f"Manifest '{self.path}' is not in the checked-out commit.",
                hint="Commit it, or set commit to none.",
            )

    def _branch(self) -> str:
        if not self.run.branch:
            raise PreflightError(
                "The checkout is not on a branch, so the version commit cannot be published.",
                hint="Check out a branch (input ref of actions/checkout), or set commit to none.",
            )
        return self.run.branch
