"""Azure's rules for templates, checked before anything is changed.

Source: "Containers" of the Azure Container Apps documentation (CPU and memory of the Consumption
profile), and reported refusals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from deploy_action.core.revisions.containers import parse_quantity

_STEP, _MOST_CORES, _RATIO = Decimal("0.25"), Decimal(4), 2


def template_faults(
    template: Mapping[str, Any], *, secrets: Collection[str], consumption: bool
) -> tuple[str, ...]:
    """Return what Azure would refuse, one sentence each.

    Args:
        template: as it is planned.
        secrets: the names of all secrets that the app will have.
        consumption: whether the app runs in the Consumption profile, whose replicas have fixed
            sizes.
    """
    return tuple(_faults(template, frozenset(secrets), consumption=consumption))


def _faults(
    template: Mapping[str, Any], secrets: Collection[str], *, consumption: bool
) -> Iterator[str]:
    containers = [*(template.get("containers") or ()), *(template.get("initContainers") or ())]
    volumes = {volume.get("name") for volume in template.get("volumes") or ()}
    for container in containers:
        yield from _container_faults(container, secrets, volumes)
    for volume in template.get("volumes") or ():
        for item in volume.get("secrets") or ():
            if item.get("secretRef") not in secrets:
                yield (
                    f"volume '{volume.get('name')}' names secret '{item.get('secretRef')}', which "
                    "the app does not have."
                )
    yield from _scale_faults(template.get("scale") or {})
    if consumption:
        yield from _size_faults(template.get("containers") or ())


def _container_faults(
    container: Mapping[str, Any], secrets: Collection[str], volumes: Collection[Any]
) -> Iterator[str]:
    path = f"container '{container.get('name')}'"
    names = Counter(variable.get("name") for variable in container.get("env") or ())
    for name in (name for name, times in names.items() if times > 1):
        yield f"{path}: the environment variable '{name}' is set twice."
    for variable in container.get("env") or ():
        secret = variable.get("secretRef")
        if secret and secret not in secrets:
            known = ", ".join(sorted(secrets)) or "none"
            yield (
                f"{path}: the environment variable '{variable.get('name')}' names secret "
                f"'{secret}', which the app does not have. It has {known}."
            )
    for mount in container.get("volumeMounts") or ():
        if mount.get("volumeName") not in volumes:
            yield f"{path}: the mounted volume '{mount.get('volumeName')}' does not exist."


def _scale_faults(scale: Mapping[str, Any]) -> Iterator[str]:
    least, most = int(scale.get("minReplicas") or 0), int(scale.get("maxReplicas") or 10)
    if least > most:
        yield f"scale: min ({least}) exceeds max ({most})."
    names = Counter(rule.get("name") for rule in scale.get("rules") or ())
    for name in (name for name, times in names.items() if times > 1):
        yield f"scale: two rules have the name '{name}'."


def _size_faults(containers: Collection[Mapping[str, Any]]) -> Iterator[str]:
    """Check the sum over all containers; skipped if one of them sets no size."""
    sizes = [container.get("resources") or {} for container in containers]
    cores = [parse_quantity(size.get("cpu")) for size in sizes]
    memories = [parse_quantity(size.get("memory")) for size in sizes]
    if None in cores or None in memories:
        return
    cpu, memory = sum(filter(None, cores), Decimal()), sum(filter(None, memories), Decimal())
    if cpu % _STEP or not 0 < cpu <= _MOST_CORES or memory != _RATIO * cpu:
        nearest = min(max(_STEP, (cpu / _STEP).to_integral_value() * _STEP), _MOST_CORES)
        yield (
            f"resources: {cpu.normalize():f} CPU and {memory.normalize():f} Gi in total is not a "
            "valid size for a replica. Use 0.25 to 4 CPU in steps of 0.25, and twice as many Gi, "
            f"such as {nearest.normalize():f} and {(_RATIO * nearest).normalize():f} Gi."
        )
