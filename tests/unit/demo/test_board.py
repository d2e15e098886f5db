"""The pure engine and the plan's rules read the expected figures from the demo files, without any service between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from deploy.local.demo.expected import AS_OF, EXPECTED, PARTS
from services.metrics.engine.dossier import Dossier, Event
from services.metrics.engine.presentation import rounded
from services.metrics.engine.reading import read
from services.metrics.engine.rules import Row, compile_plan
from services.metrics.engine.timeline import totals_of
from services.metrics.plan.loader import load_plan
from tests.unit.demo.recount import District

PLAN = load_plan(Path(__file__).resolve().parents[3] / "plans" / "chengqu-2026")
NATURAL = ("uscc", "cert_no", "entry_no", "registration_no", "patent_no")
SUBJECTS = {"tech-contracts": "seller_uscc", "patents": "first_patentee_uscc", "platforms": "host_uscc", "statistics": "series_code"}


def images(district: District) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """(subject key, kind, id, after-image) of every record, as the services would send them."""
    ids = {row["name"]: f"platforms-{n}" for n, row in enumerate(district.kinds["platforms"])}
    for kind, rows in district.kinds.items():
        for n, row in enumerate(rows):
            image = {key: value for key, value in row.items() if key not in ("history", "person")}
            image.setdefault("state", {"introductions": "registered", "platforms": "accredited", "enterprises": "active"}.get(kind, "verified"))
            natural = kind in ("enterprises", "hnte-certificates", "tech-sme-entries", "tech-contracts", "patents")
            record = next(row[key] for key in NATURAL[:: 1 if kind == "enterprises" else -1] if key in row) if natural else f"{kind}-{n}"
            key = row.get(SUBJECTS.get(kind, "uscc"), record)
            if "person" in row:
                key = image["person_key"] = row["person"]["id_number"]
            if kind == "enterprises":
                _spells(image, district)
            if record in district.revoked:
                image["revoked"] = [{"from": district.revoked[record], "to": None}]
            if record in district.lapsed:
                image["in_force"] = [{"from": row["granted_on"], "to": district.lapsed[record], "value": True}]
            if "platform_id" in row:
                image["platform_id"] = ids[row["platform_id"]]
            yield key, kind, record, image


def _spells(image: dict[str, Any], district: District) -> None:
    uscc, first = image["uscc"], image.get("active_from", image["established_on"])
    registered = district.alive(uscc, first)
    image["alive"] = [{"from": first, "to": district.ended.get(uscc), "value": True}] if registered else []
    moved, town = district.moves.get(uscc, (None, None))
    image["towns"] = [{"from": first, "to": moved, "value": image["town_code"]}]
    if moved:
        image["towns"].append({"from": moved, "to": None, "value": town})


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    rules = compile_plan(PLAN)
    dossiers: dict[str, list[Event]] = {}
    for key, kind, record, image in images(District()):
        dossiers.setdefault(key, []).append(Event(key, kind, record, 1, 1, image, record))
    found: list[Row] = []
    for key, events in dossiers.items():
        dossier = Dossier(key)
        assert dossier.fold(events, rules).rejected == []
        found += dossier.current
    return found


def value(rows: list[Row], name: str, on: date) -> tuple[Any, tuple[Any, Any]]:
    reading = read(PLAN, PLAN.indicators[name], totals_of([row for row in rows if row.indicator == name], on.toordinal()))
    return rounded(reading.value, PLAN.indicators[name].decimals), (reading.numerator, reading.denominator)


def test_every_expected_figure(rows: list[Row]) -> None:
    assert {name: value(rows, name, AS_OF)[0] for name in EXPECTED} == EXPECTED
    assert {name: value(rows, name, AS_OF)[1] for name in PARTS} == PARTS


def test_other_days(rows: list[Row]) -> None:
    assert [value(rows, "hnte_count", date(2026, 12, day))[0] for day in (27, 28)] == [38, 24]
    assert value(rows, "tech_enterprise_doubling", date(2026, 12, 31))[1] == (103, 60)
    assert value(rows, "ats_industry_rd_coverage", date(2025, 12, 31))[1] == (33, 88)
    assert value(rows, "ats_hnte_rd_coverage", date(2025, 12, 31))[1] == (22, 27)
