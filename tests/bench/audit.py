"""What the audit costs a write: the same POST's transaction with hash chains, access log and anchoring, and without."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path
from typing import Any

from deploy.local.mongod import Mongod
from services.registry.kinds import KINDS
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.clock import SystemClock
from shared.ids import new_id
from shared.log.embedded import EmbeddedLog
from shared.mongo import connect
from shared.records import change
from shared.records.anchors import Anchors
from shared.records.personal import Sealer
from shared.records.write import Records
from shared.relay.lease import Lease
from shared.relay.relay import Relay
from tests.system.made import enterprise

ROUNDS, WRITES, HANDS = 7, 300, 4
FEED = Principal("f" * 32, frozenset({Role.DATA_FEED}))
REAL = change.digest, change.record_digest
AUDIT_INDEXES = ("actor_1_time_1__id_1", "time_1__id_1")


class Arm:
    """A registry of its own; without `audited` nothing is hashed, indexed for auditors or anchored."""

    def __init__(self, uri: str, audited: bool) -> None:
        self.audited, name = audited, f"bench_audit_{audited}".lower()
        self.records = Records(connect(uri, name, alias=name), name, "registry", KINDS, SystemClock(), Sealer("aa" * 32, "bb" * 32))
        self.records.ensure_collections()
        if not audited:
            for index in AUDIT_INDEXES:
                self.records.database.changes.drop_index(index)
        client, database = self.records.client, self.records.database
        self.relay = Relay("registry", client, name, EmbeddedLog(client, f"{name}_log"), Lease(database["leases"], "relay", ttl_s=900))
        self.relay.prepare()
        assert self.relay.lease.acquire()
        self.stop = threading.Event()
        self.anchoring = threading.Thread(target=Anchors("registry", database, SystemClock()).run, args=(self.stop, 0.5))
        self.number, self.line = 0, threading.Lock()
        if audited:
            self.anchoring.start()

    def writes_a_second(self) -> float:
        """One round: `HANDS` threads write `WRITES` records while the round before is anchored."""
        change.digest, change.record_digest = REAL if self.audited else ((lambda _: "0" * 64), (lambda _: "0" * 64))
        hands = [threading.Thread(target=self._write) for _ in range(HANDS)]
        begun = time.perf_counter()
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()
        took = time.perf_counter() - begun
        change.digest, change.record_digest = REAL
        self.relay.drain()  # not timed: gives the changes the order that the next round's anchors name
        return WRITES / took

    def _write(self) -> None:
        for _ in range(WRITES // HANDS):
            with self.line:
                self.number += 1
                body: dict[str, Any] = enterprise(self.number % 10_000, address=new_id())
            kind = self.records.kinds["evidence-items"]
            self.records.create(kind, {"indicator_id": "x", "title": body["address"], "attested_on": "2026-01-01", "uscc": body["uscc"]}, FEED)

    def end(self) -> None:
        """Stop anchoring."""
        self.stop.set()
        if self.audited:
            self.anchoring.join()


def audit(folder: Path) -> None:
    """Print both medians and the ratio of medians, taken in turns."""
    with Mongod(folder / "mongod_audit") as server:
        arms = {audited: Arm(server.uri, audited) for audited in (True, False)}
        rates: dict[bool, list[float]] = {True: [], False: []}
        for arm in arms.values():
            arm.writes_a_second()  # warm
        for number in range(ROUNDS):
            for audited in ((True, False) if number % 2 else (False, True)):
                rates[audited].append(arms[audited].writes_a_second())
        for arm in arms.values():
            arm.end()
    for audited, values in rates.items():
        name = f"writes {'with' if audited else 'without'} audit"
        print(f"{name:<58} {statistics.median(values):>10,.1f} records/s ({min(values):,.1f}–{max(values):,.1f})")
    ratios = [with_ / without for with_, without in zip(rates[True], rates[False], strict=True)]
    print(f"{'  with ÷ without, ratio of medians (per round)':<58} {statistics.median(rates[True]) / statistics.median(rates[False]):>10.2f} "
          f"({min(ratios):.2f}–{max(ratios):.2f})", flush=True)
