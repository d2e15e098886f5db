"""Every count opens to exactly as many records; every value of the demo district is right; nothing differs from a recount."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.local.demo.expected import EXPECTED, PARTS
from tests.system.stack import Stack

STATISTICS = frozenset({"stat"})


@pytest.fixture(scope="module")
def district(stack: Any) -> Stack:
    running: Stack = stack(demo=True)
    return running


def test_every_value_of_the_demo_district(district: Stack) -> None:
    items = {item["id"]: item for item in district.get("/metrics/v1/indicators")["items"]}
    assert {name: items[name]["value"] for name in EXPECTED} == EXPECTED
    assert {name: (items[name]["numerator"], items[name]["denominator"]) for name in PARTS} == PARTS


def counted(district: Stack, name: str, part: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"counted": "true", "part": part, "limit": "500", **({"cursor": cursor} if cursor else {})}
        page = district.get(f"/metrics/v1/indicators/{name}/records", params=query)
        items += page["items"]
        cursor = page["next"]
        if not cursor:
            assert page["total"] == len(items)
            return items


def test_every_count_opens_to_as_many_records(district: Stack) -> None:
    opened = 0
    for item in district.get("/metrics/v1/indicators")["items"]:
        if item["kind"] in STATISTICS or "groups" in item:
            continue
        for part in ("numerator", "denominator"):
            number = item[part]
            if number is None or item["id"] in ("platform_system_pillars", "leading_industry_platform_coverage"):
                continue
            if part == "denominator" and item["id"] == "patents_per_10k":
                continue
            rows = counted(district, item["id"], part)
            assert all(row["counted"] for row in rows)
            assert sum(row["amount"] for row in rows) == number, (item["id"], part)
            if item["unit"] not in ("万元", "元", "天") and item["id"] != "tech_credit_line_growth":
                assert len(rows) == number, (item["id"], part)
                assert len({row["subject"] for row in rows}) == number, (item["id"], part)
            opened += 1
    assert opened > 30


def test_nothing_differs_from_a_recount(district: Stack) -> None:
    done = district.run("reconcile")
    assert "0 differences" in done.stdout
