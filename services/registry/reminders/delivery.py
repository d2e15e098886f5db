"""Deliveries: claimed by one process at a time, tried again at growing intervals, dropped when there is nothing to remind of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import structlog
from pymongo import ReturnDocument

from services.registry.reminders.channels import Channel, NotTaken
from services.registry.reminders.plan import DELIVERIES, ENTERPRISES, NOTIFICATIONS, still_needed
from shared.clock import format_instant, today
from shared.mongo import Document
from shared.records.write import Records

CLAIMED_S = 60.0  # longer than a send may take; then another process may try
FIRST_BACK_OFF_S, LAST_BACK_OFF_S = 30.0, 6 * 3_600.0
MOST_TRIES = 20  # three to four days
logger = structlog.get_logger(__name__)


class Deliveries:
    """Works off what waits, by the machine's own clock: retries measure machines, not the district."""

    def __init__(self, records: Records, channels: Iterable[Channel], now_s: Callable[[], float] = time.time) -> None:
        self.records, self.channels, self.now_s = records, {channel.name: channel for channel in channels}, now_s
        self.deliveries = records.database[DELIVERIES]

    def step(self) -> bool:
        """Try one delivery; whether there was one."""
        now = self.now_s()
        waits = {"state": "waiting", "next_at": {"$lte": now}, "channel": {"$in": sorted(self.channels)}}
        claim = {"$set": {"next_at": now + CLAIMED_S}, "$inc": {"tries": 1}}
        found = self.deliveries.find_one_and_update(waits, claim, sort=[("next_at", 1)], return_document=ReturnDocument.AFTER)
        if found is None:
            return False
        notice = self.records.database[NOTIFICATIONS].find_one({"_id": found["notification"]})
        if notice is None or not self._stands(notice):
            self._set(found, {"state": "dropped"})
        else:
            self._try(found, notice)
        return True

    def _try(self, delivery: Document, notice: Document) -> None:
        try:
            self.channels[delivery["channel"]].send(notice, self._address(notice))
        except NotTaken as wrong:
            over = wrong.for_good or delivery["tries"] >= MOST_TRIES
            wait = min(FIRST_BACK_OFF_S * 2 ** (delivery["tries"] - 1), LAST_BACK_OFF_S)
            told = {"reason": wrong.reason, "state": "failed" if over else "waiting", "next_at": self.now_s() + wait}
            self._set(delivery, told)
            logger.warning("a reminder was not taken", channel=delivery["channel"], tries=delivery["tries"], reason=wrong.reason, over=over)
        else:
            self._set(delivery, {"state": "sent", "sent_at": format_instant(self.records.clock.now()), "reason": None})

    def _set(self, delivery: Document, fields: Document) -> None:
        """Note what became of this try, unless another process has claimed it meanwhile."""
        self.deliveries.update_one({"_id": delivery["_id"], "state": "waiting", "tries": delivery["tries"]}, {"$set": fields})

    def _stands(self, notice: Document) -> bool:
        """A certificate that was renewed, cancelled or corrected since, or has lapsed, needs no reminder any more."""
        kind = self.records.kinds[notice["kind"]]
        image = self.records.find(kind.name, notice["record_id"])
        if image is None or image.get("ends_on") != notice["ends_on"] or notice["ends_on"] <= today(self.records.clock).isoformat():
            return False
        return still_needed(self.records, kind, image)

    def _address(self, notice: Document) -> str | None:
        firm = self.records.find(ENTERPRISES, str(notice["uscc"]))
        found = self.records.unsealed(self.records.kinds[ENTERPRISES], firm).get("contact_email") if firm else None
        return str(found) if found else None
