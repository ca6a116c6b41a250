"""Secrets in text."""

import base64
import html
import json
import shlex
from urllib.parse import quote, quote_plus

from hypothesis import assume, example, given
from hypothesis import strategies as st

from deploy_action.runtime.masking import Mask


def test_the_mask_redacts_lines_and_encoded_forms() -> None:
    mask = Mask()
    mask.add("pass/word+1=\nsecond line")

    redacted = mask.redact("a pass/word+1= b pass%2Fword%2B1%3D c second line d")

    assert "word" not in redacted
    assert "second" not in redacted


@given(st.text(min_size=6, max_size=40), st.text(max_size=3), st.text(max_size=3))
@example("p'a\"s&s/w+rd=", "a", "")
def test_s1_no_common_encoding_shows_a_secret(secret: str, before: str, after: str) -> None:
    """Wherever the secret stands in an encoded text, its longest run of characters is gone."""
    assume(len(secret.strip()) >= 6 and len(secret.splitlines()) == 1)
    mask = Mask()
    mask.add(secret)
    value = secret.strip()
    content = value.encode("utf-8", "surrogatepass")

    for encoded in (
        value,
        quote(value, safe="", errors="surrogatepass"),
        quote_plus(value, errors="surrogatepass"),
        json.dumps(value)[1:-1],
        html.escape(value),
        shlex.quote(value),
    ):
        assert encoded not in mask.redact(f"<{encoded}>")
    for padding in (b"", b"u:", b"x"):
        encoded = base64.b64encode(padding + content).decode()
        assert mask.redact(encoded) != encoded
    assert value not in mask.redact(before + value + after)


def test_s1_short_values_are_not_redacted() -> None:
    mask = Mask()

    assert not mask.add("abc")
    assert mask.redact("abc") == "abc"
