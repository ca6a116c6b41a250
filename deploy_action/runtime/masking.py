"""The secrets of this run, redacted in every text that leaves the process."""

from __future__ import annotations

from urllib.parse import quote

# Shorter values would blank ordinary words.
SHORTEST = 4
REDACTED = "***"


class Mask:
    """Every text that leaves the process goes through `redact`."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, secret: str) -> bool:
        """Keep *secret*, its lines and its percent-encoded form; returns whether it was new."""
        forms = {secret, *secret.splitlines()}
        forms |= {quote(form, safe="") for form in forms}
        fresh = {form.strip() for form in forms if len(form.strip()) >= SHORTEST} - self._secrets
        self._secrets |= fresh
        return bool(fresh)

    def redact(self, text: str) -> str:
        """Return *text* with every secret replaced, longest first."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, REDACTED)
        return text
