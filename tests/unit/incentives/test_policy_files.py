"""Policies as files: the district's are right; one with something wrong is refused with file, line and reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from services.incentives.eligibility.policy_files import read_policies

POLICIES = Path(__file__).resolve().parents[3] / "plans" / "chengqu-2026" / "policies"
NAME = "talent-settlement.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


def test_the_district_s_policies_are_right() -> None:
    bodies, faults = read_policies(POLICIES)
    assert faults == []
    assert [body["policy_code"] for body in bodies] == ["hnte-first-recognition", "rd-unit-establishment", "talent-settlement"]


@pytest.mark.parametrize(("old", "new", "reason"), [
    ("value: introduction.hired_on", "value: introduction.hired", "undeclared reference to 'introduction.hired'"),
    ("value: introduction.hired_on", "value: introduction.hired_on +", "Syntax error"),
    ('threshold: "12"', 'threshold: "1.5"', "integers only"),
    ('    operator: "<"\n    threshold: "12"', '    operator: "<"\n    threshold: "\'a\'"', "do not compare"),
    ("beneficiary: person", "beneficiary: nobody", "Must be one of: person, enterprise."),
    ("window: {from: 2024-01-01, to: 2027-01-01}", "window: {from: 2024-01-01, to: 2023-01-01}", "must be after from"),
    ("window: {from: 2024-01-01, to: 2027-01-01}", "window: {from: 2024-02-30}", "日期应为"),
    ("publicity_working_days: 5", "publicity_working_day: 5", "Unknown field."),
    ("reference_date: {rule: application}", "reference_date: {rule: fixed}", "with rule fixed only"),
    ("approvals: 2}", "up_to_fen: 5, approvals: 2}", "rising limits"),
    ("  - name: degree", "  - name: in-post", "named twice"),
    ("version_no: 1", "version_no: 1\nversion_no: 2", "version_no is given twice"),
    ("source: 示范政策 (虚构)", "source: [", "not YAML"),
])
def test_a_fault_is_named_with_its_line(folder: Path, old: str, new: str, reason: str) -> None:
    path = folder / NAME
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    faults = read_policies(folder)[1]
    hit = next(fault for fault in faults if reason in fault.reason)
    first = text[: text.index(old)].count("\n") + 1
    assert hit.file == f"policies/{NAME}"
    assert abs(hit.line - first) <= 5  # a double is told where it stands the second time, an order at the head of its list


def test_a_version_stands_in_one_file(folder: Path) -> None:
    shutil.copy(folder / NAME, folder / "z.yaml")
    assert [fault.file for fault in read_policies(folder)[1]] == ["policies/z.yaml"]
