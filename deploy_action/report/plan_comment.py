"""The plan as a comment on a pull request; external text goes through `report.markdown`."""

from __future__ import annotations

from deploy_action.core.events import WarningRaised
from deploy_action.core.record import Record
from deploy_action.report.markdown import code, link, plain
from deploy_action.report.plan import plan_markdown

_LONGEST = 60_000  # characters; GitHub documents a limit of 65,536


def marker(app: str, environment: str) -> str:
    """Return the invisible first line by which a later run finds its comment again."""
    return f"<!-- deploy-action plan of {app} in {environment} -->"


def plan_comment(record: Record, *, problem: str = "") -> str:
    """Return the whole comment.

    Args:
        record: of a dry run, with app and environment among its facts.
        problem: why there is no plan; empty if there is one.
    """
    facts = record.facts
    app, environment = facts.get("app", ""), facts.get("environment", "")
    head = [marker(app, environment), "", f"### Plan for {code(app)} in {code(environment)}", ""]
    run = link("workflow run", facts.get("run-url", ""))
    foot = ["", f"Nothing was changed. See the {run} for details."]
    warnings = [event.text for event in record.events if isinstance(event, WarningRaised)]
    notes = [f"> - {plain(text)}" for text in dict.fromkeys(warnings)]
    notes = ["> [!WARNING]", *notes, ""] if notes else []
    if problem:
        shown = ["A deployment would be refused:", "", plain(problem), ""]
    else:
        shown = plan_markdown(record.plan.data) if record.plan else []
    whole = "\n".join([*head, *shown, *notes, *foot]) + "\n"
    if len(whole) <= _LONGEST:
        return whole
    return "\n".join([*head, "The plan is too long for a comment.", *foot]) + "\n"
