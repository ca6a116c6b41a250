"""Which parts of an HTTP message are forwarded, and how its body is delimited. Pure.

Source: RFC 9110, section 7.6.1 (fields of one connection), RFC 9112, section 6 (message body).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

Fields = list[tuple[bytes, bytes]]
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
LAST_CHUNK = b"0\r\n\r\n"


class Framing(Enum):
    """Framing of a body."""

    NONE = "no body"
    LENGTH = "by its length"
    CHUNKED = "in chunks"
    CLOSE = "by the end of the connection"


@dataclass(slots=True, eq=False)
class Request:
    """One request of a user, as it comes in.

    Args:
        method: such as ``GET``.
        target: path and query as sent.
        fields: header fields as sent.
        framing: of its body.
        keep: whether the connection goes on after the answer.
        upgrade: whether it requests another protocol.
        modern: whether the client speaks HTTP/1.1.
        ended: whether it has arrived completely.
        early: the part of its body that arrived before a replica was chosen.
        unwanted: whether the rest of its body is discarded.
    """

    method: bytes = b""
    target: bytes = b""
    fields: Fields = field(default_factory=list)
    framing: Framing = Framing.NONE
    keep: bool = True
    upgrade: bool = False
    modern: bool = True
    ended: bool = False
    early: list[bytes] = field(default_factory=list)
    early_size: int = 0
    unwanted: bool = False

    def get(self, name: bytes) -> bytes:
        """Return a field's value, or nothing; *name* in lower case."""
        return next((value for key, value in self.fields if key.lower() == name), b"")

    def head(self, *, peer: str, request_id: str) -> bytes:
        """Return its head as the ingress sends it on."""
        fields = passed_on(self.fields)
        before = self.get(b"x-forwarded-for")
        if before:
            fields = [item for item in fields if item[0].lower() != b"x-forwarded-for"]
        chain = b", ".join(item for item in (before, peer.encode()) if item)
        fields += [
            (b"X-Forwarded-For", chain),
            (b"X-Forwarded-Proto", b"https"),
            (b"X-Request-Id", request_id.encode()),
        ]
        if self.framing is Framing.CHUNKED:
            fields.append((b"Transfer-Encoding", b"chunked"))
        if self.upgrade:
            fields += [(b"Connection", b"Upgrade"), (b"Upgrade", self.get(b"upgrade"))]
        return _head(b"%s %s HTTP/1.1" % (self.method, self.target), fields)


def framing_of(fields: Fields) -> Framing | None:
    """Return the framing that *fields* declare, or None."""
    names = {name.lower(): value for name, value in fields}
    if b"chunked" in names.get(b"transfer-encoding", b"").lower():
        return Framing.CHUNKED
    return Framing.LENGTH if b"content-length" in names else None


def passed_on(fields: Fields) -> Fields:
    """Remove hop-by-hop header fields."""
    named = {
        token.strip().lower()
        for name, value in fields
        if name.lower() == b"connection"
        for token in value.split(b",")
    }
    dropped = _HOP_BY_HOP | named
    return [item for item in fields if item[0].lower() not in dropped]


def answer_head(
    status: int, reason: bytes, fields: Fields, framing: Framing, *, keep: bool
) -> bytes:
    """Return the head of an answer, with fields that fit *framing*."""
    kept = passed_on(fields)
    if framing is Framing.CHUNKED:
        kept.append((b"Transfer-Encoding", b"chunked"))
    if not keep:
        kept.append((b"Connection", b"close"))
    return _head(b"HTTP/1.1 %d %s" % (status, reason), kept)


def switched_head(fields: Fields) -> bytes:
    """Return the head of a 101 Switching Protocols response."""
    other = next((value for name, value in fields if name.lower() == b"upgrade"), b"websocket")
    kept = [*passed_on(fields), (b"Connection", b"Upgrade"), (b"Upgrade", other)]
    return _head(b"HTTP/1.1 101 Switching Protocols", kept)


def whole_answer(
    status: int, text: str, fields: Iterable[tuple[str, str]] = (), *, keep: bool, bodiless: bool
) -> bytes:
    """Return an answer of the ingress' own."""
    body = text.encode()
    headers = [(name.encode(), value.encode()) for name, value in fields]
    if "content-type" not in {name.decode().lower() for name, _ in headers}:
        headers.append((b"Content-Type", b"text/plain"))
    headers.append((b"Content-Length", b"%d" % len(body)))
    try:
        reason = HTTPStatus(status).phrase.encode()
    except ValueError:
        reason = b""
    head = answer_head(status, reason, headers, Framing.LENGTH, keep=keep)
    return head if bodiless else head + body


def chunk(piece: bytes) -> bytes:
    """Return *piece* as one chunk."""
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def _head(first: bytes, fields: Fields) -> bytes:
    return b"\r\n".join([first, *(b"%s: %s" % item for item in fields), b"", b""])
