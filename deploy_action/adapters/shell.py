"""The user's own shell command, such as a smoke test. It gets the runner's environment as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy_action.core.health import Measurement, Verdict
from deploy_action.errors import DeployError
from deploy_action.runtime import process

_LAST_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs commands in the workspace.

    Args:
        workspace: where they run.
        environment: what they see, without the action's own secrets.
        on_line: is told what they print.
    """

    workspace: Path
    environment: Mapping[str, str]
    on_line: Callable[[str], None]

    def check(self, command: str, variables: Mapping[str, str], *, timeout_s: float) -> Measurement:
        """Run *command* in bash; exit 0 is a pass, anything else a fail with its last lines."""
        try:
            done = process.run(
                ["bash", "-e", "-o", "pipefail", "-c", command],
                cwd=self.workspace,
                environment={**self.environment, **variables},
                timeout_s=timeout_s,
                check=False,
            )
        except DeployError as error:
            return Measurement(verdict=Verdict.FAIL, evidence=error.message)
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        for line in said:
            self.on_line(line)
        last = " / ".join(said[-_LAST_LINES:])
        if done.exit_code == 0:
            return Measurement(
                verdict=Verdict.PASS, evidence=f"the smoke test passed: {last}".rstrip(": ")
            )
        seen = f"the smoke test ended with exit code {done.exit_code}: {last}"
        return Measurement(verdict=Verdict.FAIL, evidence=seen)
