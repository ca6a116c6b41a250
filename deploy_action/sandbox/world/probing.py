"""Probes: the platform's startup, liveness and readiness checks of a container.

Source: "Health probes in Azure Container Apps": the three kinds, their fields, and the probes that
an app with an ingress gets when it names none (TCP on the target port).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy_action.sandbox.interfaces import Replica
from deploy_action.sandbox.world.clock import Clock

PASSED: Final = 0
NO_ANSWER: Final = 1  # the code in the platform's events for a probe without a response
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "Startup": {"periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": 240},
    "Readiness": {"periodSeconds": 5, "timeoutSeconds": 5, "failureThreshold": 48},
    "Liveness": {"periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One probe; times in seconds of the world's clock."""

    path: str | None
    port: int
    headers: tuple[tuple[str, str], ...]
    initial_delay: float
    period: float
    timeout: float
    successes: int
    failures: int

    @classmethod
    def of(cls, container: Mapping[str, Any], kind: str, target_port: int) -> Probe:
        """Return the container's probe of *kind*, else the platform's own for it.

        *target_port* is 0 for an app without ingress, which has no probes of the platform's.
        """
        definition: Mapping[str, Any] = next(
            (
                item
                for item in container.get("probes") or ()
                if str(item.get("type", "")).lower() == kind.lower()
            ),
            _DEFAULTS[kind],
        )
        action = definition.get("httpGet") or definition.get("tcpSocket") or {}
        http = "httpGet" in definition
        return cls(
            path=str(action.get("path") or "/") if http else None,
            port=int(action.get("port") or target_port),
            headers=tuple((h["name"], h["value"]) for h in action.get("httpHeaders") or ()),
            initial_delay=float(definition.get("initialDelaySeconds") or 0),
            period=float(definition.get("periodSeconds") or 10),
            timeout=float(definition.get("timeoutSeconds") or 1),
            successes=int(definition.get("successThreshold") or 1),
            failures=int(definition.get("failureThreshold") or 3),
        )

    async def ask(self, replica: Replica, clock: Clock) -> int:
        """Ask once: 200 to 399 on the path, or an open port.

        Returns:
            0 if the probe passed, else the HTTP status, or 1 without an answer.
        """
        if not self.port:
            return PASSED
        if not replica.may_reach(self.port):
            return NO_ANSWER
        address = replica.at(self.port)
        answers: list[int] = []

        async def look() -> None:
            answers.append(await _answers(address, self.path, self.headers))

        # A probe's timeout is for a real program on a machine shared by all: never under a second.
        in_time = await clock.before(max(self.timeout, 20.0), look())
        return answers[0] if in_time and answers else NO_ANSWER


async def _answers(
    address: tuple[str, int], path: str | None, headers: tuple[tuple[str, str], ...]
) -> int:
    try:
        reader, writer = await asyncio.open_connection(*address)
    except OSError:
        return NO_ANSWER
    try:
        if path is None:
            return PASSED
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        host = f"{address[0]}:{address[1]}"
        head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: kube-probe/1.30\r\n{more}"
        writer.write(f"{head}Accept: */*\r\nConnection: close\r\n\r\n".encode())
        word = (await reader.readline()).split(b" ")[1:2]
    except OSError:
        return NO_ANSWER
    else:
        status = int(word[0]) if word and word[0].isdigit() else NO_ANSWER
        return PASSED if 200 <= status < 400 else status
    finally:
        writer.close()
