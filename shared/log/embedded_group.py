"""A member of a consumer group on the embedded log: a document that says "I am alive", and the same sum for everyone.

Members look at the living ones in the order in which they came and take every n-th partition. Two may believe for a
moment that the same partition is theirs; the compare-and-set on its position decides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from shared.ids import new_id
from shared.log.consumer import Offsets, WholeLog
from shared.log.embedded import EmbeddedLog, reachable
from shared.process import is_dead, this_process

SESSION_S = 5.0
BEATS_A_SESSION = 5


class EmbeddedGroup(WholeLog):
    """See `shared.log.consumer.Consumer`."""

    def __init__(self, log: EmbeddedLog, group: str, topics: Sequence[str], session_s: float = SESSION_S) -> None:
        super().__init__(log, topics)
        self.group = group
        self.session_s = session_s
        self.member = new_id()
        self._members = log.members
        self._beat = float("-inf")
        self._mine: frozenset[int] = frozenset()

    def partitions(self) -> frozenset[int]:
        """See Consumer."""
        if time.monotonic() - self._beat >= self.session_s / BEATS_A_SESSION:
            with reachable():
                everyone = self._living()
            total, rank = len(super().partitions()), everyone.index(self.member)
            self._mine = frozenset(range(rank, total, len(everyone)))
            self._beat = time.monotonic()
        return self._mine

    def wait(self, timeout_s: float) -> None:
        """See Consumer."""
        super().wait(min(timeout_s, self.session_s / BEATS_A_SESSION))

    def done(self, offsets: Mapping[int, Offsets]) -> None:
        """Nobody asks."""

    def close(self) -> None:
        """See Consumer."""
        with reachable():
            self._members.delete_one({"_id": self.member})
        self._beat = float("-inf")

    def _living(self) -> list[str]:
        """This member and the others that live, in the order in which they came."""
        expires = {"$add": ["$$NOW", int(self.session_s * 1000)]}
        self._members.update_one(
            {"_id": self.member}, [{"$set": {"group": self.group, "process": this_process(), "expires": expires}}], upsert=True
        )
        gone = {"$lte": ["$expires", "$$NOW"]}
        found = self._members.aggregate([{"$match": {"group": self.group}}, {"$addFields": {"gone": gone}}])
        living: list[str] = []
        dead: list[str] = []
        for each in found:
            (dead if each["gone"] or is_dead(each["process"]) else living).append(each["_id"])
        if dead:
            self._members.delete_many({"_id": {"$in": dead}, "expires": {"$exists": True}})
        return sorted({*living, self.member})
