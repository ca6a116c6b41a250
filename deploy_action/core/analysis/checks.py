"""The user's own checks: what is measured, and which verdict a value gives.

A value that breaks the rule is a failure; a value that is missing, or not comparable, is
inconclusive; a source that gives no answer is unreachable.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from deploy_action.core.health import Verdict

# sysexits.h, EX_TEMPFAIL: the command has no result now.
INCONCLUSIVE_EXIT_CODE = 75
# Exit codes of a shell that cannot run the command at all.
_NOT_RUN_EXIT_CODES = (126, 127)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_RULE = re.compile(r"(<=|>=|==|!=|<|>)\s*(\S.*)")
_PATH = re.compile(r"(?:\$\.?)?(?:[^.\[\]]+|\[\d+\])(?:\.[^.\[\]]+|\[\d+\])*")


class Source(Enum):
    """Source of a check's value; the member's value is the name of its field."""

    KQL = "kql"
    HTTPS = "https"
    SHELL = "shell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The rule that a value must meet, such as ``< 0.05``."""

    sign: str
    value: float | str

    @classmethod
    def parse(cls, text: str) -> Comparison:
        """Read a rule.

        Raises:
            ValueError: the rule is invalid; the message completes "… must be …".
        """
        match = _RULE.fullmatch(text.strip())
        if not match:
            raise ValueError("a comparison such as '< 0.05', '>= 10' or '== ok'")
        value = _number(match[2])
        if value is None and match[1] not in {"==", "!="}:
            raise ValueError(f"a comparison with a number after {match[1]}")
        return cls(sign=match[1], value=match[2].strip("\"'") if value is None else value)

    def evaluate(self, value: Any) -> tuple[Verdict, str]:
        """Return the verdict on a measured value, and why."""
        if value is None or isinstance(value, dict | list):
            return Verdict.INCONCLUSIVE, "there is no value"
        measured: float | str | None = str(value)
        if isinstance(self.value, float):
            measured = _number(value)
            if measured is None:
                return Verdict.INCONCLUSIVE, f"'{str(value)[:80]}' is not a number"
        elif isinstance(value, bool):
            measured = str(value).lower()
        shown = f"{measured:g}" if isinstance(measured, float) else str(measured)[:80]
        is_true = _COMPARE[self.sign](measured, self.value)
        return (Verdict.PASS if is_true else Verdict.FAIL), f"{shown}, must be {self}"

    def __str__(self) -> str:
        return (
            f"{self.sign} {self.value:g}"
            if isinstance(self.value, float)
            else (f"{self.sign} {self.value}")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomCheck:
    """One check of the user.

    Args:
        name: in log and summary.
        source: where the value comes from.
        target: the query, the URL or the command.
        rule: what the value must meet; None for a command, whose exit code decides.
        json_path: where the value is in the answer of an endpoint.
        interval_s: seconds between two measurements.
        failure_limit: how many measurements of a step may fail.
    """

    name: str
    source: Source
    target: str
    rule: Comparison | None = None
    json_path: str = ""
    interval_s: float = 60.0
    failure_limit: int = 0

    def with_values(self, values: Mapping[str, str]) -> str:
        """Return the target with ``{name}`` replaced by each of *values*."""
        text = self.target
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text


def is_json_path(text: str) -> bool:
    """Whether *text* is a path such as ``data.items[0].value``."""
    return bool(_PATH.fullmatch(text))


def json_value(data: Any, path: str) -> Any:
    """Return the value at *path*; None where there is none."""
    for name, index in re.findall(r"([^.\[\]$]+)|\[(\d+)\]", path):
        if name and isinstance(data, dict):
            data = data.get(name)
        elif index and isinstance(data, list) and int(index) < len(data):
            data = data[int(index)]
        else:
            return None
    return data


def verdict_of_exit_code(exit_code: int) -> Verdict:
    """Return what a command's exit code says."""
    if exit_code == 0:
        return Verdict.PASS
    if exit_code == INCONCLUSIVE_EXIT_CODE:
        return Verdict.INCONCLUSIVE
    return Verdict.UNREACHABLE if exit_code in _NOT_RUN_EXIT_CODES else Verdict.FAIL


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(str(value).strip())
    except ValueError:
        return None
    return number if number - number == 0 else None  # neither infinite nor NaN
