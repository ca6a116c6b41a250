"""Which part of the version a change of the manifest requires: the rule behind ``bump-part: auto``.

=======  ==========================================================================================
major    the add-in's id changed: it is another add-in
minor    permissions, requirements, hosts, scopes or events changed: an administrator may have to
         consent again, or some clients no longer get it
last     anything else
=======  ==========================================================================================

Source: Office add-ins documentation, "Deploy updates that require admin consent".
"""

from __future__ import annotations

from typing import Any

from defusedxml.ElementTree import fromstring

from deploy_action.core.manifest import unified_json
from deploy_action.core.manifest.edit import read
from deploy_action.core.manifest.model import Form
from deploy_action.core.manifest.source import decode
from deploy_action.core.manifest.version import Part

_XML = {"Permissions", "Requirements", "Hosts", "WebApplicationInfo", "LaunchEvents"}
_JSON = {"authorization", "webApplicationInfo", "requirements", "permissions", "autoRunEvents"}


def version_impact(before: bytes, after: bytes, *, file: str) -> Part | None:
    """Return the part that a change requires, None for the last one.

    Args:
        before: the manifest before the change.
        after: the manifest after it.
        file: its name, for messages.

    Raises:
        InputError: one of them is not a manifest.
    """
    if read(before, file=file).form is not read(after, file=file).form:
        return Part.MAJOR
    old, new = _essence(before, file), _essence(after, file)
    if old["id"] != new["id"]:
        return Part.MAJOR
    return Part.MINOR if old != new else None


def _essence(content: bytes, file: str) -> dict[str, Any]:
    if read(content, file=file).form is Form.JSON:
        tree = unified_json.tree(decode(content, file=file).text)
        return {"id": tree.get("id"), "terms": list(_members(tree))}
    root = fromstring(decode(content, file=file).text)
    terms, identity = [], None
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name == "Id" and identity is None:
            identity = (element.text or "").strip()
        if name in _XML:
            terms.append([_flat(inner) for inner in element.iter()])
    return {"id": identity, "terms": terms}


def _flat(element: Any) -> tuple[str, tuple[tuple[str, str], ...], str]:
    name = element.tag.rpartition("}")[2]
    shown = () if name == "Override" else tuple(sorted(element.attrib.items()))
    return name, shown, (element.text or "").strip()


def _members(value: Any) -> Any:
    """Yield every member that requires a minor version, wherever it is."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _JSON:
                yield name, inner
            else:
                yield from _members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _members(inner)
