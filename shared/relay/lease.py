"""A lease: one holder at a time, and a fence against the one that believes it still is.

Time is the database server's (`$$NOW`), so that the holders' own clocks cannot disagree. The lease decides who should
work; correctness rests on `check_in`, which writes the lease inside the holder's transaction: a takeover meanwhile is
a write conflict, and a holder of an older epoch is refused.

A process that is killed or frozen inside a transaction leaves it open on the server (for 60 s by default), with every
document it wrote locked, the lease among them. So the lease names the sessions of its holder, and who takes it over
ends them first.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from bson.binary import UUID_SUBTYPE, Binary
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError
from pymongo.results import UpdateResult

from shared.errors import Conflict
from shared.ids import new_id
from shared.mongo import Document
from shared.process import is_dead, this_process

RENEWALS_PER_TERM = 3
SESSIONS_KEPT = 20  # a process uses one or two, and others after lost connections
Stage = dict[str, Any]


class Fenced(Conflict):
    """Someone else holds the lease now."""

    code, retriable = "fenced", True


class Lease:
    """A named lease in `collection`. `epoch` rises with each change of holder; 0 = never held by this object."""

    def __init__(self, collection: Collection[Document], name: str, holder: str | None = None, ttl_s: float = 5.0) -> None:
        self.name = name
        self.holder = f"{holder or name}/{new_id()}"  # never twice: a restarted holder must not be taken for its old self
        self.ttl_s = ttl_s
        self.epoch = 0
        self._collection = collection
        self._noted: set[bytes] = set()
        self._until = 0.0  # by this process's monotonic clock, from before the call: never later than the server's

    @property
    def held(self) -> bool:
        """Whether the last term has not ended yet, as far as this process can know."""
        return self.epoch > 0 and time.monotonic() < self._until

    def keep(self) -> bool:
        """Hold it if possible; cheap to call often. False while someone else does."""
        fresh = self._until - time.monotonic() > self.ttl_s * (1 - 1 / RENEWALS_PER_TERM)
        return (self.epoch > 0 and fresh) or self.renew() or self.acquire()

    def acquire(self) -> bool:
        """Take it if it is free, ended, this holder's own, or held by a process of this machine that is dead."""
        begun = time.monotonic()
        found = self._look() or self._make()
        if found["holder"] != self.holder:
            if not (found["ended"] or is_dead(found["process"])):
                self._lost()
                return False
            self._end_sessions(found["sessions"])
        return self._take(found, begun)

    def renew(self) -> bool:
        """Begin another term. False when it is not ours any more."""
        begun = time.monotonic()
        if self.epoch == 0:
            return False
        if self._collection.update_one(self._mine(), self._extended()).matched_count:
            self._until = begun + self.ttl_s
            return True
        self._lost()
        return False

    def release(self) -> None:
        """Let the next one have it at once."""
        if self.epoch:
            self._collection.update_one(self._mine(), [{"$set": {"expires": "$$NOW", "holder": None, "process": None, "sessions": []}}])
            self._lost()

    def check_in(self, session: ClientSession) -> None:
        """Inside a transaction: make it fail if another holder has taken over or does so before it commits."""
        begun = time.monotonic()
        self._note(session)
        self._demand(self._collection.update_one(self._mine(), self._extended(), session=session))
        self._until = max(self._until, begun + self.ttl_s)

    def check(self) -> None:
        """Outside a transaction: begin another term, or raise Fenced when another holder has taken over."""
        if not self.renew():
            raise Fenced(f"the lease {self.name} has another holder")

    def _note(self, session: ClientSession) -> None:
        """Name the session in the lease, outside its transaction: whoever takes over must be able to read it."""
        identifier = bytes(session.session_id["id"])
        if identifier in self._noted:
            return
        sessions = {"$each": [identifier], "$slice": -SESSIONS_KEPT}
        with self._collection.database.client.start_session() as outside:
            self._demand(self._collection.update_one(self._mine(), {"$push": {"sessions": sessions}}, session=outside))
        self._noted.add(identifier)

    def _demand(self, done: UpdateResult) -> None:
        if self.epoch == 0 or not done.matched_count:
            self._lost()
            raise Fenced(f"the lease {self.name} has another holder")

    def _mine(self) -> Document:
        return {"_id": self.name, "holder": self.holder, "epoch": self.epoch}

    def _extended(self) -> list[Stage]:
        return [{"$set": {"expires": {"$add": ["$$NOW", int(self.ttl_s * 1000)]}}}]

    def _look(self) -> Document | None:
        shown = {"epoch": 1, "ended": {"$lte": ["$expires", "$$NOW"]}} | {
            name: {"$ifNull": [f"${name}", None]} for name in ("holder", "process", "sessions")
        }
        return next(iter(self._collection.aggregate([{"$match": {"_id": self.name}}, {"$project": shown}])), None)

    def _make(self) -> Document:
        empty: Document = {"epoch": 0, "holder": None, "process": None, "sessions": []}
        with suppress(DuplicateKeyError):  # another process made it in the same instant
            self._collection.update_one({"_id": self.name}, [{"$set": {**empty, "expires": "$$NOW"}}], upsert=True)
        return {**empty, "ended": True}

    def _take(self, found: Document, begun: float) -> bool:
        """From the state that was looked at; who came first has changed it."""
        mine = found["holder"] == self.holder
        put = {"epoch": found["epoch"] + (not mine), "holder": self.holder, "process": this_process()}
        taken = self._collection.update_one(
            {"_id": self.name, "epoch": found["epoch"], "holder": found["holder"]},
            [{"$set": put if mine else {**put, "sessions": []}}, *self._extended()],
        )
        if not taken.matched_count:
            self._lost()
            return False
        if not mine:
            self._noted.clear()
        self.epoch, self._until = int(put["epoch"]), begun + self.ttl_s
        return True

    def _end_sessions(self, sessions: list[bytes] | None) -> None:
        if sessions:
            named = [{"id": Binary(session, UUID_SUBTYPE)} for session in sessions]
            self._collection.database.client.admin.command("killSessions", named)

    def _lost(self) -> None:
        self.epoch, self._until = 0, 0.0
