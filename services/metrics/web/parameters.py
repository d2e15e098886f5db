"""Query parameters of the metrics API: read once, all faults of a request at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from shared.clock import SHANGHAI, parse_instant, to_ms
from shared.errors import Fault, Invalid

EARLIEST, LATEST = date(1900, 1, 1), date(2200, 12, 31)
PERIOD = re.compile(r"\d{4}(-Q[1-4]|-(0[1-9]|1[0-2]))?")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
LARGEST_PAGE = 1_000


@dataclass(frozen=True)
class Moment:
    """As of which day, as known when. `text` is what the answer repeats; `at_ms` None means now."""

    text: str | None = None
    at_ms: int | None = None


@dataclass
class Parameters:
    """Reads from the query string; call `check` when everything has been read."""

    query: Mapping[str, str]
    faults: list[Fault] = field(default_factory=list)

    def check(self) -> None:
        """Raise Invalid with every fault found."""
        if self.faults:
            raise Invalid("the query string has faults", faults=self.faults)

    def refuse(self, name: str, code: str, message: str) -> None:
        """Note a fault of a parameter."""
        self.faults.append(Fault(f"/{name}", code, message))

    def day(self, name: str, default: date) -> date:
        """A date, or an instant that means its Shanghai date."""
        text = self._text(name)
        if text is None:
            return default
        try:
            found = date.fromisoformat(text) if DAY.fullmatch(text) else parse_instant(text).date()
        except (ValueError, OverflowError):
            self.refuse(name, "not_a_date", "a date YYYY-MM-DD or an RFC 3339 instant with offset is needed")
            return default
        if not EARLIEST <= found <= LATEST:
            self.refuse(name, "out_of_range", f"a day from {EARLIEST} to {LATEST} is needed")
            return default
        return found

    def known(self, name: str) -> Moment:
        """An instant, or a date that means its end."""
        text = self._text(name)
        if text is None:
            return Moment()
        try:
            if DAY.fullmatch(text):
                begun = datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
                return Moment(text, to_ms(begun + timedelta(days=1)) - 1)
            return Moment(text, to_ms(parse_instant(text)))
        except (ValueError, OverflowError):
            self.refuse(name, "not_a_date", "a date YYYY-MM-DD or an RFC 3339 instant with offset is needed")
            return Moment()

    def period(self, name: str) -> str | None:
        """YYYY, YYYY-Qn or YYYY-MM."""
        text = self._text(name)
        if text is not None and not PERIOD.fullmatch(text):
            self.refuse(name, "not_a_period", "YYYY, YYYY-Qn or YYYY-MM is needed")
            return None
        return text

    def choice(self, name: str, allowed: Collection[str]) -> str | None:
        """One of `allowed`, or nothing."""
        text = self._text(name)
        if text is not None and text not in allowed:
            self.refuse(name, "unknown", f"one of {', '.join(sorted(allowed))} is needed")
            return None
        return text

    def choices(self, name: str, allowed: Collection[str]) -> frozenset[str] | None:
        """Some of `allowed`, separated by commas, or nothing."""
        text = self._text(name)
        if text is None:
            return None
        named = [part.strip() for part in text.split(",") if part.strip()]
        for unknown in [part for part in named if part not in allowed]:
            self.refuse(name, "unknown", f"{unknown} is not known here")
        return frozenset(named)

    def flag(self, name: str) -> bool | None:
        """true, false or nothing."""
        text = self.choice(name, ("true", "false"))
        return None if text is None else text == "true"

    def limit(self, default: int = 100) -> int:
        """Page size."""
        text = self._text("limit")
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= LARGEST_PAGE):
            self.refuse("limit", "out_of_range", f"a number from 1 to {LARGEST_PAGE} is needed")
            return default
        return int(text)

    def cursor(self) -> int:
        """Where the page begins: a cursor is the `next` of the page before."""
        text = self._text("cursor")
        if text is None:
            return 0
        if not (text.isascii() and text.isdigit() and len(text) < 12):
            self.refuse("cursor", "unknown", "take the cursor from `next` of the page before")
            return 0
        return int(text)

    def _text(self, name: str) -> str | None:
        text = self.query.get(name)
        if text is not None and not text.strip():
            self.refuse(name, "empty", "leave the parameter out, or give it a value")
        # A plus sign that was not escaped arrives as a space: 2026-06-30T00:00:00 08:00.
        return text.strip().replace(" ", "+") if text and text.strip() else None
