"""The first line of the summary: what happened, and what serves now."""

from __future__ import annotations

from collections.abc import Callable

from deploy_action.core.outcome import Outcome
from deploy_action.core.record import Record
from deploy_action.core.traffic.split import FULL_TRAFFIC
from deploy_action.report.markdown import plain

_SIGNS = {
    "deployed": "✅",
    "rolled-back": "↩️",
    "repaired": "✅",
    "planned": "📝",
    "unchanged": "✅",
    "valid": "✅",
    "ok": "📊",
    "cancelled": "⚠️",
    "superseded": "⚠️",
    "abort-failed": "🚨",
}


def headline(record: Record, escape: Callable[[str], str] = plain) -> str:
    """Return the headline without Markdown's heading sign.

    Args:
        record: what happened so far.
        escape: applied to external text.
    """
    where = escape(record.facts.get("environment", "") or record.facts.get("app", ""))
    ending = record.ending
    prefix = f"{where}: " if where else ""
    if ending is None:
        return f"⏳ {prefix}{record.command} in progress"
    sign = _SIGNS.get(ending.result, "❌")
    sentence = _sentence(record, ending.result, escape)
    return f"{sign} {prefix}{sentence}{_pending(record, escape)}"


# By result; {serves} is like "1.3.0.2 serves 100 %", {tried} the version that was attempted.
_SENTENCES = {
    "deployed": "{serves}",
    "ok": "{serves}",
    "repaired": "repaired, {serves}",
    "rolled-back": "rolled back, {serves}",
    "planned": "plan for {tried}, nothing was changed, {serves}",
    "valid": "validation passed",
    "unchanged": "nothing to do, {serves}",
    "invalid": "not started, invalid settings",
    "refused": "the {command} was refused, {serves}",
    "superseded": "{tried} was not deployed, another run owns the app, {serves}",
    "cancelled": "the {command} was cancelled, {serves}",
    "abort-failed": "{tried} was not deployed and not everything was restored, {serves}",
    "aborted": "{tried} was not deployed, {serves}",
}
_VALIDATE = {
    "invalid": "validation failed, a setting or a file is invalid",
    "refused": "validation failed, a deployment would be refused",
}
_ROLLBACK = {
    "abort-failed": "the rollback is incomplete, {serves}",
    "aborted": "not rolled back to {tried}, {serves}",
}


# The titles of annotations; other results stand behind the command, as in "Rollback refused".
_TITLES = {
    "deployed": "Deployed",
    "rolled-back": "Rolled back",
    "abort-failed": "{command} aborted (not everything restored)",
    "superseded": "{command} stopped (another run owns the app)",
    "invalid": "{command} not started (invalid settings)",
}


def ending_title(command: str, result: str) -> str:
    """Return the title of the annotation for the end of a run."""
    if command == "validate":
        return "Validation failed"
    name = "deployment" if command == "deploy" else command
    return _TITLES.get(result, "{command} {result}").format(
        command=name.capitalize(), result=result
    )


def _sentence(record: Record, result: str, escape: Callable[[str], str]) -> str:
    command = "deployment" if record.command == "deploy" else record.command
    own = {"rollback": _ROLLBACK, "validate": _VALIDATE}.get(record.command, {})
    sentence = own.get(result) or _SENTENCES.get(result, "the {command} failed, {serves}")
    return sentence.format(
        serves=_serves(record.outcome, escape),
        tried=escape(record.outcome.attempted.name) or "the new version",
        command=command,
    )


def _serves(outcome: Outcome, escape: Callable[[str], str]) -> str:
    name = escape(outcome.serving.name)
    if not name:
        return "the serving revision is unknown"
    share = outcome.share or FULL_TRAFFIC
    return f"{name} serves {share} %"


def _pending(record: Record, escape: Callable[[str], str]) -> str:
    url, pending = record.facts.get("pull-request", ""), record.facts.get("pending", "")
    if not url:
        version = escape(pending)
        return f", the version commit of {version} is not on the branch yet" if pending else ""
    return f", its version commit is pending in pull request #{escape(url.rpartition('/')[2])}"
