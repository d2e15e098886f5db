"""公民身份号码, GB 11643-1999."""

from __future__ import annotations

import os
import re
from datetime import date

from shared.standards.errors import StandardError, half_width

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
NUMBER, HIDDEN = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)"), "***"
CHECKS = "10X98765432"
SYNTHETIC_PREFIX = "990000"  # an unassigned division: test data never hit a living person
PROVINCES = frozenset(
    str(n) for n in (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83)
)


def check(text: str, synthetic: bool | None = None) -> str:
    """The normalised number. Raises StandardError; the message never repeats the number.

    `synthetic` accepts the unassigned prefix 990000 (default: the deployment's SYNTHETIC_IDS).
    """
    number = half_width(text)
    if len(number) != 18:
        raise StandardError("length", f"公民身份号码应为18位 (18 characters, not {len(number)})")
    for position, char in enumerate(number, 1):
        if not (char.isascii() and char.isdigit()) and not (position == 18 and char == "X"):
            raise StandardError("character", f"第{position}位字符不允许 (character {position})", position)
    if synthetic is None:
        synthetic = os.environ.get("SYNTHETIC_IDS", "").lower() in ("1", "true", "yes")
    if number[:2] not in PROVINCES and not (synthetic and number.startswith(SYNTHETIC_PREFIX)):
        raise StandardError("division", "地址码不存在 (no such division)", 1)
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise StandardError("birth_date", "出生日期不存在 (no such birth date)", 7) from None
    if not date(1850, 1, 1) <= born <= date.today():
        raise StandardError("birth_date", "出生日期不合理 (birth date out of range)", 7)
    if number[17] != check_character(number[:17]):
        raise StandardError("check", "第18位校验码不符 (check character, position 18)", 18)
    return number


def check_character(first: str) -> str:
    """The 18th character of 17."""
    return CHECKS[sum(int(c) * w for c, w in zip(first, WEIGHTS, strict=True)) % 11]


def names_a_person(text: str) -> bool:
    """Whether a text is a citizen's number, one with a mistyped check character included."""
    try:
        check(text, synthetic=True)
    except StandardError as wrong:
        return wrong.code == "check"
    return True


def hidden(text: str) -> str:
    """A text with `***` in the place of every citizen's number: for what repeats a caller's own words."""
    return NUMBER.sub(lambda found: HIDDEN if names_a_person(found[0]) else found[0], text)
