"""The published JSON Schema is the declared one, and the sample satisfies it."""

import json
import subprocess
import sys
from pathlib import Path

from deploy_action.inputs.schema import schema

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "docs" / "settings.schema.json"
SAMPLE = ROOT / ".github" / "deploy-action.yml"


def check(file: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "check-jsonschema"
    return subprocess.run(
        [program, "--schemafile", PUBLISHED, file], capture_output=True, text=True, check=False
    )


def test_the_published_schema_is_generated_from_the_declarations() -> None:
    assert json.loads(PUBLISHED.read_text("utf-8")) == schema(), "run tools/generate_docs.py"


def test_the_sample_names_the_schema_in_its_first_line_and_satisfies_it() -> None:
    first_line = SAMPLE.read_text("utf-8").splitlines()[0]
    reference = first_line.partition("$schema=")[2]

    assert (SAMPLE.parent / reference).resolve() == PUBLISHED
    assert check(SAMPLE).returncode == 0, check(SAMPLE).stdout


def test_a_misspelt_key_fails_the_schema(tmp_path: Path) -> None:
    wrong = tmp_path / "deploy-action.yml"
    wrong.write_text("environments:\n  prod:\n    trafic-steps: 100\n")

    assert check(wrong).returncode == 1
