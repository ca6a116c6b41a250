"""The journal is read back from tags unchanged, or rejected."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.journal import LONGEST_TAG, Journal, Kind, RecoveryAction, closing_tags
from deploy_action.core.phase import Phase
from deploy_action.core.revisions.revision import Revision
from deploy_action.core.traffic.split import Entry, Split


def journal_with(entries: list[tuple[str, int, str]]) -> Journal:
    return Journal(
        run="4711.1",
        link="https://github.com/contoso/api/actions/runs/4711",
        phase=Phase.SHIFT,
        stable="api--a",
        candidate="api--b",
        before=Split.of(Entry(revision=r, weight=w, label=lb) for r, w, lb in entries),
        until=2_000_000_000,
    )


def as_azure_keeps(tags: dict[str, str | None], before: dict[str, str]) -> dict[str, str]:
    """Merge as a merge-patch does."""
    merged = {**before, **tags}
    return {name: value for name, value in merged.items() if value is not None}


@given(st.integers(1, 20), st.lists(st.sampled_from(["blue", "green", ""]), min_size=20))
def test_a_journal_is_read_back_as_it_was_written_however_long_the_split(
    count: int, labels: list[str]
) -> None:
    rest = [(f"a-rather-long-app-name--a-long-suffix-{n}", 1, labels[n]) for n in range(count)]
    written = journal_with([("", 100 - count, ""), *rest])

    tags = as_azure_keeps(written.as_tags(), {"team": "core"})

    assert Journal.from_tags(tags) == written
    assert all(len(value) <= LONGEST_TAG for value in tags.values())


def test_closing_removes_all_journal_tags_and_no_others() -> None:
    long = journal_with([(f"app--with-a-very-long-suffix-number-{n}", 10, "") for n in range(10)])
    tags = as_azure_keeps(long.as_tags(), {"team": "core", "cost-centre": "42"})

    assert as_azure_keeps(closing_tags(tags), tags) == {"team": "core", "cost-centre": "42"}


def test_a_manually_edited_journal_is_rejected() -> None:
    tags = as_azure_keeps(journal_with([("api--a", 100, "")]).as_tags(), {})

    assert Journal.from_tags({**tags, "deploy-action.split": "api--a=90"}) is None
    assert Journal.from_tags({**tags, "deploy-action.phase": "lunch"}) is None
    assert Journal.from_tags({**tags, "deploy-action.until": "tomorrow"}) is None
    assert Journal.from_tags({}) is None


BEFORE = Split.of([Entry(revision="api--a", weight=100)])
READY = {"health_state": "Healthy", "running_state": "Running", "replicas": 1}


def candidate(**states: Any) -> Revision:
    return Revision(name="api--b", active=True, **{**READY, **states})


def shares(a: int, b: int) -> Split:
    return Split.of([Entry(revision="api--a", weight=a), Entry(revision="api--b", weight=b)])


@pytest.mark.parametrize(
    ("weights", "now", "candidate_now", "action"),
    [
        ((0,), BEFORE, None, RecoveryAction.DEACTIVATE),
        ((0,), BEFORE, candidate(), RecoveryAction.DEACTIVATE),
        ((0, 25), shares(75, 25), candidate(), RecoveryAction.RESTORE),
        ((0, 25), BEFORE, candidate(), RecoveryAction.DEACTIVATE),
        ((25, 50), shares(75, 25), candidate(), RecoveryAction.RESTORE),
        ((50, 100), shares(0, 100), candidate(), RecoveryAction.COMPLETE),
        (
            (50, 100),
            shares(0, 100),
            candidate(running_state="ScaledToZero"),
            RecoveryAction.COMPLETE,
        ),
        ((50, 100), shares(0, 100), candidate(running_state="Failed"), RecoveryAction.RESTORE),
        ((50, 100), shares(0, 100), candidate(running_state="Activating"), RecoveryAction.RESTORE),
        ((50, 100), shares(50, 50), candidate(), RecoveryAction.RESTORE),
        ((25, 50), shares(60, 40), candidate(), RecoveryAction.KEEP_TRAFFIC),
        ((25,), shares(0, 100), candidate(), RecoveryAction.KEEP_TRAFFIC),
    ],
)
def test_the_remedy_for_an_interrupted_run(
    weights: tuple[int, ...], now: Split, candidate_now: Revision | None, action: RecoveryAction
) -> None:
    journal = replace(journal_with([("api--a", 100, "")]), weights=weights)

    assert journal.recovery_action(now, candidate_now) is action


@pytest.mark.parametrize(
    ("phase", "now", "candidate_now", "latest", "action"),
    [
        (Phase.CREATE, BEFORE, None, "api--a", RecoveryAction.DEACTIVATE),
        (
            Phase.CREATE,
            BEFORE,
            candidate(running_state="Activating"),
            "api--b",
            RecoveryAction.RESTORE,
        ),
        (Phase.CREATE, shares(0, 100), candidate(), "api--b", RecoveryAction.RESTORE),
        (Phase.PROMOTE, shares(0, 100), candidate(), "api--b", RecoveryAction.COMPLETE),
        (
            Phase.PROMOTE,
            shares(0, 100),
            candidate(running_state="Failed"),
            "api--b",
            RecoveryAction.RESTORE,
        ),
        (Phase.SHIFT, shares(0, 100), candidate(), "api--a-undo", RecoveryAction.RESTORE),
        (Phase.CREATE, BEFORE, candidate(), "api--other", RecoveryAction.KEEP_TRAFFIC),
    ],
)
def test_the_remedy_in_single_revision_mode(
    phase: Phase, now: Split, candidate_now: Revision | None, latest: str, action: RecoveryAction
) -> None:
    journal = replace(journal_with([("api--a", 100, "")]), phase=phase, copy="api--a-undo")

    assert journal.recovery_action(now, candidate_now, latest) is action


def test_a_rollback_in_single_revision_mode_is_final_once_its_target_passed() -> None:
    started = replace(journal_with([("api--a", 100, "")]), kind=Kind.ROLLBACK, copy="api--a-undo")

    assert not replace(started, phase=Phase.CREATE).is_final
    assert replace(started, phase=Phase.PROMOTE).is_final
    assert replace(started, phase=Phase.CREATE, copy="").is_final, "Multiple revision mode"
    back = started.recovery_action(shares(0, 100), candidate(), "api--b")
    assert back is RecoveryAction.COMPLETE, "the target served before"


def test_a_refusal_names_the_run_that_holds_the_lock_and_for_how_long() -> None:
    journal = replace(journal_with([("api--a", 100, "")]), since=1_999_999_900)

    description = journal.describe_holder(2_000_000_000)

    assert description == (
        "Run 4711.1 (https://github.com/contoso/api/actions/runs/4711) has been "
        "deploying this app for 100 s, in phase shift"
    )
