"""Partitions whose ingest has stopped because too much of them is poison: for readiness, telemetry and operators."""

from __future__ import annotations

import time

from services.metrics.dead_letters import Halted
from services.metrics.store.collections import Store
from shared.mongo import Document
from shared.telemetry import gauge

PREFIX = "halted|"
HALTED = gauge("kechuang_ingest_halted", "1 while ingest has stopped at a partition that is full of poison", ["partition"])


class Halts:
    """Who has stopped where; stored, so that every process can tell."""

    def __init__(self, store: Store) -> None:
        self._state = store.state
        self._standing: set[int] = set()

    def look(self) -> None:
        """Read what others have noted: a partition that comes to this process may have stopped elsewhere."""
        self._standing = {int(found["_id"].removeprefix(PREFIX)) for found in self._all()}

    def note(self, halted: Halted) -> bool:
        """Remember it; whether it is news."""
        news = halted.partition not in self._standing
        self._standing.add(halted.partition)
        HALTED.labels(str(halted.partition)).set(1)
        body = {"reason": halted.message, "offset": halted.offset, "at_ms": time.time_ns() // 1_000_000}
        self._state.update_one({"_id": f"{PREFIX}{halted.partition}"}, {"$set": body}, upsert=True)
        return news

    def leave(self, partitions: set[int]) -> None:
        """These are another process's to tell of now."""
        for partition in self._standing & partitions:
            self._standing.discard(partition)
            HALTED.labels(str(partition)).set(0)

    def clear(self, partitions: set[int]) -> set[int]:
        """These go on; which of them had stopped."""
        again = self._standing & partitions
        for partition in again:
            self._standing.discard(partition)
            HALTED.labels(str(partition)).set(0)
            self._state.delete_one({"_id": f"{PREFIX}{partition}"})
        return again

    def reasons(self) -> list[str]:
        """One sentence a partition that stands still; without what the poison says of itself, since anyone may ask."""
        return [f"ingest has stopped at partition {found['_id'].removeprefix(PREFIX)}: too many dead letters" for found in self._all()]

    def _all(self) -> list[Document]:
        return list(self._state.find({"_id": {"$gte": PREFIX, "$lt": PREFIX + "~"}}).sort("_id", 1))
