"""The add-in's version: decided, written into the checkout, published only once promoted.

The commit is made beside the user's work and no branch moves until the push, so giving it up needs
nothing but the manifest's bytes back. The branch only ever names a version that was promoted (G1).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deploy_action.adapters.git import Checkout, Git
from deploy_action.adapters.manifest_file import ManifestFile
from deploy_action.core.manifest import allowed, edit
from deploy_action.core.manifest.edit import Bump
from deploy_action.core.manifest.rules import Rules
from deploy_action.core.manifest.version import Part, Version, highest, next_above
from deploy_action.core.record import Record
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.run import Run
from deploy_action.core.settings.choices import BumpPart, BumpWhen
from deploy_action.errors import DeployError, InputError, PreflightError, SourceLocation
from deploy_action.rollout.addin_changes import AddIn
from deploy_action.rollout.publish import Publisher


@dataclass(slots=True, kw_only=True)
class Versioning:
    """One manifest of one run.

    Args:
        git: the checkout.
        file: the manifest in it.
        path: the manifest's path, relative to the checkout.
        when: whether it is raised at all.
        part: which part is raised.
        addin: the add-in's files, for finding out whether they changed.
        publisher: publishes the version commit; None if the user publishes it.
        title: the commit's first line, with ``{version}``, ``{revision}`` and ``{run}``.
        rules: how addresses are treated.
        lists: returns the checkout's lists of allowed event scripts: name and bytes.
        strict_list: whether a list that names a changing address is an error.
        run: whose branch and link the commit names.
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
    _checkout: Checkout | None = field(default=None, init=False)

    def decide(
        self,
        revisions: Sequence[Revision],
        *,
        record: Record,
        served: str = "",
        remembered: tuple[str, str] = ("", ""),
    ) -> tuple[Bump | None, str]:
        """Return how the manifest changes, or None, and the version that the candidate carries.

        The new version is above the checkout's, above every one that any revision ever carried,
        inactive ones too, and above the one that the cache remembers (promise V1). Those of earlier
        attempts at this run do not count: what is tried again takes the same number.

        Args:
            revisions: all that there are.
            record: is told why.
            served: the commit that the serving revision was built from; empty where unknown.
            remembered: the version that the cache was told last, and the run that told it.

        Raises:
            InputError: the manifest is missing or unfit.
            PreflightError: the version commit could not be published.
        """
        content = self.file.read()
        found = edit.read(content, file=self.path)
        current = found.version
        if self.when is BumpWhen.NEVER:
            return None, str(current)
        part = None if self.part in {BumpPart.LAST, BumpPart.AUTO} else Part[self.part.name]
        if BumpWhen.AUTO is self.when or BumpPart.AUTO is self.part:
            change = self.addin.since(served)
            for pattern in self.addin.unmatched_patterns():
                record.warn(
                    f"Input bump-when-changed: '{pattern}' matches no file of the checkout."
                )
            record.say(f"Add-in changes: {change.why}")
            if self.when is BumpWhen.AUTO and not change.any:
                return None, str(current)
            part = change.part if self.part is BumpPart.AUTO else part
        if self.publisher:
            self._check_publisher(self.publisher, record)
        floor = _floor(revisions, remembered, self.run)
        target = next_above(current, floor, part or found.form.last_part)
        bump = edit.plan(content, file=self.path, target=target, rules=self.rules)
        self._check_allowed_list(bump, record)
        return bump, str(bump.new)

    def _check_allowed_list(self, bump: Bump, record: Record) -> None:
        """Older builds of Outlook compare an event script's address with the site's list."""
        for name, content in self.lists() if bump.runtime else ():
            if allowed.updated(content, bump.runtime, file=name) != content:
                text = f"{name} names an event script's address that changes with the version"
                if self.strict_list:
                    raise InputError(
                        f"{text}; older builds of Outlook would refuse to sign in.",
                        hint="Take the version out of that address, or set allowed-list to warn.",
                        place=SourceLocation(file=name),
                    )
                record.warn(f"{text}; older builds of Outlook will refuse to sign in.")

    def write(self, bump: Bump) -> None:
        """Put the new bytes into the checkout, so that the image carries them."""
        self.file.write(bump.after, bump.before)

    def restore(self, bump: Bump) -> str:
        """Put the old bytes back if ours stand there; returns how it stands now, in words."""
        return "as before" if self.file.restore(bump.before, bump.after) else "not ours, left alone"

    def publish_served(self, revision: Revision, record: Record) -> bool:
        """Publish the version that *revision* serves, if the checkout's manifest is below it.

        Returns:
            Whether the branch has it, as far as this run can tell.
        """
        content = self.file.read()
        target = Version.parse(revision.provenance.version)
        if edit.read(content, file=self.path).version >= target:
            return True
        self._checkout = self._checkout or self.git.observe(self.path)
        bump = edit.plan(content, file=self.path, target=target, rules=self.rules)
        return self.publish(bump, revision.name, record)

    def publish(self, bump: Bump, candidate: str, record: Record) -> bool:
        """Publish one commit in which only the manifest differs; a refusal is a warning.

        The deployment is promoted at this point, and the next one takes a higher number whether the
        branch names this one or not.

        Returns:
            Whether the branch or a pull request has it, or the user publishes it.
        """
        if self.publisher is None:
            record.say("the version commit is left to you (commit: none)")
            return True

        def update(theirs: bytes) -> bytes | None:
            if edit.read(theirs, file=self.path).version >= bump.new:
                return None
            return edit.plan(theirs, file=self.path, target=bump.new, rules=self.rules).after

        message = self._message(bump, candidate)
        try:
            done = self.publisher.publish(self._branch(), update, message)
        except DeployError as error:
            record.warn(f"Version {bump.new} serves, but its commit is not on the branch: {error}")
            return False
        if done.commit:
            record.learned(commit=done.commit)
        record.say(done.where)
        return True

    def restore_manifest(
        self, target: Revision, revisions: Sequence[Revision], branch: str, record: Record
    ) -> None:
        """Put the manifest that *target* was built from on the branch, under a higher version.

        A lower one would be refused by stores and clients; a refusal is told, not fatal.

        Args:
            target: what serves again.
            revisions: all that there are.
            branch: where it goes; empty takes the run's own.
            record: is told how it went.
        """
        if self.publisher is None:
            return
        try:
            commit = target.provenance.commit
            old = self.publisher.read(commit) if commit else None
        except DeployError as error:
            record.warn(f"The manifest on the branch is as it was: {error}")
            return
        if old is None:
            record.warn(f"The manifest stays: {target.name} does not say what it was built of.")
            return
        content, new = old, list[Version]()

        def update(theirs: bytes) -> bytes | None:
            now = edit.read(theirs, file=self.path)
            floor = _floor(revisions, ("", ""), Run(id="rollback"))
            new[:] = [next_above(now.version, floor, now.form.last_part)]
            return edit.plan(content, file=self.path, target=new[0], rules=self.rules).after

        try:
            title = f"Bring the add-in back to what {target.name} serves [skip ci]"
            message = f"{title}\n\nRevision: {target.name}\nRun-Id: {self.run.id}\n"
            done = self.publisher.publish(branch or self._branch(), update, message)
        except DeployError as error:
            record.warn(f"The manifest on the branch is as it was: {error}")
            return
        record.learned(commit=done.commit)
        record.say(f"the manifest of {target.name} is {new[0]} now: {done.where}")

    def _message(self, bump: Bump, candidate: str) -> str:
        values = {"{version}": str(bump.new), "{revision}": candidate, "{run}": self.run.link}
        title = self.title
        for name, value in values.items():
            title = title.replace(name, value)
        link = f"\nRun: {self.run.link}" if self.run.link else ""
        return (
            f"{title}\n\nVersion: {bump.new}\nRevision: {candidate}{link}\nRun-Id: {self.run.id}\n"
        )

    def _check_publisher(self, publisher: Publisher, record: Record) -> None:
        """Find out before anything is built whether publishing can work."""
        self._checkout = self.git.observe(self.path)
        if self.path in self._checkout.dirty:
            raise PreflightError(
                f"Manifest '{self.path}' has changes in the checkout that are not committed.",
                hint="Commit them, or discard them, before this step.",
            )
        if self._checkout.blobs.get(self.path) is None:
            raise PreflightError(
                f"Manifest '{self.path}' is not in the checked-out commit.",
                hint="Commit it, or set commit to none.",
            )
        record.say(f"the version commit: {publisher.check(self._branch())}")

    def _branch(self) -> str:
        branch = self.run.branch or (self._checkout.branch if self._checkout else None)
        if not branch:
            raise PreflightError(
                "This run is not on a branch, so there is none to publish the version to.",
                hint="Run it on a branch, or set commit to none.",
            )
        return branch


def _floor(revisions: Sequence[Revision], remembered: tuple[str, str], run: Run) -> Version | None:
    """Return the highest version that other runs gave out; what is no version does not count."""
    carried = [(one.provenance.version, one.provenance.run) for one in revisions]
    found = []
    for text, given_by in (*carried, remembered):
        if text and not (given_by and run.is_retry_of(given_by)):
            with contextlib.suppress(InputError):
                found.append(Version.parse(text))
    return highest(found)
