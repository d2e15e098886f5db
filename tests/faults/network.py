"""Row 16: bad lines between clients and the stack, and between the stack and its store; clients that only hold on."""

from __future__ import annotations

import signal
import socket
import threading
from urllib.parse import urlsplit

from tests.faults.listener import PATH
from tests.faults.proxy import Line, Proxy
from tests.faults.rows import Run
from tests.faults.stand import send

OUTSIDE = Line(delay_s=0.2, lost=0.05, cut=0.02, silent=0.005, single_bytes=0.3)
INSIDE = Line(delay_s=0.005, lost=0.02, cut=0.002)
ANSWER_S = 8.0
LORISES = 50
DEAF_A_KILL = 10  # stream clients that never read, for each kill that was asked for: 2,000 in a full run
BACKGROUND = ("relay registry", "relay incentives", "ingest", "publish")


def take_the_bad_line(run: Run) -> None:
    """Writers and listener reach the stack through the proxy only."""
    parts = urlsplit(run.stand.url)
    proxy = Proxy((str(parts.hostname), int(parts.port or 0)), OUTSIDE)
    run.closing.append(lambda: proxy.__exit__())
    run.kept["outside"] = proxy.__enter__()
    run.stand.front = f"http://127.0.0.1:{proxy.port}"
    run.closing.append(lambda: setattr(run.stand, "front", None))
    run.load.answer_s = ANSWER_S


def hold_on(run: Run) -> None:
    """Slow writers of headers, stream clients that never read, and relays, ingest and publisher on a bad line to MongoDB."""
    held = [*_lorises(run), *_deaf(run, DEAF_A_KILL * run.kills)]
    run.closing.append(lambda: [each.close() for each in held])
    asleep = [pid for name in BACKGROUND for pid in run.stand.stack.pids(name)]
    with Proxy(("127.0.0.1", run.stand.mongo.primary().port), INSIDE) as inside:
        uri = f"mongodb://127.0.0.1:{inside.port}/?directConnection=true"
        for name in BACKGROUND:
            run.stand.pool.add(*name.split(), environ={"MONGO_URI": uri})
        for pid in asleep:
            send(pid, signal.SIGSTOP)
        try:
            while run.going():
                run.await_writes(10, 120)
        finally:
            for pid in asleep:
                send(pid, signal.SIGCONT)
        run.stand.pool.stop()
        outside = run.kept["outside"]
        run.injections += outside.cuts + outside.silences + inside.cuts + len(held)
        run.notes |= {"cut_outside": outside.cuts, "silent_outside": outside.silences, "cut_inside": inside.cuts,
                      "lorises": LORISES, "deaf_stream_clients": len(held) - LORISES}


def _lorises(run: Run) -> list[socket.socket]:
    """Requests that never end: a header every half second."""
    found = [_connected(run, b"POST /registry/v1/enterprises HTTP/1.1\r\nHost: x\r\n") for _ in range(LORISES)]
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.5):
            for each in found:
                try:
                    each.send(b"X-More: 1\r\n")
                except OSError:
                    continue

    threading.Thread(target=drip, name="loris", daemon=True).start()
    run.closing.append(over.set)
    return found


def _deaf(run: Run, count: int) -> list[socket.socket]:
    """Stream clients that never read, with little room for what they are sent."""
    return [_connected(run, f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) for _ in range(count)]


def _connected(run: Run, words: bytes) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    parts = urlsplit(run.stand.url)
    made.connect((str(parts.hostname), int(parts.port or 0)))
    made.sendall(words)
    made.setblocking(False)
    return made
