"""The live page in a real browser, during and after a deployment."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.support.wait import WebDriverWait

from deploy_action.sandbox.launch import start, stop
from deploy_action.sandbox.live import kept_page
from tests.stage import Stage

pytestmark = [pytest.mark.xdist_group("page"), pytest.mark.long]
PATIENCE_S = 60.0
INPUTS = {"manifest": "addin/manifest.xml", "step_interval": "3s", "traffic_steps": "10,50,100"}


# In one script, because the page is redrawn twice a second.
_HEIGHTS = """
return Object.fromEntries([...document.querySelectorAll("#chart polygon")].map(
  (one) => [one.dataset.revision, one.getBoundingClientRect().height]))
"""
_OVERFLOW = """
const wide = document.documentElement.scrollWidth > innerWidth ? ["the page"] : [];
const reaches = (one) => one.getBoundingClientRect().right > innerWidth + 1;
const clips = (one) => one.className === "scroll" && one.scrollWidth > one.clientWidth;
return wide.concat([...document.querySelectorAll("body *")]
  .filter((one) => !one.closest("svg") && (reaches(one) || clips(one)))
  .map((one) => one.tagName + "#" + (one.id || one.firstElementChild?.id)));
"""


class Page:
    """A page in a browser: what a person sees of it."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self._browser = browser
        browser.get("about:blank")
        self.complaints()  # those about the page before
        browser.get(url)

    def text(self, selector: str) -> str:
        """Return what an element shows."""
        read = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self._browser.execute_script(read, selector))

    def shows(self, text: str, selector: str) -> None:
        """Wait until an element shows *text*."""
        WebDriverWait(self._browser, PATIENCE_S, 0.1).until(
            lambda _: text in self.text(selector), f"{selector} never showed {text!r}"
        )

    def wait_for(self, script: str) -> None:
        """Wait until an expression in the page is true."""
        WebDriverWait(self._browser, PATIENCE_S, 0.1).until(
            lambda _: self._browser.execute_script(f"return {script}"), f"never true: {script}"
        )

    def title(self) -> str:
        """Return what the browser's tab shows."""
        return str(self._browser.title)

    def resize(self, width: int) -> None:
        """Show the page on a screen of that width."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def overflow(self) -> list[str]:
        """Return what reaches beyond the right edge of the screen, or is cut off by its box."""
        result: list[str] = self._browser.execute_script(_OVERFLOW)
        return result

    def areas(self) -> dict[str, float]:
        """Return the height of each revision's area in the chart, in pixels."""
        measured: dict[str, float] = self._browser.execute_script(_HEIGHTS)
        return measured

    def drawn(self, revision: str) -> None:
        """Wait until the chart has an area for *revision*."""
        WebDriverWait(self._browser, PATIENCE_S, 0.1).until(
            lambda _: self.areas().get(revision, 0) > 2, f"{revision} is not in the chart"
        )

    def complaints(self) -> list[str]:
        """Return the errors in the browser's console."""
        log = self._browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in log]


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    """Headless Chromium."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    result = Chrome(options, ChromeService(str(shutil.which("chromedriver"))))
    yield result
    result.quit()


def _history(environment: dict[str, str]) -> dict[str, Any]:
    url = f"{environment['SANDBOX_URL']}/history?sample=true"
    response_body: dict[str, Any] = requests.get(url, timeout=30, proxies={"http": ""}).json()
    return response_body


def test_a_deployment_can_be_watched_and_read_afterwards(
    stage: Stage, browser: Chrome, tmp_path: Path
) -> None:
    environment = dict(stage.scene.environment)
    requests.post(
        f"{environment['SANDBOX_URL']}/watch",
        json={"repository": str(stage.scene.remote)},
        timeout=30,
        proxies={"http": ""},
    ).raise_for_status()
    stage.scene.fill_cache()
    stage.push_healthy()
    page = Page(browser, f"{environment['SANDBOX_URL']}/")
    with stage.users().busy() as users:
        page.shows("first 100%", "#split")
        page.shows("manifest:*", "#keys")
        process = stage.started(**INPUTS)
        page.shows("10%", "#split")
        page.shows("50%", "#split")
        page.shows("--v1-3-0-3", "#log")
        run = stage.finished(process)
    candidate = run.outputs["revision"]
    short = candidate.partition("--")[2]

    assert run.exit_code == 0, run.log
    page.shows(f"{short} 100%", "#split")
    page.drawn(stage.first)
    page.drawn(candidate)
    page.shows("Bump the add-in to 1.3.0.3", "#commits")
    page.shows(f"{stage.scene.app}: traffic, tags", "#operations")
    row = page.text(f"#revisions tr[data-revision='{candidate}']")
    assert "Running" in row
    assert "100%" in row
    assert "manifest:*" not in page.text("#keys")
    assert "session:*" in page.text("#keys")
    assert page.text("#state") == "live"
    assert users.failures == []
    assert page.complaints() == []

    file = tmp_path / "kept.html"
    file.write_text(kept_page(_history(environment)), "utf-8")
    kept = Page(browser, file.as_uri())
    assert kept.text("#state") == "ended"
    assert f"{short} 100%" in kept.text("#split")
    assert "Bump the add-in to 1.3.0.3" in kept.text("#commits")
    assert kept.areas()[candidate] > 2
    assert kept.complaints() == []


def test_the_page_stays_readable_when_the_local_azure_ends(browser: Chrome, tmp_path: Path) -> None:
    process, environment = start(tmp_path)
    try:
        note = {"kind": "say", "text": "</script><b>hello</b> & goodbye"}
        url = f"{environment['SANDBOX_URL']}/notes"
        requests.post(url, json=note, timeout=30, proxies={"http": ""}).raise_for_status()
        page = Page(browser, f"{environment['SANDBOX_URL']}/")
        page.shows(note["text"], "#log")
        kept = kept_page(_history(environment))
    finally:
        stop(process)
    page.shows("ended", "#state")
    assert note["text"] in page.text("#log")

    file = tmp_path / "kept.html"
    file.write_text(kept, "utf-8")
    assert note["text"] in Page(browser, file.as_uri()).text("#log")


def _note(environment: dict[str, str], kind: str, text: str, **more: str) -> None:
    url = f"{environment['SANDBOX_URL']}/notes"
    note = {"kind": kind, "text": text, **more}
    requests.post(url, json=note, timeout=30, proxies={"http": ""}).raise_for_status()


SUMMARY = """## Deployed
> [!WARNING]
> Slow, but fine.

| app | version |
| --- | --- |
| `well-intake-api` | 1.3.0.3 |

<details><summary>More</summary>

```mermaid
graph LR
```
</details>
<script>parent.document.title = "stolen"</script><img src=x onerror="alert(1)">
"""


@pytest.fixture
def own_stage(tmp_path: Path) -> Iterator[Stage]:
    """An app in a sandbox of its own, as notes stay on a sandbox's page."""
    process, environment = start(tmp_path)
    yield Stage.set_up(environment, tmp_path, "api")
    stop(process)


def test_a_run_has_a_title_a_stepper_a_banner_and_its_summary(
    own_stage: Stage, browser: Chrome
) -> None:
    environment = dict(own_stage.scene.environment)
    page = Page(browser, f"{environment['SANDBOX_URL']}/")
    for kind, text in (("title", "api: 1 to 2, run 7"), ("phase", "Plan"), ("phase", "Shift")):
        _note(environment, kind, text)
    page.shows("Shift", "#phases .current")
    assert page.text("#phases li:first-child") == "1\nPlan ✓"
    assert page.title() == "api: 1 to 2, run 7 · Azure sandbox"
    assert page.text("#banner") == ""
    with own_stage.users().busy():
        page.wait_for("document.querySelectorAll('#chart .mark').length > 0")

    _note(environment, "summary", SUMMARY)
    _note(environment, "result", "20 requests, 0 failed.", outcome="deployed")

    page.shows("20 requests, 0 failed.", "#banner.deployed")
    assert page.title() == "✓ api: 1 to 2, run 7 · Azure sandbox"
    inside = "document.querySelector('#summary iframe').contentDocument"
    page.wait_for(f"{inside}?.querySelector('td')?.innerText === 'well-intake-api'")
    page.wait_for(f"{inside}.querySelector('.alert.warning strong').innerText === 'Warning'")
    page.wait_for(f"{inside}.querySelector('details pre.diagram') !== null")
    for width in (390, 1280):
        page.resize(width)
        assert page.overflow() == []
    assert page.title() == "✓ api: 1 to 2, run 7 · Azure sandbox"


def test_long_names_and_states_fit_on_a_phone(
    own_stage: Stage, browser: Chrome, tmp_path: Path
) -> None:
    history = json.dumps(_history(dict(own_stage.scene.environment)))
    running = r'"running": "\w+"'
    assert re.search(running, history)
    history = re.sub(running, '"running": "ActivationFailed"', history)
    history = history.replace("api--first", "api--v10-20-30-40-7eddec3-4711-1-t4711")
    file = tmp_path / "kept.html"
    file.write_text(kept_page(json.loads(history)), "utf-8")

    page = Page(browser, file.as_uri())

    assert "ActivationFailed" in page.text("#revisions")
    for width in (390, 1280):
        page.resize(width)
        assert page.overflow() == []


def test_the_saved_page_has_what_happened_just_before(own_stage: Stage) -> None:
    environment = dict(own_stage.scene.environment)
    repository = {"repository": str(own_stage.scene.remote)}
    url = f"{environment['SANDBOX_URL']}/watch"
    requests.post(url, json=repository, timeout=30, proxies={"http": ""}).raise_for_status()

    for number in range(3):
        subject = f"Change {number}"
        own_stage.scene.push_change("addin/app/greeting.py", "Hello", f"Hello {number}", subject)
        events = _history(environment)["events"]
        assert subject in [event["text"] for event in events if event["kind"] == "commit"]


def test_the_page_follows_the_newest_app_until_one_is_chosen(
    own_stage: Stage, browser: Chrome, tmp_path: Path
) -> None:
    environment = dict(own_stage.scene.environment)
    page = Page(browser, f"{environment['SANDBOX_URL']}/")
    page.shows("api", "#title")
    page.wait_for("document.querySelector(\"tr[data-revision='api--first']\") !== null")

    Stage.set_up(environment, tmp_path / "second", "second")
    page.wait_for("document.querySelector(\"tr[data-revision='second--first']\") !== null")

    browser.execute_script(
        "const box = document.querySelector('#which'); box.value = 'api';"
        "box.dispatchEvent(new Event('change'))"
    )
    Stage.set_up(environment, tmp_path / "third", "third")
    page.wait_for("document.querySelector('#which').options.length === 3")
    assert "first" in page.text("tr[data-revision='api--first']")


def test_users_and_checks_are_counted_apart(stage: Stage, browser: Chrome) -> None:
    page = Page(browser, f"{stage.scene.environment['SANDBOX_URL']}/")
    own = stage.url.replace(stage.scene.app, stage.first, 1)
    for _ in range(3):
        stage.scene.session.get(f"{own}/version", timeout=30)
    row = f"#revisions tr[data-revision='{stage.first}']"
    page.wait_for(f"document.querySelector(\"{row} td:nth-child(7)\")?.innerText === '3'")

    users = int(page.text(f"{row} td:nth-child(5)"))
    stage.scene.session.get(f"{stage.url}/version", timeout=30)

    selector = f"{row} td:nth-child(5)"
    page.wait_for(f"document.querySelector(\"{selector}\").innerText === '{users + 1}'")
    assert page.text(f"{row} td:nth-child(7)") == "3"


def test_an_empty_sandbox_shows_three_commands_to_copy(browser: Chrome, tmp_path: Path) -> None:
    process, environment = start(tmp_path)
    try:
        page = Page(browser, f"{environment['SANDBOX_URL']}/")
        page.shows("No apps yet", "#empty")
        page.wait_for("document.querySelectorAll('#empty dd code').length === 3")
        for width in (390, 1280):
            page.resize(width)
            assert page.overflow() == []
        browser.execute_cdp_cmd(
            "Browser.grantPermissions",
            {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
        )
        browser.execute_script("document.querySelector('#empty button').click()")
        page.shows("Copied", "#empty button")
        assert page.title() == "Azure sandbox"
        assert page.complaints() == []
    finally:
        stop(process)
