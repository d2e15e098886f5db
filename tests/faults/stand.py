"""What a row is run on: a replica set, a stack of `kechuang up`, and further processes of it that may be killed at will."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from deploy.local.environment import DB_PREFIX, environment
from deploy.local.kafka.broker import Kafka
from deploy.local.mongod import die_with_parent
from deploy.local.up import WEB
from shared.log.interface import Entry, Log
from shared.log.open import open_log
from tests.faults.district import Image, Serials
from tests.faults.replica_set import ReplicaSet
from tests.faults.small_disk import small_disk
from tests.system.stack import TOOL, Stack, wait_until

CLOCK = "2026-06-30T08:00:00+08:00"
DAY = CLOCK[:10]
ALL_DAY_S = 12 * 3600
QUICK = {  # two web workers: one at least goes on when the other is killed; a dead consumer is soon missed
    "WEB_WORKERS": "2", "KAFKA_SESSION_S": "3",
}
SERVICES = ("registry", "incentives")
PAGE = 2_000
LEASES = {"relay registry": ("registry", "relay-registry"), "relay incentives": ("incentives", "relay-incentives"),
          "publish": ("metrics", "publisher")}


@dataclass(frozen=True)
class Setting:
    """What kind of stand a row needs; rows with the same one can share it."""

    nodes: int = 1
    brokers: int = 0  # 0 = the embedded log
    small_disk: bool = False
    environ: tuple[tuple[str, str], ...] = ()


@dataclass
class Appended:
    """What the rows themselves did to the log, so that it is not taken for an invention, a disorder or a loss."""

    poison: set[bytes] = field(default_factory=set)
    disordered: set[tuple[str, str]] = field(default_factory=set)  # (kind, id) of records appended out of order
    lost: set[str] = field(default_factory=set)  # changes whose entries went with a broker's disk


class Stand:
    """A running stack and its parts. A context manager."""

    def __init__(self, folder: Path, setting: Setting) -> None:
        self.folder, self.setting = folder, setting
        self.mongo = ReplicaSet(folder / "mongo", setting.nodes)
        self.serials = Serials()
        self.accepted: list[Image] = []  # over all rows of this stand
        self.appended = Appended()
        self.pool = Pool(self)
        self.day = DAY  # on which the figures are counted
        self.front: str | None = None  # by which address clients come, unless straight
        self._log: Log | None = None
        self._open = ExitStack()

    def __enter__(self) -> Stand:
        with ExitStack() as opening:
            if self.setting.small_disk:
                opening.enter_context(small_disk(self.folder / "mongo"))
            opening.enter_context(self.mongo)
            words = ["--clock", CLOCK, "--mongo", self.mongo.uri]
            if self.setting.brokers:
                self.kafka = opening.enter_context(Kafka(self.folder / "kafka", self.setting.brokers))
                words += ["--kafka", self.kafka.bootstrap]
            environ = QUICK | dict(self.setting.environ)
            self.stack = Stack(self.folder / "data", *words, environ=environ)
            opening.callback(self.stack.stop)
            opening.callback(self.pool.stop)
            self.client = opening.enter_context(MongoClient[dict[str, Any]](self.mongo.uri, tz_aware=True))
            self.token = self.stack.token("data_feed")
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        if self._log is not None:
            self._log.close()
        self._open.close()

    @property
    def url(self) -> str:
        """Where the stack is."""
        return self.stack.url

    @property
    def address(self) -> str:
        """By which clients come."""
        return self.front or self.url

    @property
    def data(self) -> Path:
        """The stack's folder."""
        return self.stack.data.path

    def environ(self) -> dict[str, str]:
        """What a process of this stack is told."""
        running = self.stack.data.running()
        return environment(self.stack.data, running.url, running.mongo_uri, running.kafka) | QUICK | dict(self.setting.environ)

    def log(self) -> Log:
        """The stack's log."""
        if self._log is None:
            self._log = open_log(self.environ(), self.client)
        return self._log

    def database(self, service: str) -> Any:
        """The database of a service."""
        return self.client[f"{DB_PREFIX}_{service}"]

    def entries(self, topic: str) -> list[Entry]:
        """All of a topic, partition by partition."""
        log, found = self.log(), list[Entry]()
        for partition in range(log.partitions(topic)):
            after = -1
            while page := log.read(topic, partition, after, PAGE):
                found += page
                after = page[-1].offset
        return found

    def holder(self, name: str) -> int | None:
        """The process that holds the lease of "relay registry", "relay incentives" or "publish"; None when nobody does."""
        service, lease = LEASES[name]
        found = self.database(service)["leases"].find_one({"_id": lease})
        process = (found or {}).get("process")
        return int(process["pid"]) if process and Path(f"/proc/{process['pid']}").exists() else None

    def kill_holder(self, name: str, number: int = signal.SIGKILL) -> int:
        """Signal whoever holds a lease, waiting for a holder; its pid."""
        pid = wait_until(lambda: self.holder(name), 60, f"a holder of {name}")
        send(pid, number)
        return pid

    def web_workers(self) -> list[int]:
        """The processes that answer requests."""
        masters = self.stack.pids(WEB)
        return [pid for pid in masters if parent_of(pid) in masters]

    def web_master(self) -> int:
        """The process that keeps them."""
        masters = self.stack.pids(WEB)
        return wait_until(lambda: next((pid for pid in masters if parent_of(pid) not in masters), 0), 5, "the web master")


class Pool:
    """Further processes of the stack, started again at once: `up` gives what dies often ever longer waits, as it should."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self._wanted: list[tuple[list[str], dict[str, str], Path]] = []
        self._processes: list[subprocess.Popen[bytes]] = []

    def add(self, *words: str, environ: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start `kechuang WORDS`."""
        mark = self.stand.data / "run" / f"extra-{len(self._wanted)}"
        told = self.stand.environ() | {"READY_FILE": str(mark)} | (environ or {})
        self._wanted.append(([*TOOL, *words], told, mark.with_suffix(".log")))
        self._processes.append(self._start(len(self._wanted) - 1))
        return self._processes[-1]

    def _start(self, place: int) -> subprocess.Popen[bytes]:
        words, environ, log = self._wanted[place]
        with open(log, "ab") as out:
            return subprocess.Popen(
                words, env=os.environ | environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def pids(self) -> list[int]:
        """Those that run."""
        return [process.pid for process in self._processes if process.poll() is None]

    def tend(self) -> None:
        """Start again what died."""
        for place, process in enumerate(self._processes):
            if process.poll() is not None:
                self._processes[place] = self._start(place)

    def stop(self) -> None:
        """End all of them, frozen ones too."""
        for process in self._processes:
            for number in (signal.SIGCONT, signal.SIGTERM):
                send(process.pid, number) if process.poll() is None else None
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._wanted.clear()
        self._processes.clear()


def send(pid: int, number: int) -> bool:
    """Signal a process; False when it is gone already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def parent_of(pid: int) -> int:
    """A process's parent; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def threads_of(pid: int) -> int:
    """How many threads a process has; 0 when it is gone."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return 0


