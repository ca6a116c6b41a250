"""The add-in's version: decided, written into the checkout, published only once promoted.

The commit is made by plumbing and no branch moves until the push, so giving it up needs nothing but
the manifest's bytes back. The branch only ever names a version that was promoted (promise G1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deploy_action.adapters.git import Git
from deploy_action.adapters.manifest_file import ManifestFile
from deploy_action.core import manifest
from deploy_action.core.manifest import Bump
from deploy_action.core.record import Record
from deploy_action.core.revision import Revision
from deploy_action.core.run import Run
from deploy_action.core.settings import BumpPart, BumpWhen
from deploy_action.core.version import Part, Version, highest, next_above
from deploy_action.errors import InputError
from deploy_action.runtime.waiting import pause


@dataclass(slots=True, kw_only=True)
class Versioning:
    """One manifest of one run.

    Args:
        git: the checkout.
        file: the manifest in it.
        path: the manifest's path as the user gave it, relative to the checkout.
        when: whether it is raised at all.
        part: which part is raised.
        publish_it: whether the commit goes to the branch.
    """

    git: Git
    file: ManifestFile
    path: str
    when: BumpWhen
    part: BumpPart
    publish_it: bool
    run: Run

    def decide(self, revisions: Sequence[Revision]) -> tuple[Bump | None, str]:
        """Return how the manifest changes, or None, and the version that the candidate carries.

        The new version is above the branch's and above every one that any revision ever carried,
        inactive ones too (promise V1).

        Raises:
            InputError: the manifest is missing or unfit.
        """
        content = self.file.read()
        current = manifest.read(content, file=self.path).version
        if self.when is BumpWhen.NEVER:
            return None, str(current)
        floor = highest([current, *_served(revisions)])
        target = next_above(current, floor, Part[self.part.name])
        bump = manifest.plan(content, file=self.path, target=target)
        return bump, str(bump.new)
