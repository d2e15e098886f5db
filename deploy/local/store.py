"""The embedded MongoDB as a child of the supervisor like any other.

mongod shares its starter's process group, so a Ctrl-C at the terminal would end it before the services that still
write; here its starter has a session of its own, and a slow recovery does not keep the supervisor from its work.
"""

from __future__ import annotations

import socket
from pathlib import Path

from deploy.local.data_dir import DataDir
from deploy.local.mongod import Mongod, free_port
from shared.process import stopped_by_signal

POLL_S = 0.1


def run(data: DataDir, port: int, ready: Path) -> int:
    """Run mongod on `port` until SIGTERM; `ready` appears when it takes writes. 1 when it ended by itself."""
    stop = stopped_by_signal()
    ready.unlink(missing_ok=True)
    with Mongod(data.mongod, port) as mongod:
        ready.touch()
        while not stop.wait(POLL_S):
            if mongod.process.poll() is not None:
                return 1
    return 0


def choose_port(previous: int | None) -> int:
    """The port of last time if nobody took it meanwhile, so that the store keeps its address; else a free one."""
    if previous is not None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", previous))
            except OSError:
                return free_port()
        return previous
    return free_port()


def uri(port: int) -> str:
    """How to reach it."""
    return f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
