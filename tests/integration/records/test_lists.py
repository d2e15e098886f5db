"""Lists: what they hold, in which order, page by page, and that each of their queries stands on an index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.log.embedded import EmbeddedLog
from shared.records.kind import Kind
from shared.relay.lease import Lease
from shared.relay.relay import Relay
from tests.integration.records.conftest import Office
from tests.integration.records.test_kinds import ALL, bodies
from tests.system.made import DONGCHONG, HONGCAO, enterprise, uscc, uscc_of

KINDS = [pytest.param(service, kind, id=kind.name) for service, kind in ALL]
NUMBERS = range(7000, 7006)
FIRST, LAST = 7100, 7130
SEARCHED = count(10_000)
CHARACTERS = "科技海洋.*\\新xXｘ（("
FIRMS = "/registry/v1/enterprises"
BESIDE = (
    "/registry/v1/events", "/registry/v1/events?after=3", "/registry/v1/audit", "/registry/v1/audit?event=write", "/registry/v1/audit?event=look",
    f"/registry/v1/audit?record=enterprises/{uscc(7000)}", "/registry/v1/audit?actor=x", "/registry/v1/audit?from=2026-01-01&to=2030-01-01",
    f"{FIRMS}/{uscc(7000)}/history", f"{FIRMS}/{uscc(7000)}/consequences", "/incentives/v1/events", "/incentives/v1/audit", "/incentives/v1/ledger",
    "/incentives/v1/ledger?by=month", "/incentives/v1/publicity", "/incentives/v1/deadlines", "/incentives/v1/exceptions",
)


@pytest.fixture(scope="module")
def filled(office: Office) -> Office:
    """A few records of every kind, and the indexes that the relays make."""
    for service, client in office.clients.items():
        records = client.application.extensions["records"]
        lease = Lease(records.database["leases"], f"relay-{service}")
        Relay(service, records.client, records.database.name, EmbeddedLog(records.client, f"{records.database.name}_log"), lease).prepare()
    for number in NUMBERS:
        for service, kind in ALL:
            office.make(f"/{service}/v1/{kind.name}", bodies(number)[kind.name])
    return office


@contextmanager
def profiled(office: Office, service: str) -> Iterator[list[dict[str, Any]]]:
    """What the store says it did for each query meanwhile."""
    database = office.clients[service].application.extensions["records"].database
    database.command("profile", 0)
    database.drop_collection("system.profile")
    database.command("profile", 2)
    found: list[dict[str, Any]] = []
    yield found
    database.command("profile", 0)
    found += list(database["system.profile"].find({"planSummary": {"$exists": True}}))


def queries(kind: Kind, record: dict[str, Any]) -> Iterator[str]:
    """Every query that a list takes: each filter with a value that is there, each order, parts of a name."""
    yield "limit=2"
    for name in kind.filters():
        value = record.get(name)
        for each in value if isinstance(value, list) else [value]:
            if each is not None and not isinstance(each, dict):
                yield f"{name}={quote(str(each).lower() if isinstance(each, bool) else str(each))}"
    for name in kind.sorts():
        yield f"sort={name}&limit=2"
        yield f"sort=-{name}&limit=2"
    for part in ("企", "企业", "企业7", "没有这个"):
        yield f"q={quote(part)}"
    yield f"state={record['state']}&q={quote('企业')}&sort=-recorded_at"


@pytest.mark.parametrize(("service", "kind"), KINDS)
def test_every_query_of_a_list_stands_on_an_index(filled: Office, service: str, kind: Kind) -> None:
    base = f"/{service}/v1/{kind.name}"
    record = filled.call("GET", f"{base}?limit=1", by="auditor").json["items"][0]
    with profiled(filled, service) as done:
        for query in queries(kind, record):
            for by in ("auditor", f"town_reviewer:town:{HONGCAO}", f"enterprise_agent:agent:{uscc(7000)}"):
                answer = filled.call("GET", f"{base}?{query}", by=by)
                assert answer.status_code in (200, 403), (query, by, answer.text)
                if answer.status_code == 200 and answer.json["next"]:
                    assert filled.call("GET", f"{base}?{query}&cursor={quote(answer.json['next'])}", by=by).status_code == 200
    assert len(done) > 20
    assert [(each["command"], each["planSummary"]) for each in done if "COLLSCAN" in each["planSummary"]] == []


@pytest.mark.parametrize("path", BESIDE)
def test_every_other_list_stands_on_an_index(filled: Office, path: str) -> None:
    service = path.split("/")[1]
    with profiled(filled, service) as done:
        by = "auditor" if "consequences" not in path else "bureau_reviewer"
        assert filled.call("GET", path, by=by).status_code == 200
    assert [(each["command"], each["planSummary"]) for each in done if "COLLSCAN" in each["planSummary"]] == []


NEEDLES = (f"uscc={uscc(FIRST)}", f"q={quote('独一无二')}", f"name={quote('独一无二的企业')}", "limit=1", "sort=-name&limit=1")


@pytest.mark.parametrize("query", NEEDLES)
def test_a_query_looks_at_what_it_answers_and_little_more(many: Office, query: str) -> None:
    with profiled(many, "registry") as done:
        assert len(many.call("GET", f"{FIRMS}?{query}", by="auditor").json["items"]) == 1
    assert [each["docsExamined"] for each in done if each["ns"].endswith(".enterprises")] == [1]


@pytest.fixture(scope="module")
def many(filled: Office) -> Office:
    """Enterprises, among them one that stands out."""
    for number in range(FIRST, LAST):
        more = {"name": "独一无二的企业"} if number == FIRST else {"name": f"企业{number % 7}"}
        filled.make(FIRMS, enterprise(number, DONGCHONG if number % 3 else HONGCAO, **more))
    filled.make(FIRMS, {"uscc": uscc(LAST), "name": "草稿企业"}, by="enterprise_agent:agent")  # without a founding day
    return filled


def every(office: Office, query: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = office.call("GET", f"{FIRMS}?{query}{cursor}", by="auditor").json
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={quote(page['next'])}"


@pytest.mark.parametrize("sort", ["id", "name", "recorded_at", "established_on", "ends_on"])
@pytest.mark.parametrize("backwards", [False, True])
def test_pages_in_any_order_hold_each_record_once(many: Office, sort: str, backwards: bool) -> None:
    whole = every(many, "limit=500")
    paged = every(many, f"limit=4&sort={'-' if backwards else ''}{sort}")
    expected = sorted(whole, key=lambda each: (each.get(sort) or "", each["id"]), reverse=backwards)
    assert [each["id"] for each in paged] == [each["id"] for each in expected]


def test_filters_are_met_together(many: Office) -> None:
    whole = every(many, "limit=500")
    wanted = [each["id"] for each in whole if each.get("town_code") == HONGCAO and each["name"] == "企业3"]
    assert wanted
    assert [each["id"] for each in every(many, f"town_code={HONGCAO}&name={quote('企业3')}")] == wanted
    either = every(many, f"town_code={HONGCAO}&town_code={DONGCHONG}&limit=500")
    assert len(either) == sum("town_code" in each for each in whole)


@pytest.mark.parametrize("query", ["colour=red", "sort=colour", "sort=contact_phone", "contact_name=x", "limit=0", "sort=name&cursor=x", "towns=x"])
def test_a_query_that_means_nothing_is_refused(filled: Office, query: str) -> None:
    assert filled.call("GET", f"{FIRMS}?{query}", by="auditor").status_code == 422


def test_parts_of_names_leave_the_service_nowhere(many: Office) -> None:
    record = many.call("GET", f"{FIRMS}/{uscc(FIRST)}", by="auditor")
    assert "grams" not in record.json
    assert "grams" not in many.call("GET", f"{FIRMS}/{uscc(FIRST)}/history", by="auditor").text
    assert "grams" not in many.call("GET", "/registry/v1/events?limit=5000", by="auditor").text


def test_a_record_from_before_the_index_is_found_after_the_next_start(many: Office) -> None:
    records = many.clients["registry"].application.extensions["records"]
    records.database.enterprises.update_one({"_id": uscc(FIRST)}, {"$unset": {"grams": ""}})
    assert every(many, f"q={quote('独一无二')}") == []
    records.ensure_collections()
    assert [each["id"] for each in every(many, f"q={quote('独一无二')}")] == [uscc(FIRST)]


def plain(text: str) -> str:
    """Half width and lower case."""
    return "".join(chr(ord(each) - 0xFEE0) if "！" <= each <= "～" else each for each in text).lower()


def test_a_name_is_found_in_whatever_width_and_case_it_is_typed(many: Office) -> None:
    many.make(FIRMS, enterprise(LAST + 1, HONGCAO, name="粤东（城区）Ａｉ科技有限公司"))
    for typed in ("(城区)", "（城区）", "ai科", "ＡI科技", " 粤东( ", "("):
        assert [each["id"] for each in every(many, f"q={quote(typed)}")] == [uscc(LAST + 1)], typed


@settings(max_examples=60, deadline=None)
@given(names=st.lists(st.text(CHARACTERS, min_size=1, max_size=9), min_size=1, max_size=4), part=st.text(CHARACTERS, min_size=1, max_size=6))
def test_a_search_finds_every_name_that_holds_the_text_and_no_other(office: Office, names: list[str], part: str) -> None:
    collection = office.clients["registry"].application.extensions["records"].database.enterprises
    collection.delete_many({"source": "search"})
    for name in names:
        office.make(FIRMS, enterprise(1, uscc=uscc_of(f"MAQ{next(SEARCHED)}"), name=name, source="search"))
    found = every(office, f"source=search&q={quote(part)}")
    assert [each["name"] for each in found] == [name for name in names if plain(part.strip()) in plain(name)]
    collection.delete_many({"source": "search"})
