"""Who waits for what: a change before the daily sweep, and a subject that fails before nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest

from services.incentives.eligibility.dossiers import Dossiers
from services.incentives.following import offering as rounds
from services.incentives.following.offering import Offering
from shared.errors import RuleBroken
from tests.integration.incentives.conftest import District, make_policy
from tests.system.made import certificate, enterprise, uscc

NUMBER = count(4000)
SERIAL = count(930_000)


def firm(district: District) -> str:
    n = next(NUMBER)
    district.make("/registry/v1/enterprises", enterprise(n))
    district.make("/registry/v1/hnte-certificates", certificate(f"GR202644{next(SERIAL)}", uscc(n), "2026-05-01"))
    return uscc(n)


@pytest.fixture(scope="module")
def firms(district: District) -> list[str]:
    district.policy(make_policy("sweep"))
    found = [firm(district) for _ in range(5)]
    district.settle()
    return found


def waiting(district: District) -> list[str]:
    return [each["_id"] for each in district.records.database.eligibility_due.find().sort([("swept", 1), ("since_ms", 1)])]


def test_a_change_comes_before_the_sweep(district: District, firms: list[str]) -> None:
    offering = district.follower.offering
    offering._mark_all()
    assert set(waiting(district)) == {f"enterprise|{code}" for code in firms}
    last = waiting(district)[-1]
    district.follower.projection.mark([last])
    assert waiting(district)[0] == last
    district.settle()
    assert waiting(district) == []


def test_who_fails_stops_nobody_else(district: District, firms: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = firms[0], firm(district)
    of_enterprises = Dossiers.of_enterprises

    def broken(self: Dossiers, codes: Iterable[str]) -> Any:
        if bad in codes:
            raise RuleBroken("a rule of the workflow forbids it")
        return of_enterprises(self, codes)

    monkeypatch.setattr(Dossiers, "of_enterprises", broken)
    district.follower.projection.mark([f"enterprise|{bad}"])
    district.settle()
    assert [each["state"] for each in district.offers(uscc=good)] == ["offered"]
    letter = district.records.database.dead_letters.find_one({"subject": f"enterprise|{bad}"})
    assert letter is not None
    assert letter["reason"] == "a rule of the workflow forbids it"
    assert waiting(district) == []


def test_a_round_takes_what_there_is(district: District, firms: list[str]) -> None:
    offering = Offering(district.records, district.follower.projection)
    district.follower.projection.mark([f"enterprise|{code}" for code in firms])
    assert (offering.settle(), offering.settle()) == (len(firms), 0)


def test_behind_a_bulk_import_the_newest_change_is_not_the_last_one_seen(district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "NEWEST", 1)
    monkeypatch.setattr(rounds, "LONGEST", 2)
    due, many = district.follower.projection.due, [f"enterprise|{uscc(next(NUMBER))}" for _ in range(9)]
    due.insert_many({"_id": each, "n": 1, "swept": False, "since_ms": at} for at, each in enumerate(many))
    district.follower.projection.mark(many[4:5])
    assert district.follower.offering.settle() == 3
    assert waiting(district) == [*many[2:4], *many[5:]]
    district.settle()
    assert waiting(district) == []
