"""The changes that the settings make to a revision's template; the rest stays the same.

`None` means that the settings do not name it; `REMOVE` that they remove it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Final


class Remove(Enum):
    """The value of something that is removed."""

    REMOVE = "remove"


REMOVE: Final = Remove.REMOVE


class ProbeKind(Enum):
    """The probes of a container, by Azure's names."""

    STARTUP = "Startup"
    READINESS = "Readiness"
    LIVENESS = "Liveness"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvValue:
    """The value of an environment variable: a text, or the name of a secret of the app."""

    text: str = ""
    secret: str = ""

    def as_azure(self, name: str) -> dict[str, str]:
        """Return the variable *name* as Azure writes it."""
        if self.secret:
            return {"name": name, "secretRef": self.secret}
        return {"name": name, "value": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeChange:
    """A probe's named fields.

    Args:
        path: requested with HTTP; empty for a probe of a TCP port.
        port: None keeps the probe's port; a new probe gets the ingress' port.
        tcp: whether the probe only opens a connection.
        fields: other fields by Azure's names, such as ``periodSeconds``.
    """

    path: str | None = None
    port: int | None = None
    tcp: bool = False
    scheme: str | None = None
    headers: tuple[tuple[str, str], ...] | None = None
    fields: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume mount of a container."""

    path: str
    sub_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerChange:
    """One container's named settings.

    Args:
        image: ``same`` for the deployed image, another reference, or empty to keep it.
        init: whether it is an init container; None where the settings do not say.
        cpu: in cores.
        memory: as Azure writes it, such as ``4Gi``.
        command: replaces the image's entry point.
    """

    image: str = ""
    init: bool | None = None
    cpu: Decimal | None = None
    memory: str | None = None
    command: tuple[str, ...] | Remove | None = None
    args: tuple[str, ...] | Remove | None = None
    env: Mapping[str, EnvValue | Remove] = field(default_factory=dict)
    probes: Mapping[ProbeKind, ProbeChange | Remove] = field(default_factory=dict)
    mounts: Mapping[str, Mount | Remove] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleChange:
    """Named limits and rules of scaling.

    Args:
        targets: what the shorthands set, by kind: cpu, memory, http, tcp.
        rules: whole rules as Azure writes them, by name.
    """

    min: int | None = None
    max: int | None = None
    cooldown_s: int | None = None
    polling_interval_s: int | None = None
    targets: Mapping[str, int | Remove] = field(default_factory=dict)
    rules: Mapping[str, Mapping[str, Any] | Remove] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChange:
    """All changes that the settings make to a template.

    Args:
        main: the container that gets the deployed image.
        containers: other containers and init containers, by name; `REMOVE` removes one.
        volumes: as Azure writes them, by name.
        termination_grace_s: how long replicas may take to stop, in seconds.
    """

    main: ContainerChange = field(default_factory=ContainerChange)
    containers: Mapping[str, ContainerChange | Remove] = field(default_factory=dict)
    scale: ScaleChange = field(default_factory=ScaleChange)
    volumes: Mapping[str, Mapping[str, Any] | Remove] = field(default_factory=dict)
    termination_grace_s: int | None = None
