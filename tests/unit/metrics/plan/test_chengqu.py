"""The district's plan: what it must hold, and what its rules count on small histories."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.metrics.engine.reading import read
from services.metrics.engine.rules import compile_plan
from services.metrics.engine.subject import Subject
from services.metrics.engine.timeline import totals_of
from services.metrics.plan.check import check
from services.metrics.plan.loader import load_plan

FOLDER = Path(__file__).resolve().parents[4] / "plans" / "chengqu-2026"
PLAN = load_plan(FOLDER)
RULES = compile_plan(PLAN)
FIRM = "91441502MAQQQQ019U"
HONGCAO, DONGCHONG, OUTSIDE = "441502100", "441502102", "441502004"
NUMERIC = {  # id: (target, operator, stated, commitment, unit, decimals)
    "prov_innovation_platform_count": ("8", True, "达到", "家", 0),
    "incubator_count": ("10", False, "达到", "家", 0),
    "ats_hnte_rd_coverage": ("100", False, "达到", "%", 2),
    "hightech_mfg_va_share": ("50", False, "达到", "%", 2),
    "tech_sme_count": ("142", True, "达到", "家", 0),
    "hnte_count": ("50", True, "达到", "家", 0),
    "tech_enterprise_doubling": ("2", False, "达到", "倍", 4),
    "tech_contract_amount": ("1650", False, "达到", "万元", 2),
    "pilot_base_count": ("2", False, "达到", "家", 0),
    "talent_resource_total": ("14", False, "达到", "万人", 2),
    "graduates_introduced_cum": ("5000", False, "达到", "人", 0),
    "highend_talent_count": ("6", False, "达到", "名", 0),
    "hl_innovation_team_count": ("1", False, "达到", "个", 0),
    "rd_gdp_ratio": ("2.65", True, "力争", "%", 2),
    "agri_demo_base_count": ("6", False, "达到", "个", 0),
    "agri_variety_count": ("3", False, "达到", "个", 0),
    "sci_literacy_rate": ("16.5", False, "达到", "%", 2),
    "new_muni_rd_platform_count": ("13", True, "达到", "家", 0),
    "ats_industry_rd_coverage": ("50", True, "达到", "%", 2),
    "industrial_internet_cum": ("45", True, "力争", "家", 0),
    "patents_per_10k": ("0.5", True, "力争", "件/万人", 4),
}
LOGICAL = """
innovation_consortium_count tech_breakthrough_count joint_rd_project_count tech_transfer_count talent_demand_match
industry_tech_center_count sci_credit_product_count tech_credit_line_growth policy_system_progress display_tech_leading
marine_results_count agri_tech_leading tech_factor_market sci_pop_activity_count hitech_zone_rank key_field_platform_count
platform_system_pillars leading_industry_platform_coverage feature_park_count cluster_3n gba_branch_count
youth_practice_platform_count basic_research_share rd_stat_coverage whole_society_rd_growth hnte_introduced_count
sme_scaled_up_count bay_coop_count tech_self_sufficiency sci_promotion_projects sci_promotion_talents sci_promotion_results
sci_promotion_platforms sci_promotion_map digital_pilot_count tech_alliance_count incubation_system
"""


def spell(start: str, end: str | None, value: Any) -> dict[str, Any]:
    return {"from": start, "to": end, "value": value}


def firm(**fields: Any) -> dict[str, Any]:
    return {
        "state": "active", "established_on": "2020-01-01", "alive": [spell("2020-01-01", None, True)], "town_code": HONGCAO,
        "towns": [spell("2020-01-01", None, HONGCAO)], "industries": [spell("2020-01-01", None, "3974")],
        "clusters": [spell("2020-01-01", None, ["electronics"])], **fields,
    }  # fmt: skip


def fact(**fields: Any) -> dict[str, Any]:
    return {"state": "verified", "uscc": FIRM, **fields}


def certificate(day: str) -> dict[str, Any]:
    return fact(issued_on=day)


def entry(day: str) -> dict[str, Any]:
    return fact(announced_on=day, eval_year=int(day[:4]))


def platform(kind: str, *given: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "state": "accredited", "platform_kind": kind, "town_code": HONGCAO, "host_uscc": FIRM, "accreditations": list(given),
        "hosts": [spell("2020-01-01", None, FIRM)], "partners": [], **fields,
    }  # fmt: skip


def level(name: str, granted: str, ended: str | None = None) -> dict[str, Any]:
    return {"level": name, "doc_no": "文1号", "granted_on": granted, "ended_on": ended}


def value(indicator: str, day: str, *records: tuple[str, dict[str, Any]], key: str = FIRM) -> Any:
    images = {(kind, key if kind == "enterprises" else f"{kind}-{n}"): (1, data) for n, (kind, data) in enumerate(records)}
    rows = RULES.rows(Subject(key, images), frozenset({indicator}))
    return read(PLAN, PLAN.indicators[indicator], totals_of(rows, date.fromisoformat(day).toordinal())).value


def test_the_folder_has_no_fault() -> None:
    assert check(FOLDER) == []


def test_every_numeric_target_of_the_text() -> None:
    numeric = {i.id: i for i in PLAN.indicators.values() if i.section == "A.1" and not i.secondary}
    found = {}
    for name, i in numeric.items():
        assert i.target is not None
        assert (i.target.operator, i.target.by, i.target.unit) == (">=", date(2026, 12, 31), i.unit)
        found[name] = (str(i.target.value), i.target.deadline_stated, i.target.commitment, i.unit, i.decimals)
    assert found == NUMERIC


def test_everything_else_that_the_text_lets_be_measured() -> None:
    assert {i.id for i in PLAN.indicators.values() if i.section == "A.2"} == set(LOGICAL.split())
    assert [i.id for i in PLAN.indicators.values() if i.secondary] == [
        "tech_sme_valid_stock", "tech_contract_deal_amount", "graduates_in_post",
    ]  # fmt: skip


PLATFORM_KINDS = """
new_rd_institution engineering_research_center key_laboratory enterprise_technology_center enterprise_rd_center incubator
makerspace accelerator pilot_base innovation_consortium industry_technology_center technology_innovation_center
practice_platform technology_alliance feature_park
"""


def test_rules_name_platform_kinds_and_clusters_that_exist() -> None:
    rules = "\n".join(i.numerator.where or "" for i in PLAN.indicators.values() if i.numerator)
    listed = {kind for name, values in PLAN.lists.items() if name.endswith("_kinds") for kind in values}
    quoted = set(re.findall(r"platform_kind == '(\w+)'", rules))
    assert quoted
    assert quoted | listed <= set(PLATFORM_KINDS.split())
    assert set(PLAN.lists["leading_industries"]) | set(PLAN.lists["key_fields"]) <= set(PLAN.clusters)


def test_every_indicator_says_in_both_languages_what_it_is_and_does() -> None:
    for indicator in PLAN.indicators.values():
        for text in (indicator.name, indicator.formula):
            assert set(text) == {"zh", "en"}
            assert all(text.values())
            assert text["en"].isprintable()


def test_measures_and_their_units() -> None:
    assert len(PLAN.measures) == 17
    assert sum(bool(measure.lead) for measure in PLAN.measures) == 16
    assert sum(bool(measure.responsible) for measure in PLAN.measures) == 15
    hnte = PLAN.indicators["hnte_count"]
    assert (hnte.measures, hnte.lead, hnte.responsible) == (("三(二)2",), ("KGX",), ("FG", "ZJ"))
    clauses = {measure.clause for measure in PLAN.measures}
    assert {c for i in PLAN.indicators.values() for c in i.clause if c.startswith("三")} <= clauses


def test_evidence_is_never_given_a_target() -> None:
    assert [i.id for i in PLAN.indicators.values() if i.kind == "evidence" and i.target] == []


def test_base_units() -> None:
    scales = {i.id: i.scale for i in PLAN.indicators.values() if i.scale != 1 and i.section != "ledger"}
    assert scales == {
        "tech_contract_amount": 10**6, "tech_contract_deal_amount": 10**6, "talent_resource_total": 10**4,
        "sci_literacy_rate": 10**6,
    }  # fmt: skip


@pytest.mark.parametrize(("day", "expected"), [("2026-12-27", 1), ("2026-12-28", 0)])
def test_a_certificate_lapses_after_three_years(day: str, expected: int) -> None:
    assert value("hnte_count", day, ("enterprises", firm()), ("hnte-certificates", certificate("2023-12-28"))) == expected


def test_overlapping_certificates_are_one_enterprise() -> None:
    both = [("hnte-certificates", certificate(day)) for day in ("2023-12-28", "2026-12-01")]
    assert value("hnte_count", "2026-12-10", ("enterprises", firm()), *both) == 1


def test_a_technology_sme_counts_in_its_year_and_the_deadlines_year_stays() -> None:
    records = ("enterprises", firm()), ("tech-sme-entries", entry("2025-05-10"))
    assert [value("tech_sme_count", day, *records) for day in ("2025-05-09", "2025-05-10", "2025-12-31", "2026-01-01")] == [0, 1, 1, 0]
    records = ("enterprises", firm()), ("tech-sme-entries", entry("2026-05-10"))
    assert value("tech_sme_count", "2027-03-01", *records) == 1
    assert value("tech_sme_valid_stock", "2027-03-01", *records) == 0


def test_doubling_counts_a_firm_with_both_qualifications_once() -> None:
    records = (
        ("enterprises", firm()), ("hnte-certificates", certificate("2023-03-01")), ("tech-sme-entries", entry("2023-06-01")),
        ("tech-sme-entries", entry("2026-06-01")),
    )  # fmt: skip
    assert value("tech_enterprise_doubling", "2026-06-30", *records) == 1
    assert value("tech_enterprise_doubling", "2026-06-30", ("enterprises", firm()), ("tech-sme-entries", entry("2026-06-01"))) is None


def test_above_scale_is_industry_only() -> None:
    spells = ("above-scale-spells", fact(from_month="2024-01", to_month=None))
    unit = ("rd-units", fact(name="研发中心", valid_from="2024-03-01"))
    assert value("ats_industry_rd_coverage", "2026-06-30", ("enterprises", firm()), spells, unit) == 100
    assert value("ats_industry_rd_coverage", "2024-02-01", ("enterprises", firm()), spells, unit) == 0
    service = firm(industries=[spell("2020-01-01", None, "6510")])
    assert value("ats_industry_rd_coverage", "2026-06-30", ("enterprises", service), spells, unit) is None


def test_provincial_platforms_end_with_their_host() -> None:
    centre = ("platforms", platform("enterprise_technology_center", level("provincial", "2024-05-01")))
    assert value("prov_innovation_platform_count", "2026-06-30", ("enterprises", firm()), centre) == 1
    gone = firm(alive=[spell("2020-01-01", "2026-02-01", True)], state="deregistered")
    assert value("prov_innovation_platform_count", "2026-06-30", ("enterprises", gone), centre) == 0
    municipal = ("platforms", platform("enterprise_technology_center", level("municipal", "2024-05-01")))
    assert value("prov_innovation_platform_count", "2026-06-30", ("enterprises", firm()), municipal) == 0


def test_newly_added_means_first_accredited_at_municipal_level_in_the_window() -> None:
    def count(*given: dict[str, Any], kind: str = "enterprise_rd_center", day: str = "2026-06-30") -> Any:
        return value("new_muni_rd_platform_count", day, ("enterprises", firm()), ("platforms", platform(kind, *given)))

    assert count(level("municipal", "2025-03-01")) == 1
    assert count(level("municipal", "2023-12-31")) == 0
    assert count(level("provincial", "2025-03-01"), kind="new_rd_institution") == 0
    assert count(level("municipal", "2024-03-01", "2025-03-01"), level("provincial", "2025-03-01"), kind="new_rd_institution") == 1
    assert count(level("municipal", "2024-03-01", "2026-05-20"), day="2026-05-19") == 1
    assert count(level("municipal", "2024-03-01", "2026-05-20"), day="2026-05-20") == 0


def test_consortia_and_technology_centres_need_partners() -> None:
    given = level("municipal", "2024-05-01")
    for indicator, kind, needed in (
        ("innovation_consortium_count", "innovation_consortium", 2),
        ("industry_tech_center_count", "industry_technology_center", 1),
    ):
        for partners in (needed - 1, needed):
            body = platform(kind, given, partners=["某大学"] * partners)
            assert value(indicator, "2026-06-30", ("enterprises", firm()), ("platforms", body)) == (partners == needed)


def test_pillars_and_leading_industries_read_groups() -> None:
    body = ("platforms", platform("pilot_base", level("municipal", "2024-05-01"), cluster_code="marine"))
    assert value("platform_system_pillars", "2026-06-30", ("enterprises", firm()), body) == 1
    assert value("leading_industry_platform_coverage", "2026-06-30", ("enterprises", firm()), body) == 20
    assert value("pilot_base_count", "2026-06-30", ("enterprises", firm()), body) == 1
    assert value("key_field_platform_count", "2026-06-30", ("enterprises", firm()), body) == 0


def contract(day: str) -> tuple[str, dict[str, Any]]:
    fields = {"registered_on": day, "contract_type": "development", "seller_uscc": FIRM}
    return "tech-contracts", fact(deal_amount_fen=6000_000_00, tech_amount_fen=4800_000_00, **fields)


def test_contracts_count_in_their_year_where_the_seller_then_was() -> None:
    moved = firm(towns=[spell("2020-01-01", "2026-07-15", HONGCAO), spell("2026-07-15", None, DONGCHONG)])
    records = ("enterprises", moved), contract("2026-05-20")
    assert value("tech_contract_amount", "2026-08-01", *records) == 480
    assert value("tech_contract_deal_amount", "2026-08-01", *records) == 600
    images = {("enterprises", FIRM): (1, moved), ("tech-contracts", "c"): (1, contract("2026-05-20")[1])}
    rows = RULES.rows(Subject(FIRM, images), frozenset({"tech_contract_amount"}))
    assert [dict(row.cell)["town"] for row in rows] == [HONGCAO]
    assert value("tech_contract_amount", "2026-06-30", ("enterprises", firm()), contract("2025-05-20")) == 0
    gone = firm(alive=[spell("2020-01-01", "2026-05-01", True)], state="moved_out")
    assert value("tech_contract_amount", "2026-06-30", ("enterprises", gone), contract("2026-05-20")) == 0


def introduction(day: str, town: str = HONGCAO, **fields: Any) -> tuple[str, dict[str, Any]]:
    return "introductions", {
        "state": "registered", "person_key": "p_1", "employer_uscc": FIRM, "town_code": town, "degree_level": "bachelor",
        "hired_on": day, "intro_mode": "campus", **fields,
    }  # fmt: skip


def test_a_graduate_counts_once_for_the_earliest_introduction() -> None:
    first, second = introduction("2026-04-01"), introduction("2026-05-06", DONGCHONG)
    assert value("graduates_introduced_cum", "2026-06-30", first, second, key="p_1") == 1
    void = introduction("2026-04-01", state="invalidated")
    assert value("graduates_introduced_cum", "2026-04-30", void, second, key="p_1") == 0
    assert value("graduates_introduced_cum", "2026-06-30", void, second, key="p_1") == 1
    assert value("graduates_introduced_cum", "2026-06-30", introduction("2023-12-31"), key="p_1") == 0
    left = introduction("2026-04-01", state="departed", departed_on="2026-06-01")
    assert value("graduates_introduced_cum", "2026-06-30", left, key="p_1") == 1
    assert value("graduates_in_post", "2026-06-30", left, key="p_1") == 0
    assert value("graduates_in_post", "2026-06-30", first, second, key="p_1") == 1


def test_an_industrial_internet_project_needs_a_registered_enterprise_and_outlives_it() -> None:
    project = ("industrial-internet-projects", fact(name="上云", accepted_on="2025-05-01"))
    again = ("industrial-internet-projects", fact(name="再上云", accepted_on="2026-05-01"))
    assert value("industrial_internet_cum", "2026-06-30", ("enterprises", firm()), project, again) == 1
    gone = firm(alive=[spell("2020-01-01", "2026-01-01", True)], state="deregistered")
    assert value("industrial_internet_cum", "2026-06-30", ("enterprises", gone), project) == 1
    draft = {"state": "draft", "town_code": HONGCAO}
    assert value("industrial_internet_cum", "2026-06-30", ("enterprises", draft), project) == 0


def test_a_technology_sme_that_enters_the_list_on_1_january_has_scaled_up() -> None:
    on_list = ("above-scale-spells", fact(from_month="2026-01", to_month=None))
    before, after = ("tech-sme-entries", entry("2025-06-01")), ("tech-sme-entries", entry("2026-06-01"))
    assert value("sme_scaled_up_count", "2026-01-01", ("enterprises", firm()), on_list, before) == 1
    assert value("sme_scaled_up_count", "2026-12-31", ("enterprises", firm()), on_list, after) == 0


def test_an_enterprise_that_moves_in_with_a_certificate_is_introduced() -> None:
    arrived = firm(established_on="2018-01-01", alive=[spell("2025-03-01", None, True)])
    record = ("hnte-certificates", certificate("2024-12-01"))
    assert value("hnte_introduced_count", "2026-06-30", ("enterprises", arrived), record) == 1
    assert value("hnte_introduced_count", "2026-06-30", ("enterprises", firm()), record) == 0


def test_attested_counts_keep_to_the_window_and_flows_to_their_year() -> None:
    def item(name: str, day: str) -> tuple[str, dict[str, Any]]:
        return "evidence-items", {"state": "verified", "indicator_id": name, "title": "…", "attested_on": day, "uscc": FIRM}

    assert value("tech_transfer_count", "2026-06-30", item("tech_transfer_count", "2025-02-01")) == 1
    assert value("tech_transfer_count", "2026-06-30", item("tech_transfer_count", "2023-02-01")) == 0
    assert value("sci_pop_activity_count", "2026-06-30", item("sci_pop_activity_count", "2025-02-01")) == 0
    pilots = [item("digital_pilot_count", day) for day in ("2025-02-01", "2026-02-01")]
    assert value("digital_pilot_count", "2026-06-30", *pilots) == 1
    assert value("cluster_3n", "2026-06-30", item("cluster_3n", "2023-02-01")) == 1


def test_credit_grows_against_the_lines_of_the_baseline() -> None:
    lines = [
        ("credit-lines", fact(bank="某行", amount_fen=100, valid_from="2023-01-01", valid_to="2026-01-01")),
        ("credit-lines", fact(bank="某行", amount_fen=130, valid_from="2025-12-01", valid_to="2028-01-01")),
    ]
    certificates = [("hnte-certificates", certificate(day)) for day in ("2023-01-05", "2025-12-05")]
    assert value("tech_credit_line_growth", "2026-06-30", ("enterprises", firm()), *certificates, *lines) == 30


def test_milestones_keep_the_path_of_annual_figures_inside_the_year() -> None:
    for name in ("tech_contract_amount", "tech_sme_count"):
        points = PLAN.indicators[name].milestones
        assert [(point.on, point.value) for point in points] == [(date(2025, 12, 31), Decimal(0))]


def test_towns_out_of_scope_are_known_but_do_not_count() -> None:
    assert [town.in_scope for town in PLAN.towns].count(True) == 7
    outside = firm(towns=[spell("2020-01-01", None, OUTSIDE)])
    assert value("hnte_count", "2026-06-30", ("enterprises", outside), ("hnte-certificates", certificate("2024-12-01"))) == 0
