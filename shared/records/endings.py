"""From which day a record no longer counts, as far as is known: what reminders run up to and revocations are told by."""

from __future__ import annotations

from collections.abc import Callable

from shared.records.spells import Spell
from shared.records.workflow import Image

Ending = Callable[[Image], str | None]


def of_fact(*fields: str) -> Ending:
    """The earliest of a fact's own end fields (days, or months by their first day) and the day it was revoked from."""

    def ends(image: Image) -> str | None:
        given = [str(image[name]) for name in fields if image.get(name)]
        days = [text if len(text) > len("2026-01") else f"{text}-01" for text in given]
        days += [spell["from"] for spell in (image.get("revoked") or [])[-1:] if spell["to"] is None]
        return min(days, default=None)

    return ends


def of_spells(field: str) -> Ending:
    """The end of the last spell; None while it is open."""

    def ends(image: Image) -> str | None:
        known: list[Spell] = image.get(field) or []
        return known[-1]["to"] if known else None

    return ends
