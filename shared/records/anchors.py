"""Anchors: from time to time one chain takes up the new heads of all others, so that a removed end is missed.

Changes chain per record and access entries per process; neither has a tail that every writer must touch. An anchor names
the changes that the relay put in order since the last one (by `position`, which has no gaps) and the newest entry of each
stream of the access log. What is newer than the last anchor is held by its own chain only: at most `EVERY_S` seconds
after its publication; a change that waits for the log (Kafka down) waits for its anchor too.
"""

from __future__ import annotations

import threading
from typing import Any

import structlog
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from shared.clock import Clock, format_instant
from shared.errors import KechuangError
from shared.mongo import Document, ensure_collection, transact
from shared.records.access_log import COLLECTION as ACCESS_LOG
from shared.records.image import digest
from shared.relay.lease import Fenced, Lease
from shared.telemetry import gauge

COLLECTION, STATE = "anchors", "audit_state"
EVERY_S = 10.0
BATCH = 1_000  # changes in one anchor
LAST_BACK_OFF_S = 5.0
NONE_YET: Document = {"_id": "anchors", "number": 0, "hash": None, "position": 0, "streams": {}}
NEWEST_OF_STREAM: list[Document] = [  # one index seek a stream
    {"$sort": {"stream": 1, "seq": -1}},
    {"$group": {"_id": "$stream", "seq": {"$first": "$seq"}, "hash": {"$first": "$hash"}}},
    {"$sort": {"_id": 1}},
]
newest_anchor = gauge("kechuang_audit_anchor", "Number of the newest anchor of the audit.", ["service"])
logger = structlog.get_logger(__name__)


def named(change: Document) -> list[Any]:
    """A change as an anchor names it: [position, kind, record id, version, hash]."""
    return [change.get(name) for name in ("position", "kind", "record_id", "version", "hash")]


class Anchors:
    """The anchor chain of one service. `step` may be called by the lease's holder only; `run` sees to that."""

    def __init__(self, service: str, database: Database[Document], clock: Clock, lease: Lease | None = None) -> None:
        self.service, self._database, self._clock = service, database, clock
        self._lease = lease or Lease(database["leases"], f"anchors-{service}", ttl_s=3 * EVERY_S)
        self._changes, self._accesses = (self._committed(name) for name in ("changes", ACCESS_LOG))
        self._anchors, self._state = database[COLLECTION], database[STATE]

    def prepare(self) -> None:
        """Make the collections. Call at start, never inside a transaction."""
        for name in (COLLECTION, STATE):
            ensure_collection(self._database, name)

    def run(self, stop: threading.Event, every_s: float = EVERY_S) -> None:
        """Anchor until told to stop, whenever this process holds the lease. A store that is away is waited for."""
        prepared = False
        while not stop.is_set():
            try:
                if not prepared:
                    self.prepare()
                    prepared = True
                if self._lease.keep():
                    self.drain()
                stop.wait(every_s)
            except Fenced:
                logger.info("another process anchors now", service=self.service)
            except (KechuangError, PyMongoError) as away:
                if isinstance(away, KechuangError) and not away.retriable:
                    raise
                logger.warning("anchoring waits for the store", service=self.service, reason=type(away).__name__)
                stop.wait(LAST_BACK_OFF_S)
        try:
            self._lease.release()
        except PyMongoError:
            logger.info("the lease will end by itself", service=self.service)

    def drain(self) -> None:
        """Anchor all that is new."""
        while self.step():
            pass

    def step(self) -> bool:
        """Chain one anchor if anything is new; whether it did. Raises Fenced when another holder has taken over."""
        state = self._state.find_one({"_id": NONE_YET["_id"]}) or NONE_YET
        after = {"position": {"$gt": state["position"]}}
        changes = [named(change) for change in self._changes.find(after).sort("position", 1).limit(BATCH)]
        heads = [[head["_id"], head["seq"], head["hash"]] for head in self._accesses.aggregate(NEWEST_OF_STREAM, allowDiskUse=False)
                 if head["seq"] > state["streams"].get(head["_id"], 0)]
        if not changes and not heads:
            return False
        anchor: Document = {
            "_id": state["number"] + 1, "time": format_instant(self._clock.now()), "changes": changes, "accesses": heads,
            "prev_hash": state["hash"],
        }
        anchor["hash"] = digest(anchor)
        fresh = {
            "number": anchor["_id"], "hash": anchor["hash"], "position": changes[-1][0] if changes else state["position"],
            "streams": state["streams"] | {stream: seq for stream, seq, _ in heads},
        }
        transact(self._database.client, lambda session: self._store(anchor, state, fresh, session))
        newest_anchor.labels(self.service).set(anchor["_id"])
        # The operators' log keeps the chain's head outside the store: who rewrote the whole store could not change it there.
        logger.info("anchored", service=self.service, number=anchor["_id"], hash=anchor["hash"])
        return True

    def _store(self, anchor: Document, state: Document, fresh: Document, session: ClientSession) -> None:
        self._lease.check_in(session)
        self._anchors.insert_one(anchor)
        swapped = self._state.replace_one(
            {"_id": state["_id"], "number": state["number"]}, {"_id": state["_id"], **fresh}, upsert=state["number"] == 0,
        )
        if not swapped.matched_count and swapped.upserted_id is None:
            raise Fenced("another process has anchored meanwhile")

    def _committed(self, name: str) -> Collection[Document]:
        # Majority: nothing is anchored that a failing primary could still take back.
        return self._database[name].with_options(read_concern=ReadConcern("majority"))
