"""统计数据: a published figure of a series and period, revised without losing what was said (C.11)."""

from __future__ import annotations

import re
from decimal import Decimal

from marshmallow import fields, validate

from shared.auth.roles import Role
from shared.records.document import Record
from shared.records.fields import BASE_UNITS, Code, Day, DecimalText, Pattern, Period, Text
from shared.records.kind import Kind, RecordSchema, refuse, same_keys
from shared.records.workflow import Context, Image, fact_workflow

MONEY, PEOPLE, UNITS = frozenset({"元", "万元", "亿元"}), frozenset({"人", "万人"}), frozenset({"家"})
UNITS_OF = {  # what a series is counted in: a GDP in persons is a slip of the hand
    "gdp": MONEY, "rd_expenditure": MONEY, "basic_research_expenditure": MONEY, "above_scale_value_added": MONEY,
    "hightech_manufacturing_value_added": MONEY, "resident_population": PEOPLE, "talent_resource_total": PEOPLE,
    "science_literacy_rate": frozenset({"%"}), "rd_survey_units_obliged": UNITS, "rd_survey_units_reported": UNITS,
    "hitech_zone_rank": frozenset({"位"}),
}
SCOPE = re.compile(r"\d{6}(\d{3})?")


class Statistic(Record):
    """A published figure."""

    meta = {"collection": "statistics", "unique_together": [("series_code", "scope_code", "period", "doc_no")]}


class StatisticSchema(RecordSchema):
    """A published figure. Its own fields."""

    series_code = Code("series", required=True, metadata={"description": "指标序列"})
    period = Period(required=True, metadata={"description": "期间, YYYY-MM is year to date"})
    scope_code = Pattern(SCOPE, "区划代码应为6或9位 six or nine digits", required=True, metadata={"description": "范围"})
    value = DecimalText(required=True, metadata={"description": "数值"})
    unit = Code("statistic_units", required=True, metadata={"description": "单位"})
    status = Code("statistic_status", required=True, metadata={"description": "状态"})
    published_on = Day(required=True, metadata={"description": "公布日期"})
    doc_no = Text(required=True, metadata={"description": "文号"})
    sample_size = fields.Int(strict=True, validate=validate.Range(1, 10**9), metadata={"description": "样本量, of a sample survey"})
    ci_low = DecimalText(metadata={"description": "95% 置信区间下限"})
    ci_high = DecimalText(metadata={"description": "95% 置信区间上限"})


def prepare(image: Image, old: Image | None, context: Context) -> None:
    """The unit is one of the series', the value a whole number of base units (fen, persons, millionths of a percent)."""
    if image["unit"] not in UNITS_OF[image["series_code"]]:
        named = "、".join(sorted(UNITS_OF[image["series_code"]]))
        raise refuse("/unit", "other_measure", f"该序列的单位应为{named} this series is counted in {named}")
    exact = Decimal(image["value"]) * BASE_UNITS[image["unit"]]
    if exact != exact.to_integral_value():
        raise refuse("/value", "decimals", "小数位超出单位精度 more decimals than the unit carries")
    low, high = (Decimal(image.get(name) or image["value"]) for name in ("ci_low", "ci_high"))
    if not low <= Decimal(image["value"]) <= high:
        raise refuse("/ci_low", "order", "数值应在置信区间内 the value lies in its confidence interval")


KIND = Kind(
    "statistics",
    "statistic",
    Statistic,
    StatisticSchema(),
    fact_workflow(verifiers=(Role.STAT_VERIFIER,)),
    same_keys("series_code"),
    "统计数据",
    prepare=prepare,
    first_day="published_on",
    identity=("series_code", "scope_code", "period", "doc_no"),
    owner_fields=(),
    posters=frozenset({Role.DATA_FEED, Role.STAT_REPORTER}),
)
