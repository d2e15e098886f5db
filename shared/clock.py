"""The one clock. Instants are aware datetimes in Asia/Shanghai, days are its local dates (domain rule G1).

Leases, lag, retries and token expiry use the machine's clock instead: they measure machines, not the district.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

SHANGHAI = timezone(timedelta(hours=8))  # fixed since 1992: China has no daylight saving time


class Clock(Protocol):
    """What the software asks for the time."""

    def now(self) -> datetime:
        """The present instant, Asia/Shanghai, milliseconds."""
        ...


def today(clock: Clock) -> date:
    """The local date of the clock."""
    return clock.now().date()


def from_ms(ms: int) -> datetime:
    """An instant from milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, SHANGHAI)


def to_ms(instant: datetime) -> int:
    """Milliseconds since 1970, exact."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def parse_instant(text: str) -> datetime:
    """RFC 3339 with offset. Raises ValueError without one."""
    instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if instant.tzinfo is None:
        raise ValueError("an instant needs an offset, for example 2026-06-30T00:00:00+08:00")
    return instant.astimezone(SHANGHAI)


def format_instant(instant: datetime) -> str:
    """RFC 3339 with +08:00, milliseconds."""
    return instant.astimezone(SHANGHAI).isoformat(timespec="milliseconds")


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """See Clock."""
        return from_ms(time.time_ns() // 1_000_000)


class FixedClock:
    """A clock that stands still until moved; for tests."""

    def __init__(self, instant: datetime) -> None:
        self.instant = instant.astimezone(SHANGHAI)

    def now(self) -> datetime:
        """See Clock."""
        return self.instant


class DemoClock:
    """The machine's time plus an offset that all processes share through an 8-byte memory-mapped file.

    A move is one aligned store: every process sees it at its next call, no message needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 8)

    def now(self) -> datetime:
        """See Clock."""
        (offset_ms,) = struct.unpack("<q", self._map[:8])
        return from_ms(time.time_ns() // 1_000_000 + offset_ms)

    def set(self, instant: datetime) -> None:
        """Move forward to `instant`. Raises ValueError when that lies before now."""
        with open(self.path, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if instant < self.now():
                raise ValueError(f"the demo clock only moves forward and stands at {format_instant(self.now())}")
            self._map[:8] = struct.pack("<q", to_ms(instant) - time.time_ns() // 1_000_000)
            self._map.flush()

    @classmethod
    def create(cls, path: Path, instant: datetime) -> DemoClock:
        """Write the file so that now is `instant`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(struct.pack("<q", to_ms(instant) - time.time_ns() // 1_000_000))
        return cls(path)


def clock_from_environment(environ: os._Environ[str] | dict[str, str] | None = None) -> Clock:
    """`DEMO_CLOCK_FILE` names a demo clock; without it, the machine's clock."""
    path = (os.environ if environ is None else environ).get("DEMO_CLOCK_FILE")
    return DemoClock(Path(path)) if path else SystemClock()
