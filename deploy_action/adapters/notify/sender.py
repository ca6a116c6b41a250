"""Sends one notification: a short time limit, one retry, no redirects, and no exception."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from deploy_action.runtime.http import HttpClient, RequestError, Response
from deploy_action.runtime.polling import pause

_TIMEOUT_S = 5.0
_LONGEST_WAIT_S = 10.0
_DEFAULT_WAIT_S = 1.0
_RETRIED = {408, 429, 500, 502, 503, 504}
_LONGEST_ANSWER = 80


def send(url: str, body: bytes, headers: Callable[[], Mapping[str, str]]) -> str:
    """POST *body* as JSON to *url*; return why that failed, or an empty text.

    Args:
        url: an https URL; it is in no message.
        body: JSON.
        headers: returns what authenticates the request; called for each attempt.
    """
    if not url.startswith("https://"):
        return "the URL does not begin with https://"
    http = HttpClient(body_limit=4096)
    problem, wait_s = _attempt(http, url, body, headers())
    if problem and wait_s is not None:
        if wait_s > _LONGEST_WAIT_S:
            return f"{problem}; it asks to retry only after {wait_s:.0f} s"
        pause(wait_s)
        problem, _ = _attempt(http, url, body, headers())
    return problem


def _attempt(
    http: HttpClient, url: str, body: bytes, headers: Mapping[str, str]
) -> tuple[str, float | None]:
    """Return the problem, and after how many seconds a retry makes sense (None: never)."""
    try:
        response = http.post(
            url,
            timeout_s=_TIMEOUT_S,
            data=body,
            headers={**headers, "Content-Type": "application/json"},
        )
    except RequestError as error:
        return str(error), _DEFAULT_WAIT_S
    if 200 <= response.status < 300:
        return "", None
    if 300 <= response.status < 400:
        return f"it returned status {response.status}, and redirects are not followed", None
    text = re.sub(r"[^\x20-\x7e]+", " ", response.text).strip()[:_LONGEST_ANSWER]
    problem = f"it returned status {response.status}" + (f" ({text})" if text else "")
    return problem, _wait_s(response) if response.status in _RETRIED else None


def _wait_s(response: Response) -> float:
    text = response.headers.get("retry-after", "").strip()
    return float(text) if re.fullmatch(r"\d{1,6}(\.\d+)?", text) else _DEFAULT_WAIT_S
