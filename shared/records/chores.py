"""What a service's worker process does beside its imports: loops in threads of their own, which end with the process.

A loop waits for a store that is away by itself. If it ends by a mistake of ours, the whole process ends with it, so that
whoever supervises the process starts it again and the failure is seen: nothing stops working quietly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

import structlog

Chore = Callable[[threading.Event], None]
END_S = 10.0  # how long a loop may take to come to its end
logger = structlog.get_logger(__name__)


class Chores:
    """Loops beside the main one; `stop` ends all of them, and is set when one of them fails."""

    def __init__(self, chores: Iterable[Chore], stop: threading.Event) -> None:
        self.failed = False
        self._stop = stop
        self._threads = [threading.Thread(target=self._run, args=(chore,), daemon=True) for chore in chores]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for all of them to end."""
        for thread in self._threads:
            thread.join(END_S)

    def _run(self, chore: Chore) -> None:
        try:
            chore(self._stop)
        except Exception as wrong:
            self.failed = True
            logger.error("a loop of the worker failed", chore=getattr(chore, "__qualname__", ""), exc_info=wrong)
            self._stop.set()
