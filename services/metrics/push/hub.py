"""One hub a process: tails the published changes and hands each, framed once, to every open stream.

It keeps no state of its own: any process can serve any client and resume any Last-Event-ID.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from pymongo.errors import PyMongoError

from services.metrics.push.frames import Frame
from services.metrics.store.publications import Publications
from shared.errors import Unavailable

POLL_S = 1.0  # the safety net beside the change stream
PAGE = 500
logger = structlog.get_logger(__name__)


class Subscription:
    """One client's queue. Full means that the client does not keep up: it is cut off and resumes by itself."""

    def __init__(self, limit: int, cut_off: Callable[[], None] | None = None) -> None:
        self._limit = limit
        self._cut_off = cut_off
        self._frames: deque[Frame] = deque()
        self._ready = threading.Condition()
        self.closed = False

    def offer(self, frames: Sequence[Frame]) -> bool:
        """Queue frames; False when there was no room and the client is cut off."""
        with self._ready:
            if self.closed:
                return False
            if len(self._frames) + len(frames) <= self._limit:
                self._frames.extend(frames)
                self._ready.notify()
                return True
        self.close()
        if self._cut_off is not None:
            self._cut_off()
        return False

    def take(self, timeout_s: float) -> list[Frame] | None:
        """All queued frames, waiting for the first; [] after the timeout, None when cut off."""
        with self._ready:
            if not self._frames and not self.closed:
                self._ready.wait(timeout_s)
            if self.closed:
                return None
            taken = list(self._frames)
            self._frames.clear()
            return taken

    def close(self) -> None:
        """End it."""
        with self._ready:
            self.closed = True
            self._frames.clear()
            self._ready.notify()


class Hub:
    """Tails `changes` from the present on while there are subscribers. Start it after the fork: it owns a thread."""

    def __init__(self, publications: Publications, wait: Callable[[float], Any], queue: int = 512) -> None:
        self.publications = publications
        self._wait = wait
        self._queue = queue
        self._lock = threading.Lock()
        self._clients: set[Subscription] = set()
        self._last = 0
        self._silent = False
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def subscribe(self, cut_off: Callable[[], None] | None = None) -> Subscription:
        """A queue that receives every change after this call (and perhaps some before it)."""
        client = Subscription(self._queue, cut_off)
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                state = self.publications.state()
                self._last, self._silent = state.sequence, self.publications.is_silent(state)
                self._thread = threading.Thread(target=self._tail, name="stream-hub", daemon=True)
                self._thread.start()
            self._clients.add(client)
        return client

    def unsubscribe(self, client: Subscription) -> None:
        """Forget a client."""
        client.close()
        with self._lock:
            self._clients.discard(client)

    def clients(self) -> int:
        """How many streams are open."""
        return len(self._clients)

    def close(self) -> None:
        """Stop the thread and end every stream."""
        self._stop.set()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.close()
        if self._thread is not None:
            self._thread.join(POLL_S * 3)

    def deliver(self) -> int:
        """Hand on what is new; how many changes."""
        changes = self.publications.since(self._last, PAGE)
        if not changes:
            return 0
        frames = [Frame(change) for change in changes]
        with self._lock:
            self._last = frames[-1].sequence
            clients = list(self._clients)
        for client in clients:
            if not client.offer(frames):
                self.unsubscribe(client)
        return len(changes)

    def notice_silence(self) -> None:
        """When publishing falls silent no change will say so: end the streams, they come back to a snapshot that does."""
        silent = self.publications.is_silent(self.publications.state())
        if silent and not self._silent:
            with self._lock:
                clients = list(self._clients)
            for client in clients:
                client.close()
        self._silent = silent

    def _tail(self) -> None:
        while not self._stop.is_set():
            try:
                if not self.deliver():
                    self.notice_silence()
                    self._wait(POLL_S)
            except (PyMongoError, Unavailable) as away:
                logger.warning("the stream waits for the store", reason=str(away))
                self._stop.wait(POLL_S)


def socket_closer(environ: dict[str, Any]) -> Callable[[], None] | None:
    """Breaks the connection of a request, so that a send that blocks on a client that does not read returns."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is None:
        return None

    def close() -> None:
        with suppress(OSError):
            connection.shutdown(2)

    return close
