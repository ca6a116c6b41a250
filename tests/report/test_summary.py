"""The job summary: four answers first, and external text is shown exactly and has no effect."""

from __future__ import annotations

import html
import itertools
import re

from hypothesis import example, given
from hypothesis import strategies as st

from deploy_action.core.outcome import RevisionInfo
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.core.traffic.split import Entry, Split
from deploy_action.errors import AbortedError, RollbackIncompleteError
from deploy_action.report import markdown, outputs, summary

OLD = RevisionInfo(revision="api--v1-3-0-2", version="1.3.0.2", commit="1" * 40)
NEW = RevisionInfo(revision="api--v1-3-0-3", version="1.3.0.3", commit="2" * 40)
HOSTILE = st.text("`|<>&*_[]()#@!~^$\\-+:/.w\n\r ab1", max_size=60)


def record_of(command: str = "deploy") -> Record:
    record = Record(command=command, clock=itertools.count(0.0).__next__)
    record.set_facts(environment="prod", app="api", url="https://api.example.com")
    return record


def all_to(revision: str) -> Split:
    return Split.of([Entry(revision=revision, weight=100)])


def deployed() -> Record:
    record = record_of()
    record.observed(all_to(OLD.revision), OLD)
    record.attempted = NEW
    with record.phase(Phase.PROMOTE):
        record.traffic_shifted(all_to(NEW.revision), "promoted")
    record.succeed("deployed")
    return record


def aborted() -> Record:
    record = record_of()
    record.observed(all_to(OLD.revision), OLD)
    record.attempted = NEW
    try:
        with record.phase(Phase.GATES):
            record.gate_finished("health", "fail", "/health/ready returned 503")
            raise AbortedError("The health check failed.", hint="Look at its log.")
    except AbortedError as error:
        record.undo_finished("the traffic", ok=True, detail="100 api--v1-3-0-2")
        record.fail(error)
    return record


def test_a_deployment_names_what_serves_and_how_to_go_back() -> None:
    text = summary.render(deployed())

    assert text.startswith("## ✅ prod: 1.3.0.3 serves 100 %\n")
    assert "| version | `1.3.0.3` | `1.3.0.2` |" in text
    assert "gh workflow run rollback.yml -f environment=prod -f revision=api--v1-3-0-2" in text


def test_an_abort_names_cause_state_attempt_and_next_step_before_everything_else() -> None:
    text = summary.render(aborted())
    first_screen = text.partition("<details>")[0]

    assert text.startswith("## ❌ prod: 1.3.0.3 was not deployed, 1.3.0.2 serves 100 %\n")
    assert "The health check failed." in first_screen
    assert "| | serves now | attempted |" in first_screen
    assert "**Next:** Look at its log." in first_screen
    assert "| the traffic | restored | `100 api--v1-3-0-2` |" in text
    assert "**failed**" in text


def test_a_likely_cause_is_shown_once_and_its_hint_is_the_next_step() -> None:
    record = record_of()
    record.diagnosed(cause="The database refuses connections.", hint="Check its firewall.", log=())
    record.fail(
        AbortedError(
            "The health check failed.",
            hint="Likely cause: The database refuses connections. Check its firewall.",
        )
    )

    text = summary.render(record)

    assert text.count("The database refuses connections.") == 1
    assert "**Next:** Check its firewall.\n" in text
    assert text.count("Check its firewall.") == 1


def test_the_outputs_describe_what_serves_and_what_was_attempted() -> None:
    good, bad = outputs.values(deployed()), outputs.values(aborted())

    assert (good["version"], good["previous-version"]) == ("1.3.0.3", "1.3.0.2")
    assert (bad["version"], bad["attempted-version"]) == ("1.3.0.2", "1.3.0.3")
    assert (bad["revision"], bad["attempted-revision"]) == (OLD.revision, NEW.revision)
    assert bad["previous-revision"] == ""
    assert bad["reason"] == "The health check failed."
    assert list(good) == list(outputs.OUTPUTS)


def test_a_rollback_summary_uses_the_terms_of_a_rollback() -> None:
    record = record_of("rollback")
    record.observed(all_to(NEW.revision), NEW)
    record.attempted = OLD
    with record.phase(Phase.GATES):
        pass
    with record.phase(Phase.PROMOTE):
        record.traffic_shifted(all_to(OLD.revision), "rolled back")
    record.succeed("rolled-back")

    text = summary.render(record)

    assert text.startswith("## ↩️ prod: rolled back, 1.3.0.2 serves 100 %\n")
    assert "candidate" not in text
    assert "bake" not in text


def test_an_incomplete_rollback_is_not_called_a_failed_deployment() -> None:
    record = record_of("rollback")
    record.observed(all_to(OLD.revision), OLD)
    record.attempted = OLD
    record.fail(RollbackIncompleteError("The cache was not cleared."))

    assert summary.render(record).startswith(
        "## 🚨 prod: the rollback is incomplete, 1.3.0.2 serves 100 %\n"
    )


def test_a_pending_version_commit_is_in_the_headline() -> None:
    record = deployed()
    record.set_facts(**{"pull-request": "https://github.com/contoso/api/pull/7"})

    headline = summary.render(record).splitlines()[0]

    assert headline.endswith(", its version commit is pending in pull request #7")


def test_a_killed_run_leaves_a_summary_that_says_where_it_was() -> None:
    record = record_of()
    with record.phase(Phase.PLAN):
        pass

    assert summary.render(record).startswith("## ⏳ prod: deploy in progress")


@given(HOSTILE)
def test_external_text_cannot_break_out_of_its_cell(hostile: str) -> None:
    def render(text: str) -> str:
        record = record_of()
        record.gate_finished("health", "fail", text)
        record.warn(text or "x")
        record.undo_finished("the traffic", ok=False, detail=text)
        return summary.render(record)

    assert len(render(hostile).splitlines()) == len(render("x").splitlines())
    for line in render(hostile).splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in {3, 4, 5}


def shown(rendered: str) -> str:
    """Return what a reader sees of a sentence without markup."""
    return html.unescape(rendered.replace("<!-- -->", ""))


@given(HOSTILE)
@example("see https://evil.example or www.evil.example, @somebody, #12, a@b.example")
@example("1. first")
@example("- item")
def test_external_text_is_shown_literally(hostile: str) -> None:
    rendered = markdown.plain(hostile)

    assert shown(rendered) == " ".join(hostile.split())
    bare = re.sub(r"&#?\w+;|<!-- -->", "", rendered)
    assert not set(bare) & set("\\`*_[]|#~^$!<>@&")
    assert "://" not in rendered
    assert not re.search(r"(?i)www\.", rendered)
