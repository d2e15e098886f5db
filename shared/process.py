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
    return {"machine": _machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def is_dead(process: Mapping[str, Any] | None) -> bool:
    """Whether it is known to be: a process of another machine never is."""
    if not process or process["machine"] != _machine():
        return False
    pid, started = int(process["pid"]), process.get("started", 0)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return bool(started and started != _started(pid))  # its number was given away: in a container all are number 1


def written(process: Mapping[str, Any]) -> str:
    """In one word, for where there is room for one only."""
    return f"{process['machine']}/{process['pid']}/{process['started']}"


def read(word: str) -> dict[str, Any] | None:
    """What `written` wrote; None when it is something else."""
    machine, _, rest = word.rpartition("/")
    machine, _, pid = machine.rpartition("/")
    return {"machine": machine, "pid": int(pid), "started": int(rest)} if machine and pid.isdigit() and rest.isdigit() else None


def _started(pid: int) -> int:
    """When, in the kernel's ticks since it started itself; 0 where it does not tell."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0


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
