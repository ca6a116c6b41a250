"""A copy of a revision has the same template and provenance under a new name."""

from __future__ import annotations

from typing import Any

from deploy_action.core.revisions.copies import copied_template, is_copy
from deploy_action.core.revisions.provenance import Provenance
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.revisions.template import for_candidate

BY_HAND = {"containers": [{"name": "api", "image": "api:1", "env": [{"name": "A", "value": "1"}]}]}
ORIGIN = {"version": "1.3.0.3", "commit": "0123456", "predecessor": "api--first"}


def revision(name: str, template: dict[str, Any]) -> Revision:
    return Revision(name=name, active=True, template={**template, "revisionSuffix": None})


def deployed(name: str) -> Revision:
    template = for_candidate(
        BY_HAND,
        suffix=name.partition("--")[2],
        image="api@sha256:1",
        container="",
        provenance=Provenance(revision=name, **ORIGIN),
    )
    return revision(name, template)


def test_a_copy_of_a_deployed_revision_has_its_provenance() -> None:
    original = deployed("api--v1")
    copied = revision("api--v1-back", copied_template(original, "api--v1-back"))

    assert copied.provenance == Provenance(revision="api--v1-back", **ORIGIN)
    assert original.provenance.revision == "api--v1", "the original is unchanged"
    assert is_copy(copied, original)
    assert copied_template(original, "api--v1-back")["revisionSuffix"] == "v1-back"


def test_a_copy_of_another_revision_differs_only_in_its_name() -> None:
    original = revision("api--first", BY_HAND)
    copied = revision("api--x", copied_template(original, "api--x"))

    assert copied.template == original.template
    assert is_copy(copied, original)
    assert is_copy(original, original)
    assert not is_copy(deployed("api--v1"), original)
