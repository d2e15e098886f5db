"""A plan folder with one thing wrong is refused with the file, the line and the reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from services.metrics.plan.check import check
from services.metrics.plan.loader import PlanError, load_plan

PLAN = Path(__file__).resolve().parents[4] / "plans" / "chengqu-2026"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in PLAN.iterdir():
        if path.suffix in (".yaml", ".csv"):
            shutil.copy(path, tmp_path)
    return tmp_path


def line_of(path: Path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if text in line)


HNTE_TARGET = "target: {operator: '>=', value: 50, unit: 家, by: 2026-12-31, deadline_stated: true, commitment: 达到}"


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("indicators.yaml", HNTE_TARGET, HNTE_TARGET.replace(" unit: 家,", ""), "field unit is missing"),
        ("indicators.yaml", HNTE_TARGET, HNTE_TARGET.replace("unit: 家", "unit: 个"), "the target is in 个, the indicator in 家"),
        ("indicators.yaml", HNTE_TARGET, HNTE_TARGET.replace("2026-12-31", "2026-02-30"), "2026-02-30 is not a day (YYYY-MM-DD)"),
        ("indicators.yaml", HNTE_TARGET, HNTE_TARGET.replace("50", "fifty"), "fifty is not a number"),
        ("indicators.yaml", HNTE_TARGET, HNTE_TARGET.replace("50", ".inf"), ".inf is not a number"),
        ("indicators.yaml", HNTE_TARGET, HNTE_TARGET.replace("达到", "也许"), "也许 is no commitment; known: 达到, 力争, 争取, 加快"),
        ("indicators.yaml", HNTE_TARGET, HNTE_TARGET.replace("'>='", "'=>'"), "=> is no operator; known: >=, >, <=, <, ="),
        ("indicators.yaml", "when: hnte & alive}", "when: hnte & alife}", "hnte_count: unknown set alife"),
        ("indicators.yaml", "when: hnte & alive}", "when: hnte &}", "hnte_count: cannot be read: invalid syntax: hnte &"),
        ("indicators.yaml", "when: hnte & alive}", "when: at()}", "hnte_count: cannot be read (IndexError)"),
        ("indicators.yaml", "when: hnte & alive}", "when: valid(hnte_certs)}", "hnte_count: no record kind hnte_certs"),
        ("indicators.yaml", "{each: tech-contracts,", "{each: contracts,", "tech_contract_amount: no record kind contracts"),
        ("indicators.yaml", "amount: tech_amount_fen", "amount: tech_fen", "tech_contract_amount: tech-contracts has no field tech_fen"),
        (
            "indicators.yaml", "where: platform_kind in provincial_platform_kinds", "where: platform_kind in provincial_kinds",
            "prov_innovation_platform_count: platforms has no field provincial_kinds, and the plan has no list of that name",
        ),
        ("indicators.yaml", "dims: [town, cluster, hitech_zone]", "dims: [town, hitechzone]", "unknown dimension hitechzone"),
        ("indicators.yaml", "list: pillar_kinds", "list: pillars", "unknown list pillars"),
        ("indicators.yaml", "{numerator: hitech_zone_rank}", "{numerator: zone_rank}", "zone_rank is no series of statistics"),
        ("indicators.yaml", "per: 10000", "per: 0", "0 is less than 1"),
        ("indicators.yaml", "- id: incubator_count", "- id: hnte_count", "indicator hnte_count is defined twice"),
        ("indicators.yaml", "  per: 10000", "  perr: 10000", "unknown field perr"),
        ("indicators.yaml", "  name: {zh: 国家高新技术企业, en: National high-tech enterprises}", "  name: {zh: 高企}", "field en is missing"),
        ("plan.yaml", "hnte: valid(hnte_certificates)", "hnte: technology_enterprise", "cycle: hnte -> technology_enterprise -> hnte"),
        ("plan.yaml", "with_rd_unit: valid(rd_units)", "with_rd_unit: valid(this)", "`this` needs `each: <kind>`"),
        ("plan.yaml", "with_rd_unit: valid(rd_units)", "alive: valid(rd_units)", "alive cannot name a set"),
        ("plan.yaml", "key_fields:", "town_code:", "town_code cannot name a list"),
        ("plan.yaml", "deadline: 2026-12-31", "deadline: 2027-12-31", "the deadline must lie inside the window"),
        ("plan.yaml", "baseline_date: 2023-12-31", "baseline_date: 2024-01-01", "the baseline must lie before the window"),
        ("plan.yaml", "baseline_date: 2023-12-31", "baseline_date: 31.12.2023", "31.12.2023 is not a day (YYYY-MM-DD)"),
        ("plan.yaml", "id: chengqu-2026", "id: chengqu-2026\nid: chengqu-2027", "id is given twice"),
        ("plan.yaml", "clusters:", "clusters: [", "not YAML"),
        ("measures.yaml", "[tech_sme_count,", "[tech_sme_counts,", "unknown indicator tech_sme_counts"),
        ("measures.yaml", "lead: [NS]", "lead: [NX]", "unknown unit NX"),
        ("towns.csv", "441502001,", "44150200,", "44150200 is no code of nine digits"),
        ("towns.csv", "441502102,", "441502100,", "441502100 is given twice"),
        ("industries.csv", "392,", "39,", "391 is covered twice"),
        ("industries.csv", "prefix,zh", "prefix", "the header must be prefix,zh"),
    ],
)
def test_a_fault_is_named_with_its_place(folder: Path, file: str, old: str, new: str, reason: str) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    found = check(folder)
    named = [fault for fault in found if fault.reason.startswith(reason)]
    assert named, found
    assert named[0].file == file
    assert 1 <= named[0].line <= text.count("\n") + 2


@pytest.mark.parametrize(
    ("file", "old", "new", "marked"),
    [
        ("indicators.yaml", "when: hnte & alive}", "when: hnte & alife}", "alife"),
        ("measures.yaml", "[tech_sme_count,", "[tech_sme_counts,", "tech_sme_counts"),
        ("plan.yaml", "with_rd_unit: valid(rd_units)", "with_rd_unit: valid(rd_unitz)", "rd_unitz"),
        ("towns.csv", "441502007,", "4415020070,", "4415020070"),
    ],
)
def test_the_line_is_the_one_to_change(folder: Path, file: str, old: str, new: str, marked: str) -> None:
    path = folder / file
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert line_of(path, marked) in [fault.line for fault in check(folder) if fault.file == file]


def test_a_faulty_set_is_reported_once_and_not_at_each_of_its_users(folder: Path) -> None:
    path = folder / "plan.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("valid(hnte_certificates)", "valid(certificates)"), encoding="utf-8")
    assert [(fault.file, fault.reason) for fault in check(folder)] == [("plan.yaml", "no record kind certificates")]


def test_every_fault_is_listed_at_once(folder: Path) -> None:
    for file, old, new in (
        ("plan.yaml", "deadline: 2026-12-31", "deadline: soon"),
        ("indicators.yaml", "when: hnte & alive}", "when: hnte & alife}"),
        ("measures.yaml", "lead: [NS]", "lead: [NX]"),
        ("towns.csv", "441502001,", "44150200,"),
    ):
        path = folder / file
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PlanError) as refused:
        load_plan(folder)
    assert {fault.file for fault in refused.value.plan_faults} == {"plan.yaml", "indicators.yaml", "measures.yaml", "towns.csv"}
    assert str(refused.value.plan_faults[0]) in refused.value.message


@pytest.mark.parametrize("file", ["plan.yaml", "indicators.yaml", "measures.yaml", "towns.csv", "industries.csv"])
def test_a_missing_or_unreadable_file_is_a_fault(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"\xff\xfe")
    assert any(fault.file == file and "UTF-8" in fault.reason for fault in check(folder))
    (folder / file).unlink()
    assert any(fault.file == file and "cannot be opened" in fault.reason for fault in check(folder))
    (folder / file).write_text("", encoding="utf-8")
    assert any(fault.file == file for fault in check(folder))


def test_a_list_where_a_mapping_is_wanted_is_a_fault(folder: Path) -> None:
    (folder / "plan.yaml").write_text("- 1\n", encoding="utf-8")
    (folder / "measures.yaml").write_text("a: 1\n", encoding="utf-8")
    reasons = {(fault.file, fault.reason) for fault in check(folder)}
    assert ("plan.yaml", "a mapping (key: value) is wanted here") in reasons
    assert ("measures.yaml", "a list is wanted here") in reasons


def test_deep_nesting_is_a_fault_and_no_crash(folder: Path) -> None:
    (folder / "measures.yaml").write_text("[" * 5000 + "]" * 5000, encoding="utf-8")
    assert any(fault.file == "measures.yaml" for fault in check(folder))
