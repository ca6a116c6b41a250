"""Copies of a revision: the way back to it in Single revision mode.

There, only the newest revision receives traffic. An earlier revision cannot receive traffic again,
but a new one can be created from its template.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from deploy_action.core.revisions.provenance import REVISION_VARIABLE
from deploy_action.core.revisions.revision import Revision


def copied_template(original: Revision, name: str) -> dict[str, Any]:
    """Return the template of a copy of *original*.

    If this tool deployed the original, the copy has the same provenance.

    Args:
        original: the revision to copy.
        name: the copy's full name.
    """
    template = copy.deepcopy(dict(original.template))
    for variable in _names(template):
        if variable.get("value") == original.name:
            variable["value"] = name
    template["revisionSuffix"] = name.partition("--")[2]
    return template


def is_copy(revision: Revision, original: Revision) -> bool:
    """Whether *revision* is *original*, or has the same template apart from its name."""
    if revision.name == original.name:
        return True
    suffix = {"revisionSuffix": ""}
    return {**revision.template, **suffix} == {**copied_template(original, revision.name), **suffix}


def _names(template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the variables that hold the revision's name."""
    for container in template.get("containers") or ():
        for variable in container.get("env") or ():
            if variable.get("name") == REVISION_VARIABLE:
                yield variable
