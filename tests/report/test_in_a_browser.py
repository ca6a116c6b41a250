"""What others render, with their own code in a browser: Mermaid diagrams and adaptive cards.

The packages are locked in tools/renderers. GitHub and Teams use the same projects.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from deploy_action.core.events import PhaseStarted
from deploy_action.core.notification import Channel, Event
from deploy_action.core.phase import Phase
from deploy_action.core.record import Record
from deploy_action.errors import AbortedError
from deploy_action.report import summary
from deploy_action.report.notifications import events_of
from deploy_action.sandbox.live.markdown import summary_page
from tests.report.examples import EXAMPLES, Script
from tests.report.test_notifications import RECORDS, aborted, deployed, payload, record_of
from tests.support.paths import ROOT

pytestmark = [pytest.mark.xdist_group("renderers"), pytest.mark.long, pytest.mark.slow]
SOURCE = ROOT / "tools" / "renderers"
BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GITHUB_WIDTH = 1012  # of the column in which GitHub shows a summary
HOSTILE = "**bold** [link](https://evil.example) <b>x</b> <at>all</at> \\n # @all & `code`"
# Selenium waits for the promise.
_MERMAID = """
const [text, done] = arguments;
mermaid.initialize({startOnLoad: false});
mermaid.render("chart", text).then(
  ({svg}) => {
    document.body.innerHTML = svg;
    const bars = [...document.querySelectorAll("rect.task")];
    done({error: "", text: document.body.textContent, bars: bars.map(
      (one) => [Number(one.getAttribute("x")), Number(one.getAttribute("width"))])});
  },
  (error) => done({error: String(error), text: "", bars: []}));
"""
# A table that is too wide scrolls by itself, as on GitHub.
_TABLES = """
const [html, done] = arguments, frame = document.createElement("iframe");
frame.style.cssText = "width: 100%; border: 0";
frame.onload = () => done([...frame.contentDocument.querySelectorAll("table")]
  .filter((one) => !one.closest("details") && one.scrollWidth > one.clientWidth)
  .map((one) => one.innerText));
frame.srcdoc = html;
document.body.style.margin = "0";
document.body.replaceChildren(frame);
"""
_CARD = """
const context = new AdaptiveCards.SerializationContext(), card = new AdaptiveCards.AdaptiveCard();
card.parse(arguments[0], context);
const problems = [...Array(context.eventCount).keys()].map((i) => context.getEventAt(i).message);
card.validateProperties().validationEvents.forEach((one) => problems.push(one.message));
const shown = card.render();
document.body.replaceChildren(shown);
return {problems, text: shown.innerText, markup: shown.querySelectorAll("b, i, a, strong, em, code")
  .length, titles: card.getActionCount ? [...Array(card.getActionCount()).keys()].map(
    (i) => card.getActionAt(i).title) : []};
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """Chromium with both packages loaded."""
    with tempfile.TemporaryDirectory() as folder:
        for file in SOURCE.iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        words = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        page = Path(folder) / "page.html"
        page.write_text(
            '<!doctype html><meta charset="utf-8"><body></body>'
            '<script src="node_modules/mermaid/dist/mermaid.min.js"></script>'
            '<script src="node_modules/adaptivecards/dist/adaptivecards.min.js"></script>',
            "utf-8",
        )
        options = ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu"):
            options.add_argument(word)
        browser = Chrome(options, ChromeService(str(shutil.which("chromedriver"))))
        try:
            browser.set_script_timeout(60)
            browser.get(page.as_uri())
            yield browser
        finally:
            browser.quit()


def with_phases(command: str, *phases: Phase, fails: bool = False) -> Record:
    """Return a run with these phases; the last one may fail."""
    record = record_of(command)
    try:
        for phase in phases:
            with record.phase(phase):
                if fails and phase is phases[-1]:
                    raise AbortedError("It failed.")
    except AbortedError as error:
        record.fail(error)
    return record


def under_way() -> Record:
    """Return a run in its second phase."""
    record = with_phases("deploy", Phase.PLAN)
    title = Phase.RECOVER.title("deploy")
    record.events.append(PhaseStarted(phase=Phase.RECOVER, at=record.elapsed_s, title=title))
    return record


RUNS = {
    "deployed": with_phases("deploy", *Phase),
    "under way": under_way(),
    "rolled back": with_phases("rollback", *Phase),
    "repaired": with_phases("repair", *Phase),
    **{
        f"aborted in {phase.key}": with_phases("deploy", *list(Phase)[: phase.number], fails=True)
        for phase in Phase
    },
}


def diagrams(text: str) -> list[str]:
    return BLOCK.findall(text)


def render(browser: Chrome, diagram: str) -> dict[str, Any]:
    result: dict[str, Any] = browser.execute_async_script(_MERMAID, diagram)
    return result


@pytest.mark.parametrize("name", RUNS)
def test_the_timeline_of_every_result_is_drawn_with_all_its_phases(
    browser: Chrome, name: str
) -> None:
    record = RUNS[name]
    (diagram,) = diagrams(summary.render(record))

    drawn = render(browser, diagram)

    assert drawn["error"] == ""
    for event in record.events:
        if title := getattr(event, "title", ""):
            assert title in drawn["text"]
    starts = [start for start, _ in drawn["bars"]]
    assert len(starts) == len(set(starts)) == len(diagram.splitlines()) - 3
    assert starts == sorted(starts)
    for (start, width), following in itertools.pairwise([*drawn["bars"], (10_000, 0)]):
        assert 0 < width <= following[0] - start + 1  # one phase ends where the next one begins


def test_every_diagram_of_the_documentation_and_of_the_examples_is_drawn(browser: Chrome) -> None:
    examples = ROOT / "tests" / "golden" / "results"
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *examples.rglob("*.md")]
    items = [text for page in pages for text in diagrams(page.read_text("utf-8"))]

    assert items
    assert [render(browser, text)["error"] for text in items] == [""] * len(items)


def test_a_broken_diagram_is_noticed(browser: Chrome) -> None:
    (diagram,) = diagrams(summary.render(RUNS["deployed"]))

    assert render(browser, diagram.replace(":done, ", ":: ; # ", 1).replace("gantt", "gant"))[
        "error"
    ]


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_serves_and_what_was_attempted_fit_beside_each_other(
    browser: Chrome, name: str
) -> None:
    file = ROOT / "tests" / "golden" / "results" / name / "summary.md"
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": GITHUB_WIDTH, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )

    too_wide = browser.execute_async_script(_TABLES, summary_page(file.read_text("utf-8")))

    assert too_wide == []


def card(browser: Chrome, event: Event, record: Record) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a card, and what the browser shows of it."""
    content = payload(Channel.TEAMS, event, record)["attachments"][0]["content"]
    return content, browser.execute_script(_CARD, content)


@pytest.mark.parametrize("event", Event, ids=lambda event: str(event.value))
def test_every_card_is_valid_and_shows_all_its_text(browser: Chrome, event: Event) -> None:
    content, shown = card(browser, event, RECORDS[event]())

    assert shown["problems"] == []
    for block in content["body"]:
        assert "".join(run["text"] for run in block["inlines"]).strip() in shown["text"]
    assert shown["titles"] == [action["title"] for action in content["actions"]]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_card_of_every_example_is_valid(browser: Chrome, name: str) -> None:
    run = Script(EXAMPLES[name].command)
    EXAMPLES[name].play(run)
    events = events_of(run.record)

    shown = card(browser, events[0], run.record)[1] if events else {"problems": []}

    assert shown["problems"] == []


def test_external_text_in_a_card_is_shown_literally(browser: Chrome) -> None:
    _, shown = card(browser, Event.ABORTED, aborted(HOSTILE))

    assert shown["problems"] == []
    assert HOSTILE in shown["text"]
    assert shown["markup"] == 0


def test_a_broken_card_is_noticed(browser: Chrome) -> None:
    content, _ = card(browser, Event.SUCCEEDED, deployed())
    broken = json.loads(json.dumps(content).replace("RichTextBlock", "RichTextBlok"))

    assert browser.execute_script(_CARD, broken)["problems"] != []
