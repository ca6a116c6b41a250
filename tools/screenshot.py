"""Take the screenshot in docs/sandbox.md: the live page and summary of a demonstration.

Run it after a change of the page or the summary; it needs Chromium and chromedriver.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "live-page.png"
WIDTH, MOST_HEIGHT = 1280, 2200


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
            browser.set_window_size(WIDTH, 900)
            browser.get(page.as_uri())
            height = browser.execute_script("return document.documentElement.scrollHeight")
            browser.set_window_size(WIDTH, min(int(height), MOST_HEIGHT))
            PICTURE.parent.mkdir(parents=True, exist_ok=True)
            browser.save_screenshot(str(PICTURE))
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
