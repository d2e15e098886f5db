"""A bad line: a TCP proxy that delays, loses (as TCP shows it: later), cuts, goes silent and hands out single bytes."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from dataclasses import dataclass

CHUNK = 16_384
RESENT_S = 0.4  # what a lost packet costs when it is sent again


@dataclass(frozen=True)
class Line:
    """How bad it is. Shares are of the pieces of data that pass."""

    delay_s: float = 0.0
    lost: float = 0.0
    cut: float = 0.0
    silent: float = 0.0  # from here on the answers of this connection are swallowed and it stays open
    single_bytes: float = 0.0  # of the connections


class Proxy:
    """Listens on a port of its own and passes everything on to `target`. A context manager."""

    def __init__(self, target: tuple[str, int], line: Line, seed: int = 1) -> None:
        self.target, self.line = target, line
        self.port = 0
        self.cuts = self.silences = self.connections = 0
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(10), "the proxy does not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        server.close()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            behind, to = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        slow = self._random.random() < self.line.single_bytes
        with suppress(asyncio.CancelledError):  # the proxy ends
            await asyncio.gather(self._pass(reader, to, False, False), self._pass(behind, writer, True, slow))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: bool, slow: bool) -> None:
        silent = False
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await source.read(CHUNK):
                await asyncio.sleep(self.line.delay_s + RESENT_S * (self._random.random() < self.line.lost))
                if self._random.random() < self.line.cut:
                    self.cuts += 1
                    break
                if answers and self._random.random() < self.line.silent:
                    silent = True
                    self.silences += 1
                if not silent:
                    await self._give(sink, data, slow)
        with suppress(OSError):
            sink.close()

    async def _give(self, sink: asyncio.StreamWriter, data: bytes, slow: bool) -> None:
        for piece in (data[n : n + 1] for n in range(len(data))) if slow and len(data) < CHUNK // 8 else (data,):
            sink.write(piece)
            await sink.drain()
            if slow:
                await asyncio.sleep(0)
