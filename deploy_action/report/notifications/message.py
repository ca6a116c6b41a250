"""Contents of notifications: the event and the facts of the run, cut to a readable length."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy_action.core.notification import Event
from deploy_action.core.outcome import Outcome, RevisionInfo
from deploy_action.core.record import Record
from deploy_action.report import failure
from deploy_action.report.headline import headline
from deploy_action.report.links import Links

LONGEST_HEADLINE = 150  # Slack's limit for a header, the smallest of all
_LONGEST_TEXT, _LONGEST_NAME = 1500, 200
_NAMESPACE = uuid.UUID("3f0c1f53-6d5c-4f3a-9b60-2f4a7c1d8e21")
_URL = re.compile(r"https://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]{1,2000}")

# By result of the run. The first event is the message's own; a channel that subscribed to any of
# them receives it.
_EVENTS: dict[str, tuple[Event, ...]] = {
    "deployed": (Event.SUCCEEDED,),
    "rolled-back": (Event.ROLLED_BACK,),
    "aborted": (Event.ABORTED,),
    "cancelled": (Event.ABORTED,),
    "refused": (Event.ABORTED,),
    "invalid": (Event.ABORTED,),
    "superseded": (Event.ABORTED,),
    "abort-failed": (Event.ACTION_REQUIRED, Event.ABORTED),
    "failed": (Event.ACTION_REQUIRED, Event.ABORTED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notification, the same for every channel; all texts are plain and may be external.

    Args:
        event: what it is about.
        id: the same if the message is sent again, so that receivers can drop repeats.
        timestamp: when it was made, ISO 8601.
        headline: one line.
        command: ``deploy``, ``rollback`` or ``repair``.
        result: how the run ended; empty while it is under way.
        environment: of the settings file; may be empty.
        app: the container app.
        reason: why the run did not do what it should; for a rollback, the given reason.
        next_step: what to do about it.
        outcome: what serves now, what was attempted, what served before.
        links: pages by their title.
        commit: the published version commit.
        pull_request: page of the pull request with the version commit.
        duration_s: how long the run took.
    """

    event: Event
    id: str
    timestamp: str
    headline: str
    command: str
    result: str
    environment: str
    app: str
    reason: str
    next_step: str
    outcome: Outcome
    links: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    pull_request: str = ""
    duration_s: float

    @classmethod
    def of(cls, record: Record, event: Event, *, run: str, timestamp: str) -> Message:
        """Make the message about *event*.

        Args:
            record: what happened so far.
            event: the event.
            run: the run's id.
            timestamp: now, ISO 8601.
        """
        ending, facts = record.ending, record.facts
        reason = failure.reason(record) or facts.get("reason", "")
        title = _started(record) if event is Event.STARTED else headline(record, str)
        if event is Event.ACTION_REQUIRED and ending and not ending.exit_code:
            title = f"⚠️ {title.partition(' ')[2]}"
        return cls(
            event=event,
            id=f"msg_{uuid.uuid5(_NAMESPACE, f'{run} {event.value}').hex}",
            timestamp=timestamp,
            headline=cut(title, LONGEST_HEADLINE),
            command=record.command,
            result=ending.result if ending else "",
            environment=cut(facts.get("environment", ""), _LONGEST_NAME),
            app=cut(facts.get("app", ""), _LONGEST_NAME),
            reason=cut(reason, _LONGEST_TEXT),
            next_step=cut(_next_step(record), _LONGEST_TEXT),
            outcome=record.outcome,
            links=_links(record),
            commit=facts.get("commit", ""),
            pull_request=_safe(facts.get("pull-request", "")),
            duration_s=round(record.elapsed_s, 1),
        )

    def facts(self) -> Sequence[tuple[str, str]]:
        """Return titles and texts of what serves and what was attempted, without empty ones."""
        outcome = self.outcome
        attempted = outcome.attempted
        if attempted.revision == outcome.serving.revision:
            attempted = RevisionInfo()
        title = "Deploying" if self.event is Event.STARTED else "Attempted"
        rows = [
            ("Serves now", _revision_info(outcome.serving, outcome.share)),
            (title, _revision_info(attempted)),
            ("Previous", _revision_info(outcome.previous)),
            ("Traffic", _traffic(outcome)),
            ("Took", f"{self.duration_s:.0f} s" if self.result else ""),
        ]
        return [(title, cut(text, _LONGEST_NAME)) for title, text in rows if text]


def events_of(record: Record) -> tuple[Event, ...]:
    """Return what the end of a run means; the first event is the one that the message is about."""
    if record.command not in {"deploy", "rollback", "repair"} or record.ending is None:
        return ()
    result = record.ending.result
    if result == "repaired":
        finished = record.outcome.serving.revision == record.outcome.attempted.revision
        return (Event.SUCCEEDED,) if finished else (Event.ABORTED,)
    events = _EVENTS.get(result, ())
    waits = record.facts.get("pull-request") or record.facts.get("pending")
    if result in {"deployed", "rolled-back"} and waits:
        return (Event.ACTION_REQUIRED, *events)
    return events


def cut(text: str, longest: int) -> str:
    """Return *text* without control characters, at most *longest* characters long.

    >>> cut("a long text", 6)
    'a lon…'
    """
    flat = re.sub(r"[^\S\n]+", " ", re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", " ", text)).strip()
    return flat if len(flat) <= longest else f"{flat[: longest - 1].rstrip()}…"


def _started(record: Record) -> str:
    where = record.facts.get("environment", "") or record.facts.get("app", "")
    outcome = record.outcome
    attempted, serving = outcome.attempted.name, outcome.serving.name
    act = "rollback to" if record.command == "rollback" else "deployment of"
    serves = f", {serving} serves {outcome.share or 100} %" if serving else ""
    return f"⏳ {where}: {act} {attempted or 'a new version'} started{serves}"


def _next_step(record: Record) -> str:
    ending, facts = record.ending, record.facts
    if ending and ending.exit_code:
        return failure.next_step(record)
    if facts.get("pull-request"):
        return "Merge the pull request with the version commit."
    if facts.get("pending"):
        return "The version commit is not on the branch yet; see the run."
    return ""


def _links(record: Record) -> dict[str, str]:
    links, facts = Links.of(record.facts), record.facts
    pages = {
        "Run and summary": links.run,
        "App": facts.get("url", ""),
        "Azure portal": links.portal,
        "Pull request": facts.get("pull-request", ""),
    }
    return {title: url for title, url in pages.items() if _safe(url)}


def _safe(url: str) -> str:
    return url if _URL.fullmatch(url) else ""


def _revision_info(side: RevisionInfo, share: int = 0) -> str:
    if not side.revision and not side.version:
        return ""
    details = [f"commit {side.commit[:7]}" if side.commit else ""]
    details += [side.revision if side.version else "", f"{share} % of the traffic" if share else ""]
    rest = ", ".join(item for item in details if item)
    return f"{side.version or side.revision}" + (f" ({rest})" if rest else "")


def _traffic(outcome: Outcome) -> str:
    """Return the split where it is not all on one revision."""
    return str(outcome.split) if outcome.split and outcome.share not in {0, 100} else ""
