"""Small values in a Dockerfile's flags: owners, modes, durations."""

from __future__ import annotations

import re
from typing import Final

from deploy_action.sandbox.acr_tasks.dockerfile import BuildFailed

_UNITS_NS: Final = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_OTHER_USER: Final = 1000  # a user known by name only: some user that is not root


def owner(text: str) -> tuple[int, int]:
    """Read ``user[:group]``; a name cannot be looked up without the base image's files."""
    user, _, group = text.partition(":")
    uid = _identity(user)
    return uid, _identity(group) if group else uid


def _identity(name: str) -> int:
    if name.isdigit():
        return int(name)
    return {"": 0, "root": 0, "nobody": 65534, "nogroup": 65534}.get(name, _OTHER_USER)


def mode(text: str) -> int | None:
    """Read ``--chmod``, octal; None when it is not given.

    Raises:
        BuildFailed: it is not octal.
    """
    if not text:
        return None
    if not re.fullmatch(r"0?[0-7]{3,4}", text):
        raise BuildFailed(f"invalid chmod parameter: '{text}'. it should be octal string")
    return int(text, 8) & 0o777


def nanoseconds(text: str) -> int:
    """Read a duration such as ``1m30s``.

    Raises:
        BuildFailed: it is not a duration.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", text)
    if "".join(f"{number}{unit}" for number, unit in parts) != text or not parts:
        raise BuildFailed(f'time: invalid duration "{text}"')
    return int(sum(float(number) * _UNITS_NS[unit] for number, unit in parts))
