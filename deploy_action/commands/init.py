"""Init: write the workflows and the settings file of a repository, and set up Azure for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from deploy_action.adapters.azure_cli import AzureCli
from deploy_action.core.onboarding import azure_setup
from deploy_action.core.onboarding.answers import Answers
from deploy_action.core.onboarding.az_command import filled
from deploy_action.core.onboarding.files import SETTINGS, environment_block, files
from deploy_action.errors import PreflightError


def write_files(answers: Answers, folder: Path, *, overwrite: bool) -> Iterable[str]:
    """Write the files that *folder* does not have yet; yield a line about each.

    Args:
        answers: the app and its repository.
        folder: the checkout.
        overwrite: whether to replace files that exist.
    """
    for name, text in files(answers).items():
        file = folder / name
        old = file.read_text("utf-8") if file.exists() else None
        if old == text:
            yield f"{name} is up to date"
        elif old is None or overwrite:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            yield f"{'Wrote' if old is None else 'Replaced'} {name}"
        else:
            yield f"{name} exists and was not changed; --overwrite replaces it"
            if name == SETTINGS:
                yield f"To add the environment by hand:\n{environment_block(answers).rstrip()}"


def set_up_azure(answers: Answers, az: AzureCli, report: Callable[[str], None]) -> dict[str, str]:
    """Run the commands; return the variables that the jobs need.

    Raises:
        PreflightError: a command failed; what was done before it stays.
    """
    values: dict[str, str] = {}
    for command in azure_setup.commands_for(answers):
        if command.about:
            report(command.about)
        output = ""
        for words in (*command.unless, command.words):
            output = output or az(filled(words, values))
        if not command.saves:
            continue
        if not output:
            raise PreflightError(
                f"'az {' '.join(command.words[:3])}' returned no value.",
                hint="Check that the resource exists and that your account is allowed to read it.",
            )
        values[command.saves] = output
    return {name: values[saved] for name, saved in azure_setup.JOB_VARIABLES.items()}
