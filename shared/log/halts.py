"""Partitions at which a follower of the log has stopped because too much of them is poison: for readiness, telemetry and operators."""

from __future__ import annotations

import time

from pymongo.collection import Collection

from shared.log.dead_letters import Halted
from shared.mongo import Document
from shared.telemetry import gauge

PREFIX = "halted|"


class Halts:
    """Where the process `name` has stopped; stored in its service's database, so that every process can tell."""

    def __init__(self, state: Collection[Document], name: str) -> None:
        self._state, self._name = state, name
        told = f"1 while {name} has stopped at a partition that is full of poison"
        self._gauge = gauge(f"kechuang_{name}_halted", told, ["partition"])
        self._standing: set[int] = set()

    def look(self) -> None:
        """Read what others have noted: a partition that comes to this process may have stopped elsewhere."""
        standing = {int(found["_id"].removeprefix(PREFIX)) for found in self._all()}
        self.leave(self._standing - standing)
        self._standing = standing

    def note(self, halted: Halted) -> bool:
        """Remember it; whether it is news."""
        news = halted.partition not in self._standing
        self._standing.add(halted.partition)
        self._gauge.labels(str(halted.partition)).set(1)
        body = {"reason": halted.message, "offset": halted.offset, "at_ms": time.time_ns() // 1_000_000}
        self._state.update_one({"_id": f"{PREFIX}{halted.partition}"}, {"$set": body}, upsert=True)
        return news

    def leave(self, partitions: set[int]) -> None:
        """These are another process's to tell of now."""
        for partition in self._standing & partitions:
            self._standing.discard(partition)
            self._gauge.labels(str(partition)).set(0)

    def clear(self, partitions: set[int]) -> set[int]:
        """These go on; which of them had stopped."""
        again = self._standing & partitions
        for partition in again:
            self._standing.discard(partition)
            self._gauge.labels(str(partition)).set(0)
            self._state.delete_one({"_id": f"{PREFIX}{partition}"})
        return again

    def reasons(self) -> list[str]:
        """One sentence a partition that stands still; without what the poison says of itself, since anyone may ask."""
        stopped = (found["_id"].removeprefix(PREFIX) for found in self._all())
        return [f"{self._name} has stopped at partition {partition}: too many dead letters" for partition in stopped]

    def _all(self) -> list[Document]:
        return list(self._state.find({"_id": {"$gte": PREFIX, "$lt": PREFIX + "~"}}).sort("_id", 1))
