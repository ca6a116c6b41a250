"""The candidate's template: the serving revision's, with as little changed as possible."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from deploy_action.core.revisions.revision import Provenance
from deploy_action.errors import InputError


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
    serving: Mapping[str, Any], *, suffix: str, image: str, container: str, provenance: Provenance
) -> dict[str, Any]:
    """Return *serving* with suffix, one container's image and the provenance variables changed.

    Args:
        serving: the template of the revision that serves, as Azure gave it; never "latest".
        suffix: the new revision's suffix; a copied one would silently deploy nothing.
        image: by digest.
        container: which container gets the image; empty means the first.
        provenance: written into that container's environment, after the user's own variables.

    Raises:
        InputError: there is no such container.
    """
    template = copy.deepcopy(dict(serving))
    chosen = dict(chosen_container(template, container))
    containers = template.get("containers") or []
    place = next(n for n, c in enumerate(containers) if c.get("name") == chosen.get("name"))
    containers[place] = chosen
    ours = provenance.as_environment()
    kept = [item for item in chosen.get("env") or [] if item.get("name") not in ours]
    chosen["env"] = kept + [{"name": name, "value": value} for name, value in ours.items()]
    chosen["image"] = image
    template["revisionSuffix"] = suffix
    return template


def for_new_app(
    *,
    environment: str,
    location: str,
    registry: str,
    identity: str,
    target_port: int,
    suffix: str,
    image: str,
    provenance: Provenance,
) -> dict[str, Any]:
    """Return the resource of an app that does not exist yet.

    Args:
        environment: resource id of its Container Apps environment.
        location: where that is.
        registry: host that the image is pulled from.
        identity: resource id of the identity that pulls; empty where none is needed.
        target_port: the port that the container listens on.
        suffix: of its first revision.
        image: full name by digest.
        provenance: written into its environment variables.
    """
    configuration: dict[str, Any] = {
        "activeRevisionsMode": "Multiple",
        "ingress": {"external": True, "targetPort": target_port, "transport": "auto"},
    }
    if identity:
        configuration["registries"] = [{"server": registry, "identity": identity}]
    variables = provenance.as_environment()
    container = {
        "name": "app",
        "image": image,
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    resource: dict[str, Any] = {
        "location": location,
        "properties": {
            "environmentId": environment,
            "configuration": configuration,
            "template": {
                "revisionSuffix": suffix,
                "containers": [container],
                "scale": {"minReplicas": 1},
            },
        },
    }
    if identity:
        resource["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    return resource
