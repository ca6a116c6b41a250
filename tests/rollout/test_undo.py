"""Undo: newest first, each one runs, and the error names what could not be restored."""

import itertools
import signal
from collections.abc import Callable

import pytest

from deploy_action.core.events import Crashed, UndoFinished
from deploy_action.core.record import Record
from deploy_action.errors import (
    AbortedError,
    CancelledError,
    DeployError,
    InputError,
    RollbackIncompleteError,
    SourceLocation,
    SupersededError,
    TimeLimitExceededError,
)
from deploy_action.rollout.undo import Undo
from deploy_action.runtime.signals import SIGNALS, SignalGuard


@pytest.fixture
def record() -> Record:
    """A record whose clock advances by one with each read."""
    return Record(command="deploy", clock=itertools.count().__next__)


def noting(notes: list[str], what: str) -> Callable[[], str]:
    def way() -> str:
        notes.append(what)
        return "as before"

    return way


def failing() -> str:
    raise DeployError("Azure said no.")


def undo_finished(record: Record) -> list[tuple[str, bool]]:
    return [(event.what, event.ok) for event in record.events if isinstance(event, UndoFinished)]


def test_an_unexpected_error_is_reported_as_a_bug_and_an_expected_one_is_not(
    record: Record,
) -> None:
    def broken() -> str:
        raise KeyError("properties")

    with pytest.raises(RollbackIncompleteError), Undo(record, SignalGuard()) as undo:
        undo.push("the traffic", failing)
        undo.push("the candidate", broken)
        raise ZeroDivisionError

    items = [type(event.error) for event in record.events if isinstance(event, Crashed)]
    assert items == [KeyError, ZeroDivisionError]


def test_everything_is_put_back_newest_first(record: Record) -> None:
    notes: list[str] = []

    with pytest.raises(AbortedError) as raised, Undo(record, SignalGuard()) as undo:
        for what in ("the manifest", "the candidate", "the traffic"):
            undo.push(what, noting(notes, what))
        raise InputError(
            "The image is broken.", hint="Mend it.", place=SourceLocation(file="a", line=3)
        )

    assert notes == ["the traffic", "the candidate", "the manifest"]
    assert raised.value.exit_code == 4
    assert raised.value.message == "The image is broken."
    assert raised.value.place == SourceLocation(file="a", line=3)


def test_a_failed_undo_does_not_stop_the_others_and_is_reported_with_its_hint(
    record: Record,
) -> None:
    notes: list[str] = []

    with pytest.raises(RollbackIncompleteError) as raised, Undo(record, SignalGuard()) as undo:
        undo.push("the manifest", noting(notes, "the manifest"))
        undo.push("the candidate", failing, by_hand="az containerapp revision deactivate")
        undo.push("the traffic", noting(notes, "the traffic"))
        raise DeployError("The gate said no.")

    assert notes == ["the traffic", "the manifest"]
    assert undo_finished(record) == [
        ("the traffic", True),
        ("the candidate", False),
        ("the manifest", True),
    ]
    assert raised.value.exit_code == 5
    assert "the candidate (az containerapp revision deactivate)" in raised.value.hint


def test_without_an_exception_nothing_is_undone(record: Record) -> None:
    with Undo(record, SignalGuard()) as undo:
        undo.push("the traffic", failing)

    assert undo_finished(record) == []


def test_after_the_commit_point_nothing_is_undone(record: Record) -> None:
    with pytest.raises(ZeroDivisionError), Undo(record, SignalGuard()) as undo:
        undo.push("the traffic", failing)
        undo.commit()
        raise ZeroDivisionError

    assert undo_finished(record) == []


@pytest.mark.parametrize("ending", [CancelledError(2), SupersededError("Another run took over.")])
def test_a_cancel_and_a_takeover_keep_their_own_exit_code(
    record: Record, ending: BaseException
) -> None:
    notes: list[str] = []

    with pytest.raises(type(ending)), Undo(record, SignalGuard()) as undo:
        undo.push("the traffic", noting(notes, "the traffic"))
        raise ending

    assert notes == ["the traffic"]


def test_the_alternative_undo_runs_after_a_failure(record: Record) -> None:
    notes: list[str] = []

    with pytest.raises(RollbackIncompleteError), Undo(record, SignalGuard()) as undo:
        undo.push(
            "the journal",
            noting(notes, "the journal"),
            if_others_failed=lambda: "kept for the next run",
        )
        undo.push("the traffic", failing)
        raise DeployError("The candidate did badly.")

    assert notes == []
    assert undo_finished(record) == [("the traffic", False), ("the journal", True)]


def test_a_run_over_its_time_limit_is_aborted(record: Record) -> None:
    notes: list[str] = []

    with pytest.raises(AbortedError) as raised, Undo(record, SignalGuard()) as undo:
        undo.push("the traffic", noting(notes, "the traffic"))
        raise TimeLimitExceededError(14)

    assert notes == ["the traffic"]
    assert raised.value.exit_code == 4
    assert raised.value.message == "The run took longer than its time-limit."


def test_t4_a_signal_does_not_interrupt_the_undo(record: Record) -> None:
    signals, notes = SignalGuard(), list[str]()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    signals.install()

    def interrupted() -> str:
        signal.raise_signal(signal.SIGTERM)
        notes.append("the traffic")
        return "as before"

    try:
        with pytest.raises(AbortedError), Undo(record, signals) as undo:
            undo.push("the lock", noting(notes, "the lock"))
            undo.push("the traffic", interrupted)
            raise DeployError("A gate failed.")
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    assert notes == ["the traffic", "the lock"]
    assert undo_finished(record) == [("the traffic", True), ("the lock", True)]
