"""The page: one self-contained file, live or with its data embedded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

_HERE: Final = Path(__file__).parent
_RECORD: Final = '<script id="record" type="application/json"></script>'


@cache
def live_page() -> str:
    """Return the page of a running sandbox."""
    style = (_HERE / "page.css").read_text("utf-8")
    script = "".join((_HERE / name).read_text("utf-8") for name in ("chart.js", "page.js"))
    page = (_HERE / "page.html").read_text("utf-8")
    page = page.replace("<style></style>", f"<style>\n{style}</style>")
    return page.replace("<script></script>", f"<script>\n{script}</script>")


def kept_page(history: Mapping[str, Any]) -> str:
    """Return the page with *history* embedded, to read after the sandbox has stopped."""
    # "</script>" inside a text must not end the element.
    record = json.dumps(history).replace("<", "\\u003c")
    return live_page().replace(_RECORD, _RECORD.replace("></", f">{record}</"))
