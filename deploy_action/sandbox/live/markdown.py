"""Renders a job summary as GitHub shows it: tables, details, code; no scripts."""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore

_ALERT: Final = re.compile(r"\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\]\n?")


def summary_page(markdown: str) -> str:
    """Return a page for a frame without scripts. Diagrams are shown as their source."""
    style = Path(__file__).with_name("summary.css").read_text("utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:"
    return (
        f'<!doctype html><meta charset="utf-8"><base target="_blank">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<style>{style}</style>{_renderer().render(markdown)}"
    )


@cache
def _renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    renderer.add_render_rule("fence", _fence)
    renderer.core.ruler.before("inline", "alerts", _mark_alerts)
    return renderer


def _mark_alerts(state: StateCore) -> None:
    """Turn a quote that begins with ``[!WARNING]`` into an alert, as GitHub does."""
    for quote, _, text in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        alert = _ALERT.match(text.content) if quote.type == "blockquote_open" else None
        if alert:
            quote.attrSet("class", f"alert {alert[1].lower()}")
            text.content = f"**{alert[1].capitalize()}**\\\n{text.content[alert.end() :]}"


def _fence(_: Any, tokens: Any, index: int, *__: Any) -> str:
    token = tokens[index]
    kind = ' class="diagram"' if token.info.strip() == "mermaid" else ""
    return f"<pre{kind}><code>{html.escape(token.content)}</code></pre>\n"
