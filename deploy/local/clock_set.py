"""`kechuang clock set`: move the clock of a running demo stack, and wait until a crossed midnight is published."""

from __future__ import annotations

from datetime import datetime

from deploy.local.data_dir import DataDir, UsageError
from deploy.local.readiness import await_published
from shared.clock import DemoClock, format_instant


def move(data: DataDir, to: datetime) -> str:
    """Move forward to `to`; the instant reached. Raises UsageError when backwards or without a demo clock."""
    if not data.demo:
        raise UsageError("only a demo stack has a clock that can be set (start it with --demo or --clock)")
    running = data.running()
    clock = DemoClock(data.clock_file)
    try:
        clock.set(to)
    except ValueError as error:
        raise UsageError(str(error)) from None
    data.remember(to)
    await_published(running.mongo_uri, to.date())
    return format_instant(clock.now())
