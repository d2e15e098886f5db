"""The demo district is the one of the domain notes, E and E.1, cell by cell."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest

from deploy.local.demo.expected import EXPECTED
from tests.unit.demo.recount import BASELINE, DEMO, District, count, half_up

RESEARCH = (
    "new_rd_institution", "engineering_research_center", "key_laboratory", "enterprise_technology_center",
    "enterprise_rd_center", "pilot_base", "industry_technology_center", "technology_innovation_center",
)  # fmt: skip
MILLION_YUAN = 100_000_000


@pytest.fixture(scope="module")
def district() -> District:
    return District()


def test_firms_by_town(district: District) -> None:
    hnte, sme, scale, unit = district.hnte(DEMO), district.sme(DEMO), district.scale(DEMO), district.with_unit(DEMO)
    table = {
        "hnte": (hnte, [2, 7, 5, 2, 16, 5, 1]),
        "sme": (sme, [6, 21, 15, 7, 29, 13, 5]),
        "both": (hnte & sme, [1, 5, 4, 1, 12, 4, 0]),
        "union": (hnte | sme, [7, 23, 16, 8, 33, 14, 6]),
        "scale": (scale, [4, 9, 8, 7, 37, 14, 5]),
        "scale with unit": (scale & unit, [1, 4, 2, 2, 19, 5, 1]),
        "scale hnte": (scale & hnte, [1, 4, 3, 1, 13, 4, 0]),
        "scale hnte with unit": (scale & hnte & unit, [1, 3, 2, 1, 12, 3, 0]),
    }
    assert {name: district.by_town(firms) for name, (firms, _) in table.items()} == {n: cells for n, (_, cells) in table.items()}
    assert [len(firms) for firms, _ in table.values()] == [38, 96, 27, 107, 84, 34, 26, 22]


def test_320_enterprises(district: District) -> None:
    states = Counter(firm.get("state", "active") for firm in district.kinds["enterprises"])
    late = [uscc for uscc in district.ended if district.firms[uscc].get("state") is None]
    assert len(late) == 1
    states["active"] -= 1
    states["moved_out"] += 1
    assert states == {
        "active": 276, "draft": 4, "submitted": 4, "bureau_review": 4, "deregistered": 14, "moved_out": 12, "licence_revoked": 6,
    }  # fmt: skip
    assert sum(district.alive(uscc, DEMO) for uscc in district.firms) == 276


def test_certificates(district: District) -> None:
    rows = district.kinds["hnte-certificates"]
    valid = [row for row in rows if row["issued_on"] <= DEMO < f"{int(row['issued_on'][:4]) + 3}{row['issued_on'][4:]}"]
    assert (len(rows), len(valid)) == (54, 41)
    assert [len(district.hnte(day)) for day in ("2026-12-27", "2026-12-28", "2026-12-31")] == [38, 24, 24]
    newest = Counter(max(row["issued_on"] for row in valid if row["uscc"] == uscc)[:7] for uscc in district.hnte(DEMO))
    assert newest["2023-12"] == 14
    assert newest["2024-11"] + newest["2024-12"] == 11
    assert newest["2025-11"] + newest["2025-12"] == 13
    lapsing = {row["uscc"] for row in rows if row["issued_on"] == "2023-12-28"}
    assert len(lapsing & district.sme(DEMO)) == 10
    assert not any(row["cert_no"][8:].startswith("9") for row in rows)


def test_the_zone(district: District) -> None:
    inside = [district.firms[u]["in_hitech_zone"] for u in district.hnte(DEMO) if district.town(u, DEMO) == "441502100"]
    assert Counter(inside) == {True: 13, False: 3}


def test_baseline_and_doubling(district: District) -> None:
    hnte, sme = district.hnte(BASELINE), district.sme(BASELINE)
    assert (len(hnte), len(sme), len(hnte & sme), len(hnte | sme)) == (30, 42, 12, 60)
    assert half_up(107, 60, 4) == EXPECTED["tech_enterprise_doubling"]
    assert len(district.hnte("2026-12-31") | district.sme("2026-12-31")) == 103


def test_coverage_at_the_end_of_2025(district: District) -> None:
    day = "2025-12-31"
    hnte, scale, unit = district.hnte(day), district.scale(day), district.with_unit(day)
    assert (len(scale & unit), len(scale)) == (33, 88)
    assert (len(scale & hnte & unit), len(scale & hnte)) == (22, 27)
    left = {row["uscc"] for row in district.kinds["above-scale-spells"] if row.get("to_month") == "2026-01"}
    assert (len(left), len(left & unit), len(left & hnte), len(left & unit & hnte)) == (6, 1, 1, 0)
    assert half_up(3400, 84, 2) == EXPECTED["ats_industry_rd_coverage"]
    assert half_up(2200, 26, 2) == EXPECTED["ats_hnte_rd_coverage"]


def test_graduates(district: District) -> None:
    rows, counted = district.kinds["introductions"], district.graduates(DEMO)
    assert count(list(counted.values())) == [260, 905, 640, 190, 780, 270, 75]
    states = Counter(row.get("state", "registered") for row in rows)
    assert len(rows) == 3214
    assert (states["registered"], states["returned"] + states["rejected"], states["invalidated"]) == (3120 + 61, 22, 11)
    assert len({row["person"]["id_number"] for row in rows}) == 3120 + 22 + 11
    assert max(row["hired_on"] for row in rows) <= "2026-03-31"
    assert max(given["at"] for row in rows for given in row.get("history", ())) < "2026-03-31"
    summer = sum(row["hired_on"][5:7] in ("07", "08", "09") for row in rows)
    assert summer > len(rows) / 3
    assert any(ord(character) > 0x1FFFF for row in rows for character in row["person"]["name"])
    assert all(district.alive(row["employer_uscc"], row["hired_on"]) for row in rows)


def test_platforms(district: District) -> None:
    assert len(district.kinds["platforms"]) == 24
    provincial = district.platforms(RESEARCH[:4], "provincial")
    assert count([row["town_code"] for row in provincial]) == [0, 1, 0, 1, 3, 0, 0]
    kinds = Counter(row["platform_kind"] for row in provincial)
    assert kinds == {"engineering_research_center": 3, "new_rd_institution": 1, "enterprise_technology_center": 1}
    carriers = district.platforms(("incubator", "makerspace", "accelerator"), "municipal")
    assert count([row["town_code"] for row in carriers]) == [0, 3, 1, 0, 2, 0, 0]
    found = Counter((row["platform_kind"], row["accreditations"][-1]["level"]) for row in carriers)
    assert found == {("makerspace", "municipal"): 3, ("incubator", "municipal"): 2, ("incubator", "provincial"): 1}
    assert not any(row.get("cluster_code") for row in carriers)


def test_newly_added_platforms(district: District) -> None:
    of_kind = district.platforms(("enterprise_rd_center", "new_rd_institution"), "municipal")
    first = [(min(row["accreditations"], key=lambda given: given["granted_on"]), row) for row in of_kind]
    added = [row for given, row in first if given["level"] == "municipal" and "2024-01-01" <= given["granted_on"] < "2026-01-01"]
    assert count([row["town_code"] for row in added]) == [0, 2, 1, 1, 4, 1, 0]
    assert Counter(row["platform_kind"] for row in added) == {"enterprise_rd_center": 7, "new_rd_institution": 2}
    assert all(len(row["accreditations"]) == 1 for row in added)


def test_groups_of_platforms(district: District) -> None:
    research = district.platforms(RESEARCH)
    assert {row["cluster_code"] for row in research} == {"electronics", "marine", "agriculture"}
    pillars = district.platforms(("key_laboratory", "technology_innovation_center", "industry_technology_center", "pilot_base"))
    assert Counter(row["platform_kind"] for row in pillars) == {
        "technology_innovation_center": 1, "industry_technology_center": 1, "pilot_base": 1,
    }  # fmt: skip
    consortium = district.platforms(("innovation_consortium",), "municipal")
    assert [len(row["partners"]) >= 2 for row in consortium] == [True]
    key_fields = [row for row in research if row["cluster_code"] in ("electronics", "food", "textile")]
    assert len(key_fields) == EXPECTED["key_field_platform_count"]


def test_projects_and_patents(district: District) -> None:
    projects = district.kinds["industrial-internet-projects"]
    assert district.by_town({row["uscc"] for row in projects}) == [1, 4, 3, 2, 16, 4, 1]
    assert all("2024-01-01" <= row["accepted_on"] <= DEMO for row in projects)
    held = district.patents(DEMO)
    assert count([district.town(row["first_patentee_uscc"], DEMO) for row in held]) == [0, 4, 2, 1, 9, 2, 0]
    assert len(district.kinds["patents"]) > 18
    assert half_up(18 * 100, 4120, 4) == EXPECTED["patents_per_10k"]


def test_contracts(district: District) -> None:
    rows = district.kinds["tech-contracts"]
    assert len(rows) == 14
    amounts: dict[str, list[int]] = {}
    for row in rows:
        deal, technology = amounts.setdefault(row["contract_type"], [0, 0])
        amounts[row["contract_type"]] = [deal + row["deal_amount_fen"], technology + row["tech_amount_fen"]]
        assert district.alive(row["seller_uscc"], row["registered_on"])
        assert "2026-01-01" <= row["registered_on"] <= DEMO
    assert amounts == {
        "development": [600 * 10**6, 480 * 10**6], "service": [500 * 10**6, 500 * 10**6], "transfer": [100 * 10**6, 20 * 10**6],
        "licence": [30 * 10**6, 8 * 10**6], "consulting": [6 * 10**6, 4_400_000],
    }  # fmt: skip
    assert sum(deal for deal, _ in amounts.values()) == 1236 * 10**6
    assert sum(technology for _, technology in amounts.values()) == 1_012_400_000


def test_f5_has_its_firm(district: District) -> None:
    may = [row for row in district.kinds["tech-contracts"] if row["tech_amount_fen"] == 48 * 10**6 and row["registered_on"][5:7] == "05"]
    assert len(may) == 1
    seller = may[0]["seller_uscc"]
    assert district.town(seller, "2026-07-14") == "441502100"
    for day in (DEMO, "2026-07-15"):
        assert seller in district.hnte(day) & district.scale(day) & district.with_unit(day)
    assert not any(row["host_uscc"] == seller for row in district.kinds["platforms"])
    scale, unit = district.scale("2026-07-15"), district.with_unit("2026-07-15")
    assert district.by_town(scale & unit)[4:6] == [19, 5]
    assert district.by_town(scale)[4:6] == [37, 14]


def test_f6_has_its_firm(district: District) -> None:
    jiesheng = [uscc for uscc in district.hnte(DEMO) if district.town(uscc, DEMO) == "441502103"]
    assert len(jiesheng) == 1
    assert jiesheng[0] not in district.scale(DEMO) | district.with_unit(DEMO)
    assert "06" <= district.firms[jiesheng[0]]["industry_code"][:2] <= "46"


def test_f2_has_its_contracts(district: District) -> None:
    amounts = [(row["contract_type"], row["deal_amount_fen"], row["tech_amount_fen"]) for row in district.kinds["tech-contracts"]]
    assert amounts.count(("development", 300 * 10**6, 240 * 10**6)) == 1
    assert amounts.count(("service", 200 * 10**6, 200 * 10**6)) == 1


def test_credit(district: District) -> None:
    base = district.hnte(BASELINE) | district.sme(BASELINE)
    now = district.hnte(DEMO) | district.sme(DEMO)
    assert district.credit(base, BASELINE) == 1860 * MILLION_YUAN
    assert district.credit(now, DEMO) == 2418 * MILLION_YUAN
    old = {row["uscc"] for row in district.kinds["credit-lines"] if row["valid_from"] <= BASELINE < row["valid_to"]}
    assert old == base
    assert all(row["valid_to"] <= DEMO for row in district.kinds["credit-lines"] if row["valid_from"] <= BASELINE)


def test_agriculture_and_talent(district: District) -> None:
    size = {kind: len(district.kinds[kind]) for kind in ("agri-bases", "agri-varieties", "talent-recognitions", "teams")}
    assert size == {"agri-bases": 4, "agri-varieties": 2, "talent-recognitions": 3, "teams": 1}
    assert district.kinds["teams"][0]["state"] == "recorded"
    assert len({row["person"]["id_number"] for row in district.kinds["talent-recognitions"]}) == 3


def test_statistics(district: District) -> None:
    latest: dict[tuple[str, str], Decimal] = {}
    for row in sorted(district.kinds["statistics"], key=lambda row: row["published_on"]):
        assert row["published_on"] <= DEMO
        latest[row["series_code"], row["period"]] = Decimal(row["value"])

    def share(over: str, under: str, period: str, scale: int = 1) -> float:
        exact = Fraction(latest[over, period]) / Fraction(latest[under, period]) * 100 / scale
        return half_up(exact.numerator, exact.denominator, 2)

    assert share("hightech_manufacturing_value_added", "above_scale_value_added", "2026-05") == 41.27
    assert share("rd_expenditure", "gdp", "2024", 10**4) == 1.80
    assert share("basic_research_expenditure", "rd_expenditure", "2023") == 1.00
    assert share("basic_research_expenditure", "rd_expenditure", "2024") == 1.50
    assert share("rd_survey_units_reported", "rd_survey_units_obliged", "2025") == 95.16
    assert latest["resident_population", "2024"] == Decimal("41.20")
    assert latest["talent_resource_total", "2025"] == Decimal("11.20")
    assert latest["science_literacy_rate", "2025"] == Decimal("14.2")
    years = {period for series, period in latest if series in ("rd_expenditure", "basic_research_expenditure", "gdp")}
    assert years == {"2023", "2024"}
    assert ("gdp", "2023") not in latest


def test_free_figures(district: District) -> None:
    arrivals = [u for u, firm in district.firms.items() if firm.get("active_from")]
    assert len([u for u in arrivals if u in district.hnte(district.firms[u]["active_from"])]) == EXPECTED["hnte_introduced_count"]
    entered = [(row["uscc"], f"{row['from_month']}-01") for row in district.kinds["above-scale-spells"]]
    entries = {(row["uscc"], row["eval_year"]) for row in district.kinds["tech-sme-entries"]}
    scaled_up = [
        uscc
        for uscc, day in entered
        if day >= "2024-01-01" and uscc in district.scale(day) and {(uscc, int(day[:4])), (uscc, int(day[:4]) - 1)} & entries
    ]
    assert len(scaled_up) == EXPECTED["sme_scaled_up_count"]
    attested = Counter(row["indicator_id"] for row in district.kinds["evidence-items"])
    this_year = [row["attested_on"][:4] for row in district.kinds["evidence-items"] if row["indicator_id"] == "sci_pop_activity_count"]
    attested["sci_pop_activity_count"] = this_year.count("2026")
    assert {indicator: EXPECTED[indicator] for indicator in attested} == attested
