"""The site's list of URLs that classic Outlook may load its JavaScript runtime from.

Older builds compare it with the URL in the manifest, including the query. If the two differ,
single sign-on fails with error 5001. Source: Office add-ins documentation, "Use single sign-on
(SSO) or cross-origin resource sharing (CORS) in your event-based or spam-reporting Outlook add-in".
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from deploy_action.core.manifest import unified_json
from deploy_action.core.manifest.source import decode

NAME = "microsoft-officeaddins-allowed.json"
_WHAT = "Allowed list"


def updated(content: bytes, changes: Sequence[tuple[str, str]], *, file: str) -> bytes:
    """Return the list with each URL of *changes* replaced, and nothing else.

    Args:
        content: the list's bytes.
        changes: old and new URLs.
        file: its name, for messages.

    Raises:
        InputError: it is not JSON.
    """
    source = decode(content, file=file, what=_WHAT)
    new_by_old = dict(changes)
    data, pieces, done = source.text.encode(), list[bytes](), 0
    for span in unified_json.texts(source.text, file=file, what=_WHAT):
        new = new_by_old.get(span.value)
        if new is not None:
            pieces += [data[done : span.start], json.dumps(new, ensure_ascii=False)[1:-1].encode()]
            done = span.start + len(span.raw.encode())
    return source.encoded(b"".join([*pieces, data[done:]]).decode())
