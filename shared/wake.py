"""Waking when MongoDB has something new: a change stream rings, a slow poll of the caller's stays the safety net."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import InvalidOperation, PyMongoError

from shared.mongo import Document

AWAIT_MS = 1_000  # how long the server holds an empty answer; also how long a closed stream lingers
FIRST_BACK_OFF_S, LAST_BACK_OFF_S = 0.1, 5.0
TOKEN_ONLY = {"$project": {"_id": 1}}  # a bell needs no document: a bulk load would be sent over a second time
logger = structlog.get_logger(__name__)


class Wake:
    """A bell. Its thread starts with the first wait (so after a fork) and survives lost connections.

    Whenever the stream opens, the bell rings too: what happened before nobody has heard of.
    """

    def __init__(self, source: Collection[Document] | Database[Document], pipeline: Sequence[Mapping[str, Any]] = ()) -> None:
        self._source = source
        self._pipeline = [*pipeline, TOKEN_ONLY]
        self._rings = 0
        self._bell = threading.Condition()
        self._heard = threading.local()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def wait(self, timeout_s: float) -> bool:
        """Whether it rang since this thread's last wait; returns at once if so, else with the next ring or False."""
        with self._bell:
            self._start()
            heard = getattr(self._heard, "rings", 0)
            rang = self._bell.wait_for(lambda: self._rings != heard or self._closed.is_set(), timeout_s)
            self._heard.rings = self._rings
            return rang and not self._closed.is_set()

    def ring(self) -> None:
        """Wake everyone who waits."""
        with self._bell:
            self._rings += 1
            self._bell.notify_all()

    def close(self) -> None:
        """End the thread; waiting returns False from now on."""
        self._closed.set()
        self.ring()

    def _start(self) -> None:
        if self._thread is None and not self._closed.is_set():
            # An empty context: a session bound around the first wait must not reach the stream.
            run = contextvars.Context().run
            self._thread = threading.Thread(target=run, args=(self._listen,), name="wake", daemon=True)
            self._thread.start()

    def _listen(self) -> None:
        back_off = FIRST_BACK_OFF_S
        while not self._closed.is_set():
            try:
                self._follow()
                back_off = FIRST_BACK_OFF_S
            except InvalidOperation:  # the client was closed: nothing will ever come
                return
            except PyMongoError as away:
                logger.info("the change stream is away", source=self._source.name, reason=type(away).__name__)
                self._closed.wait(back_off)
                back_off = min(back_off * 2, LAST_BACK_OFF_S)

    def _follow(self) -> None:
        with self._source.watch(self._pipeline, max_await_time_ms=AWAIT_MS) as stream:
            self.ring()
            while stream.alive and not self._closed.is_set():
                if stream.try_next() is not None:
                    self.ring()
