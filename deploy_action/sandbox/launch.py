"""Start and stop a sandbox as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0


def start(
    directory: Path, *options: str, **variables: str
) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """Start a sandbox as a process of its own and return it with the environment for its clients.

    Args:
        directory: where its environment file and log go.
        options: more options of ``sandbox up``.
        variables: more variables of its environment.

    Raises:
        RuntimeError: it ended, or was not ready within a minute; the message contains its log.
    """
    env_file, log = directory / "sandbox.env", directory / "sandbox.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "deploy_action", "sandbox", "up"),
                *("--env-file", str(env_file), "--directory", str(directory / "azure")),
                "--until-stdin-closes",
                *options,
            ],
            stdin=subprocess.PIPE,  # the sandbox ends when this process ends, even if it is killed
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **variables},
            start_new_session=True,
        )
    end = time.monotonic() + START_S
    while not env_file.exists():
        if process.poll() is not None or time.monotonic() > end:
            stop(process)
            raise RuntimeError(f"the sandbox did not start:\n{log.read_text('utf-8', 'replace')}")
        time.sleep(0.02)
    pairs = (line.partition("=") for line in env_file.read_text("utf-8").splitlines() if line)
    return process, {name: value for name, _, value in pairs}


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a sandbox as a service manager would, and wait until it is gone."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin:
        process.stdin.close()
