"""The HTTP client, against a real server that behaves badly."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy_action.runtime.http import BODY_LIMIT, HttpClient, RequestError, parse_json
from tests.support.bad_server import BadServer, Connection, Script, bad_server

ZEROS = gzip.compress(bytes(64 << 20))
HUGE = 4 << 30


def _redirect(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 302 Found\r\nLocation: /fine\r\nContent-Length: 0\r\n\r\n")


def _huge(status: bytes, *fields: bytes) -> Script:
    def script(connection: Connection) -> None:
        length = b"Content-Length: %d" % HUGE
        connection.send(b"\r\n".join((b"HTTP/1.1 " + status, length, *fields, b"", b"")))
        connection.pour(b"x" * 65_536, HUGE >> 16)

    return script


def _bomb(connection: Connection) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.send(head + b"%x\r\n" % len(ZEROS) + ZEROS + b"\r\n0\r\n\r\n")


def _endless_chunk_size(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.pour(b"0" * 65_536, HUGE >> 16)


def _endless_header(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    connection.pour(b"x" * 65_536, HUGE >> 16)


def _dripping_body(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    connection.drip(b"x")


def _dripping_header(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    connection.drip(b"x")


def _dripping_status(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 200 OK")


def _dripping_continue(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 100 Continue\r\n\r\n", every_s=0.005)


def _dripping_hints(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", every_s=0.005)


def _silent(connection: Connection) -> None:
    connection.peer.recv(1)  # returns when the client has closed the connection


def _hints_first(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")


def _bad_location(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n")


def _cookie(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: who=me\r\nContent-Length: 0\r\n\r\n")


SCRIPTS: dict[str, Script] = {
    "/redirect": _redirect,
    "/huge": _huge(b"200 OK"),
    "/huge-redirect": _huge(b"302 Found", b"Location: /fine"),
    "/huge-error": _huge(b"503 Busy"),
    "/bomb": _bomb,
    "/endless-chunk-size": _endless_chunk_size,
    "/endless-header": _endless_header,
    "/dripping-body": _dripping_body,
    "/dripping-header": _dripping_header,
    "/dripping-status": _dripping_status,
    "/dripping-continue": _dripping_continue,
    "/dripping-hints": _dripping_hints,
    "/silent": _silent,
    "/hints-first": _hints_first,
    "/bad-location": _bad_location,
    "/cookie": _cookie,
}
SLOW = ["/dripping-body", "/dripping-header", "/dripping-status", "/dripping-continue"]
SLOW += ["/dripping-hints", "/silent"]
LARGE = ["/huge", "/huge-redirect", "/huge-error", "/bomb"]


@pytest.fixture
def server() -> Iterator[BadServer]:
    """A server that knows all scripts."""
    with bad_server(SCRIPTS) as result:
        yield result


def test_a_redirect_is_not_followed(server: BadServer) -> None:
    assert HttpClient().get(f"{server.url}/redirect", timeout_s=10).status == 302
    assert len(server.requests) == 1


def test_a_redirect_to_an_invalid_address_is_a_response(server: BadServer) -> None:
    assert HttpClient().get(f"{server.url}/bad-location", timeout_s=10).status == 302


@pytest.mark.parametrize("path", SLOW)
def test_l1_a_slow_response_ends_at_the_total_deadline(server: BadServer, path: str) -> None:
    with pytest.raises(RequestError, match="no complete response within 1 s"):
        HttpClient().get(f"{server.url}{path}", timeout_s=1)

    server.ended.acquire()  # the connection is closed, too


@pytest.mark.parametrize("path", LARGE)
def test_l1_a_body_is_cut_at_the_limit_whatever_the_status(server: BadServer, path: str) -> None:
    response = HttpClient().get(f"{server.url}{path}", timeout_s=120)

    assert len(response.body) == BODY_LIMIT
    assert response.truncated
    server.ended.acquire()  # nobody reads the rest


@pytest.mark.parametrize("path", ["/endless-chunk-size", "/endless-header"])
def test_l1_lines_without_end_are_refused(server: BadServer, path: str) -> None:
    with pytest.raises(RequestError):
        HttpClient().get(f"{server.url}{path}", timeout_s=120)

    server.ended.acquire()


# The process's own peak: getrusage would include that of the process that started it.
MEMORY = """
import re, sys
from pathlib import Path
from deploy_action.runtime.http import HttpClient, RequestError

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

before = peak()
for url in sys.argv[1:]:
    try:
        HttpClient().get(url, timeout_s=120)
    except RequestError:
        pass
print(peak() - before)
"""


def test_l1_no_response_costs_more_memory_than_its_limit_explains(server: BadServer) -> None:
    urls = [f"{server.url}{path}" for path in (*LARGE, "/endless-chunk-size", "/endless-header")]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *urls], capture_output=True, text=True, check=True
    )

    assert int(done.stdout) < 16 << 10, "kilobytes"  # the limit is 1 MiB, the bombs are 64 and more


def test_interim_responses_are_skipped(server: BadServer) -> None:
    response = HttpClient().get(f"{server.url}/hints-first", timeout_s=10)

    assert (response.status, response.body) == (200, b"fine")


NETRC = """
import sys
from deploy_action.runtime.http import HttpClient
HttpClient().get(sys.argv[1], timeout_s=60)
HttpClient().get(sys.argv[1], timeout_s=60, headers={"Authorization": "Bearer ours"})
"""


def test_x1_the_users_netrc_is_not_read(server: BadServer, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alice password hers\n")
    (tmp_path / ".netrc").chmod(0o600)
    environment = {**os.environ, "HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
    subprocess.run([sys.executable, "-c", NETRC, f"{server.url}/fine"], env=environment, check=True)

    first, second = server.requests
    assert b"authorization" not in first.lower()
    assert b"Authorization: Bearer ours" in second


def test_the_proxy_is_used_except_for_servers_that_need_none(
    server: BadServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = HttpClient()
    client.get(f"{server.url}/fine", timeout_s=10)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for url in ("http://app.example/one", f"{server.url}/two", "http://app.example/three"):
        assert client.get(url, timeout_s=10).status == 200

    asked = [request.split(b" ")[1] for request in server.requests]
    assert asked == [b"/fine", b"http://app.example/one", b"/two", b"http://app.example/three"]


def test_x1_cookies_are_not_kept(server: BadServer) -> None:
    client = HttpClient()
    client.get(f"{server.url}/cookie", timeout_s=10)
    client.get(f"{server.url}/fine", timeout_s=10)

    assert b"who=me" not in server.requests[1]


def test_s1_a_failure_does_not_repeat_the_address() -> None:
    with pytest.raises(RequestError) as raised:
        HttpClient().get("http://127.0.0.1:1/hook/SECRET?token=SECRET", timeout_s=5)

    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://[", "https://user:SECRET@[/", "http://a b/", "nothing"])
def test_s1_an_address_that_cannot_be_parsed_is_not_printed(url: str) -> None:
    with pytest.raises(RequestError) as raised:
        HttpClient().get(url, timeout_s=5)

    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[" * 200_000, b"[1," * 150_000, b"\xff", b"9" * 5_000, b'{"a":'],
    ids=["empty", "HTML", "200,000 levels", "many values", "no UTF-8", "a long number", "half"],
)
def test_unreadable_json_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the kind is what matters
        parse_json(body)
