"""One subject's records at one moment of knowledge, as the rules see them: the newest known version of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from services.metrics.engine.days import (
    FOREVER,
    NEVER,
    Days,
    contains,
    difference,
    interval,
    normal,
    ordinal,
)
from services.metrics.engine.views import APPLICATIONS, ENTERPRISES, KINDS, View, day_of, ledger_entries, spell_days

Spells = tuple[tuple[int, int, str], ...]
UNASSIGNED = ""
ENTERPRISE_COUNTS = frozenset({"active", "abnormal_listed"})


class Subject:
    """A dossier's key and the views of its records; `enterprise` is the enterprise's own record, if it has one."""

    def __init__(self, key: str, images: Mapping[tuple[str, str], tuple[int, Mapping[str, Any]]]) -> None:
        self.key = key
        self.enterprise: Mapping[str, Any] | None = None
        self.views: dict[str, list[View]] = {}
        for (kind, record_id), (version, data) in images.items():
            if kind == ENTERPRISES:
                if record_id == key:
                    self.enterprise = data
            elif kind == APPLICATIONS:
                entries = (View(KINDS[kind], record_id, version, entry, key) for entry in ledger_entries(data))
                self.views.setdefault(kind, []).extend(entries)
            elif kind in KINDS:
                self.views.setdefault(kind, []).append(View(KINDS[kind], record_id, version, data, key))
        for views in self.views.values():
            views.sort(key=lambda view: view.order)

    def of(self, kind: str) -> Iterable[View]:
        """Views of a kind, earliest first."""
        return self.views.get(kind, ())

    @cached_property
    def alive(self) -> Days:
        """Days on which the enterprise counts (active or 经营异常; domain rule G9)."""
        data = self.enterprise
        if data is None:
            return NEVER
        if data.get("alive") is not None:
            return spell_days([spell for spell in data["alive"] if spell.get("value", True)])
        if data.get("state") in ENTERPRISE_COUNTS:
            return interval(day_of(data, "active_from") or day_of(data, "established_on"), None)
        return NEVER

    @cached_property
    def gone(self) -> Days:
        """Days after it ended; none for a subject that is no registered enterprise."""
        if not self.alive:
            return NEVER
        return difference(interval(self.alive[0][0], None), self.alive)

    def spells(self, dimension: str) -> Spells:
        """The values of an enterprise's dimension over time, gaps as UNASSIGNED."""
        return self._spells.setdefault(dimension, self._read(dimension))

    @cached_property
    def _spells(self) -> dict[str, Spells]:
        return {}

    def _read(self, dimension: str) -> Spells:
        data = self.enterprise
        if data is None:
            return ((1, FOREVER, UNASSIGNED),)
        field, present = {
            "town": ("towns", "town_code"),
            "cluster": ("clusters", "cluster_codes"),
            "hitech_zone": ("in_hitech_zone_spells", "in_hitech_zone"),
            "industry": ("industries", "industry_code"),
        }[dimension]
        return filled(data.get(field), data.get(present), from_the_first=dimension in ("town", "industry"))

    def industry_days(self, prefixes: tuple[str, ...]) -> Days:
        """Days on which the enterprise's class of GB/T 4754 begins with one of `prefixes`."""
        return normal((start, end) for start, end, value in self.spells("industry") if value and value.startswith(prefixes))


def filled(spells: Any, present: Any, *, from_the_first: bool = True) -> Spells:
    """`[{from, to, value}]` as (start, end, text) without gaps; `from_the_first`: the first value also holds before its start.

    A record corrected or entered late must not lose its town for the days before the first spell. But a firm that
    joins a cluster or the high-tech zone on a day was not in it the day before.
    """
    if not spells:
        return ((1, FOREVER, text_of(present)),)
    rows = sorted(
        (
            ordinal(s["from"][:10]) if s.get("from") else 1,
            ordinal(s["to"][:10]) if s.get("to") else FOREVER,
            text_of(s.get("value")),
        )
        for s in spells
    )
    found: list[tuple[int, int, str]] = []
    if from_the_first:
        rows[0] = (1, rows[0][1], rows[0][2])
    elif rows[0][0] > 1:
        found.append((1, rows[0][0], UNASSIGNED))
    for start, end, value in rows:
        if found and found[-1][1] < start:
            found.append((found[-1][1], start, UNASSIGNED))
        found.append((start, end, value))
    if found[-1][1] < FOREVER:
        found.append((found[-1][1], FOREVER, found[-1][2]))
    return tuple(found)


def text_of(value: Any) -> str:
    """A dimension's value as a cell key; of several clusters the first is the main one, so that cells stay additive."""
    if isinstance(value, list | tuple):
        return str(value[0]) if value else UNASSIGNED
    if isinstance(value, bool):
        return "inside" if value else "outside"
    return UNASSIGNED if value is None else str(value)


def value_on(spells: Spells, day: int) -> str:
    """The value that holds on a day."""
    return next((value for start, end, value in spells if start <= day < end), UNASSIGNED)


def holds(days: Days, day: int) -> bool:
    """Whether a day lies in the set."""
    return contains(days, day)
