"""Any delivery of a history gives what a recount over the whole history gives."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.engine.dossier import Dossier, Event, from_document, known_history, to_document
from services.metrics.engine.rules import compile_plan
from services.metrics.engine.timeline import steps_of, totals_of, totals_on
from tests.unit.metrics.engine.small_plan import small_plan

PLAN = small_plan()
RULES = compile_plan(PLAN)
FIRM = "91441502MAQQQQ019U"
DAYS = st.dates(date(2022, 1, 1), date(2028, 12, 31))
TOWNS = st.sampled_from([town.code for town in PLAN.towns])


def iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


@st.composite
def spells(draw, values):
    cuts = sorted(draw(st.lists(DAYS, min_size=1, max_size=3, unique=True)))
    ends = [*map(iso, cuts[1:]), draw(st.sampled_from([None, "2029-01-01"]))]
    return [{"from": iso(start), "to": end, "value": draw(values)} for start, end in zip(cuts, ends, strict=True)]


@st.composite
def images(draw):
    kind = draw(st.sampled_from(sorted(MAKERS)))
    record = FIRM if kind == "enterprises" else f"{kind}-{draw(st.integers(0, 2))}"
    return kind, record, draw(MAKERS[kind])


STATE = st.sampled_from(["recorded", "verified", "verified", "revoked"])
REVOKED = st.one_of(st.just([]), DAYS.map(lambda day: [{"from": iso(day), "to": None}]))


def fact(**fields):
    return st.fixed_dictionaries({"state": STATE, "revoked": REVOKED, "uscc": st.just(FIRM), **fields})


ENTRIES = st.fixed_dictionaries(
    {"entry": st.sampled_from(["paid", "recovered", "decided"]), "on": DAYS.map(iso), "amount_fen": st.integers(-5, 5), "days": st.integers(0, 3)}
)
MAKERS = {
    "applications": st.fixed_dictionaries(
        {"state": st.just("paid"), "policy_code": st.just("p"), "town_code": TOWNS, "entries": st.lists(ENTRIES, max_size=4)}
    ),
    "enterprises": st.fixed_dictionaries({
        "state": st.just("active"), "established_on": st.just("2020-01-01"), "alive": spells(st.just(True)),
        "towns": spells(TOWNS), "industries": spells(st.sampled_from(["3974", "1361", "6510"])),
        "clusters": spells(st.sampled_from([["electronics"], ["marine", "electronics"], []])),
    }),
    "hnte-certificates": fact(issued_on=DAYS.map(iso)),
    "tech-sme-entries": fact(announced_on=DAYS.map(iso), eval_year=st.integers(2022, 2027)),
    "above-scale-spells": fact(from_month=DAYS.map(lambda day: iso(day)[:7])),
    "rd-units": fact(valid_from=DAYS.map(iso), platform_id=st.sampled_from([None, "platforms-0"])),
    "platforms": st.fixed_dictionaries({
        "state": st.sampled_from(["submitted", "accredited", "rectifying", "revoked"]), "platform_kind": st.just("key_laboratory"),
        "host_uscc": st.just(FIRM), "town_code": TOWNS,
        "accreditations": st.lists(st.fixed_dictionaries({
            "level": st.sampled_from(["municipal", "provincial", "national"]), "granted_on": DAYS.map(iso),
            "ended_on": st.one_of(st.none(), DAYS.map(iso)),
        }), max_size=3),
    }),
    "tech-contracts": fact(registered_on=DAYS.map(iso), tech_amount_fen=st.integers(0, 10**12)),
    "introductions": st.fixed_dictionaries({
        "state": st.sampled_from(["verifying", "registered", "departed", "invalidated"]), "hired_on": DAYS.map(iso), "town_code": TOWNS,
    }),
    "industrial-internet-projects": fact(accepted_on=DAYS.map(iso)),
    "patents": fact(granted_on=DAYS.map(iso), patent_kind=st.just("invention"), first_patentee_uscc=st.just(FIRM)),
    "statistics": fact(
        published_on=DAYS.map(iso), series_code=st.just("gdp"), period=st.sampled_from(["2024", "2025"]),
        scope_code=st.just("441502"), value=st.sampled_from(["390.00", "400.5"]), unit=st.just("亿元"), status=st.just("final"),
    ),
}


@st.composite
def histories(draw):
    """Versioned events with times that rise as versions rise, but for equal and backward ones now and then."""
    versions: Counter[tuple[str, str]] = Counter()
    events, now = [], 1_700_000_000_000
    for n, (kind, record, data) in enumerate(draw(st.lists(images(), min_size=1, max_size=12))):
        now += draw(st.sampled_from([0, 1, 86_400_000, -5]))
        versions[(kind, record)] += 1
        key = "gdp" if kind == "statistics" else FIRM
        events.append(Event(key, kind, record, versions[(kind, record)], now, data, f"e{n}"))
    return events


def deliver(events, cuts):
    """Fold in pieces, the dossiers stored and loaded between the pieces; returns rows by key and summed deltas."""
    dossiers: dict[str, Dossier] = {}
    deltas: Counter = Counter()
    stored: dict[str, dict] = {}
    edges = [0, *sorted(cuts), len(events)]
    for low, high in itertools.pairwise(edges):
        for key in {event.key for event in events[low:high]}:
            dossier = from_document(to_document(dossiers.get(key, Dossier(key))))
            change = dossier.fold([event for event in events[low:high] if event.key == key], RULES)
            assert change.rejected == []
            rows = {} if change.rewritten else stored.get(key, {})
            stored[key] = rows | {(known.row, known.known_from): known.known_to for known in change.rows}
            deltas.update(change.deltas)
            dossiers[key] = dossier
    return dossiers, stored, deltas


@settings(max_examples=300, deadline=None)
@given(history=histories(), on=DAYS, data=st.data())
def test_any_delivery_equals_a_recount(history, on, data):
    extra = data.draw(st.lists(st.sampled_from(history), max_size=4))
    delivered = data.draw(st.permutations([*history, *extra]))
    cuts = data.draw(st.lists(st.integers(0, len(delivered)), max_size=3))
    dossiers, stored, deltas = deliver(delivered, cuts)
    reference, _expected, _ = deliver(sorted(history, key=lambda e: (e.time_ms, e.version)), [])
    known = data.draw(st.sampled_from([event.time_ms for event in history]))
    for key, dossier in reference.items():
        rows, current, _ = known_history(dossier, RULES)
        assert {(r.row, r.known_from): r.known_to for r in rows} == stored[key]
        assert dossiers[key].current == current
        then = RULES.rows(dossier.subject(known))
        remembered = [row for (row, start), end in stored[key].items() if start <= known and (end is None or known < end)]
        assert Counter(then) == Counter(remembered)
    for name in PLAN.indicators:
        edits: dict = {}
        for (indicator, part, cell, day), change in deltas.items():
            if indicator == name:
                edits.setdefault((part, cell), {})[day] = change
        rows = [row for dossier in reference.values() for row in dossier.current if row.indicator == name]
        assert totals_on(edits, on.toordinal()) == totals_on(steps_of(rows), on.toordinal()) == totals_of(rows, on.toordinal())


def test_a_certificate_lapses_at_local_midnight_without_an_event():
    firm = Event(FIRM, "enterprises", FIRM, 1, 1, {"state": "active", "established_on": "2020-01-01", "town_code": "441502100"}, "a")
    cert = Event(FIRM, "hnte-certificates", "GR1", 1, 2, {"state": "verified", "issued_on": "2023-12-28"}, "b")
    dossier = Dossier(FIRM)
    dossier.fold([firm, cert], RULES)
    rows = [row for row in dossier.current if row.indicator == "hnte"]
    last = date(2026, 12, 27)
    assert sum(totals_of(rows, last.toordinal()).values()) == 1
    assert totals_of(rows, (last + timedelta(days=1)).toordinal()) == {}
