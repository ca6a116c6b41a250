"""The user's own shell command, such as a smoke test; it gets the runner's environment as it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy_action.core.analysis.checks import verdict_of_exit_code
from deploy_action.core.health import Measurement, Verdict
from deploy_action.errors import DeployError
from deploy_action.runtime import process

_LAST_LINES = 5
_LONGEST_LINE = 300
_MOST_LINES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs commands in the workspace.

    Args:
        workspace: where they run.
        environment: their environment, without the action's own secrets.
        on_line: receives the lines that they print.
    """

    workspace: Path
    environment: Mapping[str, str]
    on_line: Callable[[str], None]

    def check(self, command: str, variables: Mapping[str, str], *, timeout_s: float) -> Measurement:
        """Run *command* in bash; exit 0 is a pass, anything else a fail with its last lines."""
        lines = _Lines(self.on_line)
        try:
            process.stream(
                ["bash", "-e", "-o", "pipefail", "-c", command],
                cwd=self.workspace,
                environment={**self.environment, **variables},
                timeout_s=timeout_s,
                on_line=lines.add,
                name="smoke test",
            )
        except DeployError as error:
            return Measurement(verdict=Verdict.FAIL, evidence=error.message)
        evidence = f"the smoke test passed: {' / '.join(lines.last)}".rstrip(": ")
        return Measurement(verdict=Verdict.PASS, evidence=evidence)

    def custom_check(
        self, command: str, variables: Mapping[str, str], *, timeout_s: float
    ) -> Measurement:
        """Run a check of the user; its exit code is the verdict (see `core.analysis.checks`)."""
        try:
            done = process.run(
                ["bash", "-e", "-o", "pipefail", "-c", command],
                cwd=self.workspace,
                environment={**self.environment, **variables},
                timeout_s=timeout_s,
                check=False,
            )
        except DeployError as error:
            return Measurement(verdict=Verdict.UNREACHABLE, evidence=error.message)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        last = " / ".join(line[:_LONGEST_LINE] for line in lines[-_LAST_LINES:])
        evidence = f"exit code {done.exit_code}" + (f": {last}" if last else "")
        return Measurement(verdict=verdict_of_exit_code(done.exit_code), evidence=evidence)


class _Lines:
    """Passes on a limited number of lines; the program keeps running after that."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._count = 0
        self.last: deque[str] = deque(maxlen=_LAST_LINES)

    def add(self, line: str) -> None:
        """Pass *line* on."""
        if not line.strip():
            return
        self._count += 1
        self.last.append(line[:_LONGEST_LINE])
        if self._count <= _MOST_LINES:
            self._on_line(line)
        elif self._count == _MOST_LINES + 1:
            self._on_line(f"more than {_MOST_LINES} lines; the rest is not shown")
