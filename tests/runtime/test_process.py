"""Child processes: their environment, their output, and that they never outlive us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_action.runtime.process import ProcessError, ProcessTimeoutError, run
from tests.support.eventually import eventually
from tests.support.paths import ROOT

PATH = {"PATH": os.environ["PATH"]}
SECRET = "hunter2-hunter2"
PATIENCE_S = 300.0


def alive(number: int) -> bool:
    """Whether the process runs; a zombie does not count."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def until_gone(*numbers: int) -> None:
    eventually(lambda: not any(alive(number) for number in numbers), "all children have ended")


def until_written(file: Path) -> list[int]:
    eventually(lambda: file.exists() and file.read_text().endswith("\n"), f"{file.name} is written")
    return [int(word) for word in file.read_text().split()]


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Path]:
    """A script whose child and grandchild ignore SIGTERM and write their numbers to a file."""
    script = tmp_path / "family.sh"
    script.write_text(
        "trap '' TERM\n"
        "(trap '' TERM; while :; do sleep 1; done) &\n"
        'echo "$$ $!" > numbers\n'
        "while :; do sleep 1; done\n"
    )
    yield script
    for number in (tmp_path / "numbers").read_text().split():
        if alive(int(number)):
            os.kill(int(number), signal.SIGKILL)


def test_run_returns_output_and_exit_code(tmp_path: Path) -> None:
    words = ["bash", "-c", "cat; echo oops >&2; exit 3"]
    done = run(
        words, cwd=tmp_path, environment=PATH, input=b"a\xff\n", timeout_s=PATIENCE_S, check=False
    )

    assert (done.exit_code, done.output, done.stderr) == (3, b"a\xff\n", "oops\n")


def test_a_program_gets_only_the_given_environment(tmp_path: Path) -> None:
    done = run(["env"], cwd=tmp_path, environment={**PATH, "GIVEN": "yes"}, timeout_s=PATIENCE_S)

    assert sorted(line.partition("=")[0] for line in done.stdout.splitlines()) == ["GIVEN", "PATH"]


def test_much_input_and_output_at_once_does_not_block(tmp_path: Path) -> None:
    much = os.urandom(1 << 20)

    done = run(["cat"], cwd=tmp_path, environment=PATH, input=much, timeout_s=PATIENCE_S)

    assert done.output == much


def test_a_program_that_does_not_read_its_input_is_no_error(tmp_path: Path) -> None:
    much = bytes(1 << 20)

    done = run(["true"], cwd=tmp_path, environment=PATH, input=much, timeout_s=PATIENCE_S)

    assert done.exit_code == 0


def test_an_error_has_name_exit_code_and_last_lines_but_no_secret(tmp_path: Path) -> None:
    words = ["bash", "-c", 'seq 1 20 >&2; echo "key $KEY" >&2; exit 7', SECRET]
    with pytest.raises(ProcessError) as caught:
        run(
            words,
            cwd=tmp_path,
            environment={**PATH, "KEY": SECRET},
            timeout_s=PATIENCE_S,
            name="the smoke test",
            redact=lambda text: text.replace(SECRET, "***"),
        )

    assert caught.value.command == "the smoke test"
    assert caught.value.last_lines == ("17", "18", "19", "20", "key ***")
    assert str(caught.value) == ("'the smoke test' exited with code 7: 17 / 18 / 19 / 20 / key ***")
    assert SECRET not in repr(vars(caught.value))


def test_a_missing_program_or_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"^The program 'no-such-program' is not on the PATH\.$"):
        run(["no-such-program"], cwd=tmp_path, environment=PATH, timeout_s=PATIENCE_S)
    with pytest.raises(ProcessError, match=r"^'true' could not be started in .*/nowhere: No such"):
        run(["true"], cwd=tmp_path / "nowhere", environment=PATH, timeout_s=PATIENCE_S)


def test_a_timeout_kills_the_program_and_its_children(tmp_path: Path, family: Path) -> None:
    with pytest.raises(
        ProcessTimeoutError, match=r"^'bash' timed out after 1 s and was stopped\.$"
    ):
        run(["bash", family], cwd=tmp_path, environment=PATH, timeout_s=1, grace_s=0.05)

    until_gone(*until_written(tmp_path / "numbers"))


def test_a_program_may_clean_up_after_sigterm(tmp_path: Path) -> None:
    script = "trap 'echo tidy > left; exit' TERM; while :; do sleep 0.01; done"
    with pytest.raises(ProcessTimeoutError):
        run(
            ["bash", "-c", script],
            cwd=tmp_path,
            environment=PATH,
            timeout_s=0.5,
            grace_s=PATIENCE_S,
        )

    assert (tmp_path / "left").read_text() == "tidy\n"


def test_background_processes_do_not_block_the_run(tmp_path: Path) -> None:
    script = "sleep 1000 & echo $! > numbers; echo done"

    done = run(["bash", "-c", script], cwd=tmp_path, environment=PATH, timeout_s=1000)

    assert (done.exit_code, done.stdout) == (0, "done\n")
    until_gone(*until_written(tmp_path / "numbers"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_run_kills_its_children(
    tmp_path: Path, family: Path, number: signal.Signals
) -> None:
    """The signal reaches only us, as the runner sends it; `CancelledError` is no Exception."""
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from deploy_action.errors import CancelledError
        from deploy_action.runtime.process import run
        from deploy_action.runtime.signals import SignalGuard

        SignalGuard().install()
        try:
            run(["bash", sys.argv[1]], cwd=Path.cwd(), environment={"PATH": sys.argv[2]},
                timeout_s=1000, grace_s=0.05)
        except CancelledError as cancelled:
            sys.exit(cancelled.exit_code)
        """
    )
    words = [sys.executable, "-c", script, str(family), PATH["PATH"]]
    with subprocess.Popen(words, cwd=tmp_path, env={**PATH, "PYTHONPATH": str(ROOT)}) as parent:
        numbers = until_written(tmp_path / "numbers")
        parent.send_signal(number)
        assert parent.wait(PATIENCE_S) == 128 + number

    until_gone(*numbers)


def test_a_cancelled_run_ends_a_child_that_has_just_started(tmp_path: Path) -> None:
    """On one processor, the child sends the signal before the parent knows the child's number."""
    script = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from deploy_action.errors import CancelledError
        from deploy_action.runtime.process import run
        from deploy_action.runtime.signals import SignalGuard

        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        SignalGuard().install()
        try:
            run(["bash", "-c", "echo $$ > numbers; kill -TERM $PPID; exec sleep 1000"],
                cwd=Path.cwd(), environment={"PATH": sys.argv[1]}, timeout_s=1000, grace_s=0.05)
        except CancelledError as cancelled:
            sys.exit(cancelled.exit_code)
        """
    )
    for number in range(10):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = [sys.executable, "-c", script, PATH["PATH"]]
        env = {**PATH, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=folder, env=env, check=False)

        assert done.returncode == 128 + signal.SIGTERM
        if (folder / "numbers").exists():  # otherwise it was killed before it started
            until_gone(*map(int, (folder / "numbers").read_text().split()))


def test_a_signal_to_our_group_does_not_reach_a_child(tmp_path: Path) -> None:
    """Ctrl-C signals the terminal's whole foreground group; children must not receive it."""
    done = run(
        ["bash", "-c", 'ps -o pgid=,sid= -p "$$"'],
        cwd=tmp_path,
        environment=PATH,
        timeout_s=PATIENCE_S,
    )

    group, session = map(int, done.stdout.split())
    assert group == session
    assert group != os.getpgid(0)
