"""Scripted faults: which requests fail, and how.

A fault is one mapping, in a YAML or JSON list:

============  ======================================================================================
``host``      glob on the host name (default ``*``)
``method``    ``GET``, ``PATCH`` … (default any)
``path``      glob on the path, case-insensitive (default ``*``)
``revision``  glob on the revision that gets the request; only for requests to an app
``change``    glob on what a write changes: ``template``, ``traffic``, ``configuration``, ``tags``,
              ``app`` (a PUT), ``deletion``, ``activate``, ``deactivate``, ``restart``
``times``     which of the matching requests: ``1``, ``2-4``, ``3-`` (default all)
``percent``   how many of those, by chance with a fixed seed (default 100)
``delay``     seconds to wait first, scaled by the clock
``status``    answer this instead, with ``headers`` and ``body`` (text, or a mapping for JSON)
``drop``      ``true``: close the connection without an answer
``hold``      ``true``: no answer until the client goes away (control plane only)
``after``     ``true``: the request takes effect but its response is lost; else it has no effect
              (control plane only)
``operation`` the accepted change ends so: ``status`` Failed or Canceled, ``code``, ``message``;
              nothing of it remains, unless ``effect`` is ``kept``
``mutate``    the real response is changed: see `mutations` (control plane only)
``crash``     ``true``: the replica that was picked is killed
============  ======================================================================================
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import yaml
from aiohttp import web

from deploy_action.sandbox.mutations import is_known

_REPORTED: Final = ("name", "path", "matched", "hits", "holding")
_DOES: Final = ("delay", "status", "drop", "hold", "operation", "mutate", "crash")


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault; see the module for its fields."""

    host: str = "*"
    method: str = "*"
    path: str = "*"
    revision: str = ""
    change: str = ""
    times: tuple[int, int | None] = (1, None)
    percent: float = 100.0
    delay: float = 0.0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    drop: bool = False
    hold: bool = False
    after: bool = False
    operation: Mapping[str, str] | None = None
    mutate: str = ""
    crash: bool = False
    name: str = ""
    matched: int = 0
    hits: int = 0
    holding: int = 0

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> Fault:
        """Read one fault.

        Raises:
            ValueError: a field is invalid; the message names it.
        """
        if not isinstance(definition, Mapping):
            raise ValueError(f"a fault must be a mapping, not {definition!r}")  # noqa: TRY004  one kind of refusal
        known = {item.name for item in fields(cls)} - {"matched", "hits", "holding"}
        unknown = sorted(set(definition) - known)
        if unknown:
            raise ValueError(
                f"'{unknown[0]}' is not a field of a fault; valid fields: {sorted(known)}"
            )
        if not any(definition.get(key) not in (None, False) for key in _DOES):
            raise ValueError(f"a fault needs at least one of {', '.join(_DOES)}")
        body = definition.get("body", "")
        operation = definition.get("operation")
        if operation is not None and str(operation.get("status")) not in {"Failed", "Canceled"}:
            raise ValueError("operation: status must be Failed or Canceled")
        mutate = str(definition.get("mutate") or "")
        if mutate and not is_known(mutate):
            raise ValueError(f"mutate: there is no '{mutate}'")
        return cls(
            host=str(definition.get("host", "*")).lower(),
            method=str(definition.get("method", "*")).upper(),
            path=str(definition.get("path", "*")).lower(),
            revision=str(definition.get("revision", "")),
            change=str(definition.get("change", "")),
            times=_times(definition.get("times")),
            percent=float(definition.get("percent", 100)),
            delay=float(definition.get("delay") or 0),
            status=int(definition["status"]) if definition.get("status") else None,
            headers={str(k): str(v) for k, v in dict(definition.get("headers") or {}).items()},
            body=body if isinstance(body, str) else json.dumps(body),
            drop=bool(definition.get("drop")),
            hold=bool(definition.get("hold")),
            after=bool(definition.get("after")),
            operation={k: str(v) for k, v in operation.items()} if operation else None,
            mutate=mutate,
            crash=bool(definition.get("crash")),
            name=str(definition.get("name") or ""),
        )

    def meets(
        self, host: str, method: str, path: str, revision: str, changes: Collection[str]
    ) -> bool:
        """Whether the fault matches this request."""
        return (
            (not self.change or any(fnmatchcase(change, self.change) for change in changes))
            and bool(self.revision) == bool(revision)
            and fnmatchcase(host, self.host)
            and fnmatchcase(method, self.method)
            and fnmatchcase(path.lower(), self.path)
            and (not revision or fnmatchcase(revision, self.revision))
        )

    @property
    def fields(self) -> dict[str, str]:
        """The header fields of what is answered instead."""
        kind = "application/json" if self.body.startswith(("{", "[")) else "text/plain"
        return {"Content-Type": kind, **self.headers}

    def answer(self) -> web.Response:
        """Return what is answered instead."""
        return web.Response(status=self.status or 500, text=self.body, headers=self.fields)


class Faults:
    """The faults in force, first match wins."""

    def __init__(self, definitions: Iterable[Mapping[str, Any]] = ()) -> None:
        self._faults = [Fault.of(definition) for definition in definitions]
        self._chance = random.Random(0)  # noqa: S311  repeatable on purpose

    def add(self, definitions: Iterable[Mapping[str, Any]]) -> None:
        """Add faults behind those in force; all or none.

        Raises:
            ValueError: one of them is invalid.
        """
        self._faults += [Fault.of(definition) for definition in definitions]

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()

    def in_force(self, fault: Fault) -> bool:
        """Whether *fault* is still active."""
        return any(fault is active for active in self._faults)

    def describe(self) -> list[dict[str, Any]]:
        """Return each fault's name, matches and effects, and whether it holds a request."""
        return [{name: getattr(fault, name) for name in _REPORTED} for fault in self._faults]

    @property
    def about_changes(self) -> bool:
        """Whether any fault depends on what a write changes."""
        return any(fault.change for fault in self._faults)

    def strike(
        self,
        host: str,
        method: str,
        path: str,
        revision: str = "",
        changes: Collection[str] = (),
    ) -> Fault | None:
        """Return the fault that applies to this request, and count it."""
        for fault in self._faults:
            if not fault.meets(host, method, path, revision, changes):
                continue
            fault.matched += 1
            first, last = fault.times
            in_turn = fault.matched >= first and (last is None or fault.matched <= last)
            if in_turn and self._chance.random() * 100 < fault.percent:
                fault.hits += 1
                return fault
        return None


def read_faults(file: Path) -> list[Mapping[str, Any]]:
    """Read a file of faults.

    Raises:
        ValueError: it is not a list of faults.
    """
    try:
        definitions = yaml.safe_load(file.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {error}") from None
    if not isinstance(definitions, list):
        raise ValueError(f"{file} does not contain a list of faults")  # noqa: TRY004  one kind of refusal
    for definition in definitions:
        Fault.of(definition)
    return definitions


def _times(raw: Any) -> tuple[int, int | None]:
    if raw is None:
        return 1, None
    first, dash, last = str(raw).partition("-")
    try:
        start = int(first or 1)
        end = (int(last) if last else None) if dash else start
    except ValueError:
        raise ValueError(f"times: '{raw}' must be like 1, 2-4 or 3-") from None
    return start, end
