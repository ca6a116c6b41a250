"""Render the README's tables and action.yml's inputs from the code that they describe.

A table stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``; the inputs under ``inputs:`` and as
variables of the main step. A test fails when one is stale.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from deploy_action import errors  # noqa: E402  the package is found by the line above
from deploy_action.core.phase import Phase  # noqa: E402
from deploy_action.core.settings.schema import setting_specs  # noqa: E402
from deploy_action.report.outputs import OUTPUTS  # noqa: E402


def inputs() -> str:
    """Every input with its default."""
    rows = ["| input | default | meaning |", "|---|---|---|"]
    for setting in setting_specs():
        default = f"`{setting.default}`" if setting.default else ""
        rows.append(f"| `{setting.name}` | {default} | {setting.about} |")
    return "\n".join(rows)


def outputs() -> str:
    """Every output."""
    rows = ["| output | meaning |", "|---|---|"]
    return "\n".join(rows + [f"| `{name}` | {about} |" for name, about in OUTPUTS.items()])


def phases() -> str:
    """The story of a deployment."""
    return "\n".join(f"{phase.number}. {phase.sentence}." for phase in Phase)


def codes() -> str:
    """Every exit code, from the family of errors."""
    rows = ["| exit code | `result` | meaning |", "|---:|---|---|"]
    rows.append(
        "| 0 | `deployed`, `rolled-back`, `repaired`, `planned`, `unchanged`, `ok` | Done. |"
    )
    family = [
        errors.DeployError,
        errors.InputError,
        errors.PreflightError,
        errors.AbortedError,
        errors.RollbackIncompleteError,
        errors.SupersededError,
    ]
    for kind in family:
        about = (kind.__doc__ or "").strip().splitlines()[0]
        if kind is errors.DeployError:
            about = "An unexpected error, or one outside the deployment itself."
        rows.append(f"| {kind.exit_code} | `{kind.result}` | {about} |")
    about = (
        "The job was cancelled; what could be put back in time was, the second step did the rest."
    )
    rows.append(f"| 130, 143 | `{errors.CancelledError.result}` | {about} |")
    return "\n".join(rows)


TABLES = {"inputs": inputs, "outputs": outputs, "phases": phases, "codes": codes}


def written(text: str) -> str:
    """Return *text* with every table renewed."""
    for name, render in TABLES.items():
        before, opening, rest = text.partition(f"<!-- {name} -->\n")
        if not opening:
            raise ValueError(f"README.md has no marker <!-- {name} -->")
        _, closing, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}{opening}{render()}\n{closing}{after}"
    return text


# Only what the workflow alone can give: any other default here would hide the settings file.
GIVEN = {"git-token": "${{ github.token }}"}
MAIN = r"""(?<=entry.py" action
      env:
        PYTHON: \$\{\{ steps.python.outputs.path \}\}
)(?:        INPUT_.*\n)+"""


def with_inputs(text: str) -> str:
    """Return action.yml's *text* with every input setting_specs, and handed to the main step."""
    declarations, variables = [], []
    for setting in setting_specs():
        default = f" Default: {setting.default}." if setting.default else ""
        told = f"{setting.about}{default}".replace("'", "''")
        lines = [f"  {setting.name}:", f"    description: '{told}'", "    required: false"]
        if setting.name in GIVEN:
            lines.append(f"    default: {GIVEN[setting.name]}")
        declarations += lines
        name = setting.name.replace("-", "_").upper()
        variables.append(f"        INPUT_{name}: ${{{{ inputs.{setting.name} }}}}\n")
    block = re.compile(r"(?<=^inputs:\n).*?(?=\n^outputs:)", re.MULTILINE | re.DOTALL)
    text = block.sub(lambda _: "\n".join([*declarations, ""]), text)
    return re.sub(MAIN, lambda _: "".join(variables), text)


def main(arguments: list[str]) -> int:
    """Write both files; with ``--check``, only report the stale ones."""
    stale = []
    for file, renew in ((ROOT / "README.md", written), (ROOT / "action.yml", with_inputs)):
        before = file.read_text("utf-8")
        after = renew(before)
        if after == before:
            continue
        stale.append(file.name)
        if "--check" not in arguments:
            file.write_text(after, "utf-8")
    if "--check" in arguments and stale:
        print(f"{' and '.join(stale)}: out of date; run 'make docs'")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
