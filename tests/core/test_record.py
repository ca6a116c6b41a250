"""The result in a record matches what the run changed."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from deploy_action.core.record import Record
from deploy_action.core.traffic.split import Entry, Split
from deploy_action.errors import AbortedError, DeployError, InputError, PreflightError

SPLIT = Split.of([Entry(revision="api--a", weight=100)])
CHANGES: list[Callable[[Record], None]] = [
    lambda record: record.traffic_shifted(SPLIT, "promoted"),
    lambda record: record.cleared("before", (("manifest:*", 3),), complete=True),
    lambda record: record.undo_finished("the traffic", ok=True),
]


def record_of() -> Record:
    return Record(command="deploy", clock=itertools.count(0.0).__next__)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "error", [InputError("x"), PreflightError("x")], ids=["input", "preflight"]
)
def test_o1_nothing_was_changed_is_never_said_of_a_run_that_changed_something(
    error: DeployError, change: Callable[[Record], None]
) -> None:
    record = record_of()
    change(record)

    record.fail(error)

    assert record.ending is not None
    assert record.ending.result not in {"invalid", "refused"}
    assert record.ending.exit_code not in {2, 3}


@pytest.mark.parametrize(
    ("error", "code"), [(InputError("x"), 2), (PreflightError("x"), 3), (AbortedError("x"), 4)]
)
def test_o1_without_a_change_an_error_keeps_its_own_exit_code(
    error: DeployError, code: int
) -> None:
    record = record_of()

    record.fail(error)

    assert record.ending is not None
    assert record.ending.exit_code == code
