"""The site's list of addresses that classic Outlook's JavaScript runtime may be loaded from.

Older builds compare it with the manifest's address, query and all; where the two differ, signing in
fails with error 5001. Source: Office add-ins documentation, "Use single sign-on (SSO) or
cross-origin resource sharing (CORS) in your event-based or spam-reporting Outlook add-in".
"""

from __future__ import annotations

from collections.abc import Sequence

from deploy_action.core.manifest import unified_json
from deploy_action.core.manifest.source import decode

NAME = "microsoft-officeaddins-allowed.json"


def renewed(content: bytes, changes: Sequence[tuple[str, str]], *, file: str) -> bytes:
    """Return the list with each address of *changes* replaced, and nothing else.

    Args:
        content: the list's bytes.
        changes: old and new addresses.
        file: its name, for messages.

    Raises:
        InputError: it is no JSON.
    """
    source = decode(content, file=file)
    new_by_old = dict(changes)
    data = source.text.encode()
    for span in sorted(unified_json.texts(source.text, file=file), key=lambda one: -one.start):
        new = new_by_old.get(span.value)
        if new is not None:
            end = span.start + len(span.raw.encode())
            data = data[: span.start] + new.encode() + data[end:]
    return source.encoded(data.decode())
