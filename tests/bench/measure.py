"""What the benchmarks share: events to feed, and how a figure is taken and shown."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from services.metrics.engine.dossier import Event
from tests.system.made import uscc

PLAN = Path(__file__).resolve().parents[2] / "plans" / "chengqu-2026"


def history(firms: int, events: int) -> list[Event]:
    """Enterprises, then certificates of three years, one after another."""
    made = [Event(uscc(n), "enterprises", uscc(n), 1, n + 1, {
        "state": "active", "established_on": "2015-01-01", "town_code": "441502100", "industry_code": "3974",
    }, f"e{n}") for n in range(firms)]
    for n in range(events - firms):
        firm = uscc(n % firms)
        data = {"state": "verified", "uscc": firm, "issued_on": f"20{14 + n // firms % 12:02d}-12-{1 + n % 28:02d}"}
        made.append(Event(firm, "hnte-certificates", f"GR{n:012d}", 1, firms + n + 1, data, f"c{n}"))
    return made


def show(name: str, unit: str, values: list[float]) -> float:
    """One line of the table; the median."""
    middle = statistics.median(values)
    print(f"{name:<58} {middle:>10,.1f} {unit:<9} ({min(values):,.1f}–{max(values):,.1f})", flush=True)
    return middle


def rate(work: Callable[[], int]) -> float:
    """What `work` counts, per second."""
    begun = time.perf_counter()
    return work() / (time.perf_counter() - begun)


def cloud(event: Event) -> bytes:
    """An event as it lies on the log."""
    second = event.time_ms // 1000
    at = f"2026-01-01T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.{event.time_ms % 1000:03d}+08:00"
    return json.dumps({
        "specversion": "1.0", "id": event.event_id, "source": "/registry", "type": "cn.kechuang.registry.x.v1",
        "subject": f"{event.kind}/{event.id}", "time": at, "partitionkey": event.key, "sequence": 1, "data": event.data,
    }).encode()
