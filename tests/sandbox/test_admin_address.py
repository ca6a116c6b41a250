"""The sandbox's own address answers its user only, not web pages that are open in a browser."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
import requests

FAULT = [{"host": "never.example.com", "path": "/never", "status": 500}]
FOREIGN = {
    "a host name that resolves to this machine (DNS rebinding)": {"Host": "rebound.example.com"},
    "such a name with the right port": {"Host": "rebound.example.com:PORT"},
    "another port": {"Host": "127.0.0.1:1"},
    "no port": {"Host": "127.0.0.1"},
    "a page of another site": {"Origin": "https://example.com"},
    "a page of another local port": {"Origin": "http://127.0.0.1:1"},
    "a page in a sandboxed frame or a file": {"Origin": "null"},
    "another scheme": {"Origin": "https://127.0.0.1:PORT"},
}


def _ask(
    azure: dict[str, str], method: str, path: str, headers: dict[str, str]
) -> requests.Response:
    url = azure["SANDBOX_URL"]
    port = str(urlsplit(url).port)
    headers = {name: text.replace("PORT", port) for name, text in headers.items()}
    body = FAULT if method == "POST" else None
    return requests.request(
        method, f"{url}{path}", json=body, headers=headers, timeout=30, proxies={"http": ""}
    )


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/requests"), ("POST", "/faults")]
)
def test_a_request_of_another_site_is_refused_and_has_no_effect(
    azure: dict[str, str], method: str, path: str, headers: dict[str, str]
) -> None:
    before = _ask(azure, "GET", "/faults", {}).json()

    answer = _ask(azure, method, path, headers)

    assert answer.status_code == 403
    assert set(answer.json()) == {"error"}
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert _ask(azure, "GET", "/faults", {}).json() == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:PORT"},
        {"Host": "LOCALHOST:PORT", "Origin": "http://localhost:PORT"},
        {"Origin": "http://127.0.0.1:PORT"},
    ],
)
def test_its_own_page_and_its_user_are_answered(
    azure: dict[str, str], headers: dict[str, str]
) -> None:
    assert _ask(azure, "GET", "/healthz", headers).json() == {"status": "ok"}
