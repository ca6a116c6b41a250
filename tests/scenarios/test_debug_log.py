"""With debugging on, the log has every request, Redis command and program, without secrets."""

from __future__ import annotations

import re

from tests.stage import Stage


def debug_lines(log: str) -> list[str]:
    """Return the requests that a log has, without time and component."""
    return [line[20:] for line in log.splitlines() if re.match(r"\d\d:\d\d:\d\dZ request +", line)]


def test_debugging_logs_redis_commands_by_name_and_counts(stage: Stage) -> None:
    with stage.scene.cache() as cache:
        cache.set("manifest:hush-key", "hush-value")
    stage.variables["RUNNER_DEBUG"] = "1"
    stage.push_healthy()

    run = stage.run()

    assert run.exit_code == 0, run.log
    lines = debug_lines(run.log)
    scans = [line for line in lines if line.startswith("redis SCAN MATCH ")]
    assert any(re.search(r" COUNT \d+: \d+ keys? found, \d+ ms$", line) for line in scans), lines
    removed = [line for line in lines if re.search(r"UNLINK \d+ keys?", line)]
    assert any(re.search(r": \d+, .*\d+ ms$", line) for line in removed), lines
    assert {"redis PING", "redis INFO", "redis DBSIZE"} <= {
        line.partition(":")[0] for line in lines
    }
    assert "hush" not in "\n".join(lines)
    assert "hush-value" not in run.log


def test_debugging_logs_git_commands_with_their_remote(stage: Stage) -> None:
    stage.variables["DEPLOYMENT_DEBUG"] = "1"
    stage.push_healthy()

    run = stage.run()

    assert run.exit_code == 0, run.log
    remote = re.escape(str(stage.scene.remote))
    pushed = (
        rf"program git push file://{remote} "
        r"[0-9a-f]{40}:refs/heads/main: exit code 0, \d+ ms"
    )
    lines = debug_lines(run.log)
    git = [line for line in lines if line.startswith("program git ")]
    assert any(re.fullmatch(pushed, line) for line in git), "\n".join(git)
    assert any(line.startswith("program git push --dry-run ") for line in lines), lines


def test_without_debugging_the_log_has_no_requests(stage: Stage) -> None:
    run = stage.run("status")

    assert run.exit_code == 0, run.log
    assert debug_lines(run.log) == []
