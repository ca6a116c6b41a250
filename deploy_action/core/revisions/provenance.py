"""The provenance of a revision: which version, commit and run it was deployed from.

It is recorded in environment variables of the deployed container. Their names are reserved for this
tool, and one of them holds the revision's name: a copy of a revision, made by hand, has the
variables too, but the name of its original.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "DEPLOY_ACTION_"
VERSION_VARIABLE = f"{PREFIX}VERSION"
COMMIT_VARIABLE = f"{PREFIX}COMMIT"
RUN_VARIABLE = f"{PREFIX}RUN"
PREDECESSOR_VARIABLE = f"{PREFIX}PREDECESSOR"
SETTINGS_VARIABLE = f"{PREFIX}SETTINGS"
REVISION_VARIABLE = f"{PREFIX}REVISION"
IMAGE_VARIABLE = f"{PREFIX}IMAGE"
VARIABLES = frozenset(
    {
        VERSION_VARIABLE,
        COMMIT_VARIABLE,
        RUN_VARIABLE,
        PREDECESSOR_VARIABLE,
        SETTINGS_VARIABLE,
        REVISION_VARIABLE,
        IMAGE_VARIABLE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The origin of a revision; texts that are unknown are empty.

    Args:
        version: the add-in's version.
        commit: the commit of its image.
        run: the run that deployed it.
        predecessor: the revision that was stable before.
        settings: the fingerprint of the app-wide settings that it was deployed with.
        revision: the revision's full name.
    """

    version: str = ""
    commit: str = ""
    run: str = ""
    predecessor: str = ""
    settings: str = ""
    revision: str = ""

    def as_environment(self, image: str) -> dict[str, str]:
        """Return the variables of the deployed container, which runs *image*."""
        return {
            VERSION_VARIABLE: self.version,
            COMMIT_VARIABLE: self.commit,
            RUN_VARIABLE: self.run,
            PREDECESSOR_VARIABLE: self.predecessor,
            SETTINGS_VARIABLE: self.settings,
            REVISION_VARIABLE: self.revision,
            IMAGE_VARIABLE: image,
        }


def deployed_container(template: Mapping[str, Any], revision: str) -> Mapping[str, Any] | None:
    """Return the container that this tool deployed as *revision*, or None if it did not."""
    for container, variables in _containers(template):
        if variables.get(REVISION_VARIABLE) == revision:
            return container
    return None


def provenance_of(template: Mapping[str, Any], revision: str) -> Provenance:
    """Return where this tool deployed *revision* from; empty if it did not."""
    container = deployed_container(template, revision)
    return _read(_variables(container)) if container else Provenance()


def content_of(template: Mapping[str, Any], revision: str) -> Provenance:
    """Return the provenance of *revision*'s content: its own, or that of the revision it copies.

    A copy has the content of its original as long as it runs the same image.
    """
    if own := deployed_container(template, revision):
        return _read(_variables(own))
    for container, variables in _containers(template):
        image = variables.get(IMAGE_VARIABLE)
        if variables.get(REVISION_VARIABLE) and image and image == container.get("image"):
            return _read(variables)
    return Provenance()


def _read(variables: Mapping[str, str]) -> Provenance:
    return Provenance(
        version=variables.get(VERSION_VARIABLE, ""),
        commit=variables.get(COMMIT_VARIABLE, ""),
        run=variables.get(RUN_VARIABLE, ""),
        predecessor=variables.get(PREDECESSOR_VARIABLE, ""),
        settings=variables.get(SETTINGS_VARIABLE, ""),
        revision=variables.get(REVISION_VARIABLE, ""),
    )


def _containers(
    template: Mapping[str, Any],
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, str]]]:
    for container in template.get("containers") or ():
        yield container, _variables(container)


def _variables(container: Mapping[str, Any]) -> dict[str, str]:
    return {
        str(variable.get("name")): str(variable.get("value") or "")
        for variable in container.get("env") or ()
    }
