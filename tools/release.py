"""Prepare the commit of a release: version numbers, pinned lines in the documentation, changelog.

    python tools/release.py 0.2.0

Prints the changelog entry, for the notes of the release.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

ACTION = "the-well/deploy-action"
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_UNRELEASED = "## Unreleased\n"


def main() -> None:
    """Change the files of the checkout."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("version", help="the new version, such as 0.2.0")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    arguments = parser.parse_args()
    try:
        sys.stdout.write(prepare(arguments.root, arguments.version, datetime.now(UTC)))
    except ValueError as error:
        sys.exit(f"release: {error}")


def prepare(root: Path, version: str, now: datetime) -> str:
    """Write *version* into all files under *root*; return the changelog entry.

    Raises:
        ValueError: the version is not a newer one, or there is nothing to release. No file changes.
    """
    package = root / "deploy_action" / "__init__.py"
    current = re.findall(r'^__version__ = "(.+)"$', package.read_text("utf-8"), re.MULTILINE)[0]
    if not _VERSION.fullmatch(version):
        raise ValueError(f"'{version}' is not a version such as 0.2.0")
    if _parts(version) <= _parts(current):
        raise ValueError(f"{version} is not newer than {current}")
    changelog = root / "CHANGELOG.md"
    before, heading, after = changelog.read_text("utf-8").partition(_UNRELEASED)
    entry = re.split(r"^## ", after, maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not heading or not entry:
        raise ValueError("CHANGELOG.md has no entry under '## Unreleased'")
    title = f"## {version} ({now:%Y-%m-%d})\n"
    changelog.write_text(f"{before}{_UNRELEASED}\n{title}{after}", "utf-8")
    _replace(package, f'__version__ = "{current}"', f'__version__ = "{version}"')
    _replace(root / "pyproject.toml", f'\nversion = "{current}"', f'\nversion = "{version}"')
    for page in (root / "README.md", *sorted((root / "docs").rglob("*"))):
        if page.suffix in {".md", ".yml"}:
            _replace(page, f"{ACTION}@v{current}", f"{ACTION}@v{version}")
    return entry + "\n"


def _parts(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    if old in text:
        file.write_text(text.replace(old, new), "utf-8")


if __name__ == "__main__":
    main()
