"""The sandbox's certificate authority. Its key stays in memory; only the certificate is written."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

_LIFETIME = timedelta(days=30)


class Authority:
    """Issues a certificate for any host; clients trust it through ``ca.pem``.

    Args:
        directory: where ``ca.pem`` goes.
    """

    def __init__(self, directory: Path) -> None:
        self.ca_file = directory / "ca.pem"
        self._ca = trustme.CA(organization_name="Local Azure, this run only")
        self._ca.cert_pem.write_to_path(self.ca_file)
        self._contexts: dict[str, ssl.SSLContext] = {}

    def context_for(self, host: str) -> ssl.SSLContext:
        """Return the server side of TLS for *host*; one certificate covers its siblings."""
        names = _covering(host)
        if names[-1] not in self._contexts:
            expiry = datetime.now(UTC) + _LIFETIME
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._ca.issue_cert(*names, not_after=expiry).configure_cert(context)
            self._contexts[names[-1]] = context
        return self._contexts[names[-1]]


def _covering(host: str) -> list[str]:
    """Return the names of the certificate: *host*'s siblings by wildcard, and its parent."""
    parent = host.partition(".")[2]
    return [host, f"*.{parent}"] if parent.count(".") else [host]
