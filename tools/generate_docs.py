"""Render the README's tables and action.yml's inputs from the code that they describe.

A table is between ``<!-- NAME -->`` and ``<!-- /NAME -->``; the inputs are under ``inputs:`` and
in the main step's ``env:``. A test fails if one is stale.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from deploy_action import errors  # noqa: E402  the package is found by the line above
from deploy_action.core.phase import Phase  # noqa: E402
from deploy_action.core.settings.schema import GROUPS, setting_specs  # noqa: E402
from deploy_action.core.settings.spec import SettingSpec  # noqa: E402
from deploy_action.inputs.schema import schema_text  # noqa: E402
from deploy_action.report.json_schema import schema_text as report_schema_text  # noqa: E402
from deploy_action.report.outputs import OUTPUTS  # noqa: E402


def inputs() -> str:
    """Every input with its default."""
    rows = ["| input | default | meaning |", "|---|---|---|"]
    return "\n".join(rows + [_row(spec, mark=False) for spec in setting_specs() if spec.is_input])


def settings() -> str:
    """Every setting, group by group."""
    lines = []
    for heading in GROUPS:
        lines += ["", f"### {heading}", "", "| setting | default | meaning |", "|---|---|---|"]
        lines += [_row(spec, mark=True) for spec in setting_specs() if spec.group == heading]
    return "\n".join(lines[1:])


def _row(spec: SettingSpec, *, mark: bool) -> str:
    default = f"`{spec.default}`" if spec.default else ""
    also = " *(input)*" if spec.is_input and mark else ""
    return f"| `{spec.name}`{also} | {default} | {spec.about} |"


def outputs() -> str:
    """Every output."""
    rows = ["| output | meaning |", "|---|---|"]
    return "\n".join(rows + [f"| `{name}` | {about} |" for name, about in OUTPUTS.items()])


def phases() -> str:
    """The phases of a deployment."""
    return "\n".join(f"{phase.number}. {phase.sentence}." for phase in Phase)


def codes() -> str:
    """Every exit code, from the error classes."""
    rows = ["| exit code | `result` | meaning |", "|---:|---|---|"]
    rows.append(
        "| 0 | `deployed`, `rolled-back`, `repaired`, `planned`, `unchanged`, `valid`, `ok` "
        "| Done. |"
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
        "The job was cancelled. Traffic was restored at once, the rest by the action's next step."
    )
    rows.append(f"| 130, 143 | `{errors.CancelledError.result}` | {about} |")
    return "\n".join(rows)


EXAMPLES = {
    "deployed": "Deployed",
    "deployed-with-pull-request": "Deployed, and the version commit must be merged",
    "planned": "Planned (`dry-run`)",
    "unchanged": "Unchanged",
    "rolled-back": "Rolled back",
    "aborted-in-gates": "Aborted: a gate failed",
    "aborted-in-a-step": "Aborted: user requests failed in a step",
    "aborted-in-the-bake": "Aborted: failed during the bake",
    "action-required": "Aborted, and not everything was restored",
    "refused": "Refused",
    "invalid": "Invalid settings",
    "superseded": "Superseded",
    "cancelled": "Cancelled",
}


def examples() -> str:
    """Summary, log, outputs and notification of each result, as in tests/golden/results."""
    blocks = []
    for name, title in EXAMPLES.items():
        notification = ROOT / "tests" / "golden" / "results" / name / "notification.json"
        summary, log, outputs_text = (
            (ROOT / "tests" / "golden" / "results" / name / file).read_text("utf-8").rstrip("\n")
            for file in ("summary.md", "log.txt", "outputs.txt")
        )
        # A heading of the summary must not become one of the page.
        summary = re.sub(r"^## (.*)$", r"**\1**", summary, flags=re.MULTILINE)
        blocks += [
            f"### {title}",
            "",
            f"<details><summary>Summary</summary>\n\n{summary}\n\n</details>",
            "",
            f"<details><summary>Log</summary>\n\n```text\n{log}\n```\n\n</details>",
            "",
            f"<details><summary>Outputs</summary>\n\n```text\n{outputs_text}\n```\n\n</details>",
            "",
        ]
        if notification.exists():  # not of every result
            body = notification.read_text("utf-8").rstrip("\n")
            head = "<details><summary>Notification (webhook)</summary>"
            blocks += [f"{head}\n\n```json\n{body}\n```\n\n</details>", ""]
    return "\n".join(blocks)


TABLES = {
    "examples": examples,
    "inputs": inputs,
    "settings": settings,
    "outputs": outputs,
    "phases": phases,
    "codes": codes,
}


def with_tables(text: str) -> str:
    """Return *text* with every table regenerated."""
    for name, render in TABLES.items():
        before, opening, rest = text.partition(f"<!-- {name} -->\n")
        if not opening:
            continue
        _, closing, after = rest.partition(f"<!-- /{name} -->")
        text = f"{before}{opening}{render()}\n{closing}{after}"
    return text


# Only what the workflow alone can provide: any other default would override the settings file.
WORKFLOW_DEFAULTS = {"git-token": "${{ github.token }}"}
VARIABLES = re.compile(
    r"""(?<=DEPLOY_ACTION_TOKEN: \$\{\{ steps.python.outputs.token \}\}\n)(?:        INPUT_.*\n)+"""
)


def with_inputs(text: str) -> str:
    """Return action.yml's *text* with every input declared and passed to both steps."""
    declarations, variables = [], []
    for spec in setting_specs():
        if not spec.is_input:
            continue
        default = f' Default: "{spec.default}".' if spec.default else ""
        description = f"{spec.about}{default}".replace("'", "''")
        lines = [f"  {spec.name}:", f"    description: '{description}'", "    required: false"]
        if spec.name in WORKFLOW_DEFAULTS:
            lines.append(f"    default: {WORKFLOW_DEFAULTS[spec.name]}")
        declarations += lines
        name = spec.name.replace("-", "_").upper()
        variables.append(f"        INPUT_{name}: ${{{{ inputs.{spec.name} }}}}\n")
    block = re.compile(r"(?<=^inputs:\n).*?(?=\n^outputs:)", re.MULTILINE | re.DOTALL)
    text = block.sub(lambda _: "\n".join([*declarations, ""]), text)
    text = VARIABLES.sub(lambda _: "".join(variables), text)
    outputs_block = []
    for name, about in OUTPUTS.items():
        quoted = about.replace("'", "''")
        value = f"${{{{ steps.run.outputs.{name} }}}}"
        outputs_block += [f"  {name}:", f"    description: '{quoted}'", f"    value: {value}"]
    pattern = re.compile(r"(?<=^outputs:\n).*?(?=\n^runs:)", re.MULTILINE | re.DOTALL)
    return pattern.sub(lambda _: "\n".join([*outputs_block, ""]), text)


FILES: dict[str, Callable[[str], str]] = {
    "action.yml": with_inputs,
    "docs/how-it-works.md": with_tables,
    "docs/result-examples.md": with_tables,
    "docs/results.md": with_tables,
    "docs/report.schema.json": lambda _: report_schema_text(),
    "docs/settings.md": with_tables,
    "docs/settings.schema.json": lambda _: schema_text(),
}


def main(arguments: list[str]) -> int:
    """Write the generated files; with ``--check``, only report the stale ones."""
    stale = []
    for name, render in FILES.items():
        file = ROOT / name
        before = file.read_text("utf-8") if file.exists() else ""
        after = render(before)
        if after == before:
            continue
        stale.append(name)
        if "--check" not in arguments:
            file.write_text(after, "utf-8")
    if "--check" in arguments and stale:
        print(f"{' and '.join(stale)}: out of date; run 'make docs'")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
