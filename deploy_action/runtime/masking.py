"""The secrets of this run, redacted in every text that leaves the process."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

# Shorter values would also redact ordinary words.
SHORTEST = 4
REDACTED = "***"
_HEX = re.compile("%[0-9A-F]{2}")
_ANY = "surrogatepass"  # what the environment holds need not be valid text
_SHIFTS = 3  # three bytes become four characters, so a secret inside a text has three encodings


class Mask:
    """Redacts every registered secret, in its usual encodings; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._forms: tuple[str, ...] = ()

    def add(self, secret: str) -> bool:
        """Register *secret* and each of its lines; returns whether it was new."""
        values = {secret, *secret.splitlines()}
        values = {value.strip() for value in values if len(value.strip()) >= SHORTEST}
        with self._lock:
            fresh = values - self._known
            self._known |= fresh
            forms = {*self._forms, *(form for value in fresh for form in _encodings(value))}
            # The longest first: a short form may be part of a longer one.
            self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
        return bool(fresh)

    def redact(self, text: str) -> str:
        """Return *text* with every secret replaced."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, REDACTED)
        return text


def secret_parts(text: str) -> Iterator[str]:
    """Yield the parts of a URL or connection string that are secrets, even of a malformed one.

    >>> list(secret_parts("rediss://:s3cret@host:6380"))
    ['s3cret', ':s3cret']
    >>> list(secret_parts("host:6380,password=a,b=,ssl=True"))
    ['a,b=,ssl=True', 'a,b=']
    """
    _, scheme, rest = text.partition("://")
    user_info, at, _ = rest.rpartition("@")
    if scheme and at:
        yield user_info.partition(":")[2]
        yield user_info
    # The password may hold commas, so each of its possible ends counts.
    for match in re.finditer(r"(?:password|pwd|key|secret|signature|sig)=", text, re.IGNORECASE):
        rest = text[match.end() :]
        yield from (rest[:end] for end in sorted(_ends(rest), reverse=True) if end >= SHORTEST)


def _ends(text: str) -> set[int]:
    return {len(text), *(match.start() for match in re.finditer("[,;&]", text))} - {0}


def _encodings(value: str) -> Iterator[str]:
    """Yield *value* as encoded in URLs, JSON, XML, shells and base64."""
    yield value
    for quoted in (
        quote(value, safe="", errors=_ANY),
        quote(value, errors=_ANY),
        quote_plus(value, errors=_ANY),
    ):
        yield quoted
        yield _HEX.sub(lambda match: match[0].lower(), quoted)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield html.escape(value)
    yield value.replace("'", "'\\''")
    yield shlex.quote(value).removeprefix("'").removesuffix("'")
    yield repr(value)[1:-1]
    content = value.encode("utf-8", _ANY)
    for shift in range(_SHIFTS):
        # The characters at both ends depend on the text around the secret.
        encoded = base64.b64encode(bytes(shift) + content).decode().rstrip("=")
        whole = encoded[(0, 2, 3)[shift] : len(encoded) - (1 if (shift + len(content)) % 3 else 0)]
        if len(whole) >= SHORTEST + 2:
            yield whole
            yield whole.replace("+", "-").replace("/", "_")
