"""How long before a lapse reminders go out, by kind: calendar days, or Chinese working days where a rule says so (`7w`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from shared.errors import ConfigError
from shared.standards.workdays import add_workdays

DEFAULT = "hnte-certificates=60,30,7;tech-sme-entries=60,30,7"
WRITTEN = re.compile(r"([1-9]\d{0,2})(w?)")
LONGEST_HOLIDAY_DAYS = 16  # with the weekends around it: how far working days may lie apart from calendar days, once


@dataclass(frozen=True)
class Lead:
    """So many days before the first day on which a record no longer counts."""

    days: int
    working: bool = False

    def due_on(self, ends_on: date) -> date:
        """The day of the reminder. Raises CalendarMissing for working days of a year whose holidays nobody has entered."""
        return add_workdays(ends_on, -self.days) if self.working else ends_on - timedelta(days=self.days)

    def at_most(self) -> timedelta:
        """No reminder is due longer before a lapse than this."""
        return timedelta(days=2 * self.days + LONGEST_HOLIDAY_DAYS if self.working else self.days)

    def __str__(self) -> str:
        return f"{self.days}w" if self.working else str(self.days)


def read_leads(text: str) -> Mapping[str, tuple[Lead, ...]]:
    """`kind=60,30,7w;kind=…` as leads by kind. Raises ConfigError."""
    found: dict[str, tuple[Lead, ...]] = {}
    for part in filter(None, text.split(";")):
        kind, _, days = part.partition("=")
        written = [WRITTEN.fullmatch(each.strip()) for each in days.split(",")]
        if not kind.strip() or None in written:
            raise ConfigError(f"REMINDERS: {part!r} is not of the form kind=60,30,7w")
        found[kind.strip()] = tuple(Lead(int(each[1]), bool(each[2])) for each in written if each)
    return found
