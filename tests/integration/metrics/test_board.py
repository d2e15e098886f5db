from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from openpyxl import load_workbook

from services.metrics.definitions import Definitions
from services.metrics.ingest import Ingest
from services.metrics.store.collections import Store
from shared.clock import SHANGHAI, FixedClock
from shared.log.embedded import EmbeddedLog
from tests.integration.metrics.district import FIRM, INCENTIVES, OTHER, REGISTRY, XIANGZHOU, XINGANG, Events, entry
from tests.integration.metrics.web import Web

Feed = Callable[..., int]
HNTE = "/indicators/hnte_count"


def test_the_board_lists_every_indicator_as_the_contract_says(feed: Feed, events: Events, web: Web) -> None:
    feed(events.enterprise(FIRM), events.certificate("GR202544000001", FIRM))
    board = web.json("/indicators")
    assert [item["id"] for item in board["items"]] == ["hnte_count", "rd_coverage", "graduates_introduced_cum", "rd_gdp_ratio"]
    assert (board["as_of"], board["known_at"], board["sequence"], board["next"]) == ("2026-06-30", None, 4, None)
    item = board["items"][0]
    assert (
        item.items()
        >= {
            "value": 1,
            "numerator": 1,
            "denominator": None,
            "state": "ok",
            "reached": False,
            "gap": 2,
            "progress": 0.3333,
            "verdict": "behind",
            "as_of": "2026-06-30",
            "known_at": None,
            "sequence": 1,
            "lag_s": 0.0,
            "definition_version": 1,
        }.items()
    )
    assert web.json(HNTE) == item


def test_what_ingest_has_folded_is_read_before_it_is_published(
    feed: Feed, events: Events, web: Web, log: EmbeddedLog, ingest: Ingest
) -> None:
    feed(events.enterprise(FIRM))
    log.append(REGISTRY, [entry(events.certificate("GR202544000001", FIRM))])
    ingest.drain()
    assert web.json(HNTE)["value"] == 1


def test_any_day_can_be_read(feed: Feed, events: Events, web: Web) -> None:
    feed(events.enterprise(FIRM), events.certificate("GR202344000001", FIRM, issued="2023-12-28"))
    assert web.json(f"{HNTE}?as_of=2026-12-27")["value"] == 1
    assert web.json(f"{HNTE}?as_of=2026-12-28")["value"] == 0
    assert web.json(f"{HNTE}?as_of=2026-12-27T15:59:59Z")["value"] == 1
    assert web.json(f"{HNTE}?as_of=2026-12-28T00:00:00+08:00")["value"] == 0
    assert web.json(HNTE)["forecast"] == 0


def test_what_was_known_then_can_be_read(feed: Feed, web: Web) -> None:
    february = Events(datetime(2026, 2, 10, 9, 0, tzinfo=SHANGHAI))
    march = Events(datetime(2026, 3, 10, 9, 0, tzinfo=SHANGHAI))
    feed(february.enterprise(FIRM), february.certificate("GR202544000001", FIRM, issued="2025-12-01"))
    feed(march.certificate("GR202544000001", FIRM, version=2, state="revoked", revoked=[{"from": "2026-01-15", "to": None}]))
    assert web.json(f"{HNTE}?as_of=2026-02-28")["value"] == 0
    assert web.json(f"{HNTE}?as_of=2026-02-28&known_at=2026-02-28")["value"] == 1
    assert web.json(f"{HNTE}?as_of=2026-02-28&known_at=2026-02-10T08:59:59%2B08:00")["value"] == 0
    assert web.json(f"{HNTE}?as_of=2026-02-28&known_at=2026-03-10")["value"] == 0
    then = web.json(f"{HNTE}/records?as_of=2026-02-28&known_at=2026-02-28&counted=true", "viewer")
    assert then["items"][0]["records"] == [{"kind": "hnte-certificates", "id": "GR202544000001", "version": 1}]


def test_a_breakdown_adds_up_to_the_whole(feed: Feed, events: Events, web: Web) -> None:
    feed(
        events.enterprise(FIRM),
        events.certificate("GR202544000001", FIRM),
        events.enterprise(OTHER, XIANGZHOU),
        events.certificate("GR202544000002", OTHER),
    )
    item = web.json(f"{HNTE}?by=town")
    assert {cell["key"]: cell["value"] for cell in item["breakdown"]} == {XINGANG: 1, XIANGZHOU: 1}
    assert item["breakdown"][0]["name"]["zh"] == "新港"
    assert web.json(f"{HNTE}?by=town&as_of=2020-01-01")["value"] == 0


def test_few_persons_in_a_cell_are_hidden(feed: Feed, events: Events, web: Web) -> None:
    made = [events.introduction(f"i{n}", f"p_{n}", XINGANG if n else XIANGZHOU) for n in range(6)]
    feed(*made, topic=INCENTIVES)
    item = web.json("/indicators/graduates_introduced_cum?by=town")
    assert item["value"] == 6
    assert {cell["state"] for cell in item["breakdown"]} == {"suppressed"}


def test_a_number_opens_to_the_units_it_counts(feed: Feed, events: Events, web: Web) -> None:
    feed(
        events.enterprise(FIRM),
        events.certificate("GR202544000001", FIRM),
        events.certificate("GR202444000001", FIRM, "2024-12-01"),
        events.enterprise(OTHER),
        events.certificate("GR202144000003", OTHER, "2021-12-01"),
    )
    counted = web.json(f"{HNTE}/records?counted=true", "viewer")
    assert (counted["total"], counted["next"]) == (1, None)
    assert (counted["items"][0]["subject"], counted["items"][0]["amount"]) == (FIRM, 1)
    left_out = web.json(f"{HNTE}/records?counted=false", "auditor")["items"]
    assert {(row["records"][0]["id"], row["reason"]) for row in left_out} == {
        ("GR202544000001", "duplicate"),
        ("GR202144000003", "expired"),
    }


def test_records_come_in_pages_and_total_is_the_whole(feed: Feed, events: Events, web: Web) -> None:
    feed(*[events.introduction(f"i{n}", f"p_{n}") for n in range(5)], topic=INCENTIVES)
    path = "/indicators/graduates_introduced_cum/records?counted=true&limit=2"
    seen, cursor = [], ""
    while True:
        page = web.json(path + cursor, "hr_officer")
        assert page["total"] == 5
        seen += [row["subject"] for row in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 5


def test_a_ratio_opens_by_part(feed: Feed, events: Events, web: Web) -> None:
    feed(
        events.enterprise(FIRM),
        events.above_scale("a1", FIRM),
        events.rd_unit("r1", FIRM),
        events.enterprise(OTHER),
        events.above_scale("a2", OTHER),
    )
    item = web.json("/indicators/rd_coverage")
    assert (item["value"], item["numerator"], item["denominator"]) == (50.0, 1, 2)
    path = "/indicators/rd_coverage/records?counted=true"
    assert web.json(path, "viewer")["total"] == 1
    assert web.json(f"{path}&part=denominator", "viewer")["total"] == 2


def test_a_statistic_is_read_by_period(feed: Feed, events: Events, web: Web) -> None:
    feed(events.statistic("s1", "gdp", "2024", "390.00"), events.statistic("s2", "rd_expenditure", "2024", "7.02"))
    item = web.json("/indicators/rd_gdp_ratio")
    assert (item["value"], item["data_period"], item["reached"], item["verdict"]) == (1.8, "2024", None, "not_assessable")
    assert web.json("/indicators/rd_gdp_ratio?period=2026")["state"] == "no_data"


def test_history_is_read_from_the_same_steps(feed: Feed, events: Events, web: Web) -> None:
    feed(events.enterprise(FIRM), events.certificate("GR202544000001", FIRM))
    body = web.json(f"{HNTE}/history?from=2025-11-30&to=2025-12-02&step=day")
    assert [(point["as_of"], point["value"]) for point in body["items"]] == [
        ("2025-11-30", 0),
        ("2025-12-01", 1),
        ("2025-12-02", 1),
    ]
    assert len(web.json(f"{HNTE}/history?from=2025-01-15&to=2026-01-15&step=month")["items"]) == 14


def test_plan_measures_and_codes_are_open(feed: Feed, web: Web) -> None:
    feed()
    assert web.json("/plan")["indicators"][0]["target"]["value"] == 3
    measure = web.json("/measures")["items"][0]
    assert (measure["clause"], measure["indicators"], measure["verdicts"]) == ("三(二)2", ["hnte_count"], {"behind": 1})
    for clause in ("三(二)2", "二(一)3"):  # the measure, and the clause that sets the target
        assert "hnte_count" in [item["id"] for item in web.json(f"/indicators?measure={clause}")["items"]]
    assert web.json("/codes")["towns"][0]["zh"] == "新港"


def test_the_board_goes_into_a_spreadsheet(feed: Feed, events: Events, web: Web) -> None:
    feed(events.enterprise(FIRM), events.certificate("GR202544000001", FIRM))
    answer = web.get("/exports/indicators.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    text = answer.data
    assert text.startswith(b"\xef\xbb\xbf")
    assert "hnte_count,高企" in text.decode("utf-8-sig")
    sheet = load_workbook(BytesIO(web.get("/exports/indicators.xlsx").data)).active
    assert sheet is not None
    assert sheet.max_row == 5


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/indicators/nothing", 404),
        ("/indicators?as_of=yesterday", 422),
        ("/indicators?as_of=2026-02-30", 422),
        ("/indicators?as_of=0001-01-01T00:00:00%2B14:00", 422),
        ("/indicators?known_at=9999-12-31", 422),
        ("/indicators?by=colour", 422),
        ("/indicators?period=26", 422),
        ("/indicators?measure=四", 422),
        (f"{HNTE}/history?from=2026-02-01&to=2026-01-01", 422),
        (f"{HNTE}/history?from=1900-01-01&step=day", 422),
        ("/stream?indicators=nothing", 422),
    ],
)
def test_a_wrong_question_is_a_problem_not_a_crash(web: Web, path: str, status: int) -> None:
    answer = web.get(path)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


def test_all_faults_are_named_at_once(web: Web) -> None:
    answer = web.get(f"{HNTE}/records?as_of=x&limit=0&part=both", "viewer")
    assert answer.json is not None
    assert [fault["pointer"] for fault in answer.json["errors"]] == ["/as_of", "/part", "/limit"]


def test_records_need_a_reader_even_when_the_board_is_public(web: Web) -> None:
    assert web.get(f"{HNTE}/records").status_code == 401
    assert web.get(f"{HNTE}/records", "enterprise_agent").status_code == 403
    assert web.get(f"{HNTE}/records", "bureau_reviewer").status_code == 200


def test_a_closed_board_needs_a_viewer(store: Store, definitions: Definitions, clock: FixedClock, tmp_path: Path) -> None:
    web = Web(store, definitions, clock, tmp_path, public=False)
    for path in ("/indicators", HNTE, "/stream", "/plan", "/measures", "/exports/indicators.csv"):
        assert web.get(path).status_code == 401
        assert web.get(path, "talent").status_code == 403
    assert web.get("/indicators", "viewer").status_code == 200


def test_the_board_turns_at_midnight_even_before_the_publisher_does(
    feed: Feed, events: Events, web: Web, clock: FixedClock
) -> None:
    feed(events.enterprise(FIRM), events.certificate("GR202344000001", FIRM, issued="2023-07-01"))
    assert web.json(HNTE)["value"] == 1
    clock.instant += timedelta(hours=16)
    assert (web.json(HNTE)["value"], web.json(HNTE)["as_of"]) == (0, "2026-07-01")


def test_the_service_describes_itself(web: Web) -> None:
    answer = web.client.get("/metrics/v1/openapi.json")
    assert answer.json is not None
    assert "/metrics/v1/indicators/{id}/records" in answer.json["paths"]
