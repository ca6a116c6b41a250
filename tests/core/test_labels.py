"""Where the two labels are while traffic moves."""

from __future__ import annotations

import pytest

from deploy_action.core.journal import Journal
from deploy_action.core.phase import Phase
from deploy_action.core.traffic.labels import Labels
from deploy_action.core.traffic.split import Entry, Split

BOTH = Labels(live="production", candidate="next")
BEFORE = Split.of(
    [
        Entry(revision="api--old", weight=100, label="production"),
        Entry(revision="api--beta", weight=0, label="beta"),
    ]
)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (0, "100 api--old @production | 0 api--beta @beta | 0 api--new @next"),
        (25, "75 api--old @production | 0 api--beta @beta | 25 api--new @next"),
        (100, "0 api--beta @beta | 100 api--new @production"),
    ],
)
def test_both_labels_move_with_the_weights(weight: int, expected: str) -> None:
    assert str(BOTH.split(BEFORE, "api--new", weight)) == expected


def test_a_label_that_did_not_exist_is_set_with_the_promotion() -> None:
    before = Split.of([Entry(revision="api--old", weight=100)])
    labels = Labels(live="production")

    assert str(labels.split(before, "api--new", 50)) == "50 api--old | 50 api--new"
    assert str(labels.split(before, "api--new", 100)) == "100 api--new @production"


def test_a_revision_with_another_label_gets_the_live_one_as_well() -> None:
    before = Split.of(
        [
            Entry(revision="api--old", weight=100, label="production"),
            Entry(revision="api--new", weight=0, label="beta"),
        ]
    )

    split = BOTH.split(before, "api--new", 100)

    assert split.labels_of("api--new") == ("beta", "production")
    assert split.labels_of("api--old") == ()
    assert split.weight_of("api--new") == 100


def test_without_labels_nothing_differs() -> None:
    assert Labels().split(BEFORE, "api--new", 25) == BEFORE.with_candidate("api--new", 25)


@pytest.mark.parametrize(
    "labels", [Labels(), BOTH, Labels(live="production"), Labels(candidate="next")], ids=str
)
def test_the_journal_knows_the_splits_with_labels(labels: Labels) -> None:
    journal = Journal(
        run="1.1",
        phase=Phase.SHIFT,
        stable="api--old",
        candidate="api--new",
        before=BEFORE,
        until=0,
        weights=(25, 100),
        labels=labels,
    )
    read = Journal.from_tags({name: value for name, value in journal.as_tags().items() if value})

    assert read == journal
    assert read.wrote(labels.split(BEFORE, "api--new", 25))
    assert read.wrote(labels.split(BEFORE, "api--new", 100))
    assert not read.wrote(labels.split(BEFORE, "api--new", 50))
