"""The Azure CLI, as a program that the user has installed and signed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy_action.errors import DeployError, PreflightError
from deploy_action.runtime import process

_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureCli:
    """Runs `az`.

    Args:
        folder: where it runs.
        environment: all that it sees.
    """

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, words: Sequence[str]) -> str:
        """Run one command and return what it prints.

        Raises:
            PreflightError: `az` is not installed or the command failed.
        """
        name = "az " + " ".join(word for word in words[:4] if not word.startswith("-"))
        try:
            done = process.run(
                ["az", *words, "--only-show-errors"],
                cwd=self.folder,
                environment=self.environment,
                timeout_s=_TIMEOUT_S,
                check=False,
                name=name,
            )
        except DeployError as error:
            raise PreflightError(
                error.message, hint="Install the Azure CLI and sign in with 'az login'."
            ) from error
        if done.exit_code:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise PreflightError(
                f"'{name}' failed: {' / '.join(lines[-3:])[:600]}",
                hint="Fix the cause and run init again: it continues where it stopped.",
            )
        return done.stdout.strip()
