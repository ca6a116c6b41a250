"""The response to each mistake in file and inputs: exit code, location and message."""

from pathlib import Path

import pytest

from deploy_action.errors import DeployError
from deploy_action.inputs.environment import load
from tests.inputs.mistakes import INPUTS, SECTIONS
from tests.support.golden import Golden

ENOUGH = {"app": "api", "resource_group": "rg", "registry": "contoso"}
FILE = ".github/deploy-action.yml"
TOP_LEVEL = ("environments", "defaults", "enviroments", "default", "services", "- ", "bake: 1m\nen")


def answer(workspace: Path, file: str, inputs: dict[str, str]) -> str:
    """Return what a user reads after a mistake."""
    path = workspace / FILE
    path.parent.mkdir(exist_ok=True)
    if file and not file.startswith(TOP_LEVEL):
        file = "environments:\n  prod:\n" + "".join(f"    {line}\n" for line in file.splitlines())
    path.write_text(file)
    settings = {**ENOUGH, **inputs}
    environment = {f"INPUT_{name.upper()}": text for name, text in settings.items()}
    with pytest.raises(DeployError) as raised:
        load(environment, workspace, {})
    error = raised.value
    place = f"{error.place}: " if error.place and str(error.place) not in error.message else ""
    return f"exit {error.exit_code}\n{place}{error.message}\n{error.hint}".rstrip()


def test_each_mistake_is_reported_with_location_and_message(tmp_path: Path, golden: Golden) -> None:
    answers = [f"## {name}\n{answer(tmp_path, file, {})}" for name, file in SECTIONS.items()]
    plain = "environments:\n  prod: {}\n"
    answers += [
        f"## {name}\n{answer(tmp_path, plain, options)}" for name, options in INPUTS.items()
    ]

    assert len(answers) >= 60
    assert "hunter2" not in "\n".join(answers)
    golden.check("mistakes.txt", "\n\n".join(answers), [(str(tmp_path), "WORKSPACE")])
