"""The log file has every line of the log, with time, level and component."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy_action.runtime.log_file import LogFile
from deploy_action.runtime.masking import Mask
from deploy_action.runtime.runner_log import RunnerLog

Copy = Callable[[str, str, list[str]], None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deployment.log"


@pytest.fixture
def copy(file: Path) -> Iterator[Copy]:
    with closing(LogFile(lambda: file, print)) as log_file:
        yield log_file.write


def test_every_line_has_time_level_and_component(file: Path, copy: Copy) -> None:
    log = RunnerLog(io.StringIO(), commands=True, copy=copy)
    log.text("warning: first\nsecond", level="warning", component="gates")
    log.copy_only("only in the file")

    lines = file.read_text("utf-8").splitlines()

    assert [line[25:] for line in lines] == [
        "warning gates     warning: first",
        "warning gates     second",
        "info    run       only in the file",
    ]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in lines)


def test_s1_the_file_is_masked_like_the_log(file: Path, copy: Copy) -> None:
    stream, mask = io.StringIO(), Mask()
    log = RunnerLog(stream, commands=True, redact=mask.redact, copy=copy)
    mask.add("p@ss/word")
    log.text("the password is p@ss/word, encoded p%40ss%2Fword")

    assert "the password is ***, encoded ***" in file.read_text("utf-8")
    assert "the password is ***, encoded ***" in stream.getvalue()


def test_the_file_gets_the_log_although_the_stream_is_closed(file: Path, copy: Copy) -> None:
    stream = io.StringIO()
    stream.close()
    RunnerLog(stream, commands=True, copy=copy).text("hello")

    assert file.read_text("utf-8").endswith(" hello\n")


def test_r2_a_file_that_cannot_be_written_is_reported_once_and_the_log_goes_on() -> None:
    stream, causes = io.StringIO(), list[str]()
    with closing(LogFile(lambda: Path("/dev/full"), causes.append)) as file:
        log = RunnerLog(stream, commands=True, copy=file.write)
        log.text("one")
        log.text("two")

    assert causes == ["No space left on device"]
    assert stream.getvalue() == "one\ntwo\n"
