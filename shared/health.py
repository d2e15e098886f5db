"""The pulse of a process without a face, and the port on which it can be asked: live, ready, figures.

Live means that its loop still turns, also while it waits for a database that is away: starting it again would not help.
Ready means that it could do its work now: the loop turned a moment ago and everything it stands on answers.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shared.mongo import Client
from shared.telemetry import CONTENT_TYPE, exposition

LIVE_S = 60.0  # a turn, with whatever it waits for, takes far less
READY_S = 15.0
ASKED_S = 2.0  # how long a check may take, and a slow caller too
Check = Callable[[], str | None]
Answer = tuple[int, str, bytes]


class Pulse:
    """When a process's loop last turned, by the machine's own monotonic clock."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self) -> None:
        """The loop has turned, or a long turn of it has come another step forward."""
        self._last = time.monotonic()

    def silent_s(self) -> float:
        """Seconds since the last beat; since the start before the first."""
        return time.monotonic() - self._last


PULSE = Pulse()  # one loop a process, like one registry of figures a process
beat = PULSE.beat


def serve_health(port: int, checks: Sequence[Check] = (), pulse: Pulse = PULSE) -> ThreadingHTTPServer | None:
    """Answer `/-/live`, `/-/ready` and `/-/metrics` (`/metrics` too) on `port`, in a thread; 0 = not at all.

    Each check says what is waited for, or None. Close the server that is returned to give the port back.
    """
    if not port:
        return None
    pages: dict[str, Callable[[], Answer]] = {
        "/-/live": lambda: _verdict("live", _silence(pulse, LIVE_S)),
        "/-/ready": lambda: _verdict("ready", _silence(pulse, READY_S) + [why for why in (check() for check in checks) if why]),
        "/-/metrics": lambda: (200, CONTENT_TYPE, exposition()),
    }
    pages["/metrics"] = pages["/-/metrics"]

    class Handler(BaseHTTPRequestHandler):
        timeout = ASKED_S

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            status, kind, body = page() if page else (404, "text/plain", b"")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes come every few seconds: nobody wants to read of them."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


def database_answers(client: Client) -> Check:
    """A check that the process's database answers."""

    def check() -> str | None:
        try:
            client.admin.command("ping", maxTimeMS=int(ASKED_S * 1000))
        except Exception as away:  # any failure at all means not ready; the reason is told
            return f"database: {type(away).__name__}"
        return None

    return check


def _silence(pulse: Pulse, limit_s: float) -> list[str]:
    silent = pulse.silent_s()
    return [f"the loop has not turned for {silent:.0f} s"] if silent > limit_s else []


def _verdict(name: str, wrong: list[str]) -> Answer:
    body = json.dumps({name: not wrong, "waiting_for": wrong}).encode()
    return 503 if wrong else 200, "application/json", body
