"""Folding a batch of events into a generation: dossiers, rows, step functions, positions, dirty mark, one transaction."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bson import ObjectId
from pymongo.client_session import ClientSession

from services.metrics.engine.dossier import Dossier, Event, RowChange
from services.metrics.engine.rules import Rules
from services.metrics.store.collections import Store
from services.metrics.store.dossiers import DossierStore
from services.metrics.store.positions import Position, Positions
from services.metrics.store.rows import RowStore
from services.metrics.store.steps import Cell, StepStore
from shared.mongo import transact

CACHED_DOSSIERS = 4_096


@dataclass(frozen=True)
class Placed:
    """An event and the partition that it came by."""

    partition: int
    event: Event


@dataclass
class Folded:
    """Dossiers changed in memory, to be written."""

    changes: list[tuple[int, Dossier, RowChange]] = field(default_factory=list)
    rejected: list[tuple[Event, str]] = field(default_factory=list)


class Folder:
    """Folds events into one generation. Keeps the last dossiers in memory; `forget` them after any failure."""

    def __init__(self, store: Store, generation: int, rules: Rules) -> None:
        self.store = store
        self.generation = generation
        self.rules = rules
        self.dossiers = DossierStore(store, generation)
        self.rows = RowStore(store, generation)
        self.steps = StepStore(store, generation)
        self.positions = Positions(store, generation)
        self._cache: OrderedDict[str, Dossier] = OrderedDict()

    def fold(self, events: Iterable[Placed]) -> Folded:
        """Change the dossiers in memory. Rejected events changed nothing."""
        by_key: dict[str, list[Placed]] = {}
        for placed in events:
            by_key.setdefault(placed.event.key, []).append(placed)
        dossiers = self._load(by_key)
        folded = Folded()
        for key, items in by_key.items():
            change = dossiers[key].fold([item.event for item in items], self.rules)
            folded.rejected += change.rejected
            folded.changes.append((items[0].partition, dossiers[key], change))
        return folded

    def commit(
        self,
        folded: Folded,
        seen: Mapping[int, Position],
        moves: Mapping[int, Mapping[str, int]],
        also: Callable[[ClientSession], None] | None = None,
    ) -> dict[int, Position]:
        """Write it and move the positions, all or nothing, with whatever `also` writes.

        Raises Overtaken when someone else moved a position.
        """
        by_partition: dict[int, Counter[tuple[str, str, Cell, int]]] = {}
        for partition, _, change in folded.changes:
            target = by_partition.setdefault(partition, Counter())
            for edit, amount in change.deltas.items():
                target[edit] += amount
        dossiers = [self.dossiers.write(partition, dossier) for partition, dossier, _ in folded.changes]
        rows = [
            write for partition, dossier, change in folded.changes for write in self.rows.writes(dossier.key, partition, change)
        ]

        def work(session: ClientSession) -> dict[int, Position]:
            moved = {partition: self.positions.advance(session, seen[partition], to) for partition, to in moves.items()}
            self.dossiers.save(session, dossiers)
            self.rows.write(session, rows)
            touched: set[str] = set()
            for partition, deltas in by_partition.items():
                touched |= self.steps.edit(session, partition, deltas)
            self._mark(session, touched)
            if also is not None:
                also(session)
            return moved

        return transact(self.store.client, work)

    def forget(self) -> None:
        """Drop the dossiers in memory: what is stored may be something else."""
        self._cache.clear()

    def _mark(self, session: ClientSession, indicators: set[str]) -> None:
        # One new document a batch: a shared counter would make ingest and publisher conflict on every batch.
        if indicators:
            mark = {
                "_id": ObjectId(),
                "gen": self.generation,
                "indicators": sorted(indicators),
                "at_ms": time.time_ns() // 1_000_000,
            }
            self.store.dirty.insert_one(mark, session=session)

    def _load(self, keys: Iterable[str]) -> dict[str, Dossier]:
        wanted = list(keys)
        missing = [key for key in wanted if key not in self._cache]
        stored = self.dossiers.load(missing)
        found: dict[str, Dossier] = {}
        for key in wanted:
            found[key] = self._cache.pop(key) if key in self._cache else stored.get(key) or Dossier(key)
            self._cache[key] = found[key]
        while len(self._cache) > max(CACHED_DOSSIERS, len(wanted)):
            self._cache.popitem(last=False)
        return found
