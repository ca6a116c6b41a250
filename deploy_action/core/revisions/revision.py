"""Revisions: their state, their names, and which revision preceded which.

Names follow Container Apps' rule `<app>--<suffix>`, at most 54 characters in all; the suffix is
lower-case letters, digits and single dashes, first and last not a dash.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from deploy_action.core.outcome import RevisionInfo
from deploy_action.core.revisions.provenance import (
    Provenance,
    content_of,
    deployed_container,
    provenance_of,
)

LONGEST_NAME = 54


class Readiness(Enum):
    """The platform's state of a revision, reduced to what a gate needs."""

    READY = "ready"
    PENDING = "pending"
    IDLE = "idle"  # scaled to zero: starts on a request
    FAILED = "failed"
    INACTIVE = "inactive"


_READY_STATES = {"running", "runningatmaxscale"}
_FAILED_STATES = {"failed", "activationfailed", "degraded"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One revision as Azure reported it at one moment.

    Args:
        created: ISO 8601 text as Azure gives it; sorts by time within one app.
        weight: declared traffic weight, 0-100; what is served may differ.
        template: the whole template as Azure gave it, unknown fields included.
    """

    name: str
    active: bool
    created: str = ""
    fqdn: str = ""
    weight: int = 0
    replicas: int = 0
    provisioning_state: str = ""
    health_state: str = ""
    running_state: str = ""
    details: str = ""
    template: Mapping[str, Any] = field(default_factory=dict)

    @property
    def provenance(self) -> Provenance:
        """Its origin, if this tool deployed it; empty for all other revisions."""
        return provenance_of(self.template, self.name)

    @property
    def content(self) -> Provenance:
        """The origin of its content; for a copy with the same image, the original's provenance."""
        return content_of(self.template, self.name)

    @property
    def created_s(self) -> float:
        """When it was created, in seconds since 1970; 0 where Azure's text cannot be read."""
        return moment_s(self.created)

    @property
    def image(self) -> str:
        """The image of the deployed container, else of the first; empty without containers."""
        containers = self.template.get("containers") or [{}]
        container = deployed_container(self.template, self.name) or containers[0]
        return str(container.get("image") or "")

    @property
    def background_scalers(self) -> tuple[str, ...]:
        """Names of its scale rules for background work, such as a queue's.

        Requests, connections, CPU, memory and the time of day are not such work.
        """
        rules = (self.template.get("scale") or {}).get("rules") or ()
        return tuple(str(rule.get("name")) for rule in rules if _is_background(rule))

    @property
    def fewest_replicas(self) -> int:
        """Its minimum number of replicas."""
        return int((self.template.get("scale") or {}).get("minReplicas") or 0)

    @property
    def info(self) -> RevisionInfo:
        """This revision as part of an `Outcome`."""
        return RevisionInfo(
            revision=self.name,
            version=self.content.version,
            commit=self.content.commit,
            image=self.image,
            url=f"https://{self.fqdn}" if self.fqdn else "",
        )

    @property
    def suffix(self) -> str:
        """The part of the name after the app's."""
        return self.name.partition("--")[2]

    @property
    def readiness(self) -> Readiness:
        """Ready only if health state and running state are both good."""
        running = self.running_state.lower()
        if not self.active:
            return Readiness.INACTIVE
        if running in _FAILED_STATES or self.provisioning_state.lower() == "failed":
            return Readiness.FAILED
        if self.health_state.lower() == "healthy" and running in _READY_STATES:
            return Readiness.READY
        if running in {"scaledtozero", "scaled to 0"} or (
            running in _READY_STATES and self.replicas == 0
        ):
            return Readiness.IDLE
        return Readiness.PENDING

    @property
    def can_serve(self) -> bool:
        """Whether it answers requests, at once or after starting from zero replicas."""
        return self.readiness in {Readiness.READY, Readiness.IDLE}

    @property
    def is_down(self) -> bool:
        """Whether it cannot serve without being started or repaired."""
        return self.readiness in {Readiness.FAILED, Readiness.INACTIVE}

    @property
    def in_words(self) -> str:
        """Its states as Azure named them, for messages."""
        states = [self.provisioning_state, self.health_state, self.running_state, self.details]
        return ", ".join(state for state in states if state) or "nothing reported"


def moment_s(text: str) -> float:
    """Return one of Azure's times in seconds since 1970; 0 if it cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_background(rule: Mapping[str, Any]) -> bool:
    custom = rule.get("custom") or {}
    if rule.get("http") or rule.get("tcp"):
        return False
    return str(custom.get("type", "")).lower() not in {"cpu", "memory", "cron", "http", "tcp"}


def suffix_for(app: str, *, version: str, commit: str, run: str, taken: Collection[str]) -> str:
    """Return a new, valid suffix that contains version, commit and run.

    Args:
        app: the app's name; the whole revision name must fit into 54 characters.
        version: dotted manifest version, or empty.
        commit: full or short commit id, or empty.
        run: run id and attempt, such as ``4711.1``; its last digits make a re-run differ.
        taken: names of all revisions, inactive ones too: a reused suffix is not deployed.

    >>> suffix_for("api", version="1.3.0.3", commit="0123456789", run="4711.1", taken=[])
    'v1-3-0-3-0123456-4711-1'
    """
    room = LONGEST_NAME - len(app) - 2
    parts = [f"v{version}" if version else "", commit[:7], run]
    text = "-".join(legal for part in parts if (legal := _legal(part))) or "candidate"
    for count in range(1, 100):
        again = f"-{count}" if count > 1 else ""
        suffix = _fitted(text, room - len(again)) + again
        if f"{app}--{suffix}" not in taken:
            return suffix
    raise AssertionError("a hundred revisions of one run")


def _legal(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _fitted(text: str, room: int) -> str:
    """Shorten the middle part from its start, so that the run at the end stays complete."""
    if len(text) <= room:
        return text
    head, tail = text[: room // 2].rstrip("-"), text[-(room - room // 2 - 1) :].lstrip("-")
    return f"{head}-{tail}"


def by_name(revisions: Iterable[Revision], name: str) -> Revision | None:
    """Return the revision called *name*, or None."""
    return next((revision for revision in revisions if revision.name == name), None)
