"""The job summary: the verdict first, and nothing from outside can break out of its cell."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.core.traffic.split import Entry, Split
from deploy_action.errors import AbortedError
from deploy_action.report import summary


def record_of(command: str = "deploy") -> Record:
    return Record(command=command, clock=itertools.count(0.0).__next__)


def test_a_good_end_begins_with_result_and_version() -> None:
    record = record_of()
    with record.phase(Phase.SHIFT):
        record.shifted(
            Split.of([Entry(revision="api--a", weight=75), Entry(revision="api--b", weight=25)]),
            "25 % to the candidate",
        )
    record.learned(version="1.3.0.3", url="https://api.example.com")
    record.ended_well("deployed")

    text = summary.render(record)

    assert text.startswith("## Deployed — 1.3.0.3\n")
    assert "████████░░ 75 % `api--a`" in text
    assert "| 9. Move traffic over in steps | " in text


def test_a_bad_end_tells_the_cause_before_anything_else_and_where_it_stopped() -> None:
    record = record_of()
    try:
        with record.phase(Phase.GATES):
            record.gated("health", "fail", "/health/ready answered 503")
            raise AbortedError("The health gate said fail.", hint="Look at its log.")
    except AbortedError as error:
        record.put_back("the traffic", ok=True, detail="100 api--a")
        record.ended_badly(error)

    text = summary.render(record)

    assert text.startswith(
        "## Aborted: everything was put back\n\n> [!CAUTION]\n> The health gate said fail.\n"
    )
    assert "| the traffic | put back | `100 api--a` |" in text
    assert "**stopped here**" in text


def test_a_run_that_was_killed_left_a_summary_that_says_where_it_was() -> None:
    record = record_of()
    with record.phase(Phase.PLAN):
        pass

    assert summary.render(record).startswith("## Deploy is under way")


@given(st.text("`|<>&*_[]()#@!\n\r ab", max_size=60))
def test_no_text_from_outside_leaves_its_cell(hostile: str) -> None:
    record = record_of()
    record.gated("health", "fail", hostile)
    record.warn(hostile)
    record.put_back("the traffic", ok=False, detail=hostile)
    clean = record_of()
    clean.gated("health", "fail", "x")
    clean.warn("x")
    clean.put_back("the traffic", ok=False, detail="x")

    text = summary.render(record)

    assert len(text.splitlines()) == len(summary.render(clean).splitlines())
    for line in text.splitlines():
        if line.startswith("|"):
            cells = line.replace("\\|", "")
            assert cells.count("|") in {3, 4, 5}
    assert "<script" not in text
