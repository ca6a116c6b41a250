"""The report of an unexpected error: versions, traceback and the last requests."""

from __future__ import annotations

import platform
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata

_PACKAGES = (
    "azure-core",
    "azure-identity",
    "azure-mgmt-appcontainers",
    "click",
    "docker",
    "redis",
    "requests",
    "urllib3",
)


def bug_report(error: BaseException, *, context: Mapping[str, str], requests: Sequence[str]) -> str:
    """Return the report as text; secrets are not redacted.

    Args:
        error: the unexpected error.
        context: facts about the run, by name.
        requests: the last requests, oldest first.
    """
    sections = [
        "Bug report of deploy-action",
        "",
        "Attach this file to an issue. Check it first: secrets known to the action are masked,",
        "but names of your resources are not.",
        "",
        *_facts({"time": datetime.now(UTC).isoformat(timespec="seconds"), **context}),
        "",
        "Versions",
        *_facts(versions()),
        "",
        "Error",
        *_indented("".join(traceback.format_exception(error)).splitlines()),
        "",
        f"Last {len(requests)} requests",
        *_indented(requests or ["none"]),
    ]
    return "\n".join(sections) + "\n"


def versions() -> dict[str, str]:
    """Return the versions of Python, the system and the packages that are installed."""
    versions = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
    }
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _facts(facts: Mapping[str, str]) -> list[str]:
    return _indented([f"{name}: {value}" for name, value in facts.items() if value])


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
