"""Every check but the tests, one after another; all of them run even when one fails."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
OURS = ["deploy_action", "tests", "tools", "benchmarks", "addin"]
WORKFLOWS = ".github/workflows"

CHECKS = {
    "style": ["ruff", "check", *OURS],
    "format": ["ruff", "format", "--check", *OURS],
    "types": ["mypy", "--strict", *OURS],
    "floors": ["lint-imports"],
    "spelling": ["codespell", *OURS, "README.md", "CHANGELOG.md"],
    "workflows, security": ["zizmor", "--offline", "--strict-collection", ".github", "action.yml"],
    "workflows, syntax": ["actionlint"],
    "action.yml": ["check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"],
}


def main() -> int:
    """Run all checks; the exit code is 1 if any failed."""
    failed = []
    for name, (program, *arguments) in CHECKS.items():
        print(f"── {name}", flush=True)
        present = [a for a in arguments if not (a in OURS and not (ROOT / a).exists())]
        done = subprocess.run([BIN / program, *present], cwd=ROOT, check=False)
        if done.returncode:
            failed.append(name)
    print("all checks passed" if not failed else f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
