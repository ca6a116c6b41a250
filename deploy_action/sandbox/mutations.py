"""Mutations of real responses into ones that no client expects.

``html``, ``null``, ``list``, ``text``, ``number``, ``empty``, ``deep`` (200,000 levels), ``large``
(64 MiB) replace the body; ``cut`` halves it; ``location`` redirects to an invalid address with
status 302; ``values-N`` replaces or removes values of its JSON, at random with the seed N.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from aiohttp import web

_BODIES: Final[dict[str, bytes]] = {
    "html": b"<!doctype html><title>Sign in</title>",
    "null": b"null",
    "list": b"[]",
    "text": b'"text"',
    "number": b"42",
    "empty": b"",
    "deep": b"[" * 200_000 + b"]" * 200_000,
}
_LARGE: Final = 64 << 20
_VALUES: Final[list[Any]] = [None, [], {}, "", "text", -1, 99, 1e999, True, [None], {"a": None}]
_SEEDED: Final = "values-"


def is_known(name: str) -> bool:
    """Whether there is a mutation of that name."""
    seed = name.removeprefix(_SEEDED)
    return name in {*_BODIES, "large", "cut", "location"} or (seed != name and seed.isdecimal())


def mutated(response: web.StreamResponse, name: str) -> web.Response:
    """Return *response* as the mutation *name* changes it."""
    body = response.body if isinstance(response, web.Response) else b""
    content = body if isinstance(body, bytes) else b""
    kind = "text/html" if name == "html" else response.content_type
    headers = {
        key: value
        for key, value in response.headers.items()
        if key.lower() not in {"content-type", "content-length", "transfer-encoding"}
    }
    status = response.status
    if name in _BODIES:
        content = _BODIES[name]
        status = 200 if status < 300 else status
    elif name == "large":
        content = b"[" + b"1," * (_LARGE // 2) + b"1]"
    elif name == "cut":
        content = content[: len(content) // 2]
    elif name == "location":
        status, headers["Location"] = 302, "http://[not an address"
    else:
        content = _with_other_values(content, int(name.removeprefix(_SEEDED)))
    return web.Response(status=status, body=content, headers={**headers, "Content-Type": kind})


def _with_other_values(content: bytes, seed: int) -> bytes:
    chance = random.Random(seed)  # noqa: S311  repeatable on purpose
    try:
        value = json.loads(content)
    except ValueError:
        return content
    places = list(_places(value))
    for change in chance.sample(places, min(len(places), chance.randint(1, 3))):
        change(chance)
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[Callable[[random.Random], None]]:
    """Yield a function for each place of a JSON value that changes what is there."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    else:
        return
    for key in keys:
        yield lambda chance, key=key: _change(value, key, chance)  # type: ignore[misc]
        yield from _places(value[key])


def _change(container: Any, key: Any, chance: random.Random) -> None:
    if isinstance(container, dict) and chance.random() < 0.3:
        container.pop(key, None)
    elif isinstance(container, dict) or key < len(container):
        container[key] = chance.choice(_VALUES)
