"""marshmallow fields of the national standards and of our code lists. All load to what is stored: text and integers.

`json_schema` is what the OpenAPI document says of a field beyond its type and validators; a check digit no schema can say.
"""

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
UNADDRESSABLE = r"\s/\\?#%\u0000-\u001f\u007f"  # what would end or divide a path
EDGE = r"[^\S\u0000-\u001f]*"  # is trimmed
MONTH = re.compile(r"(?:19|20|21)[0-9]{2}-(0[1-9]|1[0-2])")
PERIOD = re.compile(r"(?:19|20|21)[0-9]{2}(-Q[1-4]|-(0[1-9]|1[0-2]))?")
PROVINCES = f"(?:{'|'.join(sorted(citizen_id.PROVINCES))})"
TOWN = re.compile(PROVINCES + r"[0-9]{4}(?!000)[0-9]{3}")  # below the county: 001–099 街道, 100–199 镇, …
INDUSTRY = re.compile(r"(?:0[1-9]|[1-8][0-9]|9[0-7])[0-9]{2}")  # divisions 01–97
DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")
YEARS = range(1900, 2201)
MOST = 10**18 - 1  # of a decimal: 18 digits before the point
MOST_FEN = 2**53  # beyond this a reader that holds numbers as doubles would lose fen
BASE_UNITS = {"元": 100, "万元": 10**6, "亿元": 10**10, "人": 1, "万人": 10**4, "家": 1, "位": 1, "%": 10**6}


def ecma(pattern: str) -> str:
    """A pattern for a whole text as JSON Schema writes it."""
    return f"^({pattern})$".replace("(?:", "(").replace(r"\d", "[0-9]")


class Text(fields.Str):
    """A short text, trimmed, not blank."""

    json_schema = {"pattern": r"^[^\u0000-\u001f]*[^\u0000-\u001f\s][^\u0000-\u001f]*$"}

    def __init__(self, longest: int = 200, **more: Any) -> None:
        super().__init__(validate=validate.Length(1, longest), **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = super()._deserialize(value, attr, data, **more)
        if CONTROL.search(text):
            raise ValidationError("不允许控制字符 no control characters")
        return text.strip()


class Identifier(Text):
    """A short text that names a record in an address, and so has nothing that divides or ends one, nor a space."""

    json_schema = {"pattern": rf"^{EDGE}(?![.]{{1,2}}{EDGE}$)[^{UNADDRESSABLE}]+{EDGE}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = super()._deserialize(value, attr, data, **more)
        if text in (".", "..") or re.search(f"[{UNADDRESSABLE}]", text):
            raise ValidationError("编号不得含空格与 / \\ ? # % 等字符 an identifier has no space and none of / \\ ? # %")
        return text


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
    json_schema = {"format": "uscc", "pattern": f"^[{uscc.AUTHORITIES}][{uscc.ALPHABET}][0-9]{{6}}[{uscc.ALPHABET}]{{10}}$"}


class CertificateNumber(Standard):
    """高企证书编号."""

    check = staticmethod(numbers.check_certificate)
    json_schema = {"format": "certificate-number", "pattern": ecma(numbers.CERTIFICATE.pattern)}


class EntryNumber(Standard):
    """科技型中小企业入库登记编号."""

    check = staticmethod(numbers.check_entry)
    json_schema = {"format": "entry-number", "pattern": ecma(numbers.ENTRY.pattern)}


class PatentNumber(Standard):
    """专利号."""

    check = staticmethod(numbers.check_patent)
    json_schema = {"format": "patent-number", "pattern": r"^ZL[0-9]{12}\.[0-9X]$"}


class Pattern(fields.Str):
    """Text of a pattern."""

    def __init__(self, pattern: re.Pattern[str], message: str, **more: Any) -> None:
        super().__init__(**more)
        self.pattern, self.message = pattern, message
        self.json_schema = {"type": ["string", "integer"], "minimum": 0, "pattern": ecma(pattern.pattern)}

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

    json_schema = {"format": "date", "pattern": "^(19[0-9]{2}|20[0-9]{2}|21[0-9]{2}|2200)-[0-9]{2}-[0-9]{2}$"}

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


class Flag(fields.Bool):
    """A truth value, as one: `on`, `y` or 1 are somebody's guess."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if not isinstance(value, bool):
            raise ValidationError("应为 true 或 false: true or false is wanted")
        return value


class DecimalText(fields.Str):
    """A decimal number as text, exact."""

    json_schema = {"type": ["string", "integer"], "minimum": -MOST, "maximum": MOST, "pattern": f"^{DECIMAL.pattern}$"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        text = super()._deserialize(text, attr, data, **more).strip()
        try:
            if not DECIMAL.fullmatch(text):
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
