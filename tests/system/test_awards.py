"""The district's 410 applications and what happens to them: scenario F8, F7's subsidy, a batch that is cut off."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from deploy.local.demo import FOLDER
from deploy.local.up import WEB
from tests.system.clear_text import Persons, in_files, in_the_store, indexed, unpacked
from tests.system.made import XIANGZHOU, XINGANG, certificate, citizen_id, enterprise, introduction, uscc
from tests.system.stack import Stack, wait_until

BASE = "/incentives/v1"
YUAN = 100
STATES = {
    "draft": 20, "submitted": 16, "accepted": 15, "reviewed": 15, "returned": 18, "rejected": 25, "publicity": 22, "approved": 31,
    "paid": 236, "revoked": 4, "clawback_ordered": 2, "partially_recovered": 1, "recovered": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def district(stack: Any) -> Stack:
    running: Stack = stack(demo=True)
    return running


def listed(district: Stack, kind: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = district.get(f"{BASE}/{kind}", params={"limit": "500", **query, **cursor})
        found += page["items"]
        if not page["next"]:
            return found
        cursor = {"cursor": page["next"]}


def ledger(district: Stack) -> dict[str, float]:
    total = district.get(f"{BASE}/ledger", token=district.token("auditor"))["total"]
    return {name.removesuffix("_fen"): fen / YUAN for name, fen in total.items()}


def step(district: Stack, record: dict[str, Any], action: str, role: str, subject: str, **body: Any) -> dict[str, Any]:
    token = district.token(role, subject=subject)
    found: dict[str, Any] = district.transition(f"{BASE}/applications/{record['id']}", record["version"], action, token=token, **body)
    return found


def test_the_410_applications_land_on_the_figures(district: Stack) -> None:
    files = listed(district, "applications")
    assert Counter(each["state"] for each in files) == STATES
    assert len(files) == 410
    assert ledger(district) == {
        "gross": 3_000_000, "ordered": 90_000, "recovered": 55_000, "net": 2_945_000, "outstanding": 35_000, "written_off": 0,
    }  # fmt: skip
    budget = district.get(f"{BASE}/budgets/talent-2026")
    assert budget["paid_fen"] == 294_500_000
    assert budget["total_fen"] == sum(budget[f"{part}_fen"] for part in ("free", "reserved", "approved", "paid"))
    read = {name: district.indicator(f"incentive_{name}") for name in ("applied", "paid", "recovered", "days_median", "days_p90")}
    assert [read[name]["value"] for name in ("applied", "paid", "recovered")] == [390, 3_000_000, 55_000]
    assert read["paid"]["numerator"] == 300_000_000
    assert 0 < read["days_median"]["value"] <= read["days_p90"]["value"]
    items = district.get("/metrics/v1/indicators")["items"]
    assert [item["id"] for item in items[-6:]] == [
        "incentive_applied", "incentive_approved", "incentive_paid", "incentive_recovered", "incentive_days_median", "incentive_days_p90",
    ]  # fmt: skip


def test_the_public_list_names_22_awards_without_a_number(district: Stack) -> None:
    answer = district.request("GET", f"{BASE}/publicity", token="")
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 22
    people = {row["person"]["id_number"] for row in map(json.loads, (FOLDER / "introductions.ndjson").read_text("utf-8").splitlines())}
    assert not any(number in answer.text for number in people)


def test_an_offer_comes_within_ten_seconds_of_the_change_and_goes_with_its_reason(district: Stack) -> None:
    firm = enterprise(8101)
    district.post("/registry/v1/enterprises", firm)
    held = district.post("/registry/v1/hnte-certificates", certificate("GR202644981010", firm["uscc"], "2026-05-01"))
    agent = district.token("enterprise_agent", subject="agent", enterprise=firm["uscc"])

    def inbox() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = district.get(f"{BASE}/offers", token=agent)["items"]
        return found

    (offer,) = wait_until(inbox, 10, "the offer")
    assert (offer["state"], offer["amount_fen"], offer["clause"][:4]) == ("offered", 100_000 * YUAN, "城区高新")
    district.transition(f"/registry/v1/hnte-certificates/{held['id']}", 1, "revoke", reason="取消资格", effective_on="2026-05-01")
    (offer,) = wait_until(lambda: [each for each in inbox() if each["state"] == "withdrawn"], 10, "the withdrawal")
    assert "证书有效" in offer["ended_because"]


def test_200_approvals_at_once_on_100_units(district: Stack) -> None:
    """Each over a connection of its own: nobody is told that the store is away because others stand in line."""
    names = {"zh": "一分", "en": "One fen"}
    body = {
        "policy_code": "one-fen", "version_no": 1, "title": names, "clause": "测试", "beneficiary": "enterprise", "budget_id": "units",
        "window": {"from": "2024-01-01"}, "reference_date": {"rule": "application"}, "publicity_working_days": 5,
        "approval_bands": [{"approvals": 1}], "items": [{"code": "one", "title": names, "amount": "1"}],
        "conditions": [{"name": "day", "text": names, "value": "on", "operator": ">=", "threshold": "'2024-01-01'"}],
    }
    district.post(f"{BASE}/policies", body)
    district.post(f"{BASE}/budgets", {"budget_code": "units", "name": "一百份", "total_fen": 100})
    posted = {"state": "publicity", "amount_fen": 1, "history": [{"action": "publish", "at": "2026-06-01T09:00:00+08:00", "actor": "old"}]}
    files = [district.post(f"{BASE}/applications", posted | {"policy_code": "one-fen", "uscc": uscc(n), "town_code": XINGANG})
             for n in range(8200, 8400)]
    token = district.token("bureau_approver", subject="chief")
    with httpx.Client(base_url=district.url, timeout=120, trust_env=False, limits=httpx.Limits(max_connections=200)) as many:

        def approve(file: dict[str, Any]) -> Any:
            headers = {"Authorization": f"Bearer {token}", "If-Match": '"1"'}
            return many.post(f"{BASE}/applications/{file['id']}/transitions", json={"action": "approve"}, headers=headers)

        with ThreadPoolExecutor(200) as hands:
            answers = list(hands.map(approve, files))
    assert Counter(answer.status_code for answer in answers) == {200: 200}
    done = [answer.json() for answer in answers]
    assert Counter(each["state"] for each in done) == {"approved": 100, "waiting": 100}
    assert sorted(each["waiting_no"] for each in done if each["state"] == "waiting") == list(range(1, 101))
    budget = district.get(f"{BASE}/budgets/units")
    assert [budget[f"{part}_fen"] for part in ("free", "reserved", "approved", "paid")] == [0, 0, 100, 0]


def test_f8_a_paid_award_is_revoked(district: Stack) -> None:
    district.clock_set("2026-07-10T09:00:00+08:00")
    doctors = listed(district, "applications", item="doctor", state="paid")
    first, second = doctors[:2]
    base = district.indicator("graduates_introduced_cum")["value"]
    assert base == 3_120
    left = {"reason": "服务期未满离职 left before service end", "cause": "left_early"}
    first = step(district, first, "order_clawback", "bureau_approver", "recovers", **left)
    assert ledger(district) == {
        "gross": 3_000_000, "ordered": 140_000, "recovered": 55_000, "net": 2_945_000, "outstanding": 85_000, "written_off": 0,
    }  # fmt: skip
    assert len(listed(district, "applications", state="paid")) == 235
    district.clock_set("2026-07-20T09:00:00+08:00")
    seen = district.get("/metrics/v1/indicators")["sequence"]
    step(district, first, "record_recovery", "treasury_officer", "books", amount_fen=30_000 * YUAN, doc_no="缴款1号")
    assert ledger(district) == {
        "gross": 3_000_000, "ordered": 140_000, "recovered": 85_000, "net": 2_915_000, "outstanding": 55_000, "written_off": 0,
    }  # fmt: skip
    wait_until(lambda: district.indicator("incentive_recovered")["value"] == 85_000, 20, "the ledger's indicator")
    assert streamed(district, "incentive_recovered", seen)["value"] == 85_000
    district.settle()
    assert district.indicator("graduates_introduced_cum")["value"] == 3_120
    found = district.get(f"{BASE}/introductions/{second['introduction']}")
    district.transition(f"{BASE}/introductions/{found['id']}", found["version"], "invalidate", reason="引进不实 introduction false")
    wait_until(lambda: district.indicator("graduates_introduced_cum")["value"] == 3_119, 20, "the false introduction")
    due = wait_until(lambda: district.get(f"{BASE}/applications/{second['id']}").get("clawback_due"), 180, "the cause is found")
    assert (due["cause"], due["amount_fen"]) == ("introduction_false", 50_000 * YUAN)


def test_f7_one_graduate_has_one_subsidy_and_gives_it_back(district: Stack) -> None:
    person = citizen_id(778)
    first, second = (
        district.post(f"{BASE}/introductions", introduction(person, "郝一", uscc(n), town, day))
        for n, town, day in ((1, XINGANG, "2026-04-01"), (2, XIANGZHOU, "2026-05-06"))
    )
    body = {"policy_code": "talent-settlement", "item": "bachelor", "year": 2026, "amount_fen": 10_000 * YUAN}
    paid = district.post(f"{BASE}/applications", body | {"introduction": first["id"], "state": "paid"})
    again = district.post(f"{BASE}/applications", body | {"introduction": second["id"], "state": "submitted"}, expect=409)
    assert paid["id"] in json.dumps(again)
    path = f"{BASE}/introductions/{first['id']}"
    district.transition(path, first["version"], "invalidate", reason="材料不实")
    due = wait_until(lambda: district.get(f"{BASE}/applications/{paid['id']}").get("clawback_due"), 180, "the cause is found")
    assert due["cause"] == "introduction_false"
    fresh = district.get(f"{BASE}/applications/{paid['id']}")
    ordered = step(district, fresh, "order_clawback", "bureau_approver", "recovers", reason="引进不实")
    assert ordered["clawback"]["cause"] == "introduction_false"


def test_a_batch_cut_off_by_kill_9_pays_nobody_twice(district: Stack) -> None:
    orders, releases, bank = (district.token("treasury_officer", subject=name) for name in ("orders", "releases", "bank"))
    files = [each["id"] for each in listed(district, "applications", state="approved", policy_code="talent-settlement")]
    before = district.get(f"{BASE}/budgets/talent-2026")
    made = district.post(f"{BASE}/payment-batches", {"applications": files}, token=orders)
    path = f"{BASE}/payment-batches/{made['id']}"
    district.transition(path, made["version"], "release_payment", token=releases)
    sent = district.request("GET", f"{path}/file", token=releases)
    assert (sent.status_code, len(sent.text.splitlines())) == (200, 1 + len(files))
    numbers = [line["payment_no"] for line in district.get(f"{path}/payments", token=bank)["items"]]
    body = "\n".join(["payment_no,result,receipt_no", *(f"{no},ok,R{n}" for n, no in enumerate(numbers))])

    def paid() -> int:
        return len([line for line in district.get(f"{path}/payments", token=bank)["items"] if line["state"] == "paid"])

    for _ in range(3):  # the bank's answer, each time cut off in the middle
        killed_while(district, lambda: upload(district, path, body, bank), paid)
    done = wait_until(lambda: upload(district, path, body, bank), 60, "the answer is taken whole")
    assert done["paid"] + done["unchanged"] == len(numbers) == paid()
    assert upload(district, path, body, bank)["paid"] == 0
    after = district.get(f"{BASE}/budgets/talent-2026")
    amount = sum(line["amount_fen"] for line in district.get(path)["lines"])
    assert after["paid_fen"] - before["paid_fen"] == amount
    history = Counter()
    for application in files:
        record = district.get(f"{BASE}/applications/{application}")
        history["payments"] += len([each for each in record["payments"] if each["state"] == "paid"])
        history["entries"] += len([each for each in record["entries"] if each["entry"] == "paid"])
    assert history == {"payments": len(files), "entries": len(files)}


def streamed(district: Stack, name: str, after: int) -> dict[str, Any]:
    """The first change of an indicator that a stream client which had seen `after` is told of."""
    headers = {"Last-Event-ID": str(after)}
    with district.http.stream("GET", "/metrics/v1/stream", params={"indicators": name}, headers=headers) as answer:
        data = (line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: "))
        found: dict[str, Any] = json.loads(next(data))
        return found


def upload(district: Stack, path: str, body: str, token: str) -> Any:
    """The bank's answer; None while the web process is not there or was killed meanwhile."""
    try:
        answer = district.request("POST", f"{path}/results", token=token, content=body.encode(), headers={"Content-Type": "text/csv"})
    except httpx.TransportError:
        return None
    return answer.json() if answer.status_code == 200 else None


def killed_while(district: Stack, work: Any, progress: Any) -> None:
    """Begin the work and kill the web process once it has gone on a little."""
    import threading

    begun = progress()
    thread = threading.Thread(target=work)
    thread.start()

    def moved() -> bool:
        try:
            return progress() > begun or not thread.is_alive()
        except (httpx.TransportError, AssertionError):
            return False

    wait_until(moved, 30, "the answer is being taken")
    for pid in district.pids(WEB):
        import os
        import signal

        os.kill(pid, signal.SIGKILL)
    thread.join()

    def back() -> bool:
        try:
            return district.request("GET", "/incentives/-/ready", token="").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(back, 60, "the web process is back")


ROLES = ("auditor", "hr_officer", "bureau_reviewer", "bureau_approver", "treasury_officer", "dpo", "plan_officer", "data_feed", "metrics")
LISTS = (
    "introductions", "talent-recognitions", "teams", "applications", "offers", "payment-batches", "policies", "budgets", "events", "codes",
    "deadlines", "exceptions", "recoveries", "ledger", "openapi.json",
)


def test_no_person_of_the_whole_run_stands_anywhere_in_clear(district: Stack) -> None:
    """Last of this file, so that the store holds the whole run: load, offers, payments, kills, refusals."""
    persons = Persons("郝一")
    assert (len(persons.numbers) > 3_000, len(persons.names) > 2_500, len(persons.accounts)) == (True, True, 390)
    told = {name: persons.found_in(text) for name, text in answers(district)}
    assert {name: found for name, found in told.items() if found} == {}
    uri = district.data.running().mongo_uri
    assert in_the_store(uri, persons) == {}
    assert not {field for field in indexed(uri) if field.split(".")[0] in ("person", "account", "sealed")}
    assert in_files(district.data.path, persons) == {}


def test_the_search_finds_what_is_hidden_in_a_text_or_a_document(district: Stack) -> None:
    persons = Persons()
    number, name = next(iter(persons.numbers)), next(iter(persons.names))
    assert persons.found_in(f"企业{name}等 {number}号".encode()) >= {number, name}
    uri = district.data.running().mongo_uri
    with MongoClient(uri) as client:
        client.kechuang_planted.notes.insert_one({"deep": [{"text": f"致{name}"}]})
        found = in_the_store(uri, persons)
        client.drop_database("kechuang_planted")
    planted = persons.found_in(name.encode())  # a name may begin with another person's
    assert name in planted
    assert found["kechuang_planted.notes"] == planted <= found["local.oplog.rs"]


def answers(district: Stack) -> Iterator[tuple[str, bytes]]:
    """Every list as every role, histories, exports, figures for operators, and what is said to those who are refused."""
    for role, kind in itertools.product(ROLES, LISTS):
        answer = district.request("GET", f"{BASE}/{kind}?limit=500", token=district.token(role))
        yield f"{kind} as {role}", answer.content
    for service in ("registry", "incentives"):
        after, token = "", district.token("auditor")
        while after is not None:
            page = district.request("GET", f"/{service}/v1/events", token=token, params={"limit": "5000", "after": after})
            yield f"events of {service}", page.content
            after = page.json()["next"]
        yield f"telemetry of {service}", district.request("GET", f"/{service}/-/metrics", token="").content
    person = json.loads((FOLDER / "introductions.ndjson").read_text("utf-8").splitlines()[0])
    number, name = person["person"]["id_number"], person["person"]["name"]
    record = listed(district, "introductions", employer_uscc=person["employer_uscc"])[0]
    for tail in ("", "/history", "/transitions", "/duplicates"):
        yield f"introduction{tail}", district.request("GET", f"{BASE}/introductions/{record['id']}{tail}", token=district.token("hr_officer")).content
    yield "xlsx", unpacked(district.request("GET", "/metrics/v1/exports/indicators.xlsx", token=district.token("auditor")).content)
    yield "csv", district.request("GET", "/metrics/v1/exports/indicators.csv", token=district.token("auditor")).content
    yield "public list", re.sub(r'"name":"[^"]+"', "", district.request("GET", f"{BASE}/publicity", token="").text).encode()
    wrong = number[:-1] + ("0" if number[-1] != "0" else "1")
    for said, body in {
        "again": person, "check digit": person | {"person": person["person"] | {"id_number": wrong}}, "unknown field": person | {number: name},
        "wrong kind": person | {"person": person["person"] | {"id_kind": name}}, "text": person | {"hired_on": number}, "shape": [number, name],
    }.items():
        answer = district.request("POST", f"{BASE}/introductions", body)
        assert answer.status_code in (201, 400, 409, 422), said
        yield f"refused: {said}", answer.content if answer.status_code != 201 else b""
    for path in (f"/introductions/{number}", f"/introductions?person.id_number={number}", f"/introductions?q={name}", f"/{number}"):
        yield f"refused: {path.partition('?')[0][:15]}", district.request("GET", f"{BASE}{path}", token=district.token("hr_officer")).content
    yield from imported(district, person, wrong)


def imported(district: Stack, person: dict[str, Any], wrong: str) -> Iterator[tuple[str, bytes]]:
    """A file with broken rows: what its progress and its result file say."""
    rows = [person, person | {"person": person["person"] | {"id_number": wrong}}, person | {"hired_on": "昨天"}]
    body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    job = district.request("POST", f"{BASE}/introductions/import", content=body, headers=headers).json()["id"]
    path = f"{BASE}/introductions/imports/{job}"
    wait_until(lambda: district.request("GET", path).json()["state"] in ("done", "failed"), 60, "the import")
    yield "import", district.request("GET", path).content
    yield "import's result", district.request("GET", f"{path}/result").content
