"""Batches: two treasury hands, the bank's file, the bank's answer row by row; nobody is paid twice."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.integration.money.conftest import APPLICATIONS, BASE, NAME, STEPS, World

BATCHES = f"{BASE}/payment-batches"
ACCOUNT = {"holder": NAME, "bank": "示范银行", "number": "6222000011112222"}
AMOUNT = 1_000_000


@pytest.fixture(scope="module", autouse=True)
def paying(world: World) -> None:
    world.policy("pay", 1_000 * AMOUNT)


def approved(world: World, number: int, **more: Any) -> list[Any]:
    return [world.application("pay", "approved", **({"account": ACCOUNT} | more)) for _ in range(number)]


def batch(world: World, files: list[Any], *, released: bool = True) -> Any:
    made = world.make(BATCHES, {"applications": [each["id"] for each in files]}, by=STEPS["order_payment"])
    if released:
        made = world.act(f"{BATCHES}/{made['id']}", made["version"], "release_payment", by=STEPS["release_payment"])
    return made


def answer(world: World, made: Any, *rows: str, expect: int = 200) -> Any:
    body = "\n".join(["payment_no,result,receipt_no,paid_on,reason", *rows]).encode()
    said = world.call("POST", f"{BATCHES}/{made['id']}/results", data=body, content_type="text/csv", by=STEPS["confirm_payment"])
    assert said.status_code == expect, said.text
    return said.json


def file_of(world: World, made: Any) -> list[dict[str, str]]:
    said = world.call("GET", f"{BATCHES}/{made['id']}/file", by=STEPS["release_payment"])
    assert said.status_code == 200, said.text
    return list(csv.DictReader(io.StringIO(said.get_data(as_text=True).removeprefix("\ufeff"))))


def states(world: World, files: list[Any]) -> list[str]:
    return [world.get(f"{APPLICATIONS}/{each['id']}")["state"] for each in files]


def test_an_answer_uploaded_twice_changes_nothing_and_a_failure_is_paid_again_under_a_new_number(world: World) -> None:
    files = approved(world, 3)
    before = world.budget("pay")
    made = batch(world, files)
    lines = file_of(world, made)
    assert [(line["amount_yuan"], line["account_holder"], line["account_number"]) for line in lines] == [
        ("10000.00", NAME, ACCOUNT["number"])] * 3
    one, two, three = (line["payment_no"] for line in lines)
    rows = (f"{one},ok,R1,2026-03-02,", f"{two},failed,,,账号不存在", "nobody-9,ok,R9,,")
    first = answer(world, made, *rows)
    assert (first["paid"], first["failed"], first["unchanged"]) == (1, 1, 0)
    assert first["unknown"] == [{"row": 4, "payment_no": "nobody-9"}]
    again = answer(world, made, *rows)
    assert (again["paid"], again["failed"], again["unchanged"]) == (0, 0, 2)
    assert states(world, files) == ["paid", "payment_failed", "payment_ordered"]
    assert world.budget("pay") == before | {"approved": before["approved"] - AMOUNT, "paid": before["paid"] + AMOUNT}
    refused = answer(world, made, f"{one},ok,R2,,", f"{one},failed,,,退票")["refused"]
    assert [each["row"] for each in refused] == [2, 3]

    failed = world.get(f"{APPLICATIONS}/{files[1]['id']}")
    assert failed["payments"][-1]["bank_reason"] == "账号不存在"
    fixed = {"account": {**ACCOUNT, "number": "6222000011113333"}}
    agent = STEPS["submit"]
    assert world.call("PATCH", f"{APPLICATIONS}/{failed['id']}", fixed | {"item": "doctor"}, by=agent, version=failed["version"]).status_code == 403
    assert world.call("PATCH", f"{APPLICATIONS}/{failed['id']}", fixed, by=agent, version=failed["version"]).status_code == 200
    second = batch(world, [failed])
    line = file_of(world, second)[0]
    assert (line["payment_no"] != two, line["account_number"]) == (True, "6222000011113333")
    assert answer(world, made, f"{two},ok,R7,,")["refused"][0]["row"] == 2  # the bank cannot pay the attempt that it refused
    answer(world, second, f"{line['payment_no']},ok,R3,,")
    assert answer(world, made, f"{three},ok,R4,,")["paid"] == 1
    assert states(world, files) == ["paid"] * 3
    assert [world.get(f"{BATCHES}/{each['id']}")["state"] for each in (made, second)] == ["settled", "settled"]


def test_nothing_goes_to_the_bank_before_the_second_hand(world: World) -> None:
    made = batch(world, approved(world, 1), released=False)
    path = f"{BATCHES}/{made['id']}"
    assert world.call("GET", f"{path}/file", by=STEPS["release_payment"]).status_code == 409
    world.act(path, made["version"], "release_payment", by=STEPS["order_payment"], expect=403)
    for role in ("auditor", "bureau_approver", "data_feed", "hr_officer"):
        assert world.call("GET", f"{path}/file", by=role).status_code == 403


def test_a_batch_is_ordered_whole_or_not_at_all_with_every_fault_named(world: World) -> None:
    good, other = approved(world, 2)
    wrong = approved(world, 1, account={**ACCOUNT, "holder": "别人"})[0]
    paid = world.application("pay", "paid")
    said = world.call("POST", BATCHES, {"applications": [good["id"], wrong["id"], paid["id"], other["id"]]}, by=STEPS["order_payment"])
    assert said.status_code == 422
    assert {fault["pointer"] for fault in said.json["errors"]} == {"/applications/1", "/applications/2"}
    assert states(world, [good, other]) == ["approved", "approved"]
    twice = world.call("POST", BATCHES, {"applications": [good["id"], good["id"]]}, by=STEPS["order_payment"])
    assert twice.status_code == 422
    batch(world, [good])
    assert world.call("POST", BATCHES, {"applications": [good["id"]]}, by=STEPS["order_payment"]).status_code == 422


def test_who_approved_neither_orders_nor_releases(world: World) -> None:
    both = "bureau_approver+treasury_officer:both"
    ready = world.application("pay", "publicity", account=ACCOUNT, history=[{"action": "publish", "at": "2026-02-02T09:00:00+08:00", "actor": "o"}])
    ready = world.act(f"{APPLICATIONS}/{ready['id']}", ready["version"], "approve", by=both)
    said = world.call("POST", BATCHES, {"applications": [ready["id"]]}, by=both)
    assert said.status_code == 422
    assert said.json["errors"][0]["code"] == "same_hand"


def test_an_account_is_in_no_event_and_no_history(world: World) -> None:
    made = approved(world, 1)[0]
    assert made["account"]["number"] == "************2222"
    assert ACCOUNT["number"] not in world.call("GET", f"{APPLICATIONS}/{made['id']}/history", by="auditor").get_data(as_text=True)
    assert not world.records.database.changes.find_one({"after.account": {"$exists": True}})


def test_a_file_that_is_no_table_is_refused_and_broken_rows_are_named(world: World) -> None:
    made = batch(world, approved(world, 1))
    answer(world, made, expect=422)
    no = made["lines"][0]["payment_no"]
    refused = answer(world, made, f"{no},maybe,,,", f"{no},ok,,,", f"{no},failed,,,", f"{no},ok,R1,tomorrow,")["refused"]
    assert [(each["row"], each["column"]) for each in refused] == [(2, "result"), (3, "receipt_no"), (4, "reason"), (5, "paid_on")]
