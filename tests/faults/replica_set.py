"""A MongoDB replica set of one or three real nodes whose processes a row may stop, kill, starve or tell to fail."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from deploy.local.mongod import TRANSACTION_LIFETIME_S, die_with_parent, find_mongod, free_port

NAME = "rs0"
START_S = 90
ELECTION_MS = 2_000  # the server's own 10 s would be most of a short row
Admin = MongoClient[dict[str, Any]]


class Node:
    """One mongod; started again it keeps its folder and port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Its address."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Run it; test commands are on, so that `failCommand` can be set."""
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [
            find_mongod(), "--dbpath", str(self.folder), "--port", str(self.port), "--bind_ip", "127.0.0.1",
            "--replSet", NAME, "--wiredTigerCacheSizeGB", "1", "--oplogSize", "512", "--logpath",
            str(self.folder.with_suffix(".log")), "--logappend", "--setParameter", "enableTestCommands=1", "--setParameter",
            f"transactionLifetimeLimitSeconds={TRANSACTION_LIFETIME_S}",
        ]
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent
        )

    def signal(self, number: int) -> None:
        """Send it a signal; a killed node is waited for."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(60)

    def dead(self) -> bool:
        """Whether its process has ended."""
        return self.process is None or self.process.poll() is not None

    @contextmanager
    def admin(self, **options: Any) -> Iterator[Admin]:
        """A client of this node alone."""
        with MongoClient[dict[str, Any]]("127.0.0.1", self.port, directConnection=True, serverSelectionTimeoutMS=2000, **options) as client:
            yield client


class ReplicaSet:
    """The nodes; a context manager that starts and ends them."""

    def __init__(self, folder: Path, nodes: int = 1) -> None:
        self.nodes = [Node(folder / f"node{n}") for n in range(nodes)]

    @property
    def uri(self) -> str:
        """Where the set is."""
        return f"mongodb://{','.join(node.host for node in self.nodes)}/?replicaSet={NAME}"

    def __enter__(self) -> ReplicaSet:
        for node in self.nodes:
            node.start()
        members = [{"_id": n, "host": node.host} for n, node in enumerate(self.nodes)]
        settings = {"electionTimeoutMillis": ELECTION_MS, "heartbeatIntervalMillis": ELECTION_MS // 4}
        _until_done(lambda: self._initiate({"_id": NAME, "members": members, "settings": settings}))
        self.primary()
        return self

    def _initiate(self, config: Mapping[str, Any]) -> bool:
        with self.nodes[0].admin() as client:
            try:
                client.admin.command("replSetInitiate", config)
            except OperationFailure as failed:
                if failed.code != 23:  # AlreadyInitialized
                    raise
        return True

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            if not node.dead():
                node.signal(signal.SIGCONT)
                node.signal(signal.SIGKILL)

    def primary(self) -> Node:
        """The node that takes writes; waits for it."""
        found: list[Node] = []

        def look() -> bool:
            for node in self.nodes:
                if node.dead():
                    continue
                with suppress(PyMongoError), node.admin(socketTimeoutMS=2000) as client:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        found.append(node)
                        return True
            return False

        _until_done(look)
        return found[-1]

    def fail(self, mode: Any, **data: Any) -> None:
        """Set `failCommand` on the primary: `mode` and `data` as the server takes them; mode "off" ends it."""
        with self.primary().admin() as client:
            client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})

    def failed(self) -> int:
        """How many commands the fail point has hit so far."""
        with self.primary().admin() as client:
            off = client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
            return int(off["count"])


def _until_done(work: Any) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with suppress(PyMongoError):
            if work():
                return
        assert time.monotonic() < deadline, f"no primary within {START_S} s"
        time.sleep(0.1)
