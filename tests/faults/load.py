"""A bounded load through HTTP: so many writes a second, each sent with the same key until it is answered.

An open schedule: what a fault holds up is sent late, not left out. What was answered 200 or 201 is the acknowledged
truth that everything else is compared with.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.faults.district import District, Image, Serials, Step

WRITERS = 16
ANSWER_S = 30.0  # a connection silent for so long counts as lost
PATIENCE_S = 180.0  # a write that is not accepted by then is a violation
RETRY_S = 0.25  # less than Retry-After asks: a short row could not wait for it, and impatience is the harder test
ACCEPTED = (200, 201)


@dataclass
class Journal:
    """What the writers saw. Appended to under one lock, and to a file as it happens."""

    path: Path
    accepted: list[Image] = field(default_factory=list)
    retried: int = 0
    violations: list[str] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)  # how long each 503 took to come
    lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, step: Step, status: int, image: Image) -> None:
        """Note an acknowledged write."""
        line = json.dumps({"key": step.key, "status": status, "answer": image}, ensure_ascii=False)
        with self.lock, self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            self.accepted.append(image)

    def violate(self, text: str) -> None:
        """Note what must never happen."""
        with self.lock:
            self.violations.append(text)


class Load:
    """The writers of one row. Start it, inject, stop it."""

    def __init__(self, url: Callable[[], str], token: str, journal: Journal, serials: Serials, rate: float, seed: int) -> None:
        self.url, self.token, self.journal, self.serials, self.rate, self.seed = url, token, journal, serials, rate, seed
        self.answer_s = ANSWER_S
        self.begun = time.monotonic()
        self.ended = self.begun
        self._stop = threading.Event()
        self._turn = 0
        self._schedule = threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(n,), name=f"writer-{n}") for n in range(WRITERS)]

    @property
    def seconds(self) -> float:
        """From the first request until it was told to stop."""
        return (self.ended if self._stop.is_set() else time.monotonic()) - self.begun

    @property
    def acknowledged(self) -> int:
        """How many writes were accepted so far."""
        return len(self.journal.accepted)

    @property
    def offered(self) -> int:
        """How many writes were begun."""
        return self._turn

    def start(self) -> None:
        """Begin."""
        self.begun = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing more, and return when all that was begun is answered."""
        self.ended = time.monotonic()
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S + ANSWER_S)
            assert not thread.is_alive(), "a writer hangs"

    def _due(self) -> bool:
        """Wait for the next turn; False when the load is over."""
        with self._schedule:
            turn, self._turn = self._turn, self._turn + 1
        if self._stop.wait(max(0.0, self.begun + turn / self.rate - time.monotonic())):
            with self._schedule:
                self._turn -= 1
            return False
        return True

    def _write(self, writer: int) -> None:
        district = District(self.serials, self.seed * 1_000 + writer)
        sender = Sender(self.url, self.token, self.journal, self.answer_s)
        steps = district.steps()
        while self._due():
            image = sender.send(next(steps))
            if image is None:
                return  # the violation is noted; what hangs on this record cannot go on
            district.accept(image)
        sender.close()


class Sender:
    """One connection that comes back; sends a step until it is accepted."""

    def __init__(self, url: Callable[[], str], token: str, journal: Journal, answer_s: float = ANSWER_S) -> None:
        self.url, self.token, self.journal, self.answer_s = url, token, journal, answer_s
        self._connection: http.client.HTTPConnection | None = None

    def send(self, step: Step) -> Image | None:
        """The accepted answer; None when the answer was one that must not come."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                begun = time.monotonic()
                status, headers, body = self.once(step)
            except (OSError, http.client.HTTPException):
                self.close()
                self._again()
                continue
            if status in ACCEPTED:
                image: Image = json.loads(body)
                self.journal.accept(step, status, image)
                return image
            if status != 503 or "Retry-After" not in headers:
                self.journal.violate(f"{step.method} {step.path} was answered {status}: {body[:300].decode(errors='replace')}")
                return None
            with self.journal.lock:
                self.journal.refused_s.append(time.monotonic() - begun)
            self._again()
        self.journal.violate(f"{step.method} {step.path} was not accepted within {PATIENCE_S:g} s")
        return None

    def once(self, step: Step) -> tuple[int, Any, bytes]:
        """One try: status, headers, body. Raises OSError and HTTPException when the connection is lost."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(urlsplit(self.url()).netloc, timeout=self.answer_s)
        headers = {
            "Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "Idempotency-Key": step.key,
            **({"If-Match": f'"{step.version}"'} if step.version is not None else {}),
        }
        self._connection.request(step.method, step.path, json.dumps(step.body).encode(), headers)
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _again(self) -> None:
        with self.journal.lock:
            self.journal.retried += 1
        time.sleep(RETRY_S * (0.5 + random.random()))


@contextmanager
def loading(load: Load) -> Iterator[Load]:
    """The load runs inside the block and is over after it, however it is left."""
    load.start()
    try:
        yield load
    finally:
        load.stop()
