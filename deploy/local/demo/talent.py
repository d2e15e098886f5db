"""3,214 introductions of 3,153 persons, three recognitions, one team in its public notice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from random import Random

from deploy.local.demo import shape
from deploy.local.demo.cast import Cast
from deploy.local.demo.firms import Firm, Row, past
from deploy.local.demo.names import person_name
from deploy.local.demo.numbers import citizen_id

MONTHS = [(year, month) for year in (2024, 2025) for month in range(1, 13)] + [(2026, month) for month in (1, 2, 3)]
PEAK = {7: 6, 8: 5, 9: 4}  # graduates are hired in summer
AGES = {"college": 21, "bachelor": 22, "master": 25, "doctor": 29}
SCHOOLS = ("示范职业技术学院", "示范师范大学", "示范理工大学", "示范海洋大学", "示范农业大学")
RARE_NAME = "陈\U00020087\U00025aaf"  # CJK Extension B: more than one UTF-16 unit a character


class People:
    """Makes persons, none twice, and their introductions."""

    def __init__(self, cast: Cast, random: Random) -> None:
        self.random = random
        self.taken: set[str] = set()
        self.used: set[tuple[str, str]] = set()
        self.staff: dict[str, list[Firm]] = {}
        for firm in cast.settled:
            self.staff.setdefault(firm.town, []).extend([firm] * (4 if firm.scale else 1))

    def person(self, born_year: int) -> Row:
        """A person nobody else is."""
        for serial in count(self.random.randrange(1, 400)):
            number = citizen_id(date(born_year, 1, 1) + timedelta(days=self.random.randrange(365)), serial)
            if number not in self.taken:
                break
        self.taken.add(number)
        return {"name": person_name(self.random), "id_kind": "citizen_id", "id_number": number}

    def hired_on(self, before: date) -> date:
        """A day of the window before `before`, mostly in summer."""
        while True:
            year, month = self.random.choices(MONTHS, [PEAK.get(month, 1) for _, month in MONTHS])[0]
            day = date(year, month, self.random.randrange(1, 29))
            if day < before:
                return day

    def introduction(self, town: str, before: date = date(2026, 4, 1)) -> Row:
        """A new person at an employer of `town`."""
        random = self.random
        hired = self.hired_on(before)
        degree = random.choices(list(AGES), (30, 54, 13, 3))[0]
        graduated = hired.year if hired.month > 6 else hired.year - 1
        return {
            "person": self.person(graduated - AGES[degree]),
            "employer_uscc": random.choice(self.staff[town]).uscc,
            "town_code": town,
            "degree_level": degree,
            "hired_on": str(hired),
            "intro_mode": random.choices(("campus", "social", "transfer"), (6, 3, 1))[0],
            "school": random.choice(SCHOOLS),
            "graduated_on": f"{graduated}-06-30",
            "social_ins_first_month": f"{hired:%Y-%m}",
            "source": "用人单位申报",
        }

    def again(self, first: Row, town: str) -> Row:
        """The same person, later, at another employer: counted once only."""
        hired = date.fromisoformat(first["hired_on"])
        later = hired + timedelta(days=self.random.randrange(20, (date(2026, 3, 31) - hired).days))
        others = [firm for firm in self.staff[town] if firm.uscc != first["employer_uscc"]]
        return first | {
            "employer_uscc": self.random.choice(others).uscc, "town_code": town, "hired_on": str(later),
            "social_ins_first_month": f"{later:%Y-%m}", "intro_mode": "social",
        }  # fmt: skip


def introductions(cast: Cast, random: Random) -> list[Row]:
    """All of them, in the order of the towns; what does not count comes last."""
    people = People(cast, random)
    rows = [people.introduction(town) for town, number in shape.GRADUATES.items() for _ in range(number)]
    rows[7]["person"]["name"] = RARE_NAME
    early = [row for row in rows if row["hired_on"] < "2026-02-01"]
    towns = list(shape.TOWNS)
    rows += [people.again(first, random.choice(towns)) for first in random.sample(early, shape.SECOND_EMPLOYERS)]
    return rows + list(_not_counted(people))


def _not_counted(people: People) -> Iterator[Row]:
    """Returned, rejected and invalidated records with what happened to them."""
    filed = [("submit", "agent"), ("start_verification", "hr")]
    endings = [("returned", [("return", "hr")])] * shape.RETURNED
    endings += [("rejected", [("reject", "hr")])] * shape.REJECTED
    endings += [("invalidated", [("register", "hr"), ("invalidate", "auditor")])] * shape.INVALIDATED
    for state, ending in endings:
        town = people.random.choice(list(shape.TOWNS))
        row = people.introduction(town, before=date(2026, 1, 1))
        at = date.fromisoformat(row["hired_on"]) + timedelta(days=people.random.randrange(20, 80))
        yield row | {"state": state, "history": past(town, at, *filed, *ending)}


def recognitions(cast: Cast, random: Random) -> list[Row]:
    """Three high-end talents; the document number of the last one is wrong until a later step."""
    people = People(cast, random)
    given = (("2024-12-13", "城人才〔2024〕19号"), ("2025-09-26", "城人才〔2025〕22号"), ("2026-02-06", "城人才〔2026〕02号"))
    return [
        {"category": "highend", "granted_on": on, "doc_no": doc_no, "person": people.person(1980 + n), "source": "认定公告"}
        for n, (on, doc_no) in enumerate(given)
    ]


def teams() -> list[Row]:
    """One team whose public notice is running: recorded, not verified, so not counted."""
    return [{"category": "hl_team", "name": "深远海养殖装备创新团队", "granted_on": "2026-03-16", "doc_no": "城人才〔2026〕8号",
             "state": "recorded", "source": "公示"}]  # fmt: skip
