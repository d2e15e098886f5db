"""What no reader and no store can handle is the client's mistake: a problem, never a 500, never a trace."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.web.app import LARGEST_BODY_BYTES

THINGS = "/registry/v1/things"
JSON = "application/json"
PAYLOADS: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400), "no JSON": (b"{", 400), "trailing": (b"{} {}", 400), "not UTF-8": (b'"\xff\xfe"', 400),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), 400), "BOM": (b'\xef\xbb\xbf{"a": 1}', 400), "NaN": (b'{"a": NaN}', 400),
    "Infinity": (b"[-Infinity]", 400), "100k deep": (b"[" * 100_000, 400), "5k deep": (b"[" * 5_000 + b"]" * 5_000, 400),
    "65 deep": (b"[" * 66 + b"]" * 66, 400), "5k deep objects": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400),
    "2**63": (b'{"a": 9223372036854775808}', 422), "-2**64": (b'{"a": -18446744073709551616}', 422), "1e400": (b'{"a": 1e400}', 422),
    "5,000 digits": (b'{"a": ' + b"9" * 5_000 + b"}", 400), "lone surrogate": (b'{"a": "\\ud800"}', 422),
    "surrogate key": (b'{"\\udc00": 1}', 422), "both": (b'{"\\udc00": {"b": 99999999999999999999}}', 422),
    "NUL": (b'{"a": ["b\\u0000"]}', 422), "NUL key": (b'{"a\\u0000": 1}', 422),
    "too large": (b'"' + b"a" * LARGEST_BODY_BYTES + b'"', 413),
}


def problem(answer: Any) -> dict[str, Any]:
    assert answer.mimetype == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.data)
    assert body["status"] == answer.status_code
    assert set(body) == {"type", "title", "status", "code", "detail", "errors"}
    assert "Traceback" not in answer.text
    return body


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_hostile_body_is_refused(http: FlaskClient, name: str) -> None:
    body, status = PAYLOADS[name]
    answer = http.post(THINGS, data=body, content_type=JSON)
    assert answer.status_code == status
    problem(answer)


def test_every_unstorable_value_is_named_at_once(http: FlaskClient) -> None:
    body = b'{"a/b": {"~c": "\\u0000"}, "d": [1, 1e999], "\\ud800": [18446744073709551616]}'
    errors = problem(http.post(THINGS, data=body, content_type=JSON))["errors"]
    assert [(each["pointer"], each["code"]) for each in errors] == [
        ("/a~1b/~0c", "characters"), ("/d/1", "too_large"), ("", "characters"), ("/\ufffd/0", "too_large"),
    ]


@pytest.mark.parametrize("media", ["", "text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data", "é"])
def test_another_media_type_is_refused(http: FlaskClient, media: str) -> None:
    assert problem(http.post(THINGS, data=b"{}", headers={"Content-Type": media}))["code"] == "unsupported_media_type"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(st.characters(codec=None), max_size=30).map(lambda t: json.dumps({t: t}).encode()))
def test_no_bytes_end_in_a_fault_of_ours(http: FlaskClient, body: bytes) -> None:
    assert http.post(THINGS, data=body, content_type=JSON).status_code in (201, 400, 422)


@pytest.mark.parametrize("value", ["", "3", '"x"', '"-1"', '"3', '*', '"3", "4"', '"' + "9" * 400 + '"', "\x00", "é"])
def test_if_match_must_be_a_version(http: FlaskClient, value: str) -> None:
    assert problem(http.patch(f"{THINGS}/1", headers={"If-Match": value}))["status"] == 422


def test_if_match_is_read_and_wanted(http: FlaskClient) -> None:
    assert http.patch(f"{THINGS}/1", headers={"If-Match": '"3"'}).get_json()["seen"] == 3
    assert problem(http.patch(f"{THINGS}/1"))["status"] == 428


@pytest.mark.parametrize("path", [
    "/registry/v1/wrong/%ff", "/registry/v1/things/%00%ff%ed%a0%80", "/%c0%ae%c0%ae/", "/registry/v1/who?q=%ff%ed%a0%80%00",
    "/registry/v1/" + "a" * 8_000,
])
def test_an_odd_address_is_no_fault_of_ours(http: FlaskClient, path: str) -> None:
    if path.startswith("/registry/v1/wrong"):
        path = path.replace("wrong", "nowhere")
    assert http.get(path).status_code in (200, 404, 405)


@pytest.mark.parametrize(("name", "status", "code"), [
    ("recursion", 422, "invalid"), ("overflow", 422, "invalid"), ("document", 413, "too_large"), ("faults", 422, "invalid"),
    ("away", 503, "unavailable"), ("transient", 503, "unavailable"), ("surrogate", 404, "not_found"), ("bug", 500, "internal"),
])
def test_an_error_is_told_without_our_inner_life(http: FlaskClient, name: str, status: int, code: str) -> None:
    answer = http.get(f"/registry/v1/wrong/{name}")
    body = problem(answer)
    assert (answer.status_code, body["code"]) == (status, code)
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)
    if name == "faults":
        assert [each["pointer"] for each in body["errors"]] == ["/a", "/b"]


def test_a_problem_speaks_the_callers_language(http: FlaskClient) -> None:
    titles = {
        spoken: problem(http.get("/nowhere", headers={"Accept-Language": spoken} if spoken else {}))["title"]
        for spoken in ("", "zh-CN", "en", "en-GB,en;q=0.9", "en;q=0.1, zh;q=0.9", "fr", ";;q=x,\x7f")
    }
    assert [name for name, title in titles.items() if title == "Not found"] == ["en", "en-GB,en;q=0.9"]
    assert titles[""] == "未找到"


def test_a_method_that_is_not_there_names_those_that_are(http: FlaskClient) -> None:
    answer = http.delete(THINGS)
    assert problem(answer)["status"] == 405
    assert "POST" in answer.headers["Allow"]
