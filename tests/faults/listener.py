"""Stream clients that must miss nothing: one that reads everything, and a crowd that reads one indicator each."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

PATH = "/metrics/v1/stream"
SILENCE_S = 25.0  # a live stream speaks every 10 s
AGAIN_S = 0.2


class Listener(threading.Thread):
    """An open stream client. It resumes by Last-Event-ID for as long as it runs, and notes every breach."""

    def __init__(self, url: Callable[[], str]) -> None:
        super().__init__(name="listener", daemon=True)
        self.url = url
        self.last: int | None = None
        self.items: dict[str, dict[str, Any]] = {}
        self.changes = 0
        self.connections = 0
        self.breaches: list[str] = []
        self._over = threading.Event()
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        """Listen until told to stop."""
        while not self._over.is_set():
            try:
                self._listen()
            except (OSError, http.client.HTTPException, ValueError):
                self._over.wait(AGAIN_S)

    def stop(self) -> None:
        """End it."""
        self._over.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self.join(SILENCE_S + 5)

    def _listen(self) -> None:
        connection = self._connection = http.client.HTTPConnection(urlsplit(self.url()).netloc, timeout=SILENCE_S)
        resuming = self.last is not None
        try:
            connection.request("GET", PATH, headers={"Last-Event-ID": str(self.last)} if resuming else {})
            answer = connection.getresponse()
            if answer.status != 200:
                raise ValueError(answer.status)
            self.connections += 1
            for event, sequence, data in messages(answer):
                self._take(event, sequence, data, resuming)
                if self._over.is_set():
                    return
        finally:
            connection.close()

    def _take(self, event: str, sequence: int, data: Any, resuming: bool) -> None:
        if event == "snapshot":
            if resuming:
                self.breaches.append(f"a client that resumed at {self.last} was given a snapshot of {sequence}")
            self.items = {item["id"]: item for item in data["items"]}
        elif self.last is not None and sequence != self.last + 1:
            self.breaches.append(f"sequence {sequence} came after {self.last}")
        else:
            self.items[data["id"]] = data
            self.changes += 1
        self.last = max(sequence, self.last or 0)


def messages(lines: Any) -> Iterator[tuple[str, int, Any]]:
    """The messages of an event stream; comments are passed over. Only whole messages count."""
    fields: dict[str, str] = {}
    for raw in lines:
        line = raw.decode().rstrip("\r\n")
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield fields["event"], int(fields["id"]), json.loads(fields["data"])
            fields = {}
        else:
            fields = {}


class Crowd(threading.Thread):
    """Many stream clients of one indicator in one thread. Each keeps the sequences that it was given."""

    def __init__(self, url: str, clients: int, indicator: str) -> None:
        super().__init__(name="crowd", daemon=True)
        self.netloc = urlsplit(url).netloc
        self.path = f"{PATH}?indicators={indicator}"
        self.given: list[list[int]] = [[] for _ in range(clients)]
        self.first: list[int | None] = [None] * clients
        self.resumed = 0
        self.snapshots = 0
        self.open = 0
        self._stopping = threading.Event()

    def run(self) -> None:
        """Listen until told to stop."""
        asyncio.run(self._all())

    def stop(self) -> None:
        """End all of them."""
        self._stopping.set()
        self.join(SILENCE_S)

    def last(self, client: int) -> int | None:
        """The last sequence that a client was given."""
        return self.given[client][-1] if self.given[client] else self.first[client]

    async def _all(self) -> None:
        tasks = [asyncio.create_task(self._one(client)) for client in range(len(self.given))]
        while not self._stopping.is_set():
            await asyncio.sleep(AGAIN_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, client: int) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                await self._listen(client)
            await asyncio.sleep(AGAIN_S)

    async def _listen(self, client: int) -> None:
        host, port = self.netloc.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        last = self.last(client)
        resume = "" if last is None else f"Last-Event-ID: {last}\r\n"
        counted = False
        try:
            writer.write(f"GET {self.path} HTTP/1.1\r\nHost: {self.netloc}\r\n{resume}\r\n".encode())
            event = ""
            while line := await asyncio.wait_for(reader.readline(), SILENCE_S):
                if line.startswith(b"event: "):
                    event = line[7:].decode().strip()
                elif line.startswith(b"id: "):
                    if not counted:
                        counted, self.open, self.resumed = True, self.open + 1, self.resumed + (last is not None)
                    self._take(client, event, int(line[4:]))
        finally:
            self.open -= counted
            writer.close()

    def _take(self, client: int, event: str, sequence: int) -> None:
        if event == "indicator":
            self.given[client].append(sequence)
        elif self.first[client] is None:
            self.first[client] = sequence
        else:
            self.snapshots += 1


def missed(crowd: Crowd, sequences: list[int]) -> list[str]:
    """What any client of a crowd was given wrongly, out of all `sequences` of its indicator, oldest first."""
    found = []
    for client, given in enumerate(crowd.given):
        expected = [each for each in sequences if each > (crowd.first[client] or 0)]
        if given != expected:
            lost, more = sorted(set(expected) - set(given)), sorted(set(given) - set(expected))
            ordered = given == sorted(given)
            found.append(f"stream client {client}: {len(lost)} missed {lost[:5]}, {len(more)} too many {more[:5]}, in order: {ordered}")
    return found
