"""Take the screenshots in docs/images: the live page of a demonstration, and its job summary.

Run it after a change of the page or the summary; it needs Chromium and chromedriver.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
WIDTH, MOST_HEIGHT = 1280, 2200
SUMMARY_WIDTH = 1180  # about that of the column in which GitHub shows it


def main() -> None:
    """Run the demonstration and take a screenshot of its page."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "demo.html"
        command = [sys.executable, "-m", "deploy_action", "sandbox", "demo", "--page", str(page)]
        subprocess.run(command, cwd=ROOT, check=True)
        options = ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
            options.add_argument(word)
        browser = Chrome(options, ChromeService(str(shutil.which("chromedriver"))))
        try:
            IMAGES.mkdir(parents=True, exist_ok=True)
            browser.get(page.as_uri())
            summary = browser.execute_script(
                "return document.querySelector('#summary iframe').srcdoc"
            )
            take(browser, page, WIDTH, IMAGES / "live-page.png")
            page.write_text(summary, "utf-8")
            take(browser, page, SUMMARY_WIDTH, IMAGES / "job-summary.png")
        finally:
            browser.quit()


def take(browser: Chrome, page: Path, width: int, picture: Path) -> None:
    """Save a screenshot of the whole *page*."""
    browser.set_window_size(width, 300)
    browser.get(page.as_uri())
    height = browser.execute_script("return document.documentElement.scrollHeight")
    metrics = {
        "width": width,
        "height": min(int(height), MOST_HEIGHT),
        "deviceScaleFactor": 1,
        "mobile": False,
    }
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.save_screenshot(str(picture))
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


if __name__ == "__main__":
    main()
