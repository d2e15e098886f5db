"""National identifiers: the standards' own examples, and that no single slip of a clerk passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.standards import citizen_id, numbers, uscc
from shared.standards.errors import StandardError

CODES = [
    "91350100M000100Y43", "91441502MAQQQQ019U", "91441502MAQQQQ027N", "91441500MAQQQQ035L", "12441502MBQQQQ0470",
    "93441502MAQQQQ06XQ", "52441502MJQQQQ0542", "91441502MAQQQ04560",
]


@pytest.mark.parametrize("code", CODES)
def test_valid_codes_pass(code: str) -> None:
    assert uscc.check(code) == code
    assert uscc.check(f" {code.lower()} ") == code
    wide = "".join(chr(ord(c) + 0xFEE0) for c in code)
    assert uscc.check(wide) == code


@given(st.sampled_from(CODES), st.integers(0, 17), st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
def test_one_wrong_character_is_found(code: str, position: int, char: str) -> None:
    wrong = code[:position] + char + code[position + 1 :]
    if wrong == code:
        return
    with pytest.raises(StandardError) as refused:
        uscc.check(wrong)
    if char in "IOSVZ":
        assert refused.value.position == position + 1


def test_a_transposition_is_found() -> None:
    with pytest.raises(StandardError):
        uscc.check("91441502MQAQQQ019U")


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_the_standard_s_citizen_numbers_pass(number: str) -> None:
    assert citizen_id.check(number.lower()) == number


def test_synthetic_numbers_need_the_deployment_s_leave() -> None:
    assert citizen_id.check("990000200002290044", synthetic=True)
    for number, synthetic in (("990000200103150024", False), ("990000200202290014", True), ("990000200103150025", True)):
        with pytest.raises(StandardError) as refused:
            citizen_id.check(number, synthetic=synthetic)
        assert number not in refused.value.message


def test_certificates_entries_and_patents() -> None:
    assert numbers.check_certificate("gr202344000001") == "GR202344000001"
    assert numbers.check_entry("202644150200000001") == "202644150200000001"
    check = numbers.patent_check("202410000001")
    assert numbers.check_patent(f"zl202410000001{check}") == f"ZL202410000001.{check}"
    for checker, wrong in (
        (numbers.check_certificate, "GR2023440000"), (numbers.check_entry, "2026"),
        (numbers.check_patent, "ZL202410000001." + ("1" if check != "1" else "2")),
    ):
        with pytest.raises(StandardError):
            checker(wrong)


def test_a_citizen_s_number_in_a_text_is_hidden_and_no_other_number_is() -> None:
    kept = "GR202344000001 202644150200000001 01M8DN8HXQ7G655Q1N8C75Y61W 90000000000 fen"
    assert citizen_id.hidden(f"{kept} 11010519491231002X 110105194912310021 990000200103150024") == f"{kept} *** *** ***"
