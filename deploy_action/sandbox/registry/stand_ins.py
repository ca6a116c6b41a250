"""Stand-ins for images of public registries, which the sandbox does not reach.

A stand-in is a small HTTP server that answers every path with 200 and the name of the image that it
replaces. Real templates (Microsoft's quickstart image, side cars) can be deployed with it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Final

from deploy_action.sandbox.interfaces import Image
from deploy_action.sandbox.registry.reference import Reference

_PUBLIC_HOSTS: Final = frozenset(
    {
        "docker.io",
        "gcr.io",
        "ghcr.io",
        "index.docker.io",
        "mcr.microsoft.com",
        "public.ecr.aws",
        "quay.io",
        "registry-1.docker.io",
        "registry.gitlab.com",
        "registry.k8s.io",
    }
)
# Images whose port is known. Others listen on the target port if they are the first container.
_PORTS: Final[Mapping[str, int]] = {
    "azuredocs/aci-helloworld": 80,
    "azuredocs/containerapps-helloworld": 80,
    "k8se/quickstart": 80,
    "library/httpd": 80,
    "library/nginx": 80,
}
_PROGRAM: Final = """\
import http.server, os, signal, socketserver, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
name, port = sys.argv[1], int(sys.argv[2])
if not port and os.environ.get("LOCAL_AZURE_CONTAINER") != "1":
    print(f"a stand-in for {name} listens nowhere", flush=True)
    signal.pause()
port = port or int(os.environ.get("CONTAINER_APP_PORT") or 80)
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(size)
        body = f"a stand-in for {name}\\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer
print(f"a stand-in for {name} listens on port {port}", flush=True)
http.server.ThreadingHTTPServer(("", port), Handler).serve_forever()
"""

_log = logging.getLogger(__name__)


class StandIns:
    """Replaces images of public registries and logs each one once.

    Args:
        strict: replace nothing, so that such an image cannot be pulled.
    """

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self._logged: set[str] = set()

    def image(self, reference: str) -> Image | None:
        """Return the stand-in for an image, or None for an image that is not replaced."""
        try:
            parsed = Reference.parse(reference)
        except ValueError:
            return None
        if self.strict or parsed.host not in _PUBLIC_HOSTS:
            return None
        name = reference.partition("@")[0]
        if name not in self._logged:
            self._logged.add(name)
            _log.warning(
                "%s is a public image and is not pulled: a placeholder HTTP server runs instead",
                name,
            )
        port = _PORTS.get(parsed.repository, 0)
        return Image(
            reference=reference,
            digest=parsed.digest or f"sha256:{hashlib.sha256(name.encode()).hexdigest()}",
            entrypoint=("python", "-c", _PROGRAM, name, str(port)),
            stand_in=True,
        )
