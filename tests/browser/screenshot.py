"""Write docs/board.png from a running stack: `python -m tests.browser.screenshot URL`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FLAGS, chromium

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "board.png"


def main(url: str) -> None:
    """One picture, as a visitor sees it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(url)
        page.wait_for_function("document.getElementById('connection').textContent === '实时连接'")
        page.screenshot(path=str(PICTURE))
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
