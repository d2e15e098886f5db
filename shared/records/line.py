"""A line of requests that all change one other record: one after the other instead of colliding (docs/adr/0010).

Waiting for one's turn is no sign of a store that is away, so the time limit of a request's database calls begins with the turn.
When the store is away, whoever waited behind the request that found it so is told at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from shared.errors import Unavailable
from shared.mongo import renew_limit

LONGEST_WAIT_S = 60.0


class Line:
    """The line of one process."""

    def __init__(self) -> None:
        self._head, self._broken = Lock(), 0
        self.waiting: deque[None] = deque()  # one for each that waits: its ends are atomic, a counter is not

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn and keep it for the block. Raises Unavailable: it takes too long, or the store is away."""
        broken = self._broken
        self.waiting.append(None)
        try:
            mine = self._head.acquire(timeout=LONGEST_WAIT_S)
        finally:
            self.waiting.pop()
        if not mine:
            raise Unavailable("too many wait for the same record; nothing was changed", retry_after_s=2)
        try:
            if self._broken != broken:
                raise Unavailable("the database cannot be reached; nothing was changed", retry_after_s=2)
            renew_limit()
            try:
                yield
            except Unavailable:
                self._broken += 1
                raise
        finally:
            self._head.release()
