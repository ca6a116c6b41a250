"""``volumes`` of a template and ``mounts`` of a container::

volumes:
cache: {type: empty-dir}
files: {type: azure-file, storage: share}
certificates: {type: secret, secrets: {tls-key: key.pem}}
old: null                      # removed
mounts:
cache: /tmp/cache
files: {path: /data, sub-path: uploads}
"""

from __future__ import annotations

from typing import Any

from deploy_action.core.revisions.changes import REMOVE, Mount, Remove
from deploy_action.core.settings.blocks import values
from deploy_action.core.settings.blocks.reading import Faults, Field, is_null, scalar_of
from deploy_action.core.settings.parsers import nearest
from deploy_action.core.settings.tree import Node, Scalar

Volumes = dict[str, dict[str, Any] | Remove]
Mounts = dict[str, Mount | Remove]
_TYPES = {
    "azure-file": "AzureFile",
    "empty-dir": "EmptyDir",
    "secret": "Secret",
    "nfs": "NfsAzureFile",
}
_STORED = {"AzureFile", "NfsAzureFile"}

VOLUMES_SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "required": ["type"],
        "properties": {
            "type": {"enum": list(_TYPES)},
            "storage": {"type": "string"},
            "options": {"type": "string"},
            "secrets": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
}
MOUNTS_SCHEMA: dict[str, Any] = {
    "type": ["object", "null"],
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "null"]},
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["path"],
                "properties": {"path": {"type": "string"}, "sub-path": {"type": "string"}},
            },
        ]
    },
}


def _type(raw: str) -> str:
    if raw not in _TYPES:
        raise ValueError(f"one of {', '.join(_TYPES)}{nearest(raw, _TYPES)}")
    return _TYPES[raw]


def _secrets(faults: Faults, node: Node, path: str) -> list[dict[str, str]]:
    items = []
    for key, value in faults.pairs(node, path):
        file = faults.scalar(value, f"{path}.{key.text}", str)
        if name := faults.scalar(key, path, values.secret_name):
            items.append({"secretRef": name, "path": file or ""})
    return items


_FIELDS: dict[str, Field] = {
    "type": scalar_of(_type),
    "storage": scalar_of(str),
    "options": scalar_of(str),
    "secrets": _secrets,
}


def read_volumes(faults: Faults, node: Node, path: str) -> Volumes:
    """Read ``volumes``."""
    volumes: Volumes = {}
    for key, value in faults.pairs(node, path):
        name = faults.scalar(key, path, values.container_name) or key.text
        volume = _volume(faults, value, f"{path}.{name}", name)
        if volume is not None:
            volumes[name] = volume
    return volumes


def _volume(faults: Faults, node: Node, path: str, name: str) -> dict[str, Any] | Remove | None:
    if is_null(node):
        return REMOVE
    before = len(faults.found)
    fields = faults.fields(node, path, _FIELDS)
    if len(faults.found) > before:
        return None
    kind = fields.get("type")
    if kind is None:
        faults.add(path, f"it needs a type: one of {', '.join(_TYPES)}.", node.location)
        return None
    if (kind in _STORED) != ("storage" in fields):
        faults.add(
            path,
            "storage is required for azure-file and nfs, and not allowed for other types.",
            node.location,
        )
    if "secrets" in fields and kind != "Secret":
        faults.add(f"{path}.secrets", "only type: secret has secrets.", node.location)
    names = {"storage": "storageName", "options": "mountOptions", "secrets": "secrets"}
    return {
        "name": name,
        "storageType": kind,
        **{azure: fields[key] for key, azure in names.items() if key in fields},
    }


_MOUNT_FIELDS: dict[str, Field] = {
    "path": scalar_of(values.mount_path),
    "sub-path": scalar_of(str),
}


def read_mounts(faults: Faults, node: Node, path: str) -> Mounts:
    """Read ``mounts``."""
    mounts: Mounts = {}
    for key, value in faults.pairs(node, path):
        place = f"{path}.{key.text}"
        if is_null(value):
            mounts[key.text] = REMOVE
        elif isinstance(value, Scalar):
            if mount_path := faults.scalar(value, place, values.mount_path):
                mounts[key.text] = Mount(path=mount_path)
        else:
            before = len(faults.found)
            fields = faults.fields(value, place, _MOUNT_FIELDS)
            if "path" in fields:
                mounts[key.text] = Mount(path=fields["path"], sub_path=fields.get("sub_path", ""))
            elif len(faults.found) == before:
                faults.add(place, "it needs a path.", value.location)
    return mounts
