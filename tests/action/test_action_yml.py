"""action.yml, the settings, the outputs and the documentation are consistent."""

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from deploy_action import errors
from deploy_action.core.phase import Phase
from deploy_action.core.settings.schema import setting_specs
from deploy_action.report.outputs import OUTPUTS, artifact_values
from tests.support.paths import ROOT

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS = {step.get("id") or step["name"]: step for step in ACTION["runs"]["steps"]}


SPECS = [spec for spec in setting_specs() if spec.is_input]


def test_the_inputs_are_those_declared_and_at_most_32() -> None:
    assert list(ACTION["inputs"]) == [spec.name for spec in SPECS]
    assert len(SPECS) <= 32


def test_every_description_is_the_declared_one_with_its_default() -> None:
    for setting in SPECS:
        described = ACTION["inputs"][setting.name]["description"]
        assert described.startswith(setting.about)
        if setting.default:
            assert described.endswith(f'Default: "{setting.default}".')


def test_no_input_has_a_default_that_would_hide_the_settings_file() -> None:
    """An input with a default is always set, so the settings file could never override it."""
    defaults = {
        name: item["default"] for name, item in ACTION["inputs"].items() if "default" in item
    }

    assert defaults == {"git-token": "${{ github.token }}"}


def test_every_output_is_mapped_to_the_one_step_that_sets_it() -> None:
    assert list(ACTION["outputs"]) == list(OUTPUTS)
    for name, output in ACTION["outputs"].items():
        assert output["value"] == f"${{{{ steps.run.outputs.{name} }}}}"
        assert output["description"] == OUTPUTS[name]


@pytest.mark.parametrize("step", ["run", "Finish what was cancelled"])
def test_both_steps_receive_every_input_in_their_environment(step: str) -> None:
    passed = {name: text for name, text in STEPS[step]["env"].items() if name.startswith("INPUT_")}

    assert passed == {
        f"INPUT_{spec.name.replace('-', '_').upper()}": f"${{{{ inputs.{spec.name} }}}}"
        for spec in SPECS
    }


def test_scripts_contain_no_expressions() -> None:
    assert not [step["name"] for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")]


def test_every_expression_refers_to_a_declared_name() -> None:
    text = (ROOT / "action.yml").read_text("utf-8")
    for name in re.findall(r"inputs\.([\w-]+)", text):
        assert name in ACTION["inputs"], name
    internal = artifact_values("name", folder="folder", days=1)
    for step, output in re.findall(r"steps\.(\w+)\.outputs\.([\w-]+)", text):
        assert step in STEPS, step
        assert output in {*OUTPUTS, *internal, "path", "token"}, output


def test_python_is_the_steps_entry_process_so_that_a_cancel_reaches_it() -> None:
    assert STEPS["run"]["run"].startswith("exec ")
    assert "if" not in STEPS["run"], "a step that always runs is never signalled"


def test_the_second_step_runs_after_a_cancel_and_not_after_a_clean_end() -> None:
    condition = STEPS["Finish what was cancelled"]["if"]

    assert condition.startswith("always() && ")
    assert "deployed" not in condition
    assert '"cancelled"' in condition


def test_the_last_step_uploads_after_a_cancel_and_never_fails_the_job() -> None:
    upload = ACTION["runs"]["steps"][-1]

    assert upload["if"] == "always() && steps.run.outputs.log-retention-days > 0"
    assert upload["continue-on-error"] is True
    assert re.fullmatch(r"actions/upload-artifact@[0-9a-f]{40}", upload["uses"])


def test_the_generated_files_are_up_to_date() -> None:
    script = [sys.executable, "tools/generate_docs.py", "--check"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_exit_codes_are_unique() -> None:
    family: list[type[errors.DeployError]] = [errors.DeployError, *_below(errors.DeployError)]
    own = {kind.exit_code for kind in family if "exit_code" in vars(kind)}

    assert own == {1, 2, 3, 4, 5, 6}


def test_the_documentation_lists_every_phase() -> None:
    page = (ROOT / "docs" / "how-it-works.md").read_text("utf-8")

    assert all(phase.sentence in page for phase in Phase)


def _below(kind: type[errors.DeployError]) -> list[type[errors.DeployError]]:
    items: list[type[errors.DeployError]] = []
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            items += [child, *_below(child)]
    return items
