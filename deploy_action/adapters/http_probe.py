"""Checks of the app on its own URLs: is it healthy, the right revision, serving its add-in?

Azure's ingress answers 404 when a revision does not exist or is inactive, and 503 while no replica
is ready, so any status but the expected one is a fail. No response at all is `unreachable`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from deploy_action.core.health import Measurement, Verdict
from deploy_action.core.identity import Identity
from deploy_action.runtime.http import HttpClient, RequestError, Response
from deploy_action.runtime.polling import Deadline, now_utc


@dataclass(slots=True)
class RequestLog:
    """Our own requests, so that Azure's metrics can be split into ours and the users'.

    Args:
        clock: Azure's time in seconds since 1970.
    """

    clock: Callable[[], float] = now_utc
    _sent: list[tuple[float, str, str]] = field(default_factory=list)

    def add(self, host: str, status: int) -> None:
        """Note a response of *host* that came just now."""
        self._sent.append((self.clock(), host, f"{status // 100}xx"))

    def by_class(self, host: str, start_s: float, end_s: float) -> Counter[str]:
        """Return our requests to *host* by status class; times in seconds since 1970."""
        return Counter(
            status_class
            for at_s, to, status_class in self._sent
            if to == host and start_s <= at_s < end_s
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """Sends requests over HTTPS; safe to use from any thread.

    Args:
        timeout_s: limit of one request, from the DNS lookup to the last byte.
        deadline: limit of all requests together, if any.
        log: every response is noted in it.
    """

    timeout_s: float
    deadline: Deadline | None = None
    log: RequestLog = field(default_factory=RequestLog)

    def until(self, deadline: Deadline) -> HttpProbe:
        """Return the same probe, which fails from *deadline* on."""
        return replace(self, deadline=deadline)

    def healthy(self, host: str, path: str) -> Measurement:
        """Check that *path* answers 200."""
        response = self._get(host, path)
        if isinstance(response, Measurement):
            return response
        verdict = Verdict.PASS if response.status == 200 else Verdict.FAIL
        return Measurement(
            verdict=verdict, evidence=_describe(path, response), status=response.status
        )

    def identity(self, host: str, path: str, expected: Identity) -> Measurement:
        """Check that the JSON at *path* names the expected revision, version or commit."""
        response = self._get(host, path)
        if isinstance(response, Measurement):
            return response
        answered = _describe(path, response)
        if response.status != 200:
            return Measurement(verdict=Verdict.FAIL, evidence=answered)
        try:
            answer = response.json_object()
        except RequestError as error:
            return Measurement(verdict=Verdict.FAIL, evidence=f"{answered}: {error}")
        if mismatch := expected.mismatch(answer):
            return Measurement(verdict=Verdict.FAIL, evidence=f"{answered} and reports {mismatch}")
        names = [str(answer.get(key) or "") for key in ("revision", "version", "commit")]
        evidence = f"reports {' '.join(name for name in names if name)}"
        return Measurement(verdict=Verdict.PASS, evidence=evidence)

    def body(self, host: str, path: str) -> tuple[Measurement, bytes]:
        """Fetch *path*; the body is empty unless the answer is a pass."""
        response = self._get(host, path)
        if isinstance(response, Measurement):
            return response, b""
        if response.status != 200:
            return Measurement(verdict=Verdict.FAIL, evidence=_describe(path, response)), b""
        if response.truncated:
            evidence = f"{_describe(path, response)} with more than {len(response.body)} bytes"
            return Measurement(verdict=Verdict.FAIL, evidence=evidence), b""
        return Measurement(verdict=Verdict.PASS, evidence=_describe(path, response)), response.body

    def page(self, host: str, path: str) -> Measurement:
        """Request a page of the add-in: 200, with the content type of its file extension."""
        response = self._get(host, path)
        if isinstance(response, Measurement):
            return response
        if response.status != 200:
            return Measurement(verdict=Verdict.FAIL, evidence=_describe(path, response))
        kind = response.headers.get("content-type", "").lower()
        expected = "javascript" if path.partition("?")[0].endswith(".js") else "html"
        if expected not in kind:
            evidence = f"{path} returned content type '{kind or 'none'}', expected {expected}"
            return Measurement(verdict=Verdict.FAIL, evidence=evidence)
        return Measurement(verdict=Verdict.PASS, evidence=_describe(path, response))

    def is_cacheable(self, host: str, path: str) -> bool:
        """Whether *path* responds 200 and a browser may reuse the response without revalidation.

        Source: RFC 9111, sections 4.2 and 5.2; without these headers a browser may guess from
        Last-Modified.
        """
        response = self._get(host, path)
        if isinstance(response, Measurement) or response.status != 200:
            return False
        cache_control = response.headers.get("cache-control", "").lower()
        words = {word.strip() for word in cache_control.split(",") if word.strip()}
        if words & {"no-store", "no-cache", "max-age=0"}:
            return False
        if any(word.startswith("max-age=") for word in words):
            return True
        return "expires" in response.headers or "last-modified" in response.headers

    def _get(self, host: str, path: str) -> Response | Measurement:
        timeout_s = self.timeout_s
        if self.deadline is not None:
            if self.deadline.passed:
                return Measurement(
                    verdict=Verdict.UNREACHABLE, evidence=f"{path}: no time left for a request"
                )
            timeout_s = min(timeout_s, self.deadline.remaining)
        try:
            # A connection of its own each time, as a new user would make it.
            response = HttpClient().get(f"https://{host}{path}", timeout_s=timeout_s)
        except RequestError as error:
            return Measurement(verdict=Verdict.UNREACHABLE, evidence=f"{path}: {error}")
        self.log.add(host, response.status)
        return response


def _describe(path: str, response: Response) -> str:
    if 300 <= response.status < 400:
        return f"{path} redirected ({response.status}); it may require a sign-in"
    return f"{path} returned {response.status}"
