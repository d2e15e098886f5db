"""F1: a certificate expires at local midnight, seen on an open stream, with no event arriving."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from queue import Queue
from typing import Any

import httpx
import pytest

from tests.system.made import certificate, enterprise, uscc
from tests.system.stack import Stack, wait_until

EVE = "2026-12-27T23:50:00+08:00"


def frames(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Server-sent events as {event, id, data}."""
    frame: dict[str, Any] = {}
    for line in lines:
        if not line:
            if "data" in frame:
                yield frame
            frame = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            frame[name] = json.loads(value) if name == "data" else value.strip()


@pytest.fixture(scope="module")
def district(stack: Any) -> Stack:
    running: Stack = stack(clock=EVE)
    for number in range(38):
        running.post("/registry/v1/enterprises", enterprise(number))
    dates = ["2023-12-28", "2023-12-28", *["2025-01-15"] * 36]
    for number, issued in enumerate(dates):
        year = issued[:4]
        running.post("/registry/v1/hnte-certificates", certificate(f"GR{year}44{900000 + number:06d}", uscc(number), issued))
    running.post("/registry/v1/hnte-certificates", certificate("GR202644900001", uscc(1), "2026-12-01"))
    wait_until(lambda: running.indicator("hnte_count")["value"] == 38, what="38 enterprises counted")
    return running


def test_its_enterprise_is_reminded_before(district: Stack) -> None:
    by = district.token("enterprise_agent", enterprise=uscc(0))
    found: Any = wait_until(lambda: district.get("/registry/v1/notifications", token=by)["items"], what="the reminders")
    assert {(each["record_id"], each["lead"], each["overtaken"]) for each in found} == {
        ("GR202344900000", "60", True), ("GR202344900000", "30", True), ("GR202344900000", "7", False)}


def test_a_certificate_expires_at_midnight_on_an_open_stream(district: Stack) -> None:
    got: Queue[dict[str, Any]] = Queue()

    def follow() -> None:
        with (
            httpx.Client(base_url=district.url, timeout=120, trust_env=False) as client,
            client.stream("GET", "/metrics/v1/stream", params={"indicators": "hnte_count"},
                          headers={"Authorization": f"Bearer {district.token('viewer')}"}) as answer,
        ):
            for frame in frames(answer.iter_lines()):
                got.put(frame)
                if frame["event"] == "indicator" and frame["data"]["value"] == 37:
                    return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    snapshot = got.get(timeout=30)
    assert snapshot["event"] == "snapshot"
    assert [item["value"] for item in snapshot["data"]["items"]] == [38]
    assert district.indicator("hnte_count", as_of="2026-12-27T23:59:59+08:00")["value"] == 38
    assert district.indicator("hnte_count", as_of="2026-12-27T16:00:00Z")["value"] == 37
    before = snapshot["data"]["sequence"]
    district.clock_set("2026-12-28T00:00:00+08:00")
    change = got.get(timeout=30)
    assert (change["event"], change["data"]["value"], change["data"]["as_of"]) == ("indicator", 37, "2026-12-28")
    assert int(change["id"]) > before
    follower.join(10)
    assert district.indicator("hnte_count")["value"] == 37


def test_what_was_known_then_and_what_is_known_now(district: Stack) -> None:
    district.clock_set("2027-02-10T10:00:00+08:00")
    district.post("/registry/v1/hnte-certificates", certificate("GR202644900000", uscc(0), "2026-12-30"))
    wait_until(lambda: district.indicator("hnte_count", as_of="2026-12-31")["value"] == 38, what="the late certificate")
    read = {
        day: (district.indicator("hnte_count", as_of=day, known_at=day)["value"], district.indicator("hnte_count", as_of=day)["value"])
        for day in ("2026-12-27", "2026-12-28", "2026-12-29", "2026-12-31")
    }
    assert read == {"2026-12-27": (38, 38), "2026-12-28": (37, 37), "2026-12-29": (37, 37), "2026-12-31": (37, 38)}
