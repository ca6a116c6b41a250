"""The lines of cache-warm."""

from __future__ import annotations

import pytest

from deploy_action.core.settings.warmup import WarmupEntry, parse, render


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("a:b = c", WarmupEntry(key="a:b", text="c")),
        (
            "config:version = {version} @ 48h",
            WarmupEntry(key="config:version", text="{version}", ttl_s=172800),
        ),
        ("m:{version}=GET /manifest.xml", WarmupEntry(key="m:{version}", path="/manifest.xml")),
        ("GET /a?v={version} @ 1h", WarmupEntry(path="/a?v={version}", ttl_s=3600)),
        ("mail = a@b", WarmupEntry(key="mail", text="a@b")),
        ("x = a = b", WarmupEntry(key="x", text="a = b")),
    ],
)
def test_a_line_stores_a_text_or_response_or_requests_a_page(line: str, meant: WarmupEntry) -> None:
    assert parse(line) == meant


@pytest.mark.parametrize("line", ["", "key", "= value", "key =", "GET page", "a = {nonsense}"])
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="in the form 'KEY = TEXT"):
        parse(line)


def test_values_come_from_the_deployment() -> None:
    assert render("m:{version}:{commit}", {"version": "1.3.0.3"}) == "m:1.3.0.3:"
