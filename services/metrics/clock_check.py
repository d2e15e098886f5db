"""Whether this machine's clock can be trusted: it must agree with the store's, which all publishers share.

A publisher days ahead would let certificates lapse early, and the next one would bring them back.
"""

from __future__ import annotations

import time

import structlog

from shared.mongo import Client
from shared.telemetry import gauge

MOST_SKEW_S = 60.0
EVERY_S = 5.0
SKEW = gauge("kechuang_clock_skew_seconds", "How far this machine's clock is ahead of the store's")
logger = structlog.get_logger(__name__)


class ClockCheck:
    """Compares the clocks from time to time."""

    def __init__(self, client: Client, most_s: float = MOST_SKEW_S) -> None:
        self._client = client
        self._most_s = most_s
        self._due = 0.0
        self._agrees = True

    def agrees(self) -> bool:
        """Whether the last comparison was good; cheap to call often. Raises PyMongoError when the store is away."""
        if time.monotonic() >= self._due:
            skew_s = time.time() - self._client.admin.command("hello")["localTime"].timestamp()
            self._due = time.monotonic() + EVERY_S
            SKEW.set(skew_s)
            if (abs(skew_s) <= self._most_s) != self._agrees:
                self._agrees = not self._agrees
                logger.error("the clock is right again" if self._agrees else "the clock is wrong: not publishing", skew_s=round(skew_s))
        return self._agrees
