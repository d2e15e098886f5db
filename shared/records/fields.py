"""marshmallow fields of the national standards and of our code lists. All load to what is stored: text and integers."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from marshmallow import ValidationError, fields, validate

from shared.standards import citizen_id, numbers, uscc
from shared.standards.codes import members
from shared.standards.errors import StandardError, half_width

CONTROL = re.compile("[\x00-\x1f]")
MONTH = re.compile(r"(?:19|20|21)[0-9]{2}-(0[1-9]|1[0-2])")
PERIOD = re.compile(r"(?:19|20|21)[0-9]{2}(-Q[1-4]|-(0[1-9]|1[0-2]))?")
PROVINCES = f"(?:{'|'.join(sorted(citizen_id.PROVINCES))})"
TOWN = re.compile(PROVINCES + r"[0-9]{4}(?!000)[0-9]{3}")  # below the county: 001–099 街道, 100–199 镇, …
INDUSTRY = re.compile(r"(?:0[1-9]|[1-8][0-9]|9[0-7])[0-9]{2}")  # divisions 01–97
DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
YEARS = range(1900, 2201)
MOST_FEN = 2**53  # beyond this a reader that holds numbers as doubles would lose fen
BASE_UNITS = {"元": 100, "万元": 10**6, "亿元": 10**10, "人": 1, "万人": 10**4, "家": 1, "位": 1, "%": 10**6}


class Text(fields.Str):
    """A short text, trimmed, not blank."""

    def __init__(self, longest: int = 200, **more: Any) -> None:
        super().__init__(validate=validate.Length(1, longest), **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = super()._deserialize(value, attr, data, **more)
        if CONTROL.search(text):
            raise ValidationError("不允许控制字符 no control characters")
        return text.strip()


class Standard(fields.Str):
    """A number with a check of its own."""

    check: Any = staticmethod(str)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = super()._deserialize(value, attr, data, **more)
        try:
            return type(self).check(text)
        except StandardError as wrong:
            raise ValidationError(wrong.message) from None


class CreditCode(Standard):
    """统一社会信用代码."""

    check = staticmethod(uscc.check)


class CertificateNumber(Standard):
    """高企证书编号."""

    check = staticmethod(numbers.check_certificate)


class EntryNumber(Standard):
    """科技型中小企业入库登记编号."""

    check = staticmethod(numbers.check_entry)


class PatentNumber(Standard):
    """专利号."""

    check = staticmethod(numbers.check_patent)


class Pattern(fields.Str):
    """Text of a pattern."""

    def __init__(self, pattern: re.Pattern[str], message: str, **more: Any) -> None:
        super().__init__(**more)
        self.pattern, self.message = pattern, message

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        text = super()._deserialize(text, attr, data, **more).strip()
        if not self.pattern.fullmatch(text):
            raise ValidationError(self.message)
        return text


class TownCode(Pattern):
    """镇街代码, nine digits of GB/T 2260."""

    def __init__(self, **more: Any) -> None:
        super().__init__(TOWN, "镇街代码应为 GB/T 2260 的9位数字 nine digits of GB/T 2260", **more)


class IndustryCode(Pattern):
    """行业小类, four digits of GB/T 4754."""

    def __init__(self, **more: Any) -> None:
        super().__init__(INDUSTRY, "行业小类应为 GB/T 4754 的4位数字 four digits of GB/T 4754", **more)


class Month(Pattern):
    """YYYY-MM."""

    def __init__(self, **more: Any) -> None:
        super().__init__(MONTH, "月份应为 YYYY-MM", **more)


class Period(Pattern):
    """YYYY, YYYY-Qn or YYYY-MM (year to date)."""

    def __init__(self, **more: Any) -> None:
        super().__init__(PERIOD, "期间应为 YYYY、YYYY-Qn 或 YYYY-MM", **more)


def calendar_day(text: str) -> date:
    """A day written YYYY-MM-DD, and in no other way of ISO 8601 (20260630, 2026-W27-2). Raises ValueError."""
    if not DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


class Day(fields.Str):
    """YYYY-MM-DD, Asia/Shanghai."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = super()._deserialize(value, attr, data, **more).strip()
        try:
            if calendar_day(text).year not in YEARS:
                raise ValueError
        except ValueError:
            raise ValidationError("日期应为 YYYY-MM-DD, 1900–2200") from None
        return text


class Whole(fields.Int):
    """A whole number, as a number: no text, no fraction, no truth value."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValidationError("应为整数 a whole number is wanted")
        return super()._deserialize(value, attr, data, **more)


class Fen(Whole):
    """Money in integer fen (分), not negative."""

    def __init__(self, **more: Any) -> None:
        super().__init__(validate=validate.Range(0, MOST_FEN), **more)


class Code(fields.Str):
    """One of a code list."""

    def __init__(self, name: str, **more: Any) -> None:
        super().__init__(validate=validate.OneOf(members(name)), **more)
        self.codes = name


class DecimalText(fields.Str):
    """A decimal number as text, exact."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        text = super()._deserialize(text, attr, data, **more).strip()
        try:
            if not re.fullmatch(r"-?\d{1,18}(\.\d{1,12})?", text):
                raise InvalidOperation
            Decimal(text)
        except InvalidOperation:
            raise ValidationError("应为十进制数文本 a decimal as text") from None
        return text


PASSPORT = re.compile(r"[A-Z0-9]{5,20}")


def check_document(id_kind: str, number: str) -> str:
    """A person's document number, normalised. Raises StandardError; messages never repeat the number."""
    if id_kind in ("citizen_id", "residence_permit"):
        return citizen_id.check(number)
    text = re.sub(r"\s", "", half_width(number))
    if not PASSPORT.fullmatch(text):
        raise StandardError("format", "证件号码格式不符 (format)")
    return text
