"""The log on a terminal: colours, marks, and a line that changes in place."""

from __future__ import annotations

import io
import os
import shutil

import pytest

from deploy_action.runtime.runner_log import RunnerLog
from deploy_action.runtime.terminal import ERASE_LINE, Terminal

GREEN, RED, BLUE, RESET = "\x1b[32m", "\x1b[31m", "\x1b[34m", "\x1b[0m"


def screen(*, colour: bool) -> tuple[RunnerLog, io.StringIO]:
    """Return a log on a terminal, and what it writes."""
    stream = io.StringIO()
    return RunnerLog(stream, commands=False, terminal=Terminal(colour=colour)), stream


def test_marks_and_bars_have_colours() -> None:
    log, stream = screen(colour=True)
    log.show("  ✓ health: pass")
    log.show("  ✗ health: fail", level="error")
    log.show("  ██░░  50 % to the candidate")

    assert stream.getvalue().splitlines() == [
        f"  {GREEN}✓{RESET} health: pass",
        f"  {RED}✗{RESET}{RED} health: fail{RESET}",
        f"  {GREEN}██{RESET}{BLUE}░░{RESET}  50 % to the candidate",
    ]


def test_without_colour_the_text_is_the_same() -> None:
    log, stream = screen(colour=False)
    log.show("  ██░░  50 % to the candidate")
    log.text("likely cause: the database", component="diagnosis")

    assert stream.getvalue() == "  ██░░  50 % to the candidate\n  likely cause: the database\n"


def test_x1_external_text_sets_no_colour() -> None:
    log, stream = screen(colour=True)
    log.show("\x1b[31mred\x1b[2J")
    log.text("\x1b]0;title\x07")

    assert "\x1b" not in stream.getvalue()


def test_the_changing_line_is_replaced_by_the_next_line_and_removed_at_the_end() -> None:
    log, stream = screen(colour=False)
    log.live("waiting for Azure, 10 s")
    log.live("waiting for Azure, 11 s")
    log.text("created")
    log.live("waiting for the health check")
    log.end_live()
    log.end_live()

    assert stream.getvalue() == (
        f"{ERASE_LINE}waiting for Azure, 10 s{ERASE_LINE}waiting for Azure, 11 s"
        f"{ERASE_LINE}  created\n"
        f"{ERASE_LINE}waiting for the health check{ERASE_LINE}"
    )


def test_the_changing_line_is_cut_to_the_width_of_the_terminal() -> None:
    width = shutil.get_terminal_size().columns
    log, stream = screen(colour=False)
    log.live("x" * (width + 10) + "\nsecond line")

    assert stream.getvalue() == f"{ERASE_LINE}{'x' * (width - 2)}…"


def test_elsewhere_there_is_no_changing_line() -> None:
    stream = io.StringIO()
    RunnerLog(stream, commands=False).live("waiting")

    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TERM": "xterm-256color"}, Terminal(colour=True)),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, Terminal(colour=False)),
        ({"TERM": "xterm-256color", "CI": "true"}, None),
        ({"TERM": "dumb"}, None),
        ({}, None),
    ],
)
def test_a_terminal_is_used_unless_it_cannot_move_its_cursor(
    variables: dict[str, str], expected: Terminal | None
) -> None:
    primary, secondary = os.openpty()
    with os.fdopen(primary), os.fdopen(secondary, "w") as stream:
        assert Terminal.of(stream, variables) == expected


def test_a_pipe_and_a_closed_stream_are_no_terminals() -> None:
    reader, writer = os.pipe()
    closed = io.StringIO()
    closed.close()
    with os.fdopen(reader), os.fdopen(writer, "w") as stream:
        assert Terminal.of(stream, {"TERM": "xterm"}) is None
    assert Terminal.of(closed, {"TERM": "xterm"}) is None
    assert Terminal.of(None, {"TERM": "xterm"}) is None
