"""The runner's log, parsed as the runner parses it."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deploy_action.runtime.runner_log import RunnerLog

ROOT = Path(__file__).resolve().parents[2]

# Text that is likely to become a command, and characters that a comparison may skip.
PIECES = ["::", ":", "#", "##[", "[", "]", "\r", "\n", "\r\n", "\v", "\f", "\x1c", "\x85"]
PIECES += ["\u2028", "\u2029", " ", "\t", "\xa0", "\u3000", "\ufeff", "\x00", "\xad", "\u200b"]
PIECES += ["\u200d", "\u2060", "\ufe0f", "\u034f", "\x1b[0m", "\x1b", "\ud800", "é", "error", "x"]
PIECES += ["set-output name=a::b", "stop-commands::t", "%0A", "[command]", "##", "add-mask"]
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


def commands(log: str) -> list[str]:
    """Return the lines that the runner treats as commands.

    Source: actions/runner, ActionCommand.cs; .NET's ReadLine and culture-sensitive comparison.
    """
    items = []
    for line in re.split("\r\n|\r|\n", log):
        observed = re.sub("[^ -~]", "", line).lstrip()  # whatever may be skipped or trimmed
        if observed.startswith("::") or "##[" in observed:
            items.append(line)
    return items


def written(**options: object) -> tuple[RunnerLog, io.StringIO]:
    """A log and the stream behind it."""
    stream = io.StringIO()
    return RunnerLog(stream, commands=True, **options), stream  # type: ignore[arg-type]


@given(hostile)
@example("\r::set-output name=result::deployed")
@example("a\n\u2028::error::x")
@example("#\x1b[0m#[command]rm")
@example("\u200b:\u200b:warning::x")
def test_x1_no_text_becomes_a_command(text: str) -> None:
    log, stream = written()
    log.text(text)

    assert commands(stream.getvalue()) == []


@given(hostile, hostile)
def test_x1_a_command_is_one_line_whatever_it_carries(title: str, message: str) -> None:
    log, stream = written()
    log.command("warning", message, title=title, file=title)

    (line,) = commands(stream.getvalue())
    assert line.startswith("::warning ")
    assert "##[" not in line
    properties = line.removeprefix("::warning ").partition("::")[0]
    assert properties.count(",") == 1, "no value adds a property"


@given(st.recursive(hostile, lambda more: st.lists(more) | st.dictionaries(hostile, more)))
def test_x1_json_is_valid_and_holds_no_command(value: object) -> None:
    log, stream = written()
    log.json(value)

    assert commands(stream.getvalue()) == []
    assert json.loads(stream.getvalue()) == value


@given(hostile)
@example("a\n  ::error::x")
def test_x1_no_text_becomes_a_command_behind_time_and_component(text: str) -> None:
    log, stream = written(clock=lambda: "08:00:00Z")
    log.text(text)

    assert commands(stream.getvalue()) == []


def test_every_text_begins_with_time_and_component_and_its_lines_are_aligned() -> None:
    log, stream = written(clock=lambda: "08:00:00Z")
    log.text("traffic 10 %", component="traffic")
    log.text("aborted after 20 s\nThe health gate failed.", component="result")

    assert stream.getvalue().splitlines() == [
        "08:00:00Z traffic   traffic 10 %",
        "08:00:00Z result    aborted after 20 s",
        "                    The health gate failed.",
    ]


def test_commands_begin_their_line_and_the_title_of_a_group_has_the_time() -> None:
    log, stream = written(clock=lambda: "08:00:00Z")
    log.group("Clear the cache", component="clear")
    log.command("error", "it failed")
    log.command("endgroup")

    assert stream.getvalue().splitlines() == [
        "::group::08:00:00Z clear     Clear the cache",
        "::error::it failed",
        "::endgroup::",
    ]


def test_a_table_has_neither_time_nor_component() -> None:
    log, stream = written(clock=lambda: "08:00:00Z")
    log.text("passed  settings\nfailed  manifest", plain=True)

    assert stream.getvalue() == "passed  settings\nfailed  manifest\n"


def test_lines_are_redacted_before_anything_else() -> None:
    log, stream = written(redact=lambda text: text.replace("one\ntwo", "***"))
    log.text("a one\ntwo b")

    assert stream.getvalue() == "a *** b\n"


def test_a_secret_is_registered_in_one_line() -> None:
    log, stream = written()
    log.mask("100%\r\nsure")

    assert stream.getvalue() == "::add-mask::100%25%0D%0Asure\n"


def test_outside_github_actions_no_commands_are_written() -> None:
    stream = io.StringIO()
    log = RunnerLog(stream, commands=False)
    log.command("warning", "text")
    log.mask("secret")

    assert not stream.getvalue()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_a_terminal_that_lacks_a_character_gets_the_rest(encoding: str) -> None:
    raw = io.BytesIO()
    terminal = io.TextIOWrapper(raw, encoding=encoding)
    RunnerLog(terminal, commands=False).text("25 % ░ \ud800 x")

    assert raw.getvalue().startswith(b"25 % ")
    assert raw.getvalue().endswith(b" x\n")


def test_r2_a_closed_stream_is_replaced_by_the_next() -> None:
    closed, other = io.StringIO(), io.StringIO()
    closed.close()
    causes: list[str] = []
    log = RunnerLog(closed, None, other, commands=False, on_failure=causes.append)
    log.text("hello")

    assert other.getvalue() == "hello\n"
    assert causes == ["I/O operation on closed file", "it is closed"]


def test_r2_without_any_stream_nothing_is_raised() -> None:
    RunnerLog(None, commands=True).text("hello")


def test_x1_nothing_else_writes_to_a_standard_stream() -> None:
    writers = set()
    for file in (ROOT / "deploy_action").rglob("*.py"):
        if not {"sandbox", "setup"} & set(file.relative_to(ROOT).parts):
            source = file.read_text("utf-8")
            if re.search(r"\bprint\(|click\.(s?echo|print)|std(out|err)\.(buffer\.)?write", source):
                writers.add(file.name)

    # The text of a program that Docker runs; `init`, which runs on a developer's machine only.
    assert writers == {"docker_client.py", "cli_init.py"}
