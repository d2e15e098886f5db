"""Made-up but valid identifiers and records for the system tests (bodies and serials that the demo leaves free)."""

from __future__ import annotations

from datetime import date
from typing import Any

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
XINGANG, XIANGZHOU, FENGSHAN, MAGONG, HONGCAO, DONGCHONG, JIESHENG = (
    "441502001", "441502002", "441502003", "441502007", "441502100", "441502102", "441502103",
)


def uscc(number: int) -> str:
    """A valid 统一社会信用代码 of body MAQB (GB 32100, GB 11714)."""
    return uscc_of(f"MAQB{number:04d}")


def uscc_of(organisation: str) -> str:
    """The valid code around eight characters of an organisation."""
    total = sum((int(c, 36)) * w for c, w in zip(organisation, (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    check = {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))
    first = f"91441502{organisation}{check}"
    weighted = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(first))
    return first + ALPHABET[-weighted % 31]


def citizen_id(number: int, born: date = date(2002, 3, 1)) -> str:
    """A valid synthetic 公民身份号码 with the unassigned prefix 990000 (GB 11643)."""
    first = f"990000{born:%Y%m%d}{number:03d}"
    return first + "10X98765432"[sum(int(c) * w for c, w in zip(first, ID_WEIGHTS, strict=True)) % 11]


def enterprise(number: int, town: str = HONGCAO, **more: Any) -> dict[str, Any]:
    """An enterprise's body."""
    return {
        "uscc": uscc(number), "name": f"测试企业{number:04d}有限公司", "town_code": town, "industry_code": "3974",
        "established_on": "2015-06-01", "source": "测试",
    } | more


def certificate(number: str, firm: str, issued_on: str) -> dict[str, Any]:
    """A 高企 certificate's body."""
    return {"cert_no": number, "uscc": firm, "issued_on": issued_on, "source": "测试"}


def introduction(person: str, name: str, employer: str, town: str, hired_on: str, degree: str = "bachelor") -> dict[str, Any]:
    """A talent introduction's body."""
    return {
        "person": {"name": name, "id_kind": "citizen_id", "id_number": person}, "employer_uscc": employer, "town_code": town,
        "degree_level": degree, "hired_on": hired_on, "intro_mode": "social",
    }
