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
        one, other = unified_json.tree(before), unified_json.tree(after)
        differing, written = _differing_values(one, other, ()), str(other["version"])
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
    for number, (one, other) in enumerate(zip(old_tree.iter(), new_tree.iter(), strict=True)):
        if (one.tag, one.tail, list(one.attrib)) != (other.tag, other.tail, list(other.attrib)):
            differing.add((number, "?"))
        if one.text != other.text:
            differing.add((number, ""))
        changed = {name for name in one.attrib if one.attrib[name] != other.attrib[name]}
        differing |= {(number, name) for name in changed}
        if number == version.node:
            written = str(other.text).strip()
    return differing, written


def _differing_values(one: Any, other: Any, path: tuple[str | int, ...]) -> _Places:
    """Return the paths at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        pairs = [(name, one[name], other[name]) for name in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = [(number, a, b) for number, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return set() if one == other and type(one) is type(other) else {(path, "")}
    return {found for name, a, b in pairs for found in _differing_values(a, b, (*path, name))}
