"""The access log: every refused try and every look at protected data, in hash chains of the same form as the changes.

Each process writes a stream of its own (`stream`, `seq`, `prev_hash`, `hash`), so that the log has no hot tail; the anchors
(`anchors.py`) tie the streams together. An entry is written outside any transaction of the request that it is about.

A look is stored before its data is shown. A refusal is stored by a thread right after it was answered: SIGTERM and a
normal end store what waits, and `kill -9` loses only what was refused while the last insert was under way (a few
milliseconds). When the store is away, refusals wait; when too many wait, the caller gets 503 instead of an answer that
would leave no trace.
"""

from __future__ import annotations

import atexit
import contextvars
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any

import structlog
from pymongo.database import Database
from pymongo.errors import BulkWriteError, PyMongoError

from shared.auth.principal import Principal
from shared.clock import Clock, format_instant
from shared.errors import Unavailable
from shared.ids import new_id
from shared.mongo import Document
from shared.records.image import digest

COLLECTION = "access_log"
REFUSAL, LOOK = "refusal", "look"
CAPACITY = 10_000  # entries that may wait for a store that is away, about 5 MB
BATCH = 500
FIRST_BACK_OFF_S, LAST_BACK_OFF_S = 0.1, 5.0
DUPLICATE_KEY = 11000
INDEXES: tuple[list[tuple[str, int]], ...] = (
    [("actor", 1), ("time", 1), ("_id", 1)], [("kind", 1), ("record_id", 1), ("time", 1)], [("time", 1), ("_id", 1)],
)
logger = structlog.get_logger(__name__)


class AccessLog:
    """The access log of one service, as written by this process."""

    def __init__(self, database: Database[Document], clock: Clock, capacity: int = CAPACITY) -> None:
        self._entries, self._clock, self._capacity = database[COLLECTION], clock, capacity
        self._stream = new_id()
        self._seq, self._head = 0, None
        self._waiting: deque[Document] = deque()
        self._writing = threading.Lock()
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        _open_logs.add(self)

    def ensure_indexes(self) -> None:
        """Make the indexes. Call at start, never inside a transaction."""
        self._entries.create_index([("stream", 1), ("seq", 1)], unique=True)
        for keys in INDEXES:
            self._entries.create_index(keys)

    def note_refusal(
        self, principal: Principal, *, method: str, route: str, status: int, code: str, kind: str | None = None,
        record_id: str | None = None,
    ) -> None:
        """A try was refused: by `route` (the template, never an address), with the problem's `code`.

        Returns at once; stored a moment later. Raises Unavailable when too many entries wait for the store.
        """
        self._enqueue(principal, REFUSAL, method, route, kind, record_id, status=status, code=code)
        if self._thread is None:
            # An empty context: neither a session nor a time limit of the request that came first may reach the thread.
            run = contextvars.Context().run
            self._thread = threading.Thread(target=run, args=(self._run,), name="access-log", daemon=True)
            self._thread.start()
        self._bell.set()

    def note_look(
        self, principal: Principal, *, method: str, route: str, kind: str, record_id: str, fields: Sequence[str],
        purpose: str | None = None, reason: str | None = None,
    ) -> None:
        """Somebody is about to see protected fields of a record: call before showing them; returns once it is stored.

        `purpose` and `reason` are what a full reveal must state; without them the fields are shown masked.
        Raises Unavailable, or PyMongo's ConnectionFailure when the store is away: then show nothing.
        """
        stated: Document = {"fields": sorted(fields), "purpose": purpose, "reason": reason}
        self._enqueue(principal, LOOK, method, route, kind, record_id, **stated)
        self.flush()

    def flush(self) -> None:
        """Store what waits. Raises PyMongoError; then it goes on waiting."""
        with self._writing:
            while self._waiting:
                batch = list(islice(self._waiting, BATCH))
                self._store(self._chained(batch))
                for _ in batch:
                    self._waiting.popleft()
                self._seq, self._head = batch[-1]["seq"], batch[-1]["hash"]

    def _enqueue(
        self, principal: Principal, event: str, method: str, route: str, kind: str | None, record_id: str | None, **more: Any
    ) -> None:
        if len(self._waiting) >= self._capacity:
            raise Unavailable("the access log cannot be written; nothing was done", retry_after_s=2)
        self._waiting.append({
            "_id": new_id(), "event": event, "actor": principal.actor, "role": ",".join(sorted(principal.roles)),
            "time": format_instant(self._clock.now()), "method": method, "route": route, "kind": kind, "record_id": record_id, **more,
        })

    def _chained(self, batch: list[Document]) -> list[Document]:
        """The entries with their places in the stream; the same ones however often it is tried."""
        head = self._head
        for seq, entry in enumerate(batch, self._seq + 1):
            entry |= {"stream": self._stream, "seq": seq, "prev_hash": head}
            head = entry["hash"] = digest(entry)
        return batch

    def _store(self, batch: list[Document]) -> None:
        # A session of its own: an insert must not join, and be rolled back with, a transaction bound around the caller.
        with self._entries.database.client.start_session() as outside:
            try:
                self._entries.insert_many(batch, ordered=False, session=outside)
            except BulkWriteError as wrong:  # an attempt whose answer was lost has stored some already
                if {error["code"] for error in wrong.details["writeErrors"]} != {DUPLICATE_KEY}:
                    raise

    def _run(self) -> None:
        back_off = FIRST_BACK_OFF_S
        while True:
            self._bell.wait()
            self._bell.clear()
            try:
                self.flush()
                back_off = FIRST_BACK_OFF_S
            except PyMongoError as away:
                logger.warning("the access log waits for the store", waiting=len(self._waiting), reason=type(away).__name__)
                time.sleep(back_off)
                back_off = min(back_off * 2, LAST_BACK_OFF_S)
                self._bell.set()


_open_logs: weakref.WeakSet[AccessLog] = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    """Store what waits before the process ends."""
    for log in list(_open_logs):
        waiting = len(log._waiting)
        try:
            log.flush()
        except Exception as away:  # the process ends whatever happens; the loss must be told
            logger.error("access entries were lost: the store is away", entries=waiting, reason=type(away).__name__)
