"""Numbers with valid check digits, made and not only checked: GB 32100, GB 11643, patent and register numbers."""

from __future__ import annotations

from datetime import date

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015: no I, O, S, V, Z
CODE_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
BODY_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
PERSON_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
PATENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
UNASSIGNED_PREFIX = "990000"  # no division has it, so no living person is hit


def organisation_code(body: str) -> str:
    """Eight characters and their check character (GB 11714)."""
    rest = sum(weight * int(char, 36) for weight, char in zip(BODY_WEIGHTS, body, strict=True)) % 11
    return body + {10: "X", 11: "0"}.get(11 - rest, str(11 - rest))


def credit_code(body: str, prefix: str = "91", division: str = "441502") -> str:
    """A unified social credit code of 18 characters (GB 32100)."""
    head = prefix + division + organisation_code(body)
    total = sum(weight * ALPHABET.index(char) for weight, char in zip(CODE_WEIGHTS, head, strict=True))
    return head + ALPHABET[(31 - total % 31) % 31]


def citizen_id(born: date, serial: int) -> str:
    """A citizen's number of 18 characters (GB 11643) under an unassigned prefix; an odd serial is a man's."""
    head = f"{UNASSIGNED_PREFIX}{born:%Y%m%d}{serial:03d}"
    total = sum(weight * int(char) for weight, char in zip(PERSON_WEIGHTS, head, strict=True))
    return head + "10X98765432"[total % 11]


def patent_no(year: int, kind: str, serial: int) -> str:
    """ZL + year, kind and serial + check character."""
    kinds = {"invention": 1, "utility_model": 2, "design": 3}
    digits = f"{year}{kinds[kind]}{serial:07d}"
    rest = sum(weight * int(char) for weight, char in zip(PATENT_WEIGHTS, digits, strict=True)) % 11
    return f"ZL{digits}.{'X' if rest == 10 else rest}"


def entry_no(year: int, serial: int) -> str:
    """Register number of a technology SME: year, division, eight digits."""
    return f"{year}441502{serial:08d}"


def cert_no(year: int, serial: int) -> str:
    """Certificate number of a high-tech enterprise of Guangdong."""
    return f"GR{year}44{serial:06d}"
