"""F7: one graduate, two enterprises. The person counts once, for the earliest introduction that stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deploy.local.demo.load import load
from tests.system.made import XIANGZHOU, XINGANG, citizen_id, introduction, uscc
from tests.system.stack import Stack, wait_until

CUMULATIVE, IN_POST = "graduates_introduced_cum", "graduates_in_post"
LEFT_OUT = 2  # the scenario's base is 3,118


@pytest.fixture(scope="module")
def district(stack: Any) -> Stack:
    running: Stack = stack(clock="2026-03-31T00:00:00+08:00", environ={"SYNTHETIC_IDS": "true"})
    skipped: list[str] = []
    seen = people()

    def skip(kind: str, row: dict[str, Any]) -> bool:
        if kind != "introductions" or "state" in row or len(skipped) >= LEFT_OUT:
            return False
        if seen[row["person"]["id_number"]] > 1 or row["degree_level"] != "bachelor":
            return False
        skipped.append(row["person"]["id_number"])
        return True

    load(running.url, lambda roles: running.token(*roles), progress=False, skip=skip)
    wait_until(lambda: value(running, CUMULATIVE) == 3118, 30, "base of 3,118")
    return running


def people() -> dict[str, int]:
    from pathlib import Path

    text = (Path(__file__).parents[2] / "plans/chengqu-2026/demo/introductions.ndjson").read_text(encoding="utf-8")
    counted: dict[str, int] = {}
    for line in text.splitlines():
        number = json.loads(line)["person"]["id_number"]
        counted[number] = counted.get(number, 0) + 1
    return counted


def value(district: Stack, name: str, **query: str) -> Any:
    return district.indicator(name, **query)["value"]


def town(district: Stack, code: str) -> int:
    cells = district.indicator(CUMULATIVE, by="town")["breakdown"]
    return int(next(cell["value"] for cell in cells if cell["key"] == code))


def test_one_graduate_counts_once_for_the_earliest_that_stands(district: Stack) -> None:
    person = citizen_id(777)
    base = (town(district, XINGANG), town(district, XIANGZHOU))
    district.clock_set("2026-04-01T09:00:00+08:00")
    first = district.post("/incentives/v1/introductions", introduction(person, "郝一", uscc(1), XINGANG, "2026-04-01"))
    wait_until(lambda: value(district, CUMULATIVE) == 3119, 20, "A's record")
    assert town(district, XINGANG) == base[0] + 1
    district.clock_set("2026-05-06T09:00:00+08:00")
    second = district.post("/incentives/v1/introductions", introduction(person, "郝一", uscc(2), XIANGZHOU, "2026-05-06"))
    assert second["duplicate_person"] is True
    district.settle()
    assert value(district, CUMULATIVE) == 3119
    assert (town(district, XINGANG), town(district, XIANGZHOU)) == (base[0] + 1, base[1])
    district.clock_set("2026-06-10T09:00:00+08:00")
    path = f"/incentives/v1/introductions/{first['id']}"
    district.transition(path, first["version"], "invalidate", reason="材料不实")
    wait_until(lambda: town(district, XIANGZHOU) == base[1] + 1, 20, "B's record counts instead")
    assert (value(district, CUMULATIVE), town(district, XINGANG)) == (3119, base[0])
    assert value(district, CUMULATIVE, as_of="2026-04-30", known_at="2026-04-30") == 3119
    assert value(district, CUMULATIVE, as_of="2026-04-30") == 3118
    in_post = value(district, IN_POST)
    district.clock_set("2026-12-01T09:00:00+08:00")
    path = f"/incentives/v1/introductions/{second['id']}"
    district.transition(path, second["version"], "depart", effective_on="2026-12-01")
    wait_until(lambda: value(district, IN_POST) == in_post - 1, 20, "in post")
    assert value(district, CUMULATIVE) == 3119
