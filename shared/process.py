"""Which process this is, so that another one of the same machine can tell whether it is dead."""

from __future__ import annotations

import os
import socket
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


def _machine() -> str:
    try:
        return f"{socket.gethostname()}/{BOOT_ID.read_text().strip()}"
    except OSError:
        return socket.gethostname()
