"""The 320 enterprises: who is what, in which town, and when they began and ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import Any

from deploy.local.demo import shape
from deploy.local.demo.names import firm_name, person_name
from deploy.local.demo.numbers import credit_code

Row = dict[str, Any]
INDUSTRIAL = {
    "electronics": ("3974", "3982", "3981", "3912", "3841", "3962"),
    "marine": ("1361", "1362", "3731"),
    "agriculture": ("1371", "2625"),
    "food": ("1432", "1411", "1462"),
    "textile": ("1811", "1819", "1751"),
    "": ("2929", "3311", "2438"),
}
OTHER = {
    "electronics": ("6513", "6560"),
    "marine": ("0411", "7320"),
    "agriculture": ("0141", "7519"),
    "food": ("5127", "5226"),
    "textile": ("5132", "5137"),
    "": ("6513", "7259", "7519", "5179", "7320"),
}
ENDING = {"deregistered": "deregister", "moved_out": "move_out", "licence_revoked": "revoke_licence"}


@dataclass(eq=False)
class Firm:
    """One enterprise and what it is on the demo date."""

    town: str
    hnte: bool = False
    sme: bool = False
    scale: bool = False
    unit: bool = False
    state: str = "active"
    ended_on: date | None = None
    cluster: str = ""
    row: Row = field(default_factory=dict)

    @property
    def uscc(self) -> str:
        """Its credit code."""
        return str(self.row["uscc"])

    @property
    def plain(self) -> bool:
        """Active and without any qualification."""
        return self.state == "active" and not (self.hnte or self.sme or self.scale)


def actor(role: str, town: str = "") -> str:
    """The opaque id that a past hand of the old register has."""
    return hashlib.sha256(f"old register|{role}|{town}".encode()).hexdigest()[:32]


def past(town: str, at: date, *steps: tuple[str, str]) -> list[Row]:
    """History rows: each `(action, role)` at nine in the morning, one day apart, the last one on `at`."""
    first = at - timedelta(days=len(steps) - 1)
    return [
        {"action": action, "at": f"{first + timedelta(days=n)}T09:00:00+08:00", "actor": actor(role, town)}
        for n, (action, role) in enumerate(steps)
    ]


def _of_town(town: str) -> Iterator[Firm]:
    """The active firms of a town: certificate, then SME only, then above scale only, then the rest."""
    hnte, both, scale_hnte = shape.HNTE[town], shape.BOTH[town], shape.SCALE_HNTE[town]
    for n in range(hnte):
        unit = n < shape.SCALE_HNTE_WITH_UNIT[town]
        yield Firm(town, hnte=True, sme=n >= hnte - both, scale=n < scale_hnte, unit=unit)
    units = shape.SCALE_WITH_UNIT[town] - shape.SCALE_HNTE_WITH_UNIT[town]
    sme_only = shape.SME[town] - both
    for n in range(sme_only):
        yield Firm(town, sme=True, scale=n < shape.SCALE_SME_ONLY[town])
    scale_only = shape.SCALE[town] - scale_hnte - shape.SCALE_SME_ONLY[town]
    for n in range(scale_only):
        yield Firm(town, scale=True, unit=n < units)
    for _ in range(shape.ACTIVE[town] - hnte - sme_only - scale_only):
        yield Firm(town)


def _inactive(random: Random) -> Iterator[Firm]:
    towns = list(shape.TOWNS)
    for state, number in (shape.UNDER_WAY | shape.ENDED).items():
        for _ in range(number):
            firm = Firm(random.choice(towns), state=state)
            if state in ENDING:
                firm.ended_on = date(2024, 2, 1) + timedelta(days=random.randrange(760))
            yield firm


def make_firms(random: Random) -> list[Firm]:
    """All of them with their rows."""
    firms = [firm for town in shape.TOWNS for firm in _of_town(town)] + list(_inactive(random))
    serials = count(1)
    taken: set[str] = set()
    clusters = ["electronics"] * 4 + ["marine", "agriculture", "food", "textile"] * 2 + [""] * 3
    for firm in firms:
        firm.cluster = "electronics" if firm.hnte and random.random() < 0.5 else random.choice(clusters)
        industrial = firm.scale or firm.hnte or random.random() < 0.35
        industry = random.choice((INDUSTRIAL if industrial else OTHER)[firm.cluster])
        firm.row = _row(firm, next(serials), industry, firm_name(random, industry, taken), random)
    _zones(firms, random)
    return firms


def _row(firm: Firm, serial: int, industry: str, name: str, random: Random) -> Row:
    division = "441500" if random.random() < 0.1 else "441502"
    row: Row = {
        "uscc": credit_code(f"MAQ{serial:05d}", division=division),
        "name": name,
        "town_code": firm.town,
        "industry_code": industry,
        "established_on": str(date(2005, 1, 1) + timedelta(days=random.randrange(15 * 365))),
        "legal_rep_name": person_name(random),
        "registrar": "汕尾市市场监督管理局" if division == "441500" else "汕尾市城区市场监督管理局",
        "address": f"汕尾市城区{shape.TOWNS[firm.town]}示范路{serial}号",
        "cluster_codes": [firm.cluster] if firm.cluster else [],
        "in_hitech_zone": False,
        "source": "市场监管登记库",
    }
    return row | _state(firm, random)


def _state(firm: Firm, random: Random) -> Row:
    """Given state and history of a firm that is not simply active."""
    if firm.state == "active":
        return {}
    founded = [("submit", "agent"), ("recommend", "town"), ("approve", "bureau")]
    if firm.ended_on:
        history = past(firm.town, date(2022, 6, 6), *founded)
        return {"state": firm.state, "history": [*history, *past(firm.town, firm.ended_on, (ENDING[firm.state], "feed"))]}
    steps = {"draft": 0, "submitted": 1, "bureau_review": 2}[firm.state]
    at = date(2026, 3, 2) + timedelta(days=random.randrange(25))
    return {"state": firm.state, "established_on": "2026-01-12", "history": past(firm.town, at, *founded[:steps])}


def _zones(firms: list[Firm], random: Random) -> None:
    """Of the 16 high-tech enterprises of 红草 three lie outside the high-tech zone; the zone lies in 红草."""
    inside = [firm for firm in firms if firm.town == shape.HONGCAO]
    for n, firm in enumerate(sorted(inside, key=lambda firm: not firm.hnte)):
        firm.row["in_hitech_zone"] = n >= 3 if firm.hnte else random.random() < 0.4
