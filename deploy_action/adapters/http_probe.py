"""GateConfig to the app over its own addresses: healthy? itself? serving its add-in?

Azure's ingress answers 404 itself when a revision does not exist or is inactive, and 503 while no
replica is ready, so anything but the expected status is measured bad; no answer at all is
`unreachable`, not `fail`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from deploy_action.core.health import Measurement, Verdict
from deploy_action.runtime.http import HttpClient, RequestError, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """Asks over HTTPS, each question within *timeout_s* seconds; safe to use from any thread."""

    timeout_s: float

    def healthy(self, host: str, path: str) -> Measurement:
        """Ask whether *path* answers 200."""
        response = self._get(host, path)
        if isinstance(response, Measurement):
            return response
        verdict = Verdict.PASS if response.status == 200 else Verdict.FAIL
        return Measurement(verdict=verdict, evidence=_seen(path, response))

    def identity(self, host: str, path: str, *, revision: str, version: str) -> Measurement:
        """Ask whether the JSON at *path* names *revision*, and *version* when both know one."""
        response = self._get(host, path)
        if isinstance(response, Measurement):
            return response
        try:
            said = json.loads(response.text)
            named = str(said.get("revision", ""))
            told = str(said.get("version", ""))
        except (ValueError, AttributeError):
            return Measurement(
                verdict=Verdict.FAIL, evidence=f"{_seen(path, response)}, which is no JSON object"
            )
        if response.status != 200 or named != revision:
            seen = f"{_seen(path, response)} from revision '{named}', expected '{revision}'"
            return Measurement(verdict=Verdict.FAIL, evidence=seen)
        if version and told and told != version:
            seen = f"{path} says version '{told}', expected '{version}'"
            return Measurement(verdict=Verdict.FAIL, evidence=seen)
        return Measurement(verdict=Verdict.PASS, evidence=f"answered as {revision} {told}".rstrip())

    def body(self, host: str, path: str) -> tuple[Measurement, bytes]:
        """Fetch *path*; the body is empty unless the answer is a pass."""
        response = self._get(host, path)
        if isinstance(response, Measurement):
            return response, b""
        if response.status != 200:
            return Measurement(verdict=Verdict.FAIL, evidence=_seen(path, response)), b""
        return Measurement(verdict=Verdict.PASS, evidence=_seen(path, response)), response.body

    def page(self, host: str, path: str) -> Measurement:
        """Ask for a page of the add-in: 200, with the type that its name promises."""
        response = self._get(host, path)
        if isinstance(response, Measurement):
            return response
        if response.status != 200:
            return Measurement(verdict=Verdict.FAIL, evidence=_seen(path, response))
        kind = response.headers.get("content-type", "").lower()
        wanted = "javascript" if path.partition("?")[0].endswith(".js") else "html"
        if wanted not in kind:
            seen = f"{path} answered as '{kind or 'nothing'}', expected {wanted}"
            return Measurement(verdict=Verdict.FAIL, evidence=seen)
        return Measurement(verdict=Verdict.PASS, evidence=_seen(path, response))

    def is_cacheable(self, host: str, path: str) -> bool:
        """Whether *path* answers 200 with what a browser may use again without asking.

        Source: RFC 9111, sections 4.2 and 5.2; without any word a browser may guess from
        Last-Modified.
        """
        response = self._get(host, path)
        if isinstance(response, Measurement) or response.status != 200:
            return False
        said = response.headers.get("cache-control", "").lower()
        words = {word.strip() for word in said.split(",") if word.strip()}
        if words & {"no-store", "no-cache", "max-age=0"}:
            return False
        if any(word.startswith("max-age=") for word in words):
            return True
        return "expires" in response.headers or "last-modified" in response.headers

    def _get(self, host: str, path: str) -> Response | Measurement:
        try:
            # A connection of its own each time, as a new user would make it.
            return HttpClient().get(f"https://{host}{path}", timeout_s=self.timeout_s)
        except RequestError as error:
            return Measurement(verdict=Verdict.UNREACHABLE, evidence=f"{path}: {error}")


def _seen(path: str, response: Response) -> str:
    if 300 <= response.status < 400:
        return f"{path} redirected ({response.status}); is a sign-in in front of it?"
    return f"{path} answered {response.status}"
