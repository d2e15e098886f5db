"""A small plan and the events of a small district, for tests of the metrics processes."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.metrics.definitions import Definitions
from services.metrics.plan.model import Indicator, Measure, Part, Plan, Reader, Target, Town
from shared.clock import SHANGHAI, format_instant

XINGANG, XIANGZHOU = "441502001", "441502002"
START = datetime(2026, 1, 1, 9, 0, tzinfo=SHANGHAI)
FIRM, OTHER = "91441502MAQQQQ019U", "91441502MAQQQQ027N"
REGISTRY, INCENTIVES = "kechuang.registry.v1", "kechuang.incentives.v1"


def target(value: str, unit: str = "家") -> Target:
    return Target(">=", Decimal(value), unit, date(2026, 12, 31), True, "达到")


def text(zh: str) -> dict[str, str]:
    return {"zh": zh, "en": zh}


def make_plan(**changes: Any) -> Plan:
    indicators = [
        Indicator(
            "hnte_count",
            text("高企"),
            ("二(一)3",),
            "stock",
            "家",
            0,
            1,
            Reader("sum"),
            Part("subject", None, "alive & valid(hnte_certificates)"),
            dims=("cluster",),
            target=target("3"),
        ),
        Indicator(
            "rd_coverage",
            text("覆盖率"),
            ("三(二)5",),
            "ratio",
            "%",
            2,
            1,
            Reader("ratio"),
            Part("subject", None, "alive & valid(above_scale_spells) & valid(rd_units)"),
            Part("subject", None, "alive & valid(above_scale_spells)"),
            target=target("50", "%"),
        ),
        Indicator(
            "graduates_introduced_cum",
            text("大学生"),
            ("二(一)5",),
            "cumulative",
            "人",
            0,
            1,
            Reader("sum"),
            Part("subject", None, "first(introductions)", place="record"),
            dims=("town",),
            target=target("5"),
            person=True,
        ),
        Indicator(
            "rd_gdp_ratio",
            text("研发强度"),
            ("二(一)7",),
            "stat",
            "%",
            2,
            1,
            Reader("latest_period", numerator="rd_expenditure", denominator="gdp"),
            target=target("2.65", "%"),
        ),
    ]
    return Plan(
        **{
            "id": "test",
            "name": text("试验"),
            "district_scope": "441502",
            "municipal_scope": "441500",
            "window": (date(2024, 1, 1), date(2027, 1, 1)),
            "baseline_date": date(2023, 12, 31),
            "deadline": date(2026, 12, 31),
            "towns": (Town(XINGANG, text("新港"), True), Town(XIANGZHOU, text("香洲"), True)),
            "clusters": {"electronics": text("电子信息")},
            "units": {"KGX": text("科工信局")},
            "lists": {},
            "sets": {},
            "indicators": {one.id: one for one in indicators},
            "measures": (Measure("三(二)2", text("高企"), ("KGX",), (), ("50家",), ("hnte_count",)),),
            "industries": (),
            **changes,
        }
    )


def make_definitions(**changes: Any) -> Definitions:
    return Definitions.of(make_plan(**changes))


class Events:
    """Makes events of records, later ones later."""

    def __init__(self, start: datetime = START) -> None:
        self.at = start
        self.made = 0

    def event(
        self, kind: str, record_id: str, key: str, version: int = 1, source: str = "registry", **data: Any
    ) -> dict[str, Any]:
        self.made += 1
        self.at += timedelta(seconds=1)
        return {
            "specversion": "1.0",
            "id": f"e-{self.made}",
            "source": f"/{source}",
            "type": f"cn.kechuang.{source}.{kind}.v1",
            "subject": f"{kind}/{record_id}",
            "time": format_instant(self.at),
            "datacontenttype": "application/json",
            "partitionkey": key,
            "sequence": version,
            "action": "create",
            "actor": "a",
            "data": {"id": record_id, "kind": kind, "version": version, "state": "verified", **data},
        }

    def enterprise(self, uscc: str, town: str = XINGANG, version: int = 1, **data: Any) -> dict[str, Any]:
        spells = {
            "alive": [{"from": "2010-01-01", "to": None, "value": True}],
            "towns": [{"from": "2010-01-01", "to": None, "value": town}],
        }
        body = {"uscc": uscc, "state": "active", "town_code": town, "established_on": "2010-01-01", **spells}
        return self.event("enterprises", uscc, uscc, version, **(body | data))

    def certificate(self, number: str, uscc: str, issued: str = "2025-12-01", version: int = 1, **data: Any) -> dict[str, Any]:
        valid_to = f"{int(issued[:4]) + 3}{issued[4:]}"
        body = {"cert_no": number, "uscc": uscc, "issued_on": issued, "valid_to": valid_to}
        return self.event("hnte-certificates", number, uscc, version, **(body | data))

    def above_scale(self, record_id: str, uscc: str) -> dict[str, Any]:
        return self.event("above-scale-spells", record_id, uscc, uscc=uscc, from_month="2025-01")

    def rd_unit(self, record_id: str, uscc: str) -> dict[str, Any]:
        return self.event("rd-units", record_id, uscc, uscc=uscc, name="研发中心", valid_from="2025-06-01")

    def introduction(self, record_id: str, person: str, town: str = XINGANG, version: int = 1, **data: Any) -> dict[str, Any]:
        body = {
            "person_key": person,
            "employer_uscc": FIRM,
            "town_code": town,
            "degree_level": "bachelor",
            "hired_on": "2025-07-01",
            "state": "registered",
        }
        return self.event("introductions", record_id, person, version, "incentives", **(body | data))

    def statistic(self, record_id: str, series: str, period: str, value: str, unit: str = "亿元") -> dict[str, Any]:
        return self.event(
            "statistics",
            record_id,
            series,
            series_code=series,
            period=period,
            scope_code="441502",
            value=value,
            unit=unit,
            status="final",
            published_on="2025-11-01",
            doc_no=record_id,
        )


def entry(event: dict[str, Any]) -> tuple[str, bytes]:
    """An event as a log takes it."""
    return event["partitionkey"], json.dumps(event).encode("ascii")
