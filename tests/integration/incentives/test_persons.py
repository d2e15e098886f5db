"""The HR bureau's desk: intake by two hands, full looks with purpose and reason, the same person twice, a new key."""

from __future__ import annotations

import io
import json
import threading
from itertools import count
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from services.incentives.kinds import KINDS
from shared.errors import ConfigError
from shared.records.import_worker import run as run_worker
from shared.records.imports import Imports
from shared.records.personal import BLOCK_BYTES, Sealer
from shared.records.rotation import reseal
from shared.records.write import Records
from tests.integration.incentives.conftest import District, graduate
from tests.system.made import citizen_id, uscc

NUMBER = count(3000)
BASE = "/incentives/v1/introductions"
WHY = {"purpose": "verification", "reason": "核对社保记录"}


def person() -> str:
    return citizen_id(next(NUMBER) % 1000)


def looks(district: District, record_id: str) -> list[dict[str, Any]]:
    entries = district.records.database.access_log.find({"event": "look", "record_id": record_id}).sort("time", 1)
    return [{name: each.get(name) for name in ("fields", "purpose", "reason")} for each in entries]


def test_intake_needs_the_person_s_word_and_two_officers(district: District) -> None:
    code = uscc(next(NUMBER))
    agent = f"enterprise_agent:agent:{code}"
    draft = district.make(BASE, graduate(person(), code), by=agent)
    path = f"{BASE}/{draft['id']}"
    refused = district.act(path, 1, "submit", by=agent, expect=422)
    assert [each["pointer"] for each in refused["errors"]] == ["/talent_confirmed_on"]
    district.call("PATCH", path, {"talent_confirmed_on": "2026-03-02"}, by=agent, version=1)
    district.act(path, 2, "submit", by=agent)
    district.act(path, 3, "start_verification", by="hr_officer:one")
    district.act(path, 4, "withdraw", by="hr_officer:two", expect=403)
    district.act(path, 4, "register", by="hr_officer:one", expect=403)
    assert district.act(path, 4, "register", by="hr_officer:two")["state"] == "registered"
    district.act(path, 5, "withdraw", by=agent, expect=409)


def test_a_full_look_needs_role_purpose_and_reason_and_leaves_a_line(district: District) -> None:
    number = person()
    record = district.make(BASE, graduate(number, uscc(next(NUMBER))))
    path = f"{BASE}/{record['id']}/reveal"
    assert record["person"]["id_number"] == "*" * 14 + number[-4:]
    for by, status in (("bureau_reviewer", 403), ("sysadmin", 403), ("auditor", 403), ("data_feed", 403), ("", 401)):
        assert district.call("POST", path, WHY, by=by).status_code == status, by
    for wrong in ({}, {"purpose": "curiosity", "reason": "看看而已"}, {"purpose": "audit", "reason": " "},
                  {"purpose": "audit", "reason": f"号码{number}"}, {**WHY, "bogus": 1}):
        answer = district.call("POST", path, wrong, by="hr_officer")
        assert answer.status_code == 422
        assert number not in answer.text
    before = looks(district, record["id"])
    seen = district.call("POST", path, WHY, by="hr_officer:clerk")
    assert (seen.status_code, seen.json["person"]["id_number"], seen.headers["Cache-Control"]) == (200, number, "no-store")
    assert looks(district, record["id"])[len(before):] == [{"fields": ["person"], **WHY}]
    assert district.call("POST", f"{BASE}/nobody/reveal", WHY, by="hr_officer").status_code == 404


def test_looks_are_limited_by_the_hour(district: District) -> None:
    record = district.make(BASE, graduate(person(), uscc(next(NUMBER))))
    path = f"{BASE}/{record['id']}/reveal"
    answers = [district.call("POST", path, WHY, by="hr_officer:curious") for _ in range(70)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:30] == [200] * 30
    assert statuses[-1] == 429  # whichever hour it is: two hours' worth is 60
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600
    assert district.call("POST", path, WHY, by="hr_officer:other").status_code == 200


def test_a_pair_is_shown_side_by_side_merged_and_taken_apart(district: District) -> None:
    number, firms = person(), (uscc(next(NUMBER)), uscc(next(NUMBER)))
    first, second = (
        district.make(BASE, graduate(number, firm, day, degree)) for firm, day, degree in
        zip(firms, ("2026-04-01", "2026-05-06"), ("master", "doctor"), strict=True)
    )
    assert second["duplicate_person"] is True
    found = district.call("GET", f"{BASE}/{second['id']}/duplicates", by="hr_officer").json
    (pair,) = found["others"]
    assert (found["counts"], pair["record"]["id"], pair["may_merge"]) == (first["id"], first["id"], True)
    assert {"person.name", "person.id_number", "town_code"} <= set(pair["same"])
    assert pair["differs"]["degree_level"] == {"here": "doctor", "there": "master"}
    assert number not in json.dumps(found)
    assert district.call("GET", f"{BASE}/{second['id']}/duplicates", by="bureau_reviewer").status_code == 403
    path = f"{BASE}/{second['id']}"
    district.act(path, 1, "merge", by="hr_officer", reason="同一人", into=first["id"])
    assert counted(district, first["person_key"]) == [first["id"]]
    assert district.call("GET", f"{path}/duplicates", by="hr_officer").json["others"][0]["merged"] is True
    assert district.act(path, 2, "unmerge", by="hr_officer", reason="并错")["state"] == "registered"
    assert counted(district, first["person_key"]) == [first["id"], second["id"]]


def test_taking_a_merge_apart_restores_who_was_registered_on_the_same_day(district: District) -> None:
    number = person()
    first = district.make(BASE, graduate(number, uscc(next(NUMBER)), "2026-04-01"))
    second = district.make(BASE, graduate(number, uscc(next(NUMBER)), "2026-05-06"), by="hr_officer:one")
    path = f"{BASE}/{second['id']}"
    assert district.act(path, 1, "register", by="hr_officer:two")["duplicate_person"] is True
    district.act(path, 2, "merge", by="hr_officer:m", reason="同一人", into=first["id"])
    assert district.act(path, 3, "unmerge", by="hr_officer:m", reason="并错")["state"] == "registered"


def test_taking_a_merge_apart_restores_who_had_left(district: District) -> None:
    number = person()
    first, second = (district.make(BASE, graduate(number, uscc(next(NUMBER)), day)) for day in ("2026-04-01", "2026-05-06"))
    path = f"{BASE}/{second['id']}"
    district.act(path, 1, "depart", effective_on="2026-06-01")
    district.act(path, 2, "merge", by="hr_officer:m", reason="同一人", into=first["id"])
    back = district.act(path, 3, "unmerge", by="hr_officer:m", reason="并错")
    assert (back["state"], back["departed_on"]) == ("departed", "2026-06-01")


def test_who_was_registered_today_is_registered_again_when_a_merge_is_taken_apart(district: District) -> None:
    number = person()
    first = district.make(BASE, graduate(number, uscc(next(NUMBER)), "2026-04-01"))
    made = district.make(BASE, graduate(number, uscc(next(NUMBER)), "2026-05-06"), by="hr_officer:one")
    path = f"{BASE}/{made['id']}"
    record = district.act(path, 1, "register", by="hr_officer:two")
    assert record["states"] == [{"from": "2026-05-06", "to": None, "value": "registered"}]
    told = district.call("GET", path, by="auditor", query_string={"as_of": "2026-05-06"}).json
    assert (told["state"], told["in_effect"]) == ("registered", True)
    assert district.call("GET", path, by="auditor", query_string={"as_of": "2026-05-05"}).json["in_effect"] is False
    district.act(path, 2, "merge", by="hr_officer:three", reason="同一人", into=first["id"])
    assert district.act(path, 3, "unmerge", by="hr_officer:three", reason="并错")["state"] == "registered"
    assert counted(district, first["person_key"]) == [first["id"], made["id"]]


def counted(district: District, key: str) -> list[str]:
    found = district.records.database.introductions.find({"person_key": key, "state": {"$in": ["registered", "departed"]}}).sort("hired_on", 1)
    return [each["_id"] for each in found]


def under(district: District, key: str, *old: str) -> Records:
    """The same records seen with other keys."""
    given = district.records
    sealer = Sealer(key, district.environ["BLIND_KEY"], old)
    return Records(given.client, given.database.name, "incentives", KINDS, given.clock, sealer)


def test_everything_moves_to_a_new_key_while_records_change(district: District) -> None:
    number, old, new = person(), district.environ["FIELD_KEY"], "cc" * 32
    headers = {"Idempotency-Key": "k-rotation"}
    record = district.call("POST", BASE, graduate(number, uscc(next(NUMBER))), headers=headers).json
    path = f"{BASE}/{record['id']}"
    body = {"person": {"name": "欧阳明珠", "id_kind": "citizen_id", "id_number": number}, "reason": "改名"}
    district.call("PATCH", path, body, by="hr_officer", version=1)
    job = Imports(district.records).submit(
        district.records.kinds["introductions"], [b"x" * (2 * BLOCK_BYTES + 5)], "ndjson", "dry_run", district_feed(district))
    before = district.call("GET", f"{path}/history").json["items"]
    fresh = under(district, new, old)
    kind = fresh.kinds["introductions"]
    steps: list[int] = []

    def interrupted(done: int) -> None:
        steps.append(done)
        if len(steps) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reseal(fresh, interrupted)
    found = reseal(fresh)
    assert (found.left, reseal(fresh).resealed) == (0, 0)
    alone = under(district, new)
    stored = alone.find("introductions", record["id"])
    assert stored is not None
    assert alone.unsealed(kind, stored)["person"]["id_number"] == number
    assert alone.sealer.unseal(stored["proposed_change"]["sealed"], "introductions/proposal")["person"]["id_number"] == number
    file = alone.database.imports.find_one({"_id": job})
    assert file is not None
    with Imports(alone).files.bucket.open_download_stream(file["file"]) as raw:
        assert b"".join(alone.sealer.opened_file(raw)) == b"x" * (2 * BLOCK_BYTES + 5)
    with pytest.raises(ConfigError, match="FIELD_KEYS_OLD"):
        under(district, old).unsealed(kind, stored)
    back = reseal(under(district, old, new))
    assert (back.left, back.resealed > 0) == (0, True)
    assert district.call("GET", f"{path}/history").json["items"] == before
    again = district.call("POST", BASE, graduate(number, record["employer_uscc"]), headers=headers)
    assert (again.status_code, again.json["id"]) == (201, record["id"])


def district_feed(district: District) -> Any:
    from shared.auth.principal import Principal
    from shared.auth.roles import Role

    return Principal("feed", frozenset({Role.DATA_FEED}))


def test_a_file_is_sealed_and_a_changed_one_is_found_out() -> None:
    sealer = Sealer("aa" * 32, "bb" * 32)
    for size in (0, 1, BLOCK_BYTES, BLOCK_BYTES + 1):
        sealed = sealer.sealed_file(b"1" * size)
        assert b"11111111" not in sealed
        assert b"".join(sealer.opened_file(io.BytesIO(sealed))) == b"1" * size
    for broken in (sealed[:-1] + b"x", sealed[:-40], sealed[:8] + sealed[8 + 4 + 12 + BLOCK_BYTES + 16 :]):
        with pytest.raises((InvalidTag, ValueError)):
            list(sealer.opened_file(io.BytesIO(broken)))


def test_an_imported_file_is_nowhere_in_clear(district: District) -> None:
    number = person()
    text = json.dumps(graduate(number, uscc(next(NUMBER)))) + "\n"
    answer = district.call("POST", f"{BASE}/import", headers={}, data=text.encode(), content_type="application/x-ndjson")
    stop, imports = threading.Event(), Imports(district.records)
    worker = threading.Thread(target=run_worker, args=(imports, stop))
    worker.start()
    deadline = threading.Event()
    for _ in range(600):
        state = district.call("GET", f"{BASE}/imports/{answer.json['id']}").json
        if state["state"] in ("done", "failed"):
            break
        deadline.wait(0.05)
    stop.set()
    worker.join(10)
    assert (state["state"], state["created"]) == ("done", 1)
    assert not in_clear(district, number)


def in_clear(district: District, text: str) -> list[str]:
    """The collections of all databases of this district in which a text stands."""
    found, client = [], district.records.client
    for name in client.list_database_names():
        if name.startswith(district.environ["DB_PREFIX"]):
            for collection in client[name].list_collection_names():
                if any(text.encode() in raw.raw for raw in client[name].get_collection(collection, raw_options()).find()):
                    found.append(f"{name}.{collection}")
    return found


def raw_options() -> Any:
    from bson.codec_options import CodecOptions
    from bson.raw_bson import RawBSONDocument

    return CodecOptions(document_class=RawBSONDocument)
