"""Which reminders are due: written once each, whatever runs twice, at once, or breaks off in between.

A reminder's id is what it is about (record, end, lead), so that the store itself refuses a second one. A record that came
late, or a process that stood still, may find several due at once: all of them are written, the nearest one is sent.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from pymongo.errors import BulkWriteError

from services.registry.reminders.leads import Lead
from shared.clock import format_instant, today
from shared.errors import ConfigError
from shared.mongo import Document, ensure_collection, transact
from shared.records.image import collection_of, from_store
from shared.records.kind import Kind
from shared.records.store import DUPLICATE_KEY
from shared.records.workflow import Image
from shared.records.write import Records
from shared.standards.workdays import CalendarMissing

NOTIFICATIONS, DELIVERIES, RUNS = "notifications", "notification_deliveries", "reminder_runs"
ENTERPRISES = "enterprises"
LAST = "last"
NEWEST_FIRST = [("created_at", -1), ("due_on", -1), ("_id", -1)]


class Planner:
    """Writes the reminders of one service's records, each with a delivery for every channel there is."""

    def __init__(self, records: Records, leads: Mapping[str, tuple[Lead, ...]], channels: Iterable[str]) -> None:
        unknown = [name for name in leads if name not in records.kinds or records.kinds[name].ends is None]
        if unknown:
            raise ConfigError(f"REMINDERS: nothing of kind {', '.join(unknown)} ever ends")
        self.records, self.leads, self.channels = records, leads, tuple(channels)
        self.notifications, self.deliveries = records.database[NOTIFICATIONS], records.database[DELIVERIES]

    def prepare(self) -> None:
        """Make the collections. Call at start, never inside a transaction."""
        ensure(self.records)

    def run(self) -> int:
        """Write what is due and not there yet; how many. Leaves a line of when it ran and what it could not count."""
        uncounted: set[str] = set()
        written = sum(self._write(notices) for notices in list(self._due(uncounted)))
        line = {"at": format_instant(self.records.clock.now()), "at_s": time.time(), "calendar_missing": sorted(uncounted)}
        self.records.database[RUNS].update_one({"_id": LAST}, {"$set": line, "$inc": {"written": written}}, upsert=True)
        return written

    def _due(self, uncounted: set[str]) -> Iterator[list[Document]]:
        """The reminders of one record after another."""
        now = today(self.records.clock)
        for name, leads in self.leads.items():
            kind = self.records.kinds[name]
            horizon = now + max(lead.at_most() for lead in leads)
            ending = {"state": {"$in": sorted(kind.workflow.counting)}, "ends_on": {"$gt": now.isoformat(), "$lte": horizon.isoformat()}}
            for stored in self.records.database[collection_of(kind)].find(ending):
                due = due_leads(leads, date.fromisoformat(stored["ends_on"]), now, uncounted)
                if due and (made := self._of(kind, from_store(stored), due)):
                    yield made

    def _of(self, kind: Kind, image: Image, due: list[tuple[date, Lead]]) -> list[Document]:
        ids = {f"{kind.name}/{image['id']}/{image['ends_on']}/{lead}": (day, lead) for day, lead in due}
        known = {each["_id"] for each in self.notifications.find({"_id": {"$in": list(ids)}}, {"_id": 1})}
        if ids.keys() <= known or not still_needed(self.records, kind, image):
            return []
        firm = self.records.find(ENTERPRISES, str(image.get("uscc"))) or {}
        nearest = max(due, key=lambda each: each[0])
        about = {"kind": kind.name, "record_id": image["id"], "ends_on": image["ends_on"], "uscc": image.get("uscc"),
                 "enterprise_name": firm.get("name"), "town_code": firm.get("town_code"),
                 "created_at": format_instant(self.records.clock.now())}
        return [
            {"_id": name, **about, "lead": str(lead), "due_on": day.isoformat(), "overtaken": (day, lead) != nearest}
            for name, (day, lead) in ids.items() if name not in known
        ]

    def _write(self, notices: list[Document]) -> int:
        """Reminders with their deliveries, or nothing at all; how many. 0 when another process wrote one of them meanwhile."""
        waiting = [
            {"_id": f"{notice['_id']}/{channel}", "notification": notice["_id"], "channel": channel, "state": "waiting", "tries": 0,
             "next_at": 0.0}
            for notice in notices if not notice["overtaken"] for channel in self.channels
        ]

        def work(_: object) -> None:
            self.notifications.insert_many([dict(each) for each in notices])
            if waiting:
                self.deliveries.insert_many([dict(each) for each in waiting])

        try:
            transact(self.records.client, work)
        except BulkWriteError as wrong:
            if {error["code"] for error in wrong.details["writeErrors"]} != {DUPLICATE_KEY}:
                raise
            return 0
        return len(notices)


def ensure(records: Records) -> None:
    """The collections and indexes of reminders."""
    for name in (NOTIFICATIONS, DELIVERIES, RUNS):
        ensure_collection(records.database, name)
    for fields in ((), ("uscc",), ("town_code",)):
        records.database[NOTIFICATIONS].create_index([*((field, 1) for field in fields), *NEWEST_FIRST])
    records.database[DELIVERIES].create_index([("state", 1), ("next_at", 1)])
    records.database[DELIVERIES].create_index("notification")


def due_leads(leads: Iterable[Lead], ends_on: date, now: date, uncounted: set[str]) -> list[tuple[date, Lead]]:
    """The leads whose day has come. What needs a calendar that is not there is left out and named, never guessed."""
    found = []
    for lead in leads:
        try:
            day = lead.due_on(ends_on)
        except CalendarMissing as missing:
            uncounted.add(missing.message)
            continue
        if day <= now:
            found.append((day, lead))
    return found


def still_needed(records: Records, kind: Kind, image: Image) -> bool:
    """Whether a lapse would be news: it counts, nothing later stands in for it, and its enterprise is still here."""
    counting = sorted(kind.workflow.counting)
    if image["state"] not in counting:
        return False
    later = {"uscc": image.get("uscc"), "state": {"$in": counting}, "ends_on": {"$gt": image["ends_on"]}}
    if records.database[collection_of(kind)].find_one(later, {"_id": 1}):
        return False
    firm = records.find(ENTERPRISES, str(image.get("uscc")))
    return firm is None or records.kinds[ENTERPRISES].counts(firm["state"])
