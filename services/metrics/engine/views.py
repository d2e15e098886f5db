"""How a record's after-image becomes sets of days: one line per record kind.

Only verified (or still standing) records count; a revocation takes its days out from the effective date, whatever
the record's present state (domain notes C, D; contract "Every record kind works the same way").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from services.metrics.engine.days import (
    FOREVER,
    NEVER,
    Days,
    contains,
    difference,
    intersection,
    interval,
    normal,
    ordinal,
    years_later,
)

LEVELS = ("district", "municipal", "provincial", "national")
ENTERPRISES = "enterprises"
APPLICATIONS = "applications"
Image = Mapping[str, Any]


def day_of(data: Image, field: str) -> int | None:
    """Ordinal of a date or month field; None when the record has none."""
    text = data.get(field)
    return ordinal(str(text)[:10]) if text else None


def spell_days(spells: Any, value: Any = None) -> Days:
    """Days of `[{from, to, value}]` spells, all of them or those with `value`."""
    return normal(
        (ordinal(spell["from"][:10]), ordinal(spell["to"][:10]) if spell.get("to") else FOREVER)
        for spell in spells or ()
        if value is None or spell.get("value") == value
    )


@dataclass(frozen=True)
class Kind:
    """What the engine knows of a record kind. `end` gives the first day after, None for ever."""

    name: str
    start: str
    end: Callable[[Image], int | None]
    fields: frozenset[str]
    counting: frozenset[str] = frozenset({"verified", "revoked"})
    holders: tuple[str, str] | None = None  # (spell list, present field) naming the subject it belongs to
    owner: str | None = None  # field naming the subject it belongs to; a former one keeps a copy that counts for nothing


def _end(field: str) -> Callable[[Image], int | None]:
    return lambda data: day_of(data, field)


def _no_end(_: Image) -> int | None:
    return None


def _hnte_end(data: Image) -> int | None:
    given = day_of(data, "valid_to")
    start = day_of(data, "issued_on")
    return given if given or start is None else years_later(start, 3)


def _sme_end(data: Image) -> int | None:
    return day_of(data, "valid_to") or ordinal(f"{int(data['eval_year']) + 1}-01-01")


def _patent_end(data: Image) -> int | None:
    filed = day_of(data, "filed_on")
    return years_later(filed, 20) if filed else None  # 专利法 art. 42: 20 years from filing


def _kind(name: str, start: str, end: Callable[[Image], int | None], fields: str, **more: Any) -> Kind:
    return Kind(name, start, end, frozenset({"id", "state", "source", start, *fields.split()}), **more)


_ALL = (
    _kind("hnte-certificates", "issued_on", _hnte_end, "cert_no uscc valid_to", owner="uscc"),
    _kind("tech-sme-entries", "announced_on", _sme_end, "entry_no uscc eval_year valid_to", owner="uscc"),
    _kind("above-scale-spells", "from_month", _end("to_month"), "uscc to_month list_no", owner="uscc"),
    _kind("rd-units", "valid_from", _end("valid_to"), "uscc name valid_to platform_id", owner="uscc"),
    _kind(
        "platforms",
        "granted_on",
        _no_end,
        "name platform_kind town_code host_uscc cluster_code partners accreditations towns hosts",
        counting=frozenset({"accredited", "rectifying", "revoked", "expired", "withdrawn"}),
        holders=("hosts", "host_uscc"),
    ),
    _kind(
        "tech-contracts",
        "registered_on",
        _no_end,
        "registration_no contract_type seller_uscc deal_amount_fen tech_amount_fen",
        owner="seller_uscc",
    ),
    _kind(
        "patents",
        "granted_on",
        _patent_end,
        "patent_no patent_kind filed_on first_patentee_uscc holders in_force",
        holders=("holders", "first_patentee_uscc"),
    ),
    _kind("industrial-internet-projects", "accepted_on", _no_end, "uscc name", owner="uscc"),
    _kind("credit-lines", "valid_from", _end("valid_to"), "uscc bank amount_fen valid_to", owner="uscc"),
    _kind("agri-bases", "accepted_on", _no_end, "name town_code crop"),
    _kind("agri-varieties", "promoted_on", _no_end, "name town_code crop"),
    _kind("statistics", "published_on", _no_end, "series_code period scope_code value unit status doc_no", owner="series_code"),
    _kind("evidence-items", "attested_on", _no_end, "indicator_id title uscc town_code body"),
    _kind(
        "introductions",
        "hired_on",
        _no_end,
        "person_key employer_uscc town_code degree_level intro_mode school graduated_on departed_on social_ins_first_month",
        counting=frozenset({"registered", "departed"}),
        owner="person_key",
    ),
    _kind(
        "talent-recognitions",
        "granted_on",
        _end("valid_to"),
        "person_key category doc_no valid_to town_code",
        owner="person_key",
    ),
    _kind("teams", "granted_on", _end("valid_to"), "category doc_no valid_to name town_code uscc"),
    _kind(APPLICATIONS, "on", _no_end, "entry amount_fen days policy item month town_code"),  # one view an entry of its ledger
)
# Kinds of the same topics that no rule reads: their events are passed over, not buried as unknown.
SILENT = frozenset({"policies", "offers", "budgets", "payment-batches", "claims"})
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
BY_IDENTIFIER: dict[str, Kind] = {kind.name.replace("-", "_"): kind for kind in _ALL}


def ledger_entries(data: Image) -> Iterator[Image]:
    """An application as the dated amounts of its ledger; amounts of one entry and day are one, for rows are a set."""
    summed: dict[tuple[str, str, int | None], int] = {}
    for entry in data.get("entries") or ():
        key = (str(entry["entry"]), str(entry["on"])[:10], entry.get("days"))
        summed[key] = summed.get(key, 0) + int(entry["amount_fen"])
    for (name, on, days), amount in summed.items():
        yield {
            "state": "verified", "entry": name, "on": on, "month": on[:7], "amount_fen": amount, "days": days,
            "policy": data.get("policy_code"), "item": data.get("item"), "town_code": data.get("town_code"),
        }


@dataclass(frozen=True)
class View:
    """One record as the rules see it, in the dossier of `key`."""

    kind: Kind
    id: str
    version: int
    data: Image
    key: str

    @property
    def name(self) -> str:
        """`kind/id`."""
        return f"{self.kind.name}/{self.id}"

    @property
    def reference(self) -> tuple[str, str, int]:
        """(kind, id, version)."""
        return (self.kind.name, self.id, self.version)

    @cached_property
    def start(self) -> int | None:
        """First day of the record itself."""
        if self.kind.name == "platforms":
            days = [day_of(given, "granted_on") for given in self.data.get("accreditations") or ()]
            return min((day for day in days if day), default=None)
        return day_of(self.data, self.kind.start)

    @cached_property
    def order(self) -> tuple[int, str]:
        """Earlier record first, the lower id on a tie."""
        return (self.start or FOREVER, self.id)

    @property
    def counts(self) -> bool:
        """Whether its state lets it count on any day."""
        return self.data.get("state") in self.kind.counting

    @cached_property
    def revoked(self) -> Days:
        """Days on which it does not count although it did before."""
        spells = self.data.get("revoked")
        if spells:
            return spell_days(spells)
        if self.data.get("state") == "revoked" and self.kind.name != "platforms":
            since = day_of(self.data, "revoked_on") or day_of(self.data, "effective_on")
            return interval(since or 1, None)
        return NEVER

    @cached_property
    def held(self) -> Days:
        """Days on which it belongs to this dossier's subject."""
        if self.kind.owner is not None:
            return interval(1, None) if self.data.get(self.kind.owner) in (None, self.key) else NEVER
        if self.kind.holders is None:
            return interval(1, None)
        spells, present = self.kind.holders
        if self.data.get(spells):
            return normal(
                (ordinal(spell["from"]), ordinal(spell["to"]) if spell.get("to") else FOREVER)
                for spell in self.data[spells]
                if spell.get("value") == self.key or (not spell.get("value") and self.key == self.id)
            )
        holder = self.data.get(present)
        return interval(1, None) if (holder or self.id) == self.key else NEVER

    def elsewhere(self, day: int) -> bool:
        """Whether this is a copy of a record that belongs to another subject on that day."""
        if contains(self.held, day):
            return False
        if self.kind.holders is None:
            return self.kind.owner is not None
        spells, present = self.kind.holders
        if contains(spell_days(self.data.get(spells)), day):
            return True
        return (self.data.get(present) or self.id) != self.key

    @cached_property
    def valid(self) -> Days:
        """Days on which the record is in force."""
        if not self.counts:
            return NEVER
        if self.kind.name == "platforms":
            return self.accredited("district")
        days = difference(interval(self.start, self.kind.end(self.data)), self.revoked)
        if self.data.get("in_force"):
            days = intersection(days, spell_days(self.data["in_force"]))
        return intersection(days, self.held)

    @cached_property
    def since(self) -> Days:
        """From its first day on, for ever, but for revocations."""
        if not self.counts:
            return NEVER
        return intersection(difference(interval(self.start, None), self.revoked), self.held)

    @cached_property
    def in_post(self) -> Days:
        """Days of an introduction until the person left."""
        return intersection(self.since, interval(self.start, day_of(self.data, "departed_on")))

    def accredited(self, level: str) -> Days:
        """Days with an accreditation of at least `level` in force (platforms; 整改 counts, 公示 does not)."""
        if not self.counts:
            return NEVER
        floor = LEVELS.index(level)
        found = [
            self._accreditation(given)
            for given in self.data.get("accreditations") or ()
            if LEVELS.index(given["level"]) >= floor
        ]
        return intersection(normal(pair for days in found for pair in days), self.held)

    def _accreditation(self, given: Image) -> Days:
        ends = [day for day in (day_of(given, "valid_to"), day_of(given, "ended_on"), self._ended) if day]
        return interval(day_of(given, "granted_on"), min(ends) if ends else None)

    @cached_property
    def _ended(self) -> int | None:
        """First day after the platform itself ended, when its accreditations do not say so."""
        if self.data.get("state") not in ("revoked", "expired", "withdrawn"):
            return None
        spells = self.data.get("states") or ()
        ended = [
            ordinal(spell["from"][:10]) for spell in spells if spell.get("value") == self.data["state"] and not spell.get("to")
        ]
        if ended:
            return ended[-1]
        given = day_of(self.data, "effective_on") or day_of(self.data, "revoked_on")
        marked = any(a.get("ended_on") or a.get("valid_to") for a in self.data.get("accreditations") or ())
        return given if given or marked else 1
