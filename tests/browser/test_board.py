"""The board in a real Chromium: it changes by the stream, without reload, without a foreign host, and reads without scripts."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, expect

from tests.system.made import certificate, enterprise, uscc
from tests.system.stack import Stack, wait_until

NOW = "2026-06-30T09:00:00+08:00"
WITHIN_MS = 2_000  # what the plan's board promises: from a POST to the tile


def test_a_tile_changes_within_two_seconds_of_a_post(stack: Any, browser: Browser) -> None:
    running: Stack = stack(clock=NOW)
    running.post("/registry/v1/enterprises", enterprise(1))
    wait_until(lambda: running.get("/metrics/v1/indicators")["items"], what="a first reading")
    page = browser.new_page()
    errors: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(running.url)
    expect(page.locator("#connection")).to_have_text("实时连接", timeout=10_000)
    page.evaluate("window.kept = true")
    value = page.locator("#hnte_count [data-value]")
    expect(value).to_have_text("0")
    running.post("/registry/v1/hnte-certificates", certificate("GR202444900001", uscc(1), "2024-12-01"))
    expect(value).to_have_text("1", timeout=WITHIN_MS)
    page.locator("#hnte_count summary").click()
    expect(page.locator("#hnte_count table tr")).to_have_count(7)
    assert page.evaluate("window.kept") is True
    assert errors == []
    assert hosts == {running.url.split("/")[2]}
    page.close()


def test_the_page_reads_without_scripts_and_in_english(stack: Any, browser: Browser) -> None:
    running: Stack = stack(clock=NOW)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(running.url + "/?lang=en")
    expect(page.locator("#hnte_count h3")).to_have_text("National high-tech enterprises")
    expect(page.locator("#hnte_count .target")).to_contain_text("≥ 50")
    page.goto(running.url)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    context.close()
