"""The ingress: streams, WebSockets, large bodies, slow and disconnecting users."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import requests

from tests.support import talkative
from tests.support.eventually import eventually
from tests.support.scene import Scene

LARGE = 48 * 1024 * 1024


@pytest.fixture(scope="module")
def app(azure: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The app of `support/talkative.py`, behind the ingress."""
    scene = Scene(azure, tmp_path_factory.mktemp("talkative"), "talkative")
    home = scene.workspace / "addin"
    home.mkdir(parents=True)
    shutil.copy(talkative.__file__, home / "main.py")
    (home / "Dockerfile").write_text(
        'FROM python:3.11\nCOPY main.py /\nCMD ["python", "/main.py"]\n', "utf-8"
    )
    scene.create_app(scene.seed_image("1"), "1")
    yield scene
    scene.ask("DELETE", scene.path)


@pytest.fixture
def url(app: Scene) -> str:
    return f"https://{app.resource()['properties']['configuration']['ingress']['fqdn']}"


class Wire:
    """A raw connection to the ingress, for requests that client libraries refuse to send."""

    def __init__(self, app: Scene, url: str) -> None:
        proxy, self.host = urlsplit(app.environment["HTTPS_PROXY"]), str(urlsplit(url).hostname)
        raw = socket.create_connection((str(proxy.hostname), int(proxy.port or 80)), 30)
        raw.sendall(f"CONNECT {self.host}:443 HTTP/1.1\r\n\r\n".encode())
        assert b" 200 " in raw.recv(4096)
        trust = ssl.create_default_context(cafile=app.environment["REQUESTS_CA_BUNDLE"])
        self.socket = trust.wrap_socket(raw, server_hostname=self.host)

    def send(self, *lines: str, version: str = "1.1") -> None:
        """Send a request's head."""
        first, *rest = lines
        head = [f"{first} HTTP/{version}", f"Host: {self.host}", *rest, "", ""]
        self.socket.sendall("\r\n".join(head).encode())

    def read_until(self, until: bytes) -> bytes:
        """Read until *until* came, or the end."""
        heard = b""
        while until not in heard and (data := self.socket.recv(65_536)):
            heard += data
        return heard

    def rest(self) -> bytes:
        """Read to the end of the connection."""
        heard = b""
        while data := self.socket.recv(65_536):
            heard += data
        return heard


@asynccontextmanager
async def user(app: Scene) -> AsyncIterator[aiohttp.ClientSession]:
    """A user who sends and reads at the same time; all connections are closed at the end.

    aiohttp does not wait for the end of TLS connections, see its "Graceful Shutdown".
    """
    sockets: list[socket.socket] = []

    def remembered(about: aiohttp.AddrInfoType) -> socket.socket:
        sockets.append(socket.socket(*about[:3]))
        return sockets[-1]

    trust = ssl.create_default_context(cafile=app.environment["REQUESTS_CA_BUNDLE"])
    connector = aiohttp.TCPConnector(ssl=trust, socket_factory=remembered)
    async with aiohttp.ClientSession(
        connector=connector, proxy=app.environment["HTTPS_PROXY"]
    ) as session:
        yield session
    while any(each.fileno() >= 0 for each in sockets):  # noqa: ASYNC110  no event tells it
        await asyncio.sleep(0.01)


@pytest.fixture
def wire(app: Scene, url: str) -> Iterator[Wire]:
    made = Wire(app, url)
    yield made
    made.socket.close()


def _counts(app: Scene, url: str) -> dict[str, Any]:
    response_body: dict[str, Any] = app.session.get(f"{url}/counts", timeout=30).json()
    return response_body


def test_an_event_arrives_before_the_next_one_is_sent(app: Scene, url: str) -> None:
    with app.session.get(f"{url}/events", stream=True, timeout=30) as answer:
        lines = answer.iter_lines()
        assert next(lines) == b"data: first"
        app.session.post(f"{url}/go-on", timeout=30).raise_for_status()
        assert [line for line in lines if line] == [b"data: second"]


@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "in chunks"])
def test_a_large_body_comes_back_as_it_went(app: Scene, url: str, chunked: bool) -> None:
    body = hashlib.shake_256(b"seed").digest(LARGE)

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, LARGE, 300_000):
            yield body[at : at + 300_000]

    async def back() -> tuple[bool, bytes]:
        sent: Any = pieces() if chunked else io.BytesIO(body)
        target = f"{url}/echo" if chunked else f"{url}/echo?length"
        async with user(app) as session, session.post(target, data=sent) as answer:
            return "Content-Length" in answer.headers, await answer.read()

    has_length, received = asyncio.run(back())
    assert has_length is not chunked
    assert hashlib.sha256(received).digest() == hashlib.sha256(body).digest()


def test_a_websocket_works_both_ways_and_its_close_is_detected(app: Scene, url: str) -> None:
    async def talk() -> list[object]:
        async with user(app) as session, session.ws_connect(f"{url}/talk") as socket_:
            await socket_.send_str("hello")
            await socket_.send_bytes(b"\x00" * 300_000)
            return [await socket_.receive_str(), len(await socket_.receive_bytes())]

    assert asyncio.run(talk()) == ["you said hello", 300_000]
    eventually(lambda: "talk" in _counts(app, url)["gone"], "the connection is closed")


def test_a_slow_user_slows_the_app_down_without_filling_memory(
    app: Scene, url: str, wire: Wire
) -> None:
    wire.send("GET /endless")
    wire.read_until(b"x")
    observed = -1
    while observed != (now := _counts(app, url)["written"]["endless"]):
        observed = now
        time.sleep(0.2)  # until nothing more is written: the condition is that time changes nothing
    assert observed < 30_000_000
    wire.socket.close()
    eventually(lambda: "endless" in _counts(app, url)["gone"], "the connection is closed")


def test_the_app_notices_a_disconnected_user(app: Scene, url: str, wire: Wire) -> None:
    wire.send("GET /waits")
    eventually(lambda: "waits" in _counts(app, url)["came"], "the request arrives")
    wire.socket.close()
    eventually(lambda: "waits" in _counts(app, url)["gone"], "the connection is closed")


def test_requests_sent_ahead_are_answered_in_order(wire: Wire) -> None:
    wire.send("GET /bare/204")
    wire.send("POST /echo?length", "Content-Length: 3")
    wire.socket.sendall(b"abc")
    wire.send("POST /echo?length", "Content-Length: 3", "Connection: close")
    wire.socket.sendall(b"def")
    heard = wire.rest()

    assert heard.count(b"HTTP/1.1 ") == 3
    assert heard.index(b"204") < heard.index(b"abc") < heard.index(b"def")


def test_answers_without_a_body_leave_the_connection_in_step(wire: Wire) -> None:
    for line, status in (
        ("HEAD /health/ready", b"200"),
        ("GET /bare/204", b"204"),
        ("GET /bare/304", b"304"),
        ("HEAD /no-such-page", b"404"),
    ):
        wire.send(line)
        head = wire.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + status)
        assert head.endswith(b"\r\n\r\n")
    wire.send("GET /health/ready")
    assert wire.read_until(b"ok").endswith(b"ok")


def test_expect_100_continue_is_answered(wire: Wire) -> None:
    wire.send("POST /echo?length", "Content-Length: 5", "Expect: 100-continue")
    leave = wire.read_until(b"\r\n\r\n")
    wire.socket.sendall(b"hello")
    heard = leave + wire.read_until(b"hello")

    assert leave.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 200 " in heard
    assert heard.endswith(b"hello")


def test_an_http_1_0_client_gets_its_response_and_a_closed_connection(wire: Wire) -> None:
    wire.send("GET /events/none", version="1.0")
    heard = wire.rest()

    assert heard.startswith(b"HTTP/1.1 404 ")
    assert b"chunked" not in heard


def test_a_body_nobody_reads_is_refused_and_the_answer_arrives(app: Scene, url: str) -> None:
    answer = app.session.post(f"{url}/refuses", data=b"x" * 100_000, timeout=30)

    assert answer.status_code == 413
    assert answer.text == "too large"


def test_malformed_http_is_refused(wire: Wire) -> None:
    wire.socket.sendall(b"what is this\r\n\r\n")
    assert wire.rest().startswith(b"HTTP/1.1 400 ")


def test_two_content_length_fields_are_refused(wire: Wire) -> None:
    """A request that two servers could read in two ways."""
    wire.send("POST /echo", "Content-Length: 3", "Transfer-Encoding: chunked")
    assert wire.rest().startswith(b"HTTP/1.1 400 ")


def test_a_head_without_end_is_refused(wire: Wire) -> None:
    wire.send("GET /shown", *(f"X-{number}: {'y' * 1000}" for number in range(80)))
    assert wire.rest().startswith(b"HTTP/1.1 431 ")


def test_an_app_that_hangs_up_between_requests_fails_nobody(app: Scene, url: str) -> None:
    answers = [app.session.get(f"{url}/hangs-up", timeout=30).text for _ in range(200)]
    assert answers == ["once"] * 200


def test_a_truncated_response_stays_truncated(app: Scene, url: str) -> None:
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        app.session.get(f"{url}/half", timeout=30).content  # noqa: B018  read to the end


def test_forwarded_headers_name_the_client(app: Scene, url: str) -> None:
    sent = {"X-Forwarded-For": "203.0.113.9", "Connection": "X-Mine", "X-Mine": "1", "X-Two": "é"}
    response_body = app.session.get(f"{url}/shown?a=%20b&c", headers=sent, timeout=30).json()
    fields = {name.lower(): value for name, value in response_body["fields"]}

    assert response_body["target"] == "/shown?a=%20b&c"
    assert fields["host"] == urlsplit(url).hostname
    assert fields["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert fields["x-forwarded-proto"] == "https"
    assert len(fields["x-request-id"]) == 32
    assert "x-mine" not in fields
    assert "x-two" in fields


def test_a_deactivated_revision_lets_running_requests_through_and_no_new_ones(
    app: Scene, tmp_path: Path
) -> None:
    leaving = Scene(app.environment, tmp_path, "leaving")
    url = leaving.create_app("wellintakeregistry.azurecr.io/talkative:1", "1")
    wire = Wire(leaving, url)
    wire.send("GET /endless")
    wire.read_until(b"x")
    [name] = leaving.revisions()
    assert leaving.ask("POST", f"{leaving.path}/revisions/{name}/deactivate").ok
    at_once = leaving.revisions()[name]
    refused = leaving.session.get(f"{url}/health/ready", timeout=30).status_code
    more = sum(len(wire.socket.recv(65_536)) for _ in range(100))
    wire.socket.close()
    eventually(
        lambda: leaving.revisions()[name]["runningState"] == "Stopped", "the revision is stopped"
    )
    gone = leaving.revisions()[name]
    leaving.ask("DELETE", leaving.path)

    assert (at_once["active"], at_once["runningState"]) == (False, "Deprovisioning")
    assert refused in {404, 503}
    assert more > 100_000, "what was running goes on"
    assert (gone["replicas"], "lastActiveTime" in gone) == (0, True)
