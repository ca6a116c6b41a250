"""The door to the http, against a real server that behaves badly."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy_action.runtime.http import BODY_CAP, HttpClient, RequestError
from deploy_action.runtime.masking import Mask


class Badly(BaseHTTPRequestHandler):
    """Redirects, drips and pours."""

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/fine")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/drip":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            try:
                while not self.server.over.wait(0.05):  # type: ignore[attr-defined]  # ours
                    self.wfile.write(b"x" * 20_000)
            except OSError:
                return
        elif self.path == "/pour":
            self.send_response(200)
            self.send_header("Content-Length", str(20 * BODY_CAP))
            self.end_headers()
            try:
                for _ in range(20):
                    self.wfile.write(b"x" * BODY_CAP)
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[str]:
    """A server on a free port."""
    found = ThreadingHTTPServer(("127.0.0.1", 0), Badly)
    found.over = threading.Event()  # type: ignore[attr-defined]  # for the drip
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{found.server_address[1]}"
    found.over.set()  # type: ignore[attr-defined]
    found.shutdown()
    thread.join()
    found.server_close()


def test_a_redirect_is_an_answer_and_is_not_followed(server: str) -> None:
    assert HttpClient().get(f"{server}/redirect", timeout_s=10).status == 302


def test_a_body_that_drips_ends_at_the_deadline(server: str) -> None:
    with pytest.raises(RequestError, match="not complete after 1 s"):
        HttpClient().get(f"{server}/drip", timeout_s=1)


def test_a_body_without_end_is_cut(server: str) -> None:
    assert len(HttpClient().get(f"{server}/pour", timeout_s=30).body) == BODY_CAP


def test_a_failure_does_not_repeat_the_address(server: str) -> None:
    with pytest.raises(RequestError) as raised:
        HttpClient().get("http://127.0.0.1:1/hook/SECRET?token=SECRET", timeout_s=5)

    assert "SECRET" not in str(raised.value)


def test_the_mask_strikes_lines_and_encoded_forms() -> None:
    mask = Mask()
    mask.add("pass/word+1=\nsecond line")

    redacted = mask.redact("a pass/word+1= b pass%2Fword%2B1%3D c second line d")

    assert "word" not in redacted
    assert "second" not in redacted
