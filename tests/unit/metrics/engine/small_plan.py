"""A plan small enough to read, with one indicator of every shape that the engine knows."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from services.metrics.plan.model import Indicator, Part, Plan, Reader, Target, Town


def indicator(name: str, reader: Reader, numerator: Part | None, denominator: Part | None = None, **more: object) -> Indicator:
    values: dict[str, object] = {"kind": "stock", "unit": "家", "decimals": 0, "scale": 1} | more
    return Indicator(name, {"zh": name, "en": name}, ("二(一)3",), reader=reader, numerator=numerator,
                     denominator=denominator, **values)  # type: ignore[arg-type]


SUM = Reader("sum")
TARGET = Target(">=", Decimal(50), "家", date(2026, 12, 31), True, "达到")


def small_plan() -> Plan:
    shapes = [
        indicator("hnte", SUM, Part("subject", None, "hnte & alive"), dims=("cluster",), target=TARGET),
        indicator("doubling", Reader("multiple"), Part("subject", None, "technology"),
                  Part("subject", None, "at(baseline_date, technology)"), kind="ratio", unit="倍", decimals=4),
        indicator("coverage", Reader("ratio"), Part("subject", None, "scale & valid(rd_units)"),
                  Part("subject", None, "scale"), kind="ratio", unit="%", decimals=2),
        indicator("platforms", SUM, Part("platforms", "platform_kind in counted_kinds",
                  "accredited(this, 'provincial') - gone", place="record"), dims=("kind", "level")),
        indicator("paid", SUM, Part("applications", "entry == 'paid'", "since(this)", "amount_fen", place="record"),
                  unit="元", decimals=2, scale=100, dims=("policy", "month")),
        indicator("days", Reader("quantile", share=Decimal("0.5")), Part("applications", "entry == 'decided'", "since(this)", place="record"),
                  unit="工作日", dims=("policy", "days")),
        indicator("contracts", SUM, Part("tech-contracts", None, "annual(this) & at(start, alive)", "tech_amount_fen",
                  "at_start"), kind="flow", unit="万元", decimals=2, scale=10**6),
        indicator("graduates", SUM, Part("subject", None, "first(introductions, start in plan_window)", place="record"),
                  kind="cumulative", unit="人", person=True),
        indicator("projects", SUM, Part("subject", None, "started_in(industrial_internet_projects, plan_window)",
                  place="at_start"), kind="cumulative"),
        indicator("gdp_share", Reader("latest_period", "rd_expenditure", "gdp"), None, kind="stat", unit="%", decimals=2),
        indicator("patents", Reader("per", series="resident_population", per=10000),
                  Part("patents", "patent_kind == 'invention'", "valid(this) & alive"), kind="ratio", decimals=4),
        indicator("evidence", Reader("attested"), None, kind="evidence", unit="项"),
    ]
    towns = (Town("441502100", {"zh": "红草"}, True), Town("441502102", {"zh": "东涌"}, True), Town("441502004", {"zh": "田墘"}, False))
    return Plan(
        "small", {"zh": "小"}, "441502", "441500", (date(2024, 1, 1), date(2027, 1, 1)), date(2023, 12, 31), date(2026, 12, 31),
        towns, {"electronics": {}, "marine": {}}, {}, {"counted_kinds": ("key_laboratory",)},
        {
            "hnte": "valid(hnte_certificates)",
            "technology": "(hnte | year_entered(tech_sme_entries)) & alive",
            "scale": "valid(above_scale_spells) & industry_division(6, 46) & alive",
        },
        {shape.id: shape for shape in shapes}, (), ("39",),
    )
