"""Attachments: taken by content, sealed at rest, served so that a browser runs nothing of them, shown to who may see the file."""

from __future__ import annotations

import io
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.auth.roles import Role
from shared.records.attachments import BUCKET, LARGEST_BYTES, MOST, Attachments
from shared.records.rotation import reseal
from shared.records.service import records_of
from tests.integration.registry.conftest import BASE, HONGCAO, NUMBERS, Registry, caller, uscc
from tests.system.made import DONGCHONG

ANN, TOWN = "enterprise_agent:ann", f"town_reviewer:t:{HONGCAO}"


def png(content: bytes = b"\x00\x00\x00\x00") -> bytes:
    """A whole picture of one pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = (1).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + b"\x00" * 20 + b"\xff\xd9"
WHOLE = {"application/pdf": PDF, "image/jpeg": JPEG, "image/png": png()}


@pytest.fixture
def firm(registry: Registry) -> str:
    record = registry.make(f"{BASE}/enterprises", {"uscc": uscc(next(NUMBERS)), "name": "附件公司", "town_code": HONGCAO}, by=ANN)
    return f"{BASE}/enterprises/{record['id']}"


def attach(registry: Registry, path: str, content: bytes, *, told: str = "application/octet-stream", by: str = ANN,
           purpose: str | None = "licence", expect: int = 201) -> Any:
    query = {"purpose": purpose} if purpose else None
    answer = registry.call("POST", f"{path}/attachments", by=by, data=content, content_type=told, query_string=query)
    assert answer.status_code == expect, answer.text
    return answer.json


def stored_files(registry: Registry) -> int:
    return int(registry.records.database[f"{BUCKET}.files"].count_documents({}))


@pytest.mark.parametrize("media_type", WHOLE)
def test_a_scan_goes_in_and_comes_out_as_it_was_with_safe_headers(registry: Registry, firm: str, media_type: str) -> None:
    content = WHOLE[media_type]
    entry = attach(registry, firm, content, told=media_type)
    assert (entry["media_type"], entry["size_bytes"], entry["purpose"]) == (media_type, len(content), "licence")
    answer = registry.call("GET", f"{firm}/attachments/{entry['id']}", by=ANN)
    assert (answer.status_code, answer.data) == (200, content)
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="licence-{entry["id"]}.')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert registry.call("GET", f"{firm}/attachments", by=ANN).json["items"] == [entry]


def test_a_form_s_file_is_taken_and_its_name_is_not(registry: Registry, firm: str) -> None:
    form = {"purpose": "address", "file": (io.BytesIO(PDF), '王明"身份证\r\nX: y.html', "application/pdf")}
    answer = registry.call("POST", f"{firm}/attachments", by=ANN, data=form, content_type="multipart/form-data")
    assert answer.status_code == 201, answer.text
    served = registry.call("GET", answer.headers["Location"], by=ANN)
    assert (served.data, "王" in str(served.headers), "X" in served.headers) == (PDF, False, False)
    change = registry.records.database.changes.find_one({"record_id": firm.rsplit("/", 1)[1]}, sort=[("version", -1)])
    assert (change["action"], "王明" in str(change)) == ("attach", False)


@pytest.mark.parametrize(("content", "told", "status"), [
    (b"<html><script>alert(1)</script>", "text/html", 415), (b"<svg onload=alert(1)>", "image/svg+xml", 415), (b"GIF89a", "image/gif", 415),
    (b"<script>%PDF-1.4 %%EOF", "application/pdf", 415), (PDF, "image/png", 415), (png(), "application/pdf", 415), (b"MZ\x90\x00", "", 415),
    (PDF[:-10], "application/pdf", 415), (png()[:-8], "image/png", 415), (JPEG[:-2], "image/jpeg", 415), (b"", "application/pdf", 422),
    (b"%PDF-" + b"0" * LARGEST_BYTES + b"%%EOF", "application/pdf", 413),
])  # fmt: skip
def test_what_is_no_whole_scan_is_refused_and_nothing_is_kept(
    registry: Registry, firm: str, content: bytes, told: str, status: int
) -> None:
    before = stored_files(registry)
    attach(registry, firm, content, told=told, expect=status)
    assert stored_files(registry) == before
    assert registry.call("GET", f"{firm}/attachments", by=ANN).json["items"] == []


def test_ten_mebibytes_are_taken(registry: Registry, firm: str) -> None:
    content = b"%PDF-" + b"0" * (LARGEST_BYTES - 10) + b"%%EOF"
    entry = attach(registry, firm, content)
    assert entry["size_bytes"] == LARGEST_BYTES
    assert registry.call("GET", f"{firm}/attachments/{entry['id']}", by=ANN).data == content


def test_a_purpose_is_named_and_known(registry: Registry, firm: str) -> None:
    attach(registry, firm, PDF, purpose=None, expect=422)
    attach(registry, firm, PDF, purpose="../../etc", expect=422)


def test_who_may_not_see_the_file_sees_no_attachment_and_a_look_of_staff_is_noted(registry: Registry, firm: str) -> None:
    entry = attach(registry, firm, PDF)
    one = f"{firm}/attachments/{entry['id']}"
    for by in ("enterprise_agent:stranger", f"town_reviewer:t:{DONGCHONG}", "viewer", "talent"):
        assert registry.call("GET", one, by=by).status_code in (403, 404)
        assert registry.call("GET", f"{firm}/attachments", by=by).status_code in (403, 404)
    assert registry.call("GET", one, by="").status_code == 401
    assert registry.call("GET", one, by=TOWN).data == PDF
    looks = list(registry.records.database.access_log.find({"event": "look", "record_id": firm.rsplit("/", 1)[1]}))
    assert [(look["fields"], look["role"]) for look in looks] == [(["attached/licence"], "town_reviewer")]
    other = registry.make(f"{BASE}/enterprises", {"uscc": uscc(next(NUMBERS)), "name": "乙"}, by=ANN)
    assert registry.call("GET", f"{BASE}/enterprises/{other['id']}/attachments/{entry['id']}", by=ANN).status_code == 404


def test_a_public_notice_opens_no_attachment_and_no_history(registry: Registry) -> None:
    platform = registry.put("platforms", "publicity", accreditations=[])
    path = f"{BASE}/platforms/{platform['id']}"
    attach(registry, path, PDF, by="data_feed", purpose="application")
    for suffix, status in (("", 200), ("/attachments", 404), ("/history", 404), ("/changes", 404)):
        assert registry.call("GET", path + suffix, by="viewer:neighbour").status_code == status


@pytest.mark.parametrize("by", [TOWN, "bureau_reviewer:b", "auditor", "enterprise_agent:stranger"])
def test_only_its_owner_attaches_and_takes_off(registry: Registry, firm: str, by: str) -> None:
    entry = attach(registry, firm, PDF)
    before = stored_files(registry)
    assert registry.call("POST", f"{firm}/attachments?purpose=licence", by=by, data=PDF).status_code in (403, 404)
    assert registry.call("DELETE", f"{firm}/attachments/{entry['id']}", by=by).status_code in (403, 404)
    assert stored_files(registry) == before


def test_a_file_under_review_takes_no_attachment(registry: Registry) -> None:
    record = registry.put("enterprises", "submitted")
    path = f"{BASE}/enterprises/{record['id']}"
    own = f"enterprise_agent:own:{record['id']}"
    attach(registry, path, PDF, by=own, expect=403)
    living = registry.put("enterprises", "active")
    entry = attach(registry, f"{BASE}/enterprises/{living['id']}", PDF, by=f"enterprise_agent:own:{living['id']}")
    gone = registry.call("DELETE", f"{BASE}/enterprises/{living['id']}/attachments/{entry['id']}", by=f"enterprise_agent:own:{living['id']}")
    assert gone.status_code == 403


def test_what_is_taken_off_is_gone_and_its_fingerprint_stays_in_the_history(registry: Registry, firm: str) -> None:
    entry = attach(registry, firm, JPEG)
    before = stored_files(registry)
    assert registry.call("DELETE", f"{firm}/attachments/{entry['id']}", by=ANN).status_code == 204
    assert registry.call("GET", f"{firm}/attachments/{entry['id']}", by=ANN).status_code == 404
    assert stored_files(registry) == before - 1
    lines = registry.call("GET", f"{firm}/history", by="auditor").json["items"]
    assert [line["action"] for line in lines] == ["post", "attach", "detach"]
    assert lines[1]["record"]["attached"][0]["sha256"] == entry["sha256"]


def test_a_reviewer_of_a_file_that_came_back_sees_what_was_attached(registry: Registry) -> None:
    record = registry.put("enterprises", "submitted")
    path, own = f"{BASE}/enterprises/{record['id']}", f"enterprise_agent:own:{record['id']}"
    registry.act(path, 1, "return", by=TOWN, faults=[{"pointer": "/attached", "message": "缺营业执照"}])
    entry = attach(registry, path, PDF, by=own)
    registry.act(path, 3, "submit", by=own)
    assert registry.call("GET", f"{path}/changes", by=TOWN).json["changed"] == {"attached": {"from": None, "to": [entry]}}


def test_a_claim_carries_its_evidence(registry: Registry, firm: str) -> None:
    made = registry.call("POST", f"{firm}/claims", {}, by="enterprise_agent:new").json
    path = f"{BASE}/claims/{made['id']}"
    entry = attach(registry, path, PDF, by="enterprise_agent:new", purpose="authorisation")
    assert registry.call("GET", f"{path}/attachments/{entry['id']}", by=TOWN).data == PDF
    attach(registry, path, PDF, by=ANN, purpose="authorisation", expect=404)


def test_a_record_has_so_many_attachments(registry: Registry, firm: str) -> None:
    record_id = firm.rsplit("/", 1)[1]
    many = [{"id": f"x{n}", "purpose": "other", "media_type": "image/png", "size_bytes": 1, "sha256": "", "at": ""} for n in range(MOST)]
    registry.records.database.enterprises.update_one({"_id": record_id}, {"$set": {"attached": many}})
    before = stored_files(registry)
    attach(registry, firm, PDF, expect=409)
    assert stored_files(registry) == before


def test_scans_are_sealed_at_rest_moved_to_a_new_key_and_uploads_that_nothing_names_are_swept(registry: Registry, firm: str) -> None:
    content = png(b"\x00\xd3\x0a\x77")
    entry = attach(registry, firm, content)
    database = registry.records.database
    assert not any(content[8:60] in chunk["data"] for chunk in database[f"{BUCKET}.chunks"].find())
    keys = {"FIELD_KEY": "cc" * 32, "FIELD_KEYS_OLD": registry.environ["FIELD_KEY"]}
    rotated, _ = records_of("registry", registry.records.kinds.values(), registry.environ | keys)
    assert reseal(rotated).left == 0
    only_new, _ = records_of("registry", registry.records.kinds.values(), registry.environ | {"FIELD_KEY": "cc" * 32})
    attachments = Attachments(only_new)
    kind = only_new.kinds["enterprises"]
    record_id = firm.rsplit("/", 1)[1]
    me = caller(Role.ENTERPRISE_AGENT, actor=registry.stored("enterprises", record_id)["created_by"])
    assert b"".join(attachments.open(kind, record_id, entry["id"], me)[1]) == content
    with attachments.files.writer("licence") as writer:
        writer.write(PDF)
    named = database.attachments.count_documents({})
    assert attachments.sweep(datetime.now(UTC)) == 0  # it may be named any moment
    assert attachments.sweep(datetime.now(UTC) + timedelta(hours=2)) == 1
    assert stored_files(registry) == named
    back, _ = records_of("registry", registry.records.kinds.values(), registry.environ | {"FIELD_KEYS_OLD": "cc" * 32})
    assert reseal(back).left == 0


def test_a_request_sent_twice_is_done_once(registry: Registry, firm: str) -> None:
    key = {"Idempotency-Key": "attach-1"}
    first, again = (registry.call("POST", f"{firm}/attachments?purpose=licence", by=ANN, data=PDF, headers=dict(key)) for _ in range(2))
    assert (first.status_code, again.status_code, again.json) == (201, 201, first.json)
    assert registry.call("POST", f"{firm}/attachments?purpose=licence", by=ANN, data=JPEG, headers=dict(key)).status_code == 422
    assert registry.call("GET", f"{firm}/attachments", by=ANN).json["items"] == [first.json]
    named = registry.records.database.attachments.count_documents({})
    assert stored_files(registry) == named
    platform = registry.put("platforms", "publicity", accreditations=[])
    path = f"{BASE}/publicity/{platform['id']}/objections"
    told = [registry.call("POST", path, {"reason": "不实"}, by="viewer:n", headers={"Idempotency-Key": "o"}).status_code for _ in range(2)]
    assert told == [201, 201]
    assert len(registry.stored("platforms", platform["id"])["objections"]) == 1
