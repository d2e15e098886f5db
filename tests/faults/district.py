"""What one writer of the load does: a made-up, ever growing part of a district that nobody else touches.

Every step is one request with its own Idempotency-Key. The answer of each accepted request is kept: it is what the
invariants are counted from.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from shared.ids import new_id
from tests.system.made import ALPHABET, DONGCHONG, FENGSHAN, HONGCAO, XIANGZHOU, XINGANG, citizen_id, uscc_of

TOWNS = (XINGANG, XIANGZHOU, FENGSHAN, HONGCAO, DONGCHONG)
BORN = date(1985, 1, 1)
PERSONS_A_DAY = 1_000
MOVED, ENDED = "2026-06-20", "2026-06-25"
Body = dict[str, Any]
Image = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One request."""

    method: str
    path: str
    body: Body
    version: int | None = None
    key: str = field(default_factory=new_id)


class Serials:
    """Numbers that no other writer of this stack gets."""

    def __init__(self) -> None:
        self._next = itertools.count(1)

    def take(self) -> int:
        """The next one."""
        return next(self._next)


class District:
    """The records of one writer, and what it does next."""

    def __init__(self, serials: Serials, seed: int) -> None:
        self.serials = serials
        self.random = random.Random(seed)
        self.records: dict[str, list[Image]] = {}
        self.people: list[str] = []

    def steps(self) -> Iterator[Step]:
        """Steps without end; `accept` must have been called with the answer of each before the next is taken."""
        makers: list[tuple[int, Callable[[], Step | None]]] = [
            (22, self._enterprise), (20, self._certificate), (15, self._contract), (9, self._entry), (18, self._introduction),
            (7, self._amend_contract), (3, self._move_town), (3, self._revoke), (1, self._move_out), (2, self._depart),
        ]
        yield self._enterprise()
        while True:
            (maker,) = self.random.choices([maker for _, maker in makers], [weight for weight, _ in makers])
            yield maker() or self._enterprise()

    def accept(self, image: Image) -> None:
        """Remember the newest image of a record."""
        known = self.records.setdefault(image["kind"], [])
        for place, old in enumerate(known):
            if old["id"] == image["id"]:
                known[place] = image
                return
        known.append(image)

    def _any(self, kind: str, **wanted: str) -> Image | None:
        found = [each for each in self.records.get(kind, []) if all(each.get(name) == value for name, value in wanted.items())]
        return self.random.choice(found) if found else None

    def _firm(self) -> str:
        firm = self._any("enterprises", state="active")
        assert firm is not None
        return str(firm["uscc"])

    def _day(self, first: date, last: date) -> str:
        return (first + timedelta(days=self.random.randrange((last - first).days))).isoformat()

    def _enterprise(self) -> Step:
        serial = self.serials.take()
        code = uscc_of("MAQ" + base_31(serial, 5))
        body = {
            "uscc": code, "name": f"试验企业{serial}有限公司", "town_code": self.random.choice(TOWNS), "industry_code": "3974",
            "established_on": "2015-06-01", "source": "测试", "contact_name": "张三",
        }
        return Step("POST", "/registry/v1/enterprises", body)

    def _certificate(self) -> Step:
        serial = self.serials.take()
        issued = self._day(date(2024, 1, 1), date(2025, 12, 31))
        number = f"GR20{24 + serial // 1_000_000}44{serial % 1_000_000:06d}"
        return Step("POST", "/registry/v1/hnte-certificates", {"cert_no": number, "uscc": self._firm(), "issued_on": issued})

    def _contract(self) -> Step:
        deal = self.random.randrange(1, 10**9)
        body = {
            "registration_no": f"T{self.serials.take():09d}", "registered_on": self._day(date(2026, 1, 1), date(2026, 6, 1)),
            "contract_type": "development", "seller_uscc": self._firm(), "deal_amount_fen": deal, "tech_amount_fen": deal // 2,
        }
        return Step("POST", "/registry/v1/tech-contracts", body)

    def _entry(self) -> Step:
        body = {
            "entry_no": f"2026441502{self.serials.take():08d}", "uscc": self._firm(), "eval_year": 2026,
            "announced_on": self._day(date(2026, 2, 1), date(2026, 6, 1)),
        }
        return Step("POST", "/registry/v1/tech-sme-entries", body)

    def _introduction(self) -> Step:
        if self.people and self.random.random() < 0.1:
            person = self.random.choice(self.people)  # a second employer names the same person
        else:
            serial = self.serials.take()
            person = citizen_id(serial % PERSONS_A_DAY, BORN + timedelta(days=serial // PERSONS_A_DAY))
            self.people.append(person)
        body = {
            "person": {"name": "李四", "id_kind": "citizen_id", "id_number": person}, "employer_uscc": self._firm(),
            "town_code": self.random.choice(TOWNS), "degree_level": "bachelor", "intro_mode": "social",
            "hired_on": self._day(date(2024, 2, 1), date(2026, 6, 1)),
        }
        return Step("POST", "/incentives/v1/introductions", body)

    def _amend_contract(self) -> Step | None:
        contract = self._any("tech-contracts", state="verified")
        if contract is None:
            return None
        amount = self.random.randrange(contract["deal_amount_fen"] + 1)
        return self._patch(contract, {"tech_amount_fen": amount, "reason": "变更登记"})

    def _move_town(self) -> Step | None:
        firm = self._any("enterprises", state="active", town_code=HONGCAO)
        return firm and self._patch(firm, {"town_code": DONGCHONG, "effective_on": MOVED, "reason": "迁址"})

    def _revoke(self) -> Step | None:
        certificate = self._any("hnte-certificates", state="verified")
        return certificate and self._transition(certificate, "revoke", reason="复核不合格", effective_on=ENDED)

    def _move_out(self) -> Step | None:
        firms = [each for each in self.records["enterprises"] if each["state"] == "active"]
        return self._transition(firms[0], "move_out", reason="迁出", effective_on=ENDED) if len(firms) > 5 else None

    def _depart(self) -> Step | None:
        introduction = self._any("introductions", state="registered")
        return introduction and self._transition(introduction, "depart", effective_on=ENDED)

    def _patch(self, image: Image, body: Body) -> Step:
        return Step("PATCH", path_of(image), body, image["version"])

    def _transition(self, image: Image, action: str, **body: Any) -> Step:
        return Step("POST", f"{path_of(image)}/transitions", {"action": action, **body}, image["version"])


def path_of(image: Image) -> str:
    """A record's address."""
    service = "incentives" if image["kind"] == "introductions" else "registry"
    return f"/{service}/v1/{image['kind']}/{image['id']}"


def base_31(number: int, digits: int) -> str:
    """A number in the characters that a credit code may have."""
    text = ""
    for _ in range(digits):
        number, rest = divmod(number, len(ALPHABET))
        text = ALPHABET[rest] + text
    return text
