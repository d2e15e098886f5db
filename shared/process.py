"""Which process this is, so that another one of the same machine can tell whether it is dead; and how it is told to stop."""

from __future__ import annotations

import _thread
import os
import signal
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def this_process() -> dict[str, Any]:
    """This process, as a document."""
    return {"machine": _machine(), "pid": os.getpid()}


def is_dead(process: Mapping[str, Any] | None) -> bool:
    """Whether it is known to be: a process of another machine never is."""
    if not process or process["machine"] != _machine():
        return False
    try:
        os.kill(int(process["pid"]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def stopped_by_signal(*more: int) -> threading.Event:
    """An event that SIGTERM and SIGINT set, and whatever signals are named.

    A handler runs in the main thread wherever that stands, be it inside the event's own lock: it must not take that itself.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, *more):
        signal.signal(number, lambda *_: _thread.start_new_thread(stop.set, ()))
    return stop


def _machine() -> str:
    try:
        return f"{socket.gethostname()}/{BOOT_ID.read_text().strip()}"
    except OSError:
        return socket.gethostname()
