"""Which revision is adopted, and how the one before it is recorded."""

from __future__ import annotations

import pytest

from deploy_action.core.adoption import (
    PREVIOUS_TAG,
    adopted_revision,
    predecessor,
    previous_of,
    require_no_share,
    succession,
    without_succession,
)
from deploy_action.core.app import App
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import Entry, Split
from deploy_action.errors import InputError, PreflightError

ONE, TWO = (
    Revision(name="api--one", active=True, created="2026-11-23T10:00:00"),
    Revision(name="api--two", active=True, created="2026-11-23T11:00:00"),
)
ASLEEP = Revision(name="api--three", active=False, created="2026-11-23T12:00:00")
SPLIT = Split.of([Entry(revision="api--one", weight=100)])
APP = App(name="api", state="Succeeded", mode="Multiple", split=SPLIT)


@pytest.mark.parametrize("requested", ["newest", "Newest", "two", "api--two"])
def test_the_newest_active_revision_or_one_by_name(requested: str) -> None:
    assert adopted_revision(requested, APP, [TWO, ONE, ASLEEP]) is TWO


def test_a_name_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(InputError, match="has no revision 'api--four'") as caught:
        adopted_revision("four", APP, [ONE, TWO])
    assert "api--two, api--one" in caught.value.hint


def test_an_inactive_revision_is_refused() -> None:
    with pytest.raises(PreflightError, match="is inactive"):
        adopted_revision("three", APP, [ONE, ASLEEP])


def test_a_revision_with_some_of_the_traffic_is_refused() -> None:
    split = Split.of([Entry(revision="api--one", weight=90), Entry(revision="api--two", weight=10)])

    with pytest.raises(PreflightError, match="already receives 10 %"):
        require_no_share(TWO, split)
    require_no_share(TWO, SPLIT)
    require_no_share(ONE, SPLIT)


def test_the_tag_names_the_predecessors_of_adopted_revisions() -> None:
    first = succession("api--two", "api--one", {})
    tags = {PREVIOUS_TAG: first[PREVIOUS_TAG] or ""}
    second = succession("api--three", "api--two", tags)
    tags = {PREVIOUS_TAG: second[PREVIOUS_TAG] or ""}

    assert predecessor(ASLEEP, tags) == "api--two"
    assert previous_of(TWO, [ONE, TWO], tags) is ONE
    assert previous_of(ONE, [ONE, TWO], tags) is None
    assert without_succession("api--three", tags) == first
    assert without_succession("api--one", tags) == {}
    assert without_succession("api--two", {PREVIOUS_TAG: "api--two api--one"}) == {
        PREVIOUS_TAG: None
    }


def test_the_tag_is_never_longer_than_azure_allows() -> None:
    tags: dict[str, str] = {}
    for number in range(9):
        names = [f"{'a' * 40}--{n:010}" for n in (number + 1, number)]
        tags = {PREVIOUS_TAG: succession(names[0], names[1], tags)[PREVIOUS_TAG] or ""}
        assert tags[PREVIOUS_TAG].startswith(f"{names[0]} {names[1]}")

    assert len(tags[PREVIOUS_TAG]) <= 256
