"""Readings of a generation: steps in, the contract's JSON out. What publisher and web share, so that they agree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from services.metrics.definitions import Definitions
from services.metrics.engine.presentation import UNASSIGNED, Contributors, cells_json, to_json
from services.metrics.engine.timeline import Totals, totals_on
from services.metrics.names import Names
from services.metrics.plan.model import Indicator
from services.metrics.store.collections import Store
from services.metrics.store.rows import RowStore
from services.metrics.store.steps import Steps, StepStore

Item = dict[str, Any]
PARTS = ("n", "d")


class Source:
    """An indicator's totals on any day, each day summed once."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self._days: dict[date, Totals] = {}

    def __call__(self, on: date) -> Totals:
        """Totals on a day."""
        if on not in self._days:
            self._days[on] = totals_on(self.steps, on.toordinal())
        return self._days[on]


class Readings:
    """Reads one generation."""

    def __init__(self, store: Store, generation: int, definitions: Definitions) -> None:
        self.plan = definitions.plan
        self.rows = RowStore(store, generation)
        self.steps = StepStore(store, generation)
        self.names = Names(definitions.plan)

    def sources(self, indicators: Iterable[str] | None = None, known_at_ms: int | None = None) -> Mapping[str, Source]:
        """Step functions of the named indicators (default all), as known now or at an instant."""
        wanted = list(self.plan.indicators if indicators is None else indicators)
        stored = self.steps.load(wanted) if known_at_ms is None else self.rows.steps(known_at_ms, wanted)
        return {name: Source(stored.get(name, {})) for name in wanted}

    def item(self, name: str, source: Source, on: date, period: str | None = None) -> Item:
        """One indicator on a day, without what only a publication has."""
        return to_json(self.plan, self.plan.indicators[name], source, on, period)

    def breakdown(self, name: str, source: Source, on: date, dim: str, known_at_ms: int | None = None) -> list[Item]:
        """Its cells along one dimension; empty where it has none."""
        indicator = self.plan.indicators[name]
        if dim not in dims_of(indicator):
            return []
        units = self._contributors(indicator, on, dim, known_at_ms) if indicator.value_series else None
        return cells_json(self.plan, indicator, source(on), dim, self.names, units)

    def _contributors(self, indicator: Indicator, on: date, dim: str, known_at_ms: int | None) -> Contributors:
        """How many subjects stand behind each part of each cell of a value-type figure."""
        day = on.toordinal()
        subjects: dict[str, dict[str, set[str]]] = {}
        for part in PARTS:
            for key, row in self.rows.counted(indicator.id, known_at_ms, part):
                if row.start <= day < row.end:
                    cell = subjects.setdefault(dict(row.cell).get(dim) or UNASSIGNED, {name: set() for name in PARTS})
                    cell[part].add(key)
        return {value: tuple(len(keys) for keys in parts.values()) for value, parts in subjects.items()}


def dims_of(indicator: Indicator) -> tuple[str, ...]:
    """Dimensions that an indicator can be broken down by."""
    if indicator.reader.name in ("latest_period", "period_growth"):
        return ()
    return tuple(dict.fromkeys(("town", *indicator.dims)))
