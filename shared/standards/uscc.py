"""统一社会信用代码, GB 32100-2015, with the organisation code of GB 11714 inside (positions 9–17)."""

from __future__ import annotations

from shared.standards.errors import StandardError, half_width

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # 31 characters: no I, O, S, V, Z
AUTHORITIES = "123456789ANY"  # 登记管理部门, with the later additions
WEIGHTS = tuple(pow(3, i, 31) for i in range(17))
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
LENGTH = 18


def check(text: str) -> str:
    """The normalised code. Raises StandardError with the position of the fault; O and I are never guessed to be 0 and 1."""
    code = half_width(text)
    if len(code) != LENGTH:
        raise StandardError("length", f"统一社会信用代码应为18位,现为{len(code)}位 (18 characters, not {len(code)})")
    for position, char in enumerate(code, 1):
        if char not in ALPHABET:
            raise StandardError("character", f"第{position}位不允许“{char}” (character {position} may not be {char})", position)
    if code[0] not in AUTHORITIES:
        raise StandardError("authority", f"第1位登记管理部门代码“{code[0]}”不存在 (no such authority)", 1)
    if not code[2:8].isdigit():
        position = next(i for i, char in enumerate(code[2:8], 3) if not char.isdigit())
        raise StandardError("division", f"第{position}位应为数字(行政区划) (a digit is wanted)", position)
    if code[16] != organisation_check(code[8:16]):
        raise StandardError("organisation_check", "第17位主体标识码校验位不符 (organisation check, character 17)", 17)
    if code[17] != check_character(code[:17]):
        raise StandardError("check", "第18位校验码不符 (check character, position 18)", 18)
    return code


def check_character(first: str) -> str:
    """The 18th character of 17."""
    return ALPHABET[-sum(ALPHABET.index(c) * w for c, w in zip(first, WEIGHTS, strict=True)) % 31]


def organisation_check(body: str) -> str:
    """The check character of an eight-character organisation code."""
    total = sum(int(c, 36) * w for c, w in zip(body, ORGANISATION_WEIGHTS, strict=True))
    value = 11 - total % 11
    return {10: "X", 11: "0"}.get(value, str(value))


def masked(code: str) -> str:
    """As a stranger may see it."""
    return f"{code[:4]}{'*' * 10}{code[-4:]}"
