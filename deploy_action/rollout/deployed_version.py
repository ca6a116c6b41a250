"""The version that serves now, and the floor of all versions that a deployment may use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deploy_action.core.manifest.version import Version, highest
from deploy_action.core.revisions.revision import Readiness, Revision
from deploy_action.core.run import Run
from deploy_action.errors import InputError, PreflightError


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The content that serves now: revision, version and commit; empty if unknown."""

    revision: str = ""
    version: str = ""
    commit: str = ""

    @property
    def parsed(self) -> Version | None:
        """Its version as a value; None if it is unknown or not a version."""
        return _parsed(self.version)


def require_not_lower(version: str, served: Served, hint: str) -> None:
    """Check that a deployment does not lower the served version.

    Raises:
        PreflightError: *version* is lower.
    """
    new, current = _parsed(version), served.parsed
    if new is not None and current is not None and new < current:
        raise PreflightError(
            f"Version {version} is lower than version {served.version}, which revision "
            f"'{served.revision}' serves.",
            hint=hint,
        )


def served_by(stable: Revision | None, served_version: Callable[[str], str]) -> Served:
    """Return what *stable* serves.

    Args:
        stable: the revision that serves; None if none does.
        served_version: returns the version in the manifest that a host serves, or nothing. It is
            used for a revision without a recorded version, such as one that this tool did not
            deploy.
    """
    if stable is None:
        return Served()
    content = stable.content
    version = content.version
    if not version and stable.readiness in {Readiness.READY, Readiness.IDLE}:
        version = served_version(stable.fqdn)
    return Served(revision=stable.name, version=version, commit=content.commit)


def version_floor(
    revisions: Sequence[Revision], remembered: tuple[str, str], run: Run
) -> Version | None:
    """Return the highest version that other runs used; a text that is not a version is ignored.

    Args:
        revisions: all revisions of the app.
        remembered: the version in the cache, and the run that wrote it.
        run: this run; versions of its own attempts do not count.
    """
    carried = [(revision.content.version, revision.content.run) for revision in revisions]
    return highest(
        version
        for text, used_by in (*carried, remembered)
        if not (used_by and run.is_retry_of(used_by)) and (version := _parsed(text))
    )


def _parsed(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except InputError:
        return None
