"""``template``: the app's own container, scaling and volumes of the revision::

    template:
      resources: {cpu: 2, memory: 4Gi}
      scale: {min: 2, max: 10, cpu: 70}
      probes: {readiness: /health/ready}
      env: {LOG_LEVEL: info}
      command: [python, -m, app]
      args: null                     # back to the image's own
      volumes: {cache: {type: empty-dir}}
      mounts: {cache: /tmp/cache}
      termination-grace: 30s

Only what is named here changes; everything else stays as it is in the serving revision.
"""

from __future__ import annotations

from typing import Any

from deploy_action.core.revisions.changes import ScaleChange, TemplateChange
from deploy_action.core.settings.blocks import containers, scale, values, volumes
from deploy_action.core.settings.blocks.reading import Faults, Field, scalar_of
from deploy_action.core.settings.tree import Node

SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": False,
    "properties": {
        **containers.PROPERTIES,
        "scale": scale.SCHEMA,
        "volumes": volumes.VOLUMES_SCHEMA,
        "termination-grace": {"type": ["string", "number"]},
    },
}

_FIELDS: dict[str, Field] = {
    **containers.FIELDS,
    "scale": scale.read,
    "volumes": volumes.read_volumes,
    "termination-grace": scalar_of(values.seconds(0, 600)),
}


def block(node: Node) -> TemplateChange:
    """Read the setting ``template``.

    Raises:
        InputError: with every fault.
    """
    faults = Faults()
    fields = faults.fields(node, "template", _FIELDS)
    faults.raise_any()
    return TemplateChange(
        main=containers.change(fields),
        scale=fields.get("scale") or ScaleChange(),
        volumes=fields.get("volumes") or {},
        termination_grace_s=fields.get("termination_grace"),
    )
