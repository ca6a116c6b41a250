"""The record as a job summary.

The first screen says what happened, what serves now, what was attempted and what to do next.
Everything else is collapsed. External text goes through `report.markdown`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from deploy_action.core.events import PhaseStarted, RunEnded, UndoFinished, WarningRaised
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.report import sections
from deploy_action.report.duration import duration
from deploy_action.report.failure import next_step, not_restored
from deploy_action.report.headline import headline
from deploy_action.report.links import Links
from deploy_action.report.markdown import code, details, fence, link, plain


def render(record: Record, *, problems: Mapping[str, str] | None = None, artifact: str = "") -> str:
    """Return the whole summary as GitHub-flavoured Markdown; works at any point of a run.

    Args:
        record: what happened so far.
        problems: by channel of reporting, why it cannot be written.
        artifact: name of the artifact with log and report; empty if there will be none.
    """
    links = Links.of(record.facts)
    lines = [f"## {headline(record)}", ""]
    if record.ending:
        lines += _cause(record.ending)
    lines += sections.diagnosis(record)
    lines += sections.checks(record)
    lines += sections.status(record)
    lines += _sides(record, links, artifact)
    warnings = _warnings(record, problems or {})
    successful = record.ending is None or not record.ending.exit_code
    lines += warnings if successful else []
    lines += _next_step(record, links)
    lines += [] if successful else warnings
    lines += details("Plan", sections.plan(record))
    lines += details("Restored state", sections.restored(record))
    lines += details("Gates", sections.gates(record))
    lines += details("Traffic", sections.traffic(record))
    lines += details("Cache", sections.cache(record))
    lines += details("Timeline", sections.timeline(record))
    return "\n".join(lines).rstrip() + "\n"


def _cause(ending: RunEnded) -> list[str]:
    if not ending.exit_code:
        return []
    if len(ending.faults) > 1:
        return [
            *(f"- {plain(str(fault))}" for fault in ending.faults),
            "",
        ]
    return [plain(ending.reason), ""]


def _sides(record: Record, links: Links, artifact: str) -> list[str]:
    """Return the table of what serves now and what was attempted."""
    outcome = record.outcome
    serving, attempted = outcome.serving, outcome.attempted
    both = attempted.revision and attempted.revision != serving.revision
    other = attempted if both else outcome.previous
    title = "attempted" if both else "previous"
    rows = [
        ("version", serving.version, other.version, ""),
        ("revision", serving.revision, other.revision, "revision"),
        ("commit", serving.commit, other.commit, "commit"),
        ("image", _short_digest(serving.image), _short_digest(other.image), ""),
    ]
    shown = [row for row in rows if row[1] or row[2]]
    lines = []
    if shown:
        two = bool(other.revision or other.version)
        lines = [f"| | serves now | {title} |", "|---|---|---|"] if two else []
        lines = lines or ["| | serves now |", "|---|---|"]
        for label, now, then, kind in shown:
            cells = [links.to(kind, now), links.to(kind, then)][: 2 if two else 1]
            lines.append(f"| {label} | {' | '.join(cells)} |")
        lines.append("")
    facts = [
        f"App {link(links.app_name, links.portal)}" if links.app_name else "",
        f"at {link(record.facts['url'].removeprefix('https://'), record.facts['url'])}"
        if record.facts.get("url")
        else "",
        f"reason: {code(record.facts['reason'])}" if record.facts.get("reason") else "",
        f"version commit {links.to('commit', record.facts['commit'])}"
        if record.facts.get("commit")
        else "",
        f"took {duration(record.elapsed_s)}",
        f"log and report in the artifact {code(artifact)}" if artifact else "",
    ]
    text = ", ".join(part for part in facts if part)
    return [*lines, text[:1].upper() + text[1:], ""]


def _next_step(record: Record, links: Links) -> list[str]:
    """Return what the reader should do, with a command to paste where there is one."""
    ending, facts = record.ending, record.facts
    lines: list[str] = []
    if facts.get("pull-request"):
        pull = f"pull request #{facts['pull-request'].rpartition('/')[2]}"
        lines += [f"**Next:** Merge {link(pull, facts['pull-request'])}.", ""]
    if lost := not_restored(record):
        lines += _by_hand(lost, next_step(record))
    elif hint := next_step(record):
        lines += [f"**Next:** {plain(hint)}", ""]
    if ending and ending.result == "deployed" and record.outcome.previous.revision:
        target = record.outcome.previous.revision
        lines += ["To roll back:", "", *fence([_dispatch(facts, target)], "bash"), ""]
    if ending and ending.exit_code and links.logs and _has_candidate(record):
        lines += [f"Log stream: {link('portal', links.logs)}", ""]
    return lines


def _by_hand(lost: Sequence[UndoFinished], hint: str) -> list[str]:
    """Return what was not restored, with commands to paste, and the rest of the hint."""
    commands = [event.by_hand for event in lost if event.by_hand.startswith("az ")]
    below = "run the command below" if len(commands) == 1 else "run its command below"
    steps = [below if event.by_hand in commands else event.by_hand for event in lost]
    named = "; ".join(f"{x.what} ({x.by_hand})" if x.by_hand else x.what for x in lost)
    rest = hint.removeprefix(f"Not restored: {named}.").strip()
    return [
        "**Next:** Restore what could not be restored:",
        "",
        *(
            f"- {plain(event.what)}" + (step and f": {plain(step)}")
            for event, step in zip(lost, steps, strict=True)
        ),
        "",
        *([*fence(commands, "bash"), ""] if commands else []),
        *([plain(rest), ""] if rest else []),
    ]


def _has_candidate(record: Record) -> bool:
    """Whether there is a revision whose log may explain a failure."""
    phases = {event.phase for event in record.events if isinstance(event, PhaseStarted)}
    return bool(phases & {Phase.CREATE, Phase.GATES})


def _short_digest(image: str) -> str:
    """Return an image with a digest of 12 characters, so that two fit beside each other."""
    return re.sub(r"(@sha256:[0-9a-f]{12})[0-9a-f]{52}$", r"\1…", image)


def _dispatch(facts: Mapping[str, str], target: str) -> str:
    workflow = "rollback.yml"
    environment = f" -f environment={facts['environment']}" if facts.get("environment") else ""
    return f"gh workflow run {workflow}{environment} -f revision={target}"


def _warnings(record: Record, problems: Mapping[str, str]) -> list[str]:
    warnings = [event.text for event in record.events if isinstance(event, WarningRaised)]
    warnings += [
        f"The {channel} cannot be written: {cause}." for channel, cause in problems.items()
    ]
    if not warnings:
        return []
    return ["> [!WARNING]", *(f"> - {plain(text)}" for text in dict.fromkeys(warnings)), ""]
