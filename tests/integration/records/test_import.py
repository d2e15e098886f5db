"""Bulk import: what is refused changes nothing, what was accepted is not taken twice, and a file comes back with its reasons."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
import time
from typing import Any

import pytest
from bson import json_util
from openpyxl import load_workbook

from services.incentives.kinds import KINDS as INCENTIVES
from services.registry.kinds import KINDS as REGISTRY
from shared.records import import_worker
from shared.records.imports import KEPT, Imports
from shared.records.intake import work
from shared.records.service import records_of
from tests.integration.records.conftest import Office
from tests.integration.records.spoiled import COLUMNS, FAULTS, table, workbook
from tests.system.made import DONGCHONG, HONGCAO, citizen_id, enterprise, introduction, uscc

BASE, PEOPLE = "/registry/v1/enterprises", "/incentives/v1/introductions"
NDJSON, CSV, XLSX = "application/x-ndjson", "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Worlds = dict[str, Imports]


@pytest.fixture(scope="module")
def imports(office: Office) -> Worlds:
    kinds = {"registry": REGISTRY, "incentives": INCENTIVES}
    return {service: Imports(records_of(service, kinds[service], office.environ)[0]) for service in kinds}


def send(office: Office, data: bytes, media: str, query: str = "", base: str = BASE, **more: Any) -> str:
    answer = office.call("POST", f"{base}/import{query}", data=data, content_type=media, **more)
    assert answer.status_code == 202, answer.text
    return str(answer.json["id"])


def run(office: Office, imports: Worlds, data: bytes, media: str, query: str = "", base: str = BASE, state: str = "done", **more: Any) -> Any:
    job_id = send(office, data, media, query, base, **more)
    worlds = imports[base.split("/")[1]]
    job = worlds.take("worker", time.time())
    assert job is not None
    work.run(worlds, job, "worker", time.time)
    found = office.call("GET", f"{base}/imports/{job_id}", **more).json
    assert found["state"] == state, found["reason"]
    return found


def figures(job: Any) -> tuple[int, int, int, int]:
    return job["created"], job["changed"], job["unchanged"], job["refused"]


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_csv(rows: list[list[Any]], encoding: str = "utf-8-sig") -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(encoding)


def result(office: Office, job: Any, query: str = "", **more: Any) -> bytes:
    answer = office.call("GET", job["result_url"] + query, **more)
    assert answer.status_code == 200, answer.text
    return bytes(answer.data)


def contents(worlds: Imports) -> str:
    """A hash over everything that is no job."""
    found = hashlib.sha256()
    for name in sorted(worlds.records.database.list_collection_names()):
        if not name.startswith("import") and name != "access_log":
            for one in worlds.records.database[name].find().sort("_id", 1):
                found.update(json_util.dumps(one, sort_keys=True).encode())
    return found.hexdigest()


def test_ndjson_is_taken_once_and_faults_are_named_by_row(office: Office, imports: Worlds) -> None:
    rows = [enterprise(n) for n in range(9001, 9011)]
    rows[3] = rows[3] | {"uscc": uscc(9004)[:-1] + "?"}
    rows[7] = {name: value for name, value in rows[7].items() if name != "town_code"}
    data = lines(rows) + b"not json\n"
    before = contents(imports["registry"])
    dry = run(office, imports, data, NDJSON, "?dry_run=true")
    assert (figures(dry), dry["dry_run"], contents(imports["registry"])) == ((8, 0, 0, 3), True, before)
    assert figures(run(office, imports, data, NDJSON)) == (8, 0, 0, 3)
    again = run(office, imports, data, NDJSON)
    assert figures(again) == (0, 0, 8, 3)
    assert {(error["row"], error["column"]) for error in again["errors"]} == {(4, "uscc"), (8, "town_code"), (11, "")}
    assert office.call("GET", f"{BASE}/{uscc(9008)}").status_code == 404


def test_a_line_that_readers_would_read_differently_is_refused(office: Office, imports: Worlds) -> None:
    whole = json.dumps(enterprise(9050))
    data = f'{whole[:-1]}, "name": "另一家"}}\n{whole[:-1]}, "source": NaN}}\n'.encode()
    assert figures(run(office, imports, data, NDJSON)) == (0, 0, 0, 2)
    assert office.call("GET", f"{BASE}/{uscc(9050)}").status_code == 404


def test_csv_in_gbk_and_xlsx_read_the_same(office: Office, imports: Worlds) -> None:
    names = ["统一社会信用代码", "企业名称", "镇街", "行业小类", "成立日期", "产业集群"]
    cells = [[uscc(9100).lower(), "广州新生有限公司", HONGCAO, "３９７４", "2020年1月1日", "电子信息"]]
    assert figures(run(office, imports, as_csv([names, *cells], "gbk"), CSV)) == (1, 0, 0, 0)
    assert figures(run(office, imports, workbook(iter([names, *cells])), XLSX)) == (0, 0, 1, 0)
    assert office.call("GET", f"{BASE}/{uscc(9100)}").json["clusters"][0]["value"] == ["electronics"]


def test_a_feed_s_other_content_is_a_new_version_and_a_dry_run_says_so(office: Office, imports: Worlds) -> None:
    run(office, imports, lines([enterprise(9200)]), NDJSON)
    other = lines([enterprise(9200, name="改名有限公司")])
    assert figures(run(office, imports, other, NDJSON, "?dry_run=true")) == (0, 1, 0, 0)
    assert figures(run(office, imports, other, NDJSON)) == (0, 1, 0, 0)
    assert office.call("GET", f"{BASE}/{uscc(9200)}").json["version"] == 2
    assert figures(run(office, imports, lines([enterprise(9200)]), NDJSON, by=f"enterprise_agent:a:{uscc(9200)}")) == (0, 0, 0, 1)


def test_rows_of_one_file_that_contradict_each_other_are_told_in_a_dry_run_already(office: Office, imports: Worlds) -> None:
    rows = [enterprise(n) for n in range(9300, 9310)] * 25 + [enterprise(9300, name="另一个名称有限公司")]
    for query in ("?dry_run=true", ""):
        job = run(office, imports, lines(rows), NDJSON, query)
        assert figures(job) == (10, 0, 240, 1)
        assert job["errors"][0]["message"].startswith("与本文件前面一行")
    assert office.call("GET", f"{BASE}/{uscc(9300)}").json["version"] == 1


def test_no_other_kind_of_file(office: Office) -> None:
    assert office.call("POST", f"{BASE}/import", data=b"%PDF", content_type="application/pdf").status_code == 415
    assert office.call("POST", f"{BASE}/import", data=b"", content_type="text/csv", by="viewer").status_code == 403
    assert office.call("POST", f"{BASE}/import?dry_run=perhaps", data=b"", content_type="text/csv").status_code == 422
    assert office.call("POST", f"{BASE}/import?dry_run=1&lookup=1", data=b"", content_type="text/csv").status_code == 422


def test_a_file_that_is_none_fails_with_its_reason(office: Office, imports: Worlds) -> None:
    for data, media in ((b"no zip", XLSX), (b"a,b\n1,2\n", CSV), (b"\xff\xff", CSV)):
        job = run(office, imports, data, media, state="failed")
        assert (job["reason"] != "", job["result_url"], figures(job)) == (True, None, (0, 0, 0, 0))


@pytest.mark.parametrize("type_of_file", ["xlsx", "csv"])
def test_thousands_of_rows_with_every_kind_of_fault(office: Office, imports: Worlds, type_of_file: str) -> None:
    begin, rows, spoiled = {"xlsx": 0, "csv": 100_000}[type_of_file], 2_000, 1_000
    made = list(table(rows, spoiled, begin))
    sheet = [list(COLUMNS), *(line for line, _ in made)]
    data, media = (workbook(iter(sheet)), XLSX) if type_of_file == "xlsx" else (as_csv(sheet, "gb18030"), CSV)
    before = contents(imports["registry"])
    dry = run(office, imports, data, media, "?dry_run=true")
    assert contents(imports["registry"]) == before
    job = run(office, imports, data, media)
    for told in (dry, job):
        assert (figures(told), told["rows"], told["percent"]) == ((rows - spoiled, 0, 0, spoiled), rows, 100)
    reasons = {(error["row"], error["column"].partition(".")[0]): error["message"] for error in job["errors"]}
    wrong = [(number, line, fault) for number, (line, fault) in enumerate(made, 2) if fault]
    assert len({fault for *_, fault in wrong}) == len(FAULTS) >= 30
    for number, line, fault in wrong:
        assert fault.reason in reasons[number, fault.column]
        assert office.call("GET", f"{BASE}/{line[0] or 'none'}").status_code == 404
    assert len(reasons) == spoiled, "a reason for nothing else"
    assert not any("欧阳" in message for message in reasons.values())
    back = result(office, job, "?personal=true")
    table_back = list(load_workbook(io.BytesIO(back)).active.values) if type_of_file == "xlsx" else \
        list(csv.reader(io.StringIO(back.decode("gb18030"))))
    assert [str(cell) for cell in table_back[0][:len(COLUMNS)]] == list(COLUMNS)
    at = len(COLUMNS)
    assert {line[at] for line in table_back[1:]} == {"新增 created", "未采纳 refused"}
    for number, _, fault in wrong:
        assert fault.reason in table_back[number - 1][at + 1]
    after = contents(imports["registry"])
    again = run(office, imports, back, media)
    assert (figures(again), contents(imports["registry"])) == ((0, 0, rows - spoiled, spoiled), after)


def test_a_result_file_hides_persons_but_from_who_sent_them(office: Office, imports: Worlds) -> None:
    rows = [introduction(citizen_id(n), "欧阳明珠", uscc(9400), HONGCAO, "2025-07-01") for n in range(400, 404)]
    rows[2]["hired_on"] = "昨天"
    sheet = [["姓名", "证件类型", "证件号码", "用人单位", "镇街", "学历", "入职日期", "引进方式"]]
    sheet += [[*row["person"].values(), *(row[name] for name in ("employer_uscc", "town_code", "degree_level", "hired_on", "intro_mode"))]
              for row in rows]
    for row in sheet[1:]:
        row[:3] = [row[0], "公民身份号码", citizen_id(400 + sheet.index(row) - 1)]
    for media, data in ((CSV, as_csv(sheet)), (XLSX, workbook(iter(sheet))), (NDJSON, lines(rows))):
        job = run(office, imports, data, media, base=PEOPLE)
        assert job["refused"] == 1, job["errors"]
        assert job["created"] + job["unchanged"] == 3
        shown, whole = result(office, job), result(office, job, "?personal=true")
        plain = [read_all(body, media) for body in (shown, whole)]
        assert not any(secret in plain[0] for secret in ("欧阳", citizen_id(400), citizen_id(402)))
        assert all(secret in plain[1] for secret in ("欧阳", citizen_id(400), citizen_id(402)))
        assert "日期应为" in plain[0]
        before = contents(imports["incentives"])
        for body in (shown, whole):
            again = run(office, imports, body, media, base=PEOPLE)
            assert (again["created"], again["changed"], contents(imports["incentives"])) == (0, 0, before)
        assert office.call("GET", job["result_url"], by="auditor:x").status_code == 200
        assert office.call("GET", job["result_url"] + "?personal=true", by="auditor:x").status_code == 403
        assert office.call("GET", job["result_url"], by="data_feed:other").status_code == 404
    looks = list(office.clients["incentives"].application.extensions["access_log"]._entries.find({"event": "look"}))
    assert len(looks) == 3, "each look at the whole leaves a line"


def read_all(body: bytes, media: str) -> str:
    if media == XLSX:
        return json.dumps([[str(cell) for cell in line] for line in load_workbook(io.BytesIO(body)).active.values], ensure_ascii=False)
    return body.decode("utf-8-sig")


def test_uploads_and_results_are_sealed_in_the_store(office: Office, imports: Worlds) -> None:
    job = run(office, imports, lines([introduction(citizen_id(410), "欧阳明珠", uscc(9400), HONGCAO, "2025-07-02")]), NDJSON, base=PEOPLE)
    for chunk in imports["incentives"].records.database["import_files.chunks"].find():
        assert citizen_id(410).encode() not in chunk["data"]
        assert "欧阳".encode() not in chunk["data"]
    assert "欧阳" not in json_util.dumps(list(imports["incentives"].outcomes.find())) + json.dumps(job, ensure_ascii=False)


def test_a_killed_worker_s_job_goes_on_without_doubling(office: Office, imports: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = imports["registry"]
    monkeypatch.setattr(work, "BATCH_ROWS", 10)
    rows = [enterprise(n) for n in range(9500, 9560)]
    rows[35] = rows[35] | {"town_code": "x"}
    rows += [enterprise(9500, name="另一个名称有限公司"), enterprise(9501)]
    for query in ("?dry_run=true", ""):
        job_id = send(office, lines(rows), NDJSON, query)
        job = worlds.take("first", 0.0)
        assert job is not None
        with pytest.raises(KeyboardInterrupt):
            work.run(worlds, job, "first", Killed(after=9))
        taken = worlds.take("second", time.time())
        assert taken is not None
        assert taken["_id"] == job_id
        assert 0 < taken["through"] < 60
        with pytest.raises(work.LostJob):
            work._Run(worlds, job, "first", time.time)._set({})
        work.run(worlds, taken, "second", time.time)
        told = office.call("GET", f"{BASE}/imports/{job_id}").json
        assert (figures(told), told["rows"], told["state"]) == ((59, 0, 1, 2), 62, "done")
        assert [error["row"] for error in told["errors"]] == [36, 61]
        assert len(result(office, told).splitlines()) == 62
    stored = [office.call("GET", f"{BASE}/{uscc(n)}/history").json["items"] for n in (9500, 9559)]
    assert [len(versions) for versions in stored] == [1, 1]


def test_a_worker_that_is_told_to_stop_gives_its_job_back(office: Office, imports: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = imports["registry"]
    monkeypatch.setattr(work, "BATCH_ROWS", 10)
    job_id = send(office, lines([enterprise(n) for n in range(8700, 8760)]), NDJSON)
    import_worker.run(worlds, Told(after=6))
    left = worlds.jobs.find_one({"_id": job_id})
    assert left is not None
    assert (left["state"], left["worker"], left["tries"]) == ("queued", None, 0)
    assert 0 < left["through"] < 60
    taken = worlds.take("next", time.time())
    assert taken is not None
    assert taken["_id"] == job_id
    work.run(worlds, taken, "next", time.time)
    told = office.call("GET", f"{BASE}/imports/{job_id}").json
    assert (figures(told), told["state"]) == ((60, 0, 0, 0), "done")


class Told(threading.Event):
    """Set, as SIGTERM would, somewhere between two batches or inside one."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


class Killed:
    """A beat that stops the worker, as kill -9 would, somewhere between two batches or inside one."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self) -> float:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return 0.0


def test_one_job_of_a_kind_runs_at_a_time(office: Office, imports: Worlds) -> None:
    worlds = imports["registry"]
    first, second = (send(office, lines([enterprise(n)]), NDJSON) for n in (9600, 9601))
    other = send(office, b"", NDJSON, base="/registry/v1/agri-bases")
    one, two = worlds.take("a", time.time()), worlds.take("b", time.time())
    assert one is not None
    assert two is not None
    assert (one["_id"], two["_id"], worlds.take("c", time.time())) == (first, other, None)
    for job, worker in ((one, "a"), (two, "b")):
        work.run(worlds, job, worker, time.time)
    last = worlds.take("c", time.time())
    assert last is not None
    assert last["_id"] == second
    work.run(worlds, last, "c", time.time)


def test_which_of_these_are_registered(office: Office, imports: Worlds) -> None:
    office.make(BASE, enterprise(9700))
    office.make(BASE, enterprise(9701, DONGCHONG))
    office.make(PEOPLE, introduction(citizen_id(970), "欧阳明珠", uscc(9700), HONGCAO, "2025-07-01"))
    sheet = as_csv([["企业名称", "统一社会信用代码", "联系备注"], ["甲", uscc(9700), "x"], ["乙", uscc(9702), ""], ["丙", uscc(9701), ""],
                    ["丁", "91", ""], [enterprise(9701)["name"], "", ""], ["", "", "无"]])
    before = contents(imports["registry"])
    job = run(office, imports, sheet, CSV, "?lookup=true", by="auditor:x")
    assert (job["found"], job["missing"], job["refused"], contents(imports["registry"])) == (3, 1, 2, before)
    told = list(csv.reader(io.StringIO(result(office, job, by="auditor:x").decode("utf-8-sig"))))
    assert [line[5] for line in told[1:]] == [f"{uscc(9700)} (active)", "", f"{uscc(9701)} (active)", "", f"{uscc(9701)} (active)", ""]
    town = run(office, imports, sheet, CSV, "?lookup=true", by=f"town_reviewer:t:{HONGCAO}")
    assert (town["found"], town["missing"]) == (1, 3)
    people = run(office, imports, as_csv([["employer_uscc"], [uscc(9700)], [uscc(9702)]]), CSV, "?lookup=true", base=PEOPLE, by="hr_officer:h")
    assert (people["found"], people["missing"]) == (1, 1)
    assert office.call("POST", f"{BASE}/import?lookup=true", data=sheet, content_type=CSV, by="viewer").status_code == 403


def test_files_go_when_their_time_is_over(office: Office, imports: Worlds) -> None:
    worlds = imports["registry"]
    job = run(office, imports, lines([enterprise(9800) | {"town_code": "x"}]), NDJSON)
    worlds.jobs.update_one({"_id": job["id"]}, {"$set": {"expires": worlds.records.clock.now() - KEPT}})
    worlds.sweep()
    told = office.call("GET", f"{BASE}/imports/{job['id']}").json
    assert (told["state"], told["refused"], told["errors"], told["result_url"]) == ("done", 1, [], None)
    assert office.call("GET", job["result_url"]).status_code == 404
    assert worlds.outcomes.find_one({"job": job["id"]}) is None


def test_the_same_key_is_one_import(office: Office, imports: Worlds) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = (send(office, lines([enterprise(9900)]), NDJSON, headers=dict(headers)) for _ in range(2))
    assert first == again
    other = office.call("POST", f"{BASE}/import", data=lines([enterprise(9901)]), content_type=NDJSON, headers=dict(headers))
    assert other.status_code == 422
    job = imports["registry"].take("w", time.time())
    assert job is not None
    work.run(imports["registry"], job, "w", time.time)


@pytest.mark.parametrize("base", [BASE, PEOPLE])
def test_templates_are_there_to_download(office: Office, base: str) -> None:
    for name, media in (("template.csv", CSV), ("template.xlsx", XLSX)):
        answer = office.call("GET", f"{base}/{name}", by="enterprise_agent:a")
        assert (answer.status_code, answer.mimetype) == (200, media)
        assert "attachment" in answer.headers["Content-Disposition"]
    assert office.call("GET", f"{base}/template.csv", by="").status_code == 401
