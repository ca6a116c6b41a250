"""The record as a job summary: the verdict first, then the facts, then how it went.

Everything that came from outside stands in code spans: GitHub renders the rest as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deploy_action.core.record import (
    CacheCleared,
    Ended,
    Gated,
    PhaseEnded,
    PhaseStarted,
    PutBack,
    Record,
    Shifted,
    Warned,
)
from deploy_action.core.traffic.split import Split

_HEADLINES = {
    "deployed": "Deployed",
    "planned": "Plan only: nothing was changed",
    "rolled-back": "Rolled back",
    "repaired": "Repaired",
    "unchanged": "Nothing to do",
    "ok": "Status",
    "aborted": "Aborted: everything was put back",
    "abort-failed": "Aborted: not everything could be put back",
    "cancelled": "Cancelled",
    "refused": "Refused: nothing was changed",
    "superseded": "Gave way to another run",
    "invalid": "Not started: a setting is wrong",
    "failed": "Failed",
}
_FACTS = {
    "url": "app",
    "version": "version",
    "previous-version": "version before",
    "revision": "revision",
    "previous-revision": "revision before",
    "image": "image",
    "commit": "version commit",
    "cache": "cache",
    "reason": "reason",
}


def render(record: Record, *, problems: Mapping[str, str] | None = None) -> str:
    """Return the whole summary as GitHub-flavoured Markdown; works at any point of a run.

    Args:
        record: what happened so far.
        problems: by channel of reporting, why it cannot be written.
    """
    parts = [*_head(record), *_facts(record), *_put_back(record), *_traffic(record)]
    parts += [
        *_gates(record),
        *_cache(record),
        *_warnings(record, problems or {}),
        *_timeline(record),
    ]
    return "\n".join(parts) + "\n"


def _head(record: Record) -> Iterator[str]:
    ending = record.ending
    if ending is None:
        yield f"## {record.command.capitalize()} is under way"
        return
    subject = record.facts.get("version", "") or record.facts.get("revision", "")
    headline = _HEADLINES.get(ending.result, ending.result)
    yield f"## {headline}" + (f" — {subject}" if subject and not ending.exit_code else "")
    yield ""
    if ending.exit_code:
        yield from _alert(ending)


def _alert(ending: Ended) -> Iterator[str]:
    yield "> [!CAUTION]"
    yield f"> {_plain(ending.reason)}"
    if ending.hint:
        yield ">"
        yield f"> {_plain(ending.hint)}"
    yield ""


def _facts(record: Record) -> Iterator[str]:
    rows = [(label, record.facts[name]) for name, label in _FACTS.items() if record.facts.get(name)]
    ending = record.ending
    if ending:
        rows.append(("result", f"{ending.result}, exit code {ending.exit_code}"))
    rows.append(("duration", f"{record.elapsed_s:.1f} s"))
    yield "| | |"
    yield "|---|---|"
    for label, value in rows:
        yield f"| {label} | {_code(value)} |"
    yield ""


def _put_back(record: Record) -> Iterator[str]:
    found = [event for event in record.events if isinstance(event, PutBack)]
    if not found:
        return
    yield "### What was put back"
    yield ""
    yield "| what | state | how it stands |"
    yield "|---|---|---|"
    for event in found:
        state = "put back" if event.ok else "**not put back**"
        yield f"| {_plain(event.what)} | {state} | {_code(event.detail)} |"
    yield ""


def _traffic(record: Record) -> Iterator[str]:
    found = [event for event in record.events if isinstance(event, Shifted)]
    if not found:
        return
    yield "### Traffic, as read back"
    yield ""
    yield "| at | why | split |"
    yield "|---:|---|---|"
    for event in found:
        yield f"| {event.at:.1f} s | {_plain(event.why)} | {_bars(event.split)} |"
    yield ""


def _bars(split: Split) -> str:
    """Return one bar of ten blocks per revision, so that a glance is enough."""
    cells = []
    for entry in split.entries:
        filled = round(entry.weight / 10)
        label = f" @{entry.label}" if entry.label else ""
        bar = "█" * filled + "░" * (10 - filled)
        cells.append(f"{bar} {entry.weight} % {_code((entry.revision or 'latest') + label)}")
    return "<br>".join(cells)


def _gates(record: Record) -> Iterator[str]:
    found = [event for event in record.events if isinstance(event, Gated)]
    if not found:
        return
    yield "### Gates"
    yield ""
    yield "| gate | verdict | seen |"
    yield "|---|---|---|"
    for event in found:
        yield f"| {_plain(event.gate)} | {event.verdict} | {_code(event.seen)} |"
    yield ""


def _cache(record: Record) -> Iterator[str]:
    found = [event for event in record.events if isinstance(event, CacheCleared)]
    if not found:
        return
    yield "### Cache"
    yield ""
    yield "| when | pattern | keys removed |"
    yield "|---|---|---:|"
    for event in found:
        for pattern, count in event.removed:
            yield f"| {_plain(event.moment)} | {_code(pattern)} | {count} |"
    yield ""


def _warnings(record: Record, problems: Mapping[str, str]) -> Iterator[str]:
    found = [event.text for event in record.events if isinstance(event, Warned)]
    found += [f"The {channel} cannot be written: {cause}." for channel, cause in problems.items()]
    if not found:
        return
    yield "### Warnings"
    yield ""
    for text in dict.fromkeys(found):
        yield f"- {_plain(text)}"
    yield ""


def _timeline(record: Record) -> Iterator[str]:
    ends = {event.phase: event for event in record.events if isinstance(event, PhaseEnded)}
    starts = [event for event in record.events if isinstance(event, PhaseStarted)]
    if not starts:
        return
    yield "<details><summary>Timeline</summary>"
    yield ""
    yield "| phase | from | took | |"
    yield "|---|---:|---:|---|"
    for start in starts:
        end = ends.get(start.phase)
        took = f"{end.at - start.at:.1f} s" if end else ""
        state = ("done" if end.ok else "**stopped here**") if end else "under way"
        sentence = f"{start.phase.number}. {start.phase.sentence}"
        yield f"| {sentence} | {start.at:.1f} s | {took} | {state} |"
    yield ""
    yield "</details>"


def _code(text: str) -> str:
    """Return *text* as a code span that no content can leave, fit for a table cell."""
    flat = " ".join(text.split())
    if not flat:
        return ""
    longest = max((len(run) for run in _runs_of_backticks(flat)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}".replace("|", "\\|")


def _runs_of_backticks(text: str) -> list[str]:
    return [run for run in "".join(c if c == "`" else " " for c in text).split() if run]


def _plain(text: str) -> str:
    """Return *text* with everything that Markdown or HTML would act on made harmless."""
    flat = " ".join(text.split())
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        flat = flat.replace(sign, safe)
    for sign in "\\`*_[]|#@":
        flat = flat.replace(sign, f"&#{ord(sign)};")
    return flat
