"""The add-in's version: decided, written into the checkout, published only once promoted.

The commit is made beside the user's work and no branch moves until the push, so giving it up needs
nothing but the manifest's bytes back. The branch only ever names a version that was promoted (G1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy_action.adapters.git import Checkout, Git, PublishError, TreeFile
from deploy_action.adapters.manifest_file import ManifestFile
from deploy_action.core import manifest
from deploy_action.core.manifest import Bump
from deploy_action.core.record import Record
from deploy_action.core.revision import Revision
from deploy_action.core.run import Run
from deploy_action.core.settings import BumpPart, BumpWhen
from deploy_action.core.version import Part, Version, highest, next_above
from deploy_action.errors import InputError, PreflightError
from deploy_action.rollout.changed import AddIn
from deploy_action.runtime.waiting import now_utc, pause


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
        publish_it: whether the commit goes to the branch.
        run: whose branch and link the commit names.
    """

    git: Git
    file: ManifestFile
    path: str
    when: BumpWhen
    part: BumpPart
    addin: AddIn
    publish_it: bool
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
        found = manifest.read(content, file=self.path)
        current = found.version
        if self.when is BumpWhen.NEVER:
            return None, str(current)
        part = None if self.part in {BumpPart.LAST, BumpPart.AUTO} else Part[self.part.name]
        if BumpWhen.AUTO is self.when or BumpPart.AUTO is self.part:
            change = self.addin.since(served)
            record.say(f"the add-in: {change.why}")
            if self.when is BumpWhen.AUTO and not change.any:
                return None, str(current)
            part = change.part if self.part is BumpPart.AUTO else part
        if self.publish_it:
            self._check_way()
        carried = [(one.provenance.version, one.provenance.run) for one in revisions]
        floor = highest(_versions([*carried, remembered], self.run))
        last = Part.PATCH if found.form is manifest.Form.JSON else Part.BUILD
        target = next_above(current, floor, part or last)
        bump = manifest.plan(content, file=self.path, target=target)
        return bump, str(bump.new)

    def write(self, bump: Bump) -> None:
        """Put the new bytes into the checkout, so that the image carries them."""
        self.file.write(bump.after, bump.before)

    def restore(self, bump: Bump) -> str:
        """Put the old bytes back if ours stand there; returns how it stands now, in words."""
        return "as before" if self.file.restore(bump.before, bump.after) else "not ours, left alone"

    def publish(self, bump: Bump, candidate: str, record: Record) -> None:
        """Push one commit in which only the manifest differs; a refusal is told, not fatal.

        The deployment is promoted at this point, and the next one takes a higher number whether the
        branch names this one or not.
        """
        if not self.publish_it or self._checkout is None:
            record.say("the version commit is left to you (commit: none)")
            return
        base = self._checkout.head

        def remake(tip: str, files: Mapping[str, TreeFile | None]) -> str | None:
            theirs = files[self.path]
            if theirs is None:
                return None
            if manifest.read(theirs.content, file=self.path).version >= bump.new:
                return None
            after = manifest.plan(theirs.content, file=self.path, target=bump.new).after
            return self._commit(tip, after, bump, candidate)

        try:
            first = remake(base, {self.path: self.git.file_at(base, self.path)})
            if first is None:
                record.say("the branch names a higher version already")
                return
            done = self.git.publish(
                first, self._branch(), paths=[self.path], remake=remake, wait=pause
            )
        except (PublishError, InputError, PreflightError) as error:
            record.warn(f"Version {bump.new} serves, but its commit is not on the branch: {error}")
            return
        if done.commit is None:
            record.say("the branch names a higher version already")
            return
        self.git.advance_local(done.commit, [self.path])
        record.learned(commit=done.commit)
        record.say(f"{done.commit[:10]} is on {self._branch()}, tries {done.tries}")

    def _commit(self, base: str, after: bytes, bump: Bump, candidate: str) -> str:
        link = f"\nRun: {self.run.link}" if self.run.link else ""
        message = (
            f"Raise the add-in to {bump.new} [skip ci]\n\n"
            f"Version: {bump.new}\nRevision: {candidate}{link}\nRun-Id: {self.run.id}\n"
        )
        return self.git.commit_files(base, {self.path: after}, message=message, when=now_utc())

    def _check_way(self) -> None:
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
        if refused := self.git.dry_push(self._branch()):
            raise PreflightError(
                f"The version commit could not be pushed: {refused.message}",
                hint=refused.hint or "Give the job contents: write, or set commit to none.",
            )

    def _branch(self) -> str:
        branch = self.run.branch or (self._checkout.branch if self._checkout else None)
        if not branch:
            raise PreflightError(
                "This run is not on a branch, so there is none to publish the version to.",
                hint="Run it on a branch, or set commit to none.",
            )
        return branch


def _versions(carried: Sequence[tuple[str, str]], run: Run) -> list[Version]:
    """Return the versions that other runs gave out; what is no version does not count."""
    found = []
    for text, given_by in carried:
        if text and not (given_by and run.is_try_of(given_by)):
            try:
                found.append(Version.parse(text))
            except InputError:
                continue
    return found
