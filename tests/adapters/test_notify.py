"""The signature of webhooks, verified with the code that the documentation gives receivers."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from deploy_action.adapters.notify.sender import send
from deploy_action.adapters.notify.signature import key_of, signature_headers
from tests.support.paths import ROOT

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdefghijklmn").decode()


def documented() -> Any:
    text = (ROOT / "docs" / "notifications.md").read_text("utf-8")
    match = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert match
    names: dict[str, Any] = {}
    exec(match[1], names)  # noqa: S102  our own documentation
    return names["is_authentic"]


def test_the_documented_code_accepts_what_is_signed_and_nothing_else() -> None:
    is_authentic = documented()
    headers = signature_headers(key_of(SECRET), id="msg_1", timestamp=1_780_000_000, body=b"{}")

    assert is_authentic(SECRET, headers, b"{}")
    assert not is_authentic(SECRET, headers, b"{ }")
    assert not is_authentic(SECRET, {**headers, "webhook-id": "msg_2"}, b"{}")
    assert not is_authentic(SECRET, {**headers, "webhook-timestamp": "1"}, b"{}")
    other = "whsec_" + base64.b64encode(b"another key of 24 bytes.").decode()
    assert not is_authentic(other, headers, b"{}")


def test_the_signature_is_the_one_of_the_specification() -> None:
    """The example of the specification's reference libraries."""
    headers = signature_headers(
        key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_short", "whsec_ä", "whsec_" + "A" * 400])
def test_an_unusable_secret_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^secret: it must") as raised:
        key_of(secret)

    assert not secret or secret not in str(raised.value)


@pytest.mark.parametrize("url", ["http://hooks.slack.com/x", "ftp://hooks.slack.com", ""])
def test_only_https_is_used(url: str) -> None:
    assert send(url, b"{}", dict) == "the URL does not begin with https://"


def test_a_host_that_does_not_exist_is_a_problem_and_no_error() -> None:
    assert send("https://receiver.invalid/hook", b"{}", dict) != ""
