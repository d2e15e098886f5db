"""Step functions at rest: one document per generation, partition and indicator, edited by increments.

`cells` maps "part|dim=value;…" to {day ordinal: change}. Maps of several partitions add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from services.metrics.store.collections import Store

Cell = tuple[tuple[str, str], ...]
Edits = Mapping[tuple[str, str, Cell, int], int]  # (indicator, part, cell, day ordinal) -> change
Steps = dict[tuple[str, Cell], dict[int, int]]  # of one indicator: (part, cell) -> day ordinal -> change
EDITS_A_STATEMENT = 5_000


def encode(part: str, cell: Cell) -> str:
    """A field name for (part, cell): no dot, no leading dollar, no NUL, reversible."""
    return f"{part}|" + ";".join(f"{_quoted(dim)}={_quoted(value)}" for dim, value in cell)


def decode(name: str) -> tuple[str, Cell]:
    """The inverse of `encode`."""
    part, _, rest = name.partition("|")
    pairs = (pair.partition("=") for pair in rest.split(";") if pair)
    return part, tuple((unquote(dim), unquote(value)) for dim, _, value in pairs)


def _quoted(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E")


class StepStore:
    """Step functions of one generation."""

    def __init__(self, store: Store, generation: int) -> None:
        self.collection = store.steps
        self.generation = generation

    def edit(self, session: ClientSession, partition: int, edits: Edits) -> frozenset[str]:
        """Add `edits` to a partition's maps; the indicators that changed."""
        changes: dict[str, dict[str, int]] = {}
        for (indicator, part, cell, day), change in edits.items():
            if change:
                changes.setdefault(indicator, {})[f"cells.{encode(part, cell)}.{day}"] = change
        writes = [
            UpdateOne(
                {"_id": f"{self.generation}|{partition}|{indicator}"},
                {
                    "$setOnInsert": {"gen": self.generation, "partition": partition, "indicator": indicator},
                    "$inc": dict(fields),
                },
                upsert=True,
            )
            for indicator, whole in changes.items()
            for fields in _slices(list(whole.items()))
        ]
        if writes:
            self.collection.bulk_write(writes, ordered=True, session=session)
        return frozenset(changes)

    def load(self, indicators: Iterable[str] | None = None) -> dict[str, Steps]:
        """The maps of some indicators (default all), partitions added up."""
        query: dict[str, object] = {"gen": self.generation}
        if indicators is not None:
            query["indicator"] = {"$in": list(indicators)}
        found: dict[str, Steps] = {}
        for document in self.collection.find(query):
            add(found.setdefault(document["indicator"], {}), document.get("cells", {}))
        return found


def _slices(pairs: list[tuple[str, int]]) -> Iterable[list[tuple[str, int]]]:
    for start in range(0, len(pairs), EDITS_A_STATEMENT):
        yield pairs[start : start + EDITS_A_STATEMENT]


def add(steps: Steps, cells: Mapping[str, Mapping[str, int]]) -> None:
    """Add stored cells to `steps` in place."""
    for name, days in cells.items():
        target = steps.setdefault(decode(name), {})
        for day, change in days.items():
            if change:
                target[int(day)] = target.get(int(day), 0) + change
