"""What has been announced: the latest of each indicator, every change in order, and how far publishing has come.

Sequences are global, rise strictly and have no gap: the counter moves in the transaction that writes the changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import InsertOne, ReplaceOne, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.read_concern import ReadConcern

from services.metrics.store.collections import Store

PUBLICATION = "publication"
STALE_AFTER_S = 60.0
MEASURED_WITHIN_S = 5  # a publisher notes that it has measured more often than this; silence counts from here


@dataclass(frozen=True)
class Publication:
    """Where publishing stands. `version` rises with every change of it, also of the lag.

    `lag_s` is what a publisher measured, `silent_s` for how many whole seconds none has: 0 while one is at work.
    """

    sequence: int = 0
    published_as_of: str | None = None
    generation: int = 0
    lag_s: float = 0.0
    stale: bool = False
    appended: int = 0
    version: int = 0
    silent_s: int = 0

    @property
    def waiting_s(self) -> float:
        """How long the oldest unfolded event may have been waiting: what came since the last look nobody has seen."""
        return round(self.lag_s + self.silent_s, 1)


# By the server's time at both ends: no process's clock, right or wrong, real or a demo's, has a say in it.
MEASURED_NOW = {"$currentDate": {"measured": True}}
SILENT_S = {
    "$subtract": [
        {"$dateDiff": {"startDate": {"$ifNull": ["$measured", "$$NOW"]}, "endDate": "$$NOW", "unit": "second"}},
        MEASURED_WITHIN_S,
    ]
}
SHOWN: dict[str, Any] = dict.fromkeys(Publication.__dataclass_fields__, 1) | {"silent_s": {"$toInt": {"$max": [0, SILENT_S]}}}


@dataclass
class Announcement:
    """An indicator as it is to be stored; `cells` are the breakdown cells that changed, None when nothing did."""

    indicator: str
    item: dict[str, Any]
    breakdowns: dict[str, list[dict[str, Any]]]
    cells: dict[str, list[dict[str, Any]]] | None = field(default=None)


class Publications:
    """The published state of the metrics service."""

    def __init__(self, store: Store, stale_after_s: float = STALE_AFTER_S) -> None:
        self.store = store
        self.stale_after_s = stale_after_s

    def state(self, session: ClientSession | None = None) -> Publication:
        """Where publishing stands; all zero before the first."""
        return _publication(self.store.state.find_one({"_id": PUBLICATION}, SHOWN, session=session))

    def is_stale(self, state: Publication) -> bool:
        """Whether readers are told so: the publisher found it, or has been silent for as long."""
        return state.stale or state.waiting_s > self.stale_after_s

    def is_silent(self, state: Publication) -> bool:
        """Whether no publisher has been at work for so long that this alone makes values stale."""
        return state.silent_s > self.stale_after_s

    def told(self, state: Publication, item: dict[str, Any]) -> dict[str, Any]:
        """A present reading as readers are told it while publishing stands like this."""
        return (staled(item) if self.is_stale(state) else item) | {"lag_s": state.waiting_s}

    def alarms(self) -> list[str]:
        """A sentence while publishing is silent."""
        state = self.state()
        return [f"no publisher has been at work for {state.silent_s} s: values are stale"] if self.is_silent(state) else []

    def latest(
        self, indicators: Iterable[str] | None = None, session: ClientSession | None = None
    ) -> dict[str, dict[str, Any]]:
        """The last announcement of each indicator: {item, breakdowns, sequence}."""
        query = {} if indicators is None else {"_id": {"$in": list(indicators)}}
        return {found["_id"]: found for found in self.store.published.find(query, session=session)}

    def snapshot(self) -> tuple[Publication, dict[str, dict[str, Any]]]:
        """State and announcements of one instant."""
        with self.store.client.start_session(snapshot=False) as session, session.start_transaction(ReadConcern("snapshot")):
            return self.state(session), self.latest(session=session)

    def since(self, sequence: int, limit: int) -> list[dict[str, Any]]:
        """Changes after a sequence, in order."""
        return list(self.store.changes.find({"_id": {"$gt": sequence}}).sort("_id", 1).limit(limit))

    def oldest(self) -> int | None:
        """Sequence of the oldest change that is kept."""
        found = self.store.changes.find_one(sort=[("_id", 1)], projection={"_id": 1})
        return int(found["_id"]) if found else None

    def write(
        self,
        session: ClientSession,
        announcements: Iterable[Announcement],
        *,
        as_of: str,
        generation: int,
        lag_s: float,
        stale: bool,
        at: str,
    ) -> list[dict[str, Any]]:
        """Store announcements; those that changed get the next sequence numbers. Returns the changes."""
        listed = list(announcements)
        count = sum(announced.cells is not None for announced in listed)
        after = self.store.state.find_one_and_update(
            {"_id": PUBLICATION},
            {
                "$inc": {"sequence": count, "version": 1},
                "$set": {"published_as_of": as_of, "generation": generation, "lag_s": lag_s, "stale": stale},
                **MEASURED_NOW,
            },
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        assert after is not None
        changes = _numbered(listed, after["sequence"] - count + 1, at)
        if changes:
            self.store.changes.bulk_write([InsertOne(change) for change in changes], session=session)
        if listed:
            self.store.published.bulk_write([_stored(announced) for announced in listed], session=session)
        return changes

    def note_lag(self, lag_s: float) -> None:
        """Store the lag beside what is published."""
        change: dict[str, Any] = {"$set": {"lag_s": lag_s}, "$inc": {"version": 1}, **MEASURED_NOW}
        self.store.state.update_one({"_id": PUBLICATION}, change, upsert=True)

    def note_measured(self) -> None:
        """The lag was measured, and is about what is stored."""
        self.store.state.update_one({"_id": PUBLICATION}, MEASURED_NOW, upsert=True)

    def note_appended(self, sequence: int) -> None:
        """Every change up to `sequence` is in the log."""
        self.store.state.update_one({"_id": PUBLICATION}, {"$max": {"appended": sequence}})

    def trim(self, keep: int) -> None:
        """Forget changes older than the last `keep`."""
        state = self.state()
        self.store.changes.delete_many({"_id": {"$lte": min(state.sequence - keep, state.appended)}})


def staled(item: dict[str, Any]) -> dict[str, Any]:
    """A reading that nobody vouches for any more; one that has no value to doubt stays as it is."""
    return item | {"state": "stale"} if item["state"] in ("ok", "provisional") else item


def _numbered(announcements: list[Announcement], first: int, at: str) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = []
    for announced in announcements:
        if announced.cells is None:
            continue
        sequence = first + len(changes)
        announced.item |= {"sequence": sequence, "updated_at": at}
        changes.append(
            {"_id": sequence, "indicator": announced.indicator, "at": at, "item": announced.item, "cells": announced.cells}
        )
    return changes


def _stored(announced: Announcement) -> ReplaceOne[dict[str, Any]]:
    body = {"item": announced.item, "breakdowns": announced.breakdowns, "sequence": announced.item.get("sequence", 0)}
    return ReplaceOne({"_id": announced.indicator}, body, upsert=True)


def _publication(found: Mapping[str, Any] | None) -> Publication:
    if found is None:
        return Publication()
    return Publication(**{name: found[name] for name in Publication.__dataclass_fields__ if name in found})


def iterate(publications: Publications, after: int, page: int = 500) -> Iterator[dict[str, Any]]:
    """Every change after a sequence, page by page."""
    while found := publications.since(after, page):
        yield from found
        after = int(found[-1]["_id"])
