"""The candidate's template: the serving revision's, with as little changed as possible."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from deploy_action.core.revisions.changes import (
    ContainerChange,
    Remove,
    ScaleChange,
    TemplateChange,
)
from deploy_action.core.revisions.containers import changed_container
from deploy_action.core.revisions.provenance import VARIABLES, Provenance
from deploy_action.core.revisions.scaling import changed_scale
from deploy_action.errors import InputError

SAME_IMAGE = "same"  # the value of a container's image that means the deployed one


def chosen_container(template: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    """Return the container that gets the new image.

    Args:
        template: of the serving revision.
        container: its name; empty means the first.

    Raises:
        InputError: there is no such container.
    """
    containers = template.get("containers") or []
    chosen = next((c for c in containers if not container or c.get("name") == container), None)
    if not isinstance(chosen, Mapping):
        names = ", ".join(str(c.get("name")) for c in containers) or "none"
        raise InputError(f"container: '{container}' must be one of the app's containers ({names}).")
    return chosen


def same_image_containers(template: Mapping[str, Any], container: str) -> list[str]:
    """Return the other containers, init containers too, that run the updated container's image."""
    chosen = chosen_container(template, container)
    others = [*(template.get("containers") or ()), *(template.get("initContainers") or ())]
    image = chosen.get("image")
    return [str(c.get("name")) for c in others if c is not chosen and c.get("image") == image]


def for_candidate(
    serving: Mapping[str, Any],
    *,
    suffix: str,
    image: str,
    container: str,
    provenance: Provenance,
    change: TemplateChange | None = None,
    port: int = 0,
) -> dict[str, Any]:
    """Return *serving* with suffix, image, provenance variables and *change*; no other changes.

    Args:
        serving: the template of the revision that serves, as Azure gave it; never "latest".
        suffix: the new revision's suffix; a copied one would silently deploy nothing.
        image: by digest.
        container: which container gets the image; empty means the first.
        provenance: written into that container's environment, after the user's own variables. The
            other containers lose theirs from earlier deployments.
        change: what the settings ask of the template.
        port: the ingress' target port, for new probes that name none.

    Raises:
        InputError: there is no such container, or *change* does not fit the template.
    """
    change = change or TemplateChange()
    template = copy.deepcopy(dict(serving))
    main = str(chosen_container(template, container).get("name"))
    for kind in ("containers", "initContainers"):
        if template.get(kind):
            template[kind] = [
                _changed(item, change.main, image, port)
                if kind == "containers" and item.get("name") == main
                else _other(item, change, image, port)
                for item in template[kind]
                if not isinstance(change.containers.get(str(item.get("name"))), Remove)
            ]
    _require_other(main, change)
    _add_containers(template, serving, change, image, port)
    chosen = chosen_container(template, main)
    _stamp(template, chosen, provenance, image)
    if change.scale != ScaleChange():
        template["scale"] = changed_scale(template.get("scale") or {}, change.scale)
    if change.volumes:
        template["volumes"] = _volumes(template.get("volumes") or (), change.volumes)
    if change.termination_grace_s is not None:
        template["terminationGracePeriodSeconds"] = change.termination_grace_s
    template["revisionSuffix"] = suffix
    return template


def _changed(
    container: Mapping[str, Any], change: ContainerChange, image: str, port: int
) -> dict[str, Any]:
    return {**changed_container(container, change, port=port), "image": image}


def _other(
    container: Mapping[str, Any], change: TemplateChange, image: str, port: int
) -> dict[str, Any]:
    """Return a container that is not the deployed one; its image stays unless one is named."""
    requested = change.containers.get(str(container.get("name")))
    if not isinstance(requested, ContainerChange):
        return dict(container)
    reference = image if requested.image == SAME_IMAGE else requested.image
    return _changed(container, requested, reference or str(container.get("image") or ""), port)


def _require_other(main: str, change: TemplateChange) -> None:
    if main in change.containers:
        raise InputError(
            f"containers.{main}: this is the app's own container, which gets the deployed image.",
            hint="Put its settings in template, or name another container with the setting "
            "container.",
        )


def _add_containers(
    template: dict[str, Any],
    serving: Mapping[str, Any],
    change: TemplateChange,
    image: str,
    port: int,
) -> None:
    kinds = {
        str(item.get("name")): kind
        for kind in ("containers", "initContainers")
        for item in serving.get(kind) or ()
    }
    for name, requested in change.containers.items():
        if isinstance(requested, Remove):
            continue
        kind = "initContainers" if requested.init else "containers"
        if kinds.get(name, kind) != kind and requested.init is not None:
            raise InputError(
                f"containers.{name}.init: the app has a container of this name that is "
                f"{'not an' if requested.init else 'an'} init container.",
                hint="Choose another name for the new container.",
            )
        if kinds.get(name) == "initContainers" and requested.probes:
            raise InputError(f"containers.{name}.probes: an init container has no probes.")
        if name in kinds:
            continue
        if not requested.image:
            known = ", ".join(kinds)
            raise InputError(
                f"containers.{name}.image: the app has no container of this name ({known}), and a "
                "new one needs an image."
            )
        template.setdefault(kind, [])
        template[kind] = [*(template[kind] or ()), _other({"name": name}, change, image, port)]


def _stamp(
    template: dict[str, Any], deployed: Mapping[str, Any], provenance: Provenance, image: str
) -> None:
    """Write the provenance variables into one container, and remove all earlier ones."""
    ours = [
        {"name": name, "value": value} for name, value in provenance.as_environment(image).items()
    ]
    for container in template["containers"]:
        env = container.get("env") or []
        kept = [variable for variable in env if variable.get("name") not in VARIABLES]
        own = container is deployed
        if own:
            container["env"] = kept + ours
        elif len(kept) < len(env):
            container["env"] = kept


def _volumes(
    current: Sequence[Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any] | Remove]
) -> list[dict[str, Any]]:
    volumes = []
    remaining = dict(changes)
    for volume in current:
        change = remaining.pop(str(volume.get("name")), None)
        if not isinstance(change, Remove):
            volumes.append({**volume, **(change or {})})
    volumes += [dict(change) for change in remaining.values() if not isinstance(change, Remove)]
    return volumes
