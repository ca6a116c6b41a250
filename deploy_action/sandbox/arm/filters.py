"""The `$filter` of resource listings, as far as Resource Manager documents it.

Source: "Resources - List" and "Resource Groups - List" in Azure's REST reference: `eq` and `ne` on
`resourceType`, `name`, `location`, `resourceGroup`, `tagName` and `tagValue`, joined by `and` or
`or`, and `substringof('text', name)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from deploy_action.sandbox.world import Refused
from deploy_action.sandbox.world.refusals import refuse

_COMPARISON: Final = re.compile(r"(\w+)\s+(eq|ne)\s+'([^']*)'", re.IGNORECASE)
_SUBSTRING: Final = re.compile(r"substringof\('([^']*)',\s*(\w+)\)", re.IGNORECASE)

Resource = Mapping[str, Any]


def resource_filter(text: str) -> Callable[[Resource], bool]:
    """Return a predicate that decides whether a resource is listed.

    Raises:
        Refused: the filter is not understood.
    """
    if not text.strip():
        return lambda _: True
    alternatives = [
        [_term(text, term) for term in re.split(r"\s+and\s+", part, flags=re.IGNORECASE)]
        for part in re.split(r"\s+or\s+", text, flags=re.IGNORECASE)
    ]
    return lambda item: any(all(term(item) for term in terms) for terms in alternatives)


def _term(text: str, term: str) -> Callable[[Resource], bool]:
    if match := _SUBSTRING.fullmatch(term.strip()):
        part, field = match[1].lower(), _field(text, match[2])
        return lambda item: any(part in value for value in field(item))
    match = _COMPARISON.fullmatch(term.strip())
    if match is None:
        raise _invalid(text)
    field, expected = _field(text, match[1]), match[3].lower()
    if match[2].lower() == "ne":
        return lambda item: expected not in field(item)
    return lambda item: expected in field(item)


def _field(text: str, name: str) -> Callable[[Resource], list[str]]:
    fields: dict[str, Callable[[Resource], list[Any]]] = {
        "resourcetype": lambda item: [item["type"]],
        "name": lambda item: [item["name"]],
        "location": lambda item: [str(item["location"]).replace(" ", "")],
        "resourcegroup": lambda item: [item["id"].split("/")[4]],
        "tagname": lambda item: [*(item.get("tags") or {})],
        "tagvalue": lambda item: [*(item.get("tags") or {}).values()],
    }
    read = fields.get(name.lower())
    if read is None:
        raise _invalid(text)
    return lambda item: [str(value).lower() for value in read(item)]


def _invalid(text: str) -> Refused:
    message = f"Invalid $filter '{text}' specified in the query string."
    return refuse(400, "InvalidFilterInQueryString", message)
