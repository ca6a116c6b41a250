"""Parses ``cache-warm``: keys to write and pages to request after a promotion.

One line each::

    config:version = {version} @ 48h     a key with a text, for 48 hours
    manifest:{version} = GET /manifest.xml    a key with what the promoted revision answers
    GET /taskpane.html                   only requested, so that the app fills its own cache
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from deploy_action.core.settings.parsers import duration

_TTL = re.compile(r"(?P<rest>.*\S)\s+@\s*(?P<ttl>\S+)")
_VALUE = re.compile(r"\{([a-z-]+)\}")
KNOWN = ("version", "revision", "image", "digest", "commit", "url", "environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmupEntry:
    """One line.

    Args:
        key: the key's template; empty if nothing is stored.
        text: the value's template; empty if a page is requested.
        path: the page to request; empty if a text is stored.
        ttl_s: how long the key stays, in seconds; None takes the default.
    """

    key: str = ""
    text: str = ""
    path: str = ""
    ttl_s: float | None = None


def parse(line: str) -> WarmupEntry:
    """Read one line.

    Raises:
        ValueError: the line is invalid; the message completes "… must be …".
    """
    expected = "in the form 'KEY = TEXT @ 24h', 'KEY = GET /path' or 'GET /path'"
    timed = _TTL.fullmatch(line.strip())
    rest, ttl_s = (timed["rest"], duration(timed["ttl"])) if timed else (line.strip(), None)
    if rest.startswith("GET "):
        key, what = "", rest
    else:
        key, equals, what = (part.strip() for part in rest.partition("="))
        if not equals or not key or not what:
            raise ValueError(expected)
    for template in (key, what):
        for name in _VALUE.findall(template):
            if name not in KNOWN:
                raise ValueError(f"{expected}, with {{{'}, {'.join(KNOWN)}}} as values")
    path = what.removeprefix("GET ").strip() if what.startswith("GET ") else ""
    if what.startswith("GET ") and not path.startswith("/"):
        raise ValueError(expected)
    return WarmupEntry(key=key, text="" if path else what, path=path, ttl_s=ttl_s)


def render(template: str, facts: Mapping[str, str]) -> str:
    """Return *template* with the deployment's values; an unknown one is empty."""
    return _VALUE.sub(lambda match: facts.get(match[1], ""), template)
