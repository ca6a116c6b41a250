"""Signs a webhook's message.

Source: the specification of Standard Webhooks: ``v1,`` and the base64 of HMAC-SHA256 over id,
timestamp and body; the secret is base64 after ``whsec_``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
_LEAST_BYTES, _MOST_BYTES = 24, 64  # as the specification demands


def key_of(secret: str) -> bytes:
    """Return the key in *secret*.

    Raises:
        ValueError: it is not base64, or has the wrong length; the message does not contain it.
    """
    try:
        key = base64.b64decode(secret.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"secret: it must be {PREFIX} followed by base64") from None
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(f"secret: it must have {_LEAST_BYTES} to {_MOST_BYTES} bytes")
    return key


def signature_headers(key: bytes, *, id: str, timestamp: int, body: bytes) -> dict[str, str]:  # noqa: A002  the standard's word
    """Return the headers that authenticate *body*.

    Args:
        key: from `key_of`.
        id: of the message; the same if it is sent again.
        timestamp: seconds since 1970.
        body: as sent.
    """
    signed = f"{id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
