"""410 applications for the settlement grant in every state, and the budgets that pay them (synthetic amounts)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from random import Random

from deploy.local.demo.firms import Row, past

SEED = 410
DEMO_DAY = date(2026, 6, 30)
BACHELOR, MASTER, DOCTOR = "bachelor", "master", "doctor"
AMOUNT_FEN = {BACHELOR: 1_000_000, MASTER: 2_000_000, DOCTOR: 5_000_000}
POLICY = "talent-settlement"
FILED = [("submit", "agent"), ("accept", "town")]
REVIEWED = [*FILED, ("review", "bureau")]
POSTED = [*REVIEWED, ("propose", "bureau"), ("publish", "approver")]
APPROVED = [*POSTED, ("approve", "approver")]
PAID = [*APPROVED, ("order_payment", "treasury"), ("release_payment", "second treasury"), ("confirm_payment", "bank")]
ORDERED = [*PAID, ("order_clawback", "second approver")]
RECOVERED = [*ORDERED, ("record_recovery", "books")]
# state, how many of each degree, what happened, when the last step was (earliest, latest day before the demo date)
STAGES: tuple[tuple[str, dict[str, int], list[tuple[str, str]], tuple[int, int]], ...] = (
    ("draft", {BACHELOR: 15, MASTER: 5}, [], (1, 30)),
    ("submitted", {BACHELOR: 13, MASTER: 3}, FILED[:1], (1, 12)),
    ("accepted", {BACHELOR: 12, MASTER: 3}, FILED, (1, 18)),
    ("reviewed", {BACHELOR: 12, MASTER: 3}, REVIEWED, (1, 10)),
    ("returned", {BACHELOR: 15, MASTER: 3}, [*FILED, ("return", "bureau")], (1, 40)),
    ("rejected", {BACHELOR: 20, MASTER: 5}, [*FILED, ("reject", "bureau")], (20, 500)),
    ("publicity", {BACHELOR: 17, MASTER: 4, DOCTOR: 1}, POSTED, (1, 6)),
    ("approved", {BACHELOR: 25, MASTER: 5, DOCTOR: 1}, APPROVED, (1, 12)),
    ("paid", {BACHELOR: 193, MASTER: 39, DOCTOR: 4}, PAID, (15, 640)),
    ("revoked", {BACHELOR: 4}, [*APPROVED, ("revoke", "approver")], (20, 300)),
    ("recovered", {BACHELOR: 5}, RECOVERED, (15, 200)),
    ("partially_recovered", {BACHELOR: 1}, RECOVERED, (15, 60)),
    ("clawback_ordered", {BACHELOR: 1, MASTER: 1}, ORDERED, (10, 40)),
)  # fmt: skip
RECOVERED_FEN = {"recovered": 1_000_000, "partially_recovered": 500_000, "clawback_ordered": 0}
NOTICE_DAYS = (9, 14)  # days from the posting to the approval: five working days and a weekend at least
SHORTEST_AFTER_HIRE = 45  # days from the first day at work to the first step of the file
LONGEST_AFTER_HIRE = 330  # and to the last one: the policy takes who was hired less than twelve months before
NO_BANK = "0000441502"  # no card number begins with a zero, so no living person's account is hit
FIRST_DAY = date(2024, 1, 2)  # before that the holiday calendar does not reach


def budgets() -> list[Row]:
    """The two funds that the policies name."""
    return [
        {"budget_code": "talent-2026", "name": "人才安家补助资金", "total_fen": 500_000_000, "source": "示范预算 (虚构)"},
        {"budget_code": "technology-2026", "name": "科技创新奖补资金", "total_fen": 1_000_000_000, "source": "示范预算 (虚构)"},
    ]


def reference(introduction: Row) -> str:
    """How an application's row names its introduction, whose id only the service gives: employer, first day, last characters."""
    return "|".join((introduction["employer_uscc"], introduction["hired_on"], introduction["person"]["id_number"][-4:]))


def applications(introductions: Sequence[Row]) -> list[Row]:
    """One application for each of 410 persons who were introduced once only."""
    random = Random(SEED)
    people = Counter(row["person"]["id_number"] for row in introductions)
    named = Counter(map(reference, introductions))
    pool = [row for row in introductions if "state" not in row and people[row["person"]["id_number"]] == 1 and named[reference(row)] == 1]
    random.shuffle(pool)
    rows: list[Row] = []
    for state, degrees, steps, when in sorted(STAGES, key=lambda stage: -stage[3][1]):  # who finished long ago was hired early
        for degree, number in degrees.items():
            rows += [_row(random, _taken(pool, degree, when, len(steps)), state, steps, when) for _ in range(number)]
    rows.sort(key=lambda row: (row["history"][0]["at"] if row["history"] else "9999", row["introduction"]))
    names = {reference(row): row["person"]["name"] for row in introductions}
    return [{"application_no": f"QC{n:04d}", **row, **_account(n, row, names)} for n, row in enumerate(rows, 1)]


def _account(number: int, row: Row, names: Mapping[str, str]) -> Row:
    """Where the money goes: everybody who has handed a file in said so."""
    if row["state"] == "draft":
        return {}
    return {"account": {"holder": names[row["introduction"]], "bank": "示范银行城区支行", "number": f"{NO_BANK}{number:09d}"}}


def _taken(pool: list[Row], degree: str, when: tuple[int, int], steps: int) -> Row:
    """Somebody of the degree who was at work in time, and not for too long when the last step is of these days."""
    latest = DEMO_DAY - timedelta(days=min(when[1], 150) + steps + SHORTEST_AFTER_HIRE)
    earliest = DEMO_DAY - timedelta(days=when[1] + LONGEST_AFTER_HIRE - 30)
    found = next(n for n, row in enumerate(pool)
                 if row["degree_level"] == degree and earliest <= date.fromisoformat(row["hired_on"]) <= latest)
    return pool.pop(found)


def _row(random: Random, introduction: Row, state: str, steps: list[tuple[str, str]], when: tuple[int, int]) -> Row:
    degree = introduction["degree_level"]
    hired = date.fromisoformat(introduction["hired_on"])
    earliest, latest = hired + timedelta(days=SHORTEST_AFTER_HIRE + 4 * len(steps)), hired + timedelta(days=LONGEST_AFTER_HIRE)
    drawn = min(DEMO_DAY - timedelta(days=random.randint(*when)), latest)
    last = max(drawn, min(earliest, DEMO_DAY - timedelta(days=when[0])), FIRST_DAY)
    row: Row = {
        "policy_code": POLICY, "item": degree, "introduction": reference(introduction), "town_code": introduction["town_code"],
        "state": state, "history": list(_spread(random, introduction["town_code"], last, steps)), "source": "用人单位申报",
    }  # fmt: skip
    row["year"] = int(row["history"][0]["at"][:4]) if row["history"] else DEMO_DAY.year
    if state not in ("draft", "submitted", "accepted", "returned", "rejected"):
        row["amount_fen"] = AMOUNT_FEN[degree]
    if state in RECOVERED_FEN:
        row |= {"ordered_fen": AMOUNT_FEN[degree], "recovered_fen": RECOVERED_FEN[state]}
    return row


def _spread(random: Random, town: str, last: date, steps: list[tuple[str, str]]) -> Iterator[Row]:
    """The steps with some days between them, the public notice before the approval, the last one on its day."""
    days = [last]
    for action, _ in reversed(steps[1:]):
        gap = random.randint(*NOTICE_DAYS) if action == "approve" else random.choice((1, 1, 2, 3, 5))
        days.append(days[-1] - timedelta(days=gap))
    for (action, role), day in zip(steps, reversed(days), strict=True) if steps else ():
        yield from past(town, day, (action, role))


__all__ = ["AMOUNT_FEN", "POLICY", "applications", "budgets", "reference"]
