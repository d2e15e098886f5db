"""What a rule writes besides its own record is written with it, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import mongoengine
import pytest

from services.incentives.kinds import introduction
from services.registry.kinds import agri_base, agri_variety
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.clock import FixedClock
from shared.errors import KechuangError, RuleBroken
from shared.ids import new_id
from shared.mongo import connect
from shared.records.personal import Sealer
from shared.records.workflow import Context, Image, Request, Workflow, step
from shared.records.write import Records

FEED = Principal("feed", frozenset({Role.DATA_FEED}))
BASE = {"name": "基地", "town_code": "441502100", "accepted_on": "2025-01-01"}


def harvest(image: Image, request: Request, context: Context) -> None:
    """One more variety, and the base named by `into` is renamed and revoked."""
    context.work.create("agri-varieties", {"name": image["name"], "town_code": image["town_code"], "promoted_on": "2026-01-01"})
    context.work.change("agri-bases", request.into or "", lambda other: other.update(name="旧"), "rename", reason="harvest")
    context.work.step("agri-bases", request.into or "", Request("revoke", reason="harvest", effective_on="2026-02-01"))
    if request.level:
        raise RuleBroken("too late")


@pytest.fixture
def records(mongo_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Records]:
    monkeypatch.setenv("SYNTHETIC_IDS", "true")
    mongoengine.disconnect_all()
    table = agri_base.KIND.workflow
    with_harvest = Workflow((*table.steps, step("verified", "harvest", "=", Role.BUREAU_REVIEWER, effect=harvest)), table.counting)
    name = f"t{new_id().lower()}"
    client = connect(mongo_uri, name, alias="work")
    kinds = (replace(agri_base.KIND, workflow=with_harvest), agri_variety.KIND, introduction.KIND)
    clock = FixedClock(datetime(2026, 6, 30, tzinfo=UTC))
    found = Records(client, name, "registry", kinds, clock, Sealer("aa" * 32, "bb" * 32))
    found.ensure_collections()
    yield found
    client.drop_database(name)
    mongoengine.disconnect_all()


def post(records: Records, kind: str, body: Image) -> Image:
    return records.create(records.kinds[kind], body, FEED)[0]


def counts(records: Records) -> tuple[int, ...]:
    return tuple(records.database[name].count_documents({}) for name in ("agri_bases", "agri_varieties", "changes"))


def test_other_records_change_with_their_own_change_documents(records: Records) -> None:
    one, other = (post(records, "agri-bases", BASE | {"name": name}) for name in ("甲", "乙"))
    records.transition(records.kinds["agri-bases"], one["id"], Request("harvest", into=other["id"]), 1, FEED)
    after = records.find("agri-bases", other["id"])
    assert after is not None
    assert (after["version"], after["state"], after["name"]) == (3, "revoked", "旧")
    lines = list(records.database.changes.find({"record_id": other["id"]}).sort("version", 1))
    assert [line["action"] for line in lines] == ["post", "rename", "revoke"]
    assert [line["prev_hash"] for line in lines] == [None, lines[0]["hash"], lines[1]["hash"]]
    assert records.database.agri_varieties.count_documents({"name": "甲"}) == 1


def test_a_rule_that_breaks_at_its_end_has_written_nothing(records: Records) -> None:
    one, other = (post(records, "agri-bases", BASE | {"name": name}) for name in ("甲", "乙"))
    before = counts(records)
    with pytest.raises(RuleBroken):
        records.transition(records.kinds["agri-bases"], one["id"], Request("harvest", into=other["id"], level="x"), 1, FEED)
    assert counts(records) == before
    assert records.find("agri-bases", other["id"]) == other | {"head": records.find("agri-bases", other["id"])["head"]}  # type: ignore[index]


def test_no_rule_writes_outside_a_transaction(records: Records) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        records.context(FEED).work.create("agri-varieties", {})


def test_two_records_merged_into_each_other_at_once_never_both_vanish(records: Records) -> None:
    def introduced(number: str) -> Any:
        person = {"name": "某", "id_kind": "citizen_id", "id_number": "990000200103150024"}
        body = {"person": person, "employer_uscc": number, "town_code": "441502001", "degree_level": "bachelor",
                "hired_on": "2025-07-01", "intro_mode": "campus"}
        return post(records, "introductions", body)

    kind = records.kinds["introductions"]

    def merge(pair: tuple[str, str]) -> str:
        try:
            return str(records.transition(kind, pair[0], Request("merge", into=pair[1]), 1, FEED)[0]["state"])
        except KechuangError as refused:
            return refused.code

    for _ in range(5):
        records.database.introductions.delete_many({})
        first, second = introduced("91441502MAQQQQ019U")["id"], introduced("91441502MAQQQQ027N")["id"]
        with ThreadPoolExecutor(2) as both:
            ended = sorted(both.map(merge, [(first, second), (second, first)]))
        assert ended == ["invalid", "merged"]
