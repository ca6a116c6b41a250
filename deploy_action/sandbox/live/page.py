"""The page: one file without anything from elsewhere, live or with its record inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).with_name("page.html")
_RECORD: Final = '<script id="record" type="application/json"></script>'


def kept_page(history: Mapping[str, Any]) -> str:
    """Return the page with *history* inside, readable when the local Azure is gone."""
    # "</script>" inside a text must not end the element.
    record = json.dumps(history).replace("<", "\\u003c")
    page = PAGE.read_text("utf-8")
    return page.replace(_RECORD, _RECORD.replace("></", f">{record}</"))
