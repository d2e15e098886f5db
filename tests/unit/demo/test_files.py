"""The committed files are what the generator writes, with numbers that are valid and cannot be anyone's."""

from __future__ import annotations

import re

from deploy.local.demo import FOLDER, SERVICE_OF, STEPS
from deploy.local.demo.generate import district, lines
from tests.unit.demo.recount import read

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def test_the_generator_writes_the_committed_files() -> None:
    made = district()
    assert set(made) == {*SERVICE_OF, STEPS} == {path.stem for path in FOLDER.glob("*.ndjson")}
    for name, rows in made.items():
        assert (FOLDER / f"{name}.ndjson").read_text("utf-8") == lines(rows), name


def test_credit_codes() -> None:
    codes = {row["uscc"] for row in read("enterprises")}
    assert len(codes) == 320
    hosts = {row["host_uscc"] for row in read("platforms")} | {row["first_patentee_uscc"] for row in read("patents")}
    for code in codes | hosts:
        body = code[8:17]
        assert re.fullmatch(r"M[ABJ]Q[0-9]{5}", body[:8]), code
        total = sum(w * int(c, 36) for w, c in zip((3, 7, 9, 10, 5, 8, 4, 2), body[:8], strict=True))
        assert {"X": 10, "0": 11}.get(body[8], int(body[8], 36)) == 11 - total % 11
        value = sum(ALPHABET.index(c) * pow(3, n, 31) for n, c in enumerate(code[:17])) % 31
        assert ALPHABET.index(code[17]) == -value % 31


def test_identity_numbers() -> None:
    numbers = [row["person"]["id_number"] for kind in ("introductions", "talent-recognitions") for row in read(kind)]
    for number in numbers:
        assert number.startswith("990000")
        total = sum(int(c) * pow(2, 17 - n, 11) for n, c in enumerate(number[:17]))
        assert number[17] == "10X98765432"[total % 11]


def test_register_numbers() -> None:
    for row in read("hnte-certificates"):
        assert re.fullmatch(r"GR20\d{2}44\d{6}", row["cert_no"])
        assert row["cert_no"][2:6] == row["issued_on"][:4]
    assert all(re.fullmatch(rf"{row['eval_year']}441502\d{{8}}", row["entry_no"]) for row in read("tech-sme-entries"))
    for row in read("patents"):
        digits, check = row["patent_no"][2:].split(".")
        rest = sum(int(c) * w for c, w in zip(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5), strict=True)) % 11
        assert check == ("X" if rest == 10 else str(rest))
        assert int(digits[5:]) < 900_000
    for kind, key in (("hnte-certificates", "cert_no"), ("tech-sme-entries", "entry_no"), ("patents", "patent_no")):
        keys = [row[key] for row in read(kind)]
        assert len(set(keys)) == len(keys)


def test_names() -> None:
    names = [row["name"] for row in read("enterprises")]
    assert sum("former_names" in row for row in read("enterprises")) == 1
    long = [name for name in names if len(name) == 32]
    assert len(set(names)) == 320
    assert len(long) == 2
    assert sum("（" in name and "）" in name for name in long) == 1


def test_steps() -> None:
    steps = read("steps")
    backdated = [step for step in steps if "effective_on" in step]
    assert len([step for step in steps if step["step"] == "post_twice"]) == 9
    assert len(backdated) == 4
    assert all(step["effective_on"] <= "2026-03-31" for step in backdated)
    corrections = [step for step in steps if step["step"] == "patch" and "effective_on" not in step]
    assert [set(step["change"]) for step in corrections] == [{"deal_amount_fen", "tech_amount_fen"}, {"degree_level"}, {"doc_no"}]


def test_rows_have_natural_identities() -> None:
    identities = {
        "introductions": lambda row: (row["person"]["id_number"], row["employer_uscc"], row["hired_on"]),
        "platforms": lambda row: row["name"],
        "rd-units": lambda row: (row["uscc"], row["valid_from"]),
        "above-scale-spells": lambda row: (row["uscc"], row["from_month"]),
        "credit-lines": lambda row: (row["uscc"], row["bank"], row["valid_from"]),
        "industrial-internet-projects": lambda row: (row["uscc"], row["name"]),
        "statistics": lambda row: (row["series_code"], row["scope_code"], row["period"], row["doc_no"]),
        "evidence-items": lambda row: (row["indicator_id"], row["title"]),
    }
    for kind, identity in identities.items():
        rows = read(kind)
        assert len({identity(row) for row in rows}) == len(rows), kind
