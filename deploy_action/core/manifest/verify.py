"""Checks the result of a bump with another parser: it differs in exactly the planned places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from deploy_action.core.manifest import unified_json
from deploy_action.core.manifest.model import Form, Span
from deploy_action.core.manifest.version import Version
from deploy_action.errors import InputError

_Places = set[tuple[object, str]]


def verify(
    before: str, after: str, *, planned: Sequence[Span], version: Span, new: Version, form: Form
) -> None:
    """Check that *after* differs from *before* in the planned values and in nothing else.

    Args:
        before: the manifest's text.
        after: its new text.
        planned: the values that should change.
        version: the place of the version.
        new: the version that *after* must have.
        form: which kind of manifest it is.

    Raises:
        InputError: it differs elsewhere, which is a bug in this tool.
    """
    if form is Form.JSON:
        old_tree, new_tree = unified_json.tree(before), unified_json.tree(after)
        differing, written = _differing_values(old_tree, new_tree, ()), str(new_tree["version"])
        places: _Places = {(span.node, "") for span in planned}
    else:
        differing, written = _differing_elements(before, after, version)
        places = {(span.node, span.attribute) for span in planned}
    if before.count("\n") != after.count("\n") or differing != places or written != str(new):
        raise InputError(
            "The manifest would change in places that were not planned; nothing was written.",
            hint="Please report this with the manifest.",
        )


def _differing_elements(before: str, after: str, version: Span) -> tuple[_Places, str]:
    try:
        old_tree, new_tree = fromstring(before), fromstring(after)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise InputError(f"The manifest cannot be read again: {error}.") from None
    differing: _Places = set()
    written = ""
    for number, (old, new) in enumerate(zip(old_tree.iter(), new_tree.iter(), strict=True)):
        if (old.tag, old.tail, list(old.attrib)) != (new.tag, new.tail, list(new.attrib)):
            differing.add((number, "?"))
        if old.text != new.text:
            differing.add((number, ""))
        changed = {name for name in old.attrib if old.attrib[name] != new.attrib[name]}
        differing |= {(number, name) for name in changed}
        if number == version.node:
            written = str(new.text).strip()
    return differing, written


def _differing_values(old: Any, new: Any, path: tuple[str | int, ...]) -> _Places:
    """Return the paths at which two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict) and list(old) == list(new):
        pairs = [(name, old[name], new[name]) for name in old]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(number, a, b) for number, (a, b) in enumerate(zip(old, new, strict=True))]
    else:
        return set() if old == new and type(old) is type(new) else {(path, "")}
    return {place for name, a, b in pairs for place in _differing_values(a, b, (*path, name))}
