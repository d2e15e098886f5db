"""A cell of a sheet as the JSON value that a field takes: what Excel does to dates, numbers and codes is undone here.

A converter returns the value, or raises CellFault with the reason. Nothing is guessed: digits that Excel has thrown away
are a fault, and so is a unit that is not named. No message repeats the cell, which may be personal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from marshmallow import fields
from openpyxl.utils.datetime import from_excel

from shared.records.fields import Code, Day, DecimalText, Fen, Month, Pattern, Standard
from shared.standards.codes import CODES
from shared.standards.errors import half_width

SCIENTIFIC = re.compile(r"[+-]?\d+(\.\d+)?E[+]?\d+", re.IGNORECASE)
EXACT = 10**15  # a sheet keeps 15 digits of a number: from here on the last ones are lost
DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]0{1,2}:00(?::00(?:\.0+)?)?)?")
COMPACT_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")
MONTH = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})月?|(\d{2}))")
SERIAL = re.compile(r"\d{5,6}(?:\.0+)?")  # days since the sheet's epoch: 10000 is in 1927
GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
LISTED = re.compile("[;；,，、]")  # several values in one cell
BROKEN = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"})
TRUE, FALSE = frozenset({"是", "TRUE", "Y", "YES", "1", "√", "T"}), frozenset({"否", "FALSE", "N", "NO", "0", "×", "F"})
Convert = Callable[[Any], Any]


class CellFault(ValueError):
    """Why a cell cannot be read."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


LOST = CellFault("digits_lost", "Excel以科学计数法存储,末位已丢失;请将该列设为文本后重填 digits were lost: format the column as text")


def plain(value: Any) -> Any:
    """A cell without the blanks around it; None when nothing is left. Raises CellFault for a formula's error."""
    if not isinstance(value, str):
        return value
    text = value.strip().strip("\ufeff\u200b")
    if text in BROKEN:
        raise CellFault("formula", f"公式出错 the formula gives {text}")
    return text or None


def converter(shape: fields.Field[Any], epoch: datetime, fen: int | None = None) -> Convert:
    """What turns a non-blank cell into the field's JSON value. `fen`: how many one unit of the column is worth."""
    if isinstance(shape, Fen):
        return lambda value: _money(value, fen or 1)
    if isinstance(shape, fields.Int):
        return lambda value: _whole(value, 1)
    if isinstance(shape, Day):
        return lambda value: _day(value, epoch)
    if isinstance(shape, Month):
        return lambda value: _month(value, epoch)
    if isinstance(shape, Code):
        names = _names(shape.codes)
        return lambda value: names.get(half_width(text := _text(value)).casefold(), text)
    if isinstance(shape, fields.Bool):
        return _truth
    if isinstance(shape, fields.List):
        inner = converter(shape.inner, epoch)
        return lambda value: _list(value, inner)
    if isinstance(shape, Pattern | DecimalText | Standard):
        return lambda value: half_width(_text(value))
    if isinstance(shape, fields.Str):
        return _text
    return _structure


def _names(codes: str) -> dict[str, str]:
    """A code list's codes and names, whichever of them a sheet holds."""
    return {half_width(entry[key]).casefold(): entry["code"] for key in ("en", "zh", "code") for entry in CODES[codes]}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if abs(value) >= EXACT:
            raise LOST
        return str(int(value)) if float(value).is_integer() else repr(value)
    if isinstance(value, datetime | date | time):
        return value.date().isoformat() if isinstance(value, datetime) else value.isoformat()
    text = str(value)
    if text[-1:].isdigit() and SCIENTIFIC.fullmatch(half_width(text)):
        raise LOST
    return text


def _whole(value: Any, scale: int) -> Any:
    """A whole number of base units, exact; what is no number at all is left for the schema to refuse."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) >= EXACT:
            raise LOST
        exact = Decimal(repr(value))
    elif isinstance(value, str):
        text = half_width(value).replace(" ", "")
        if SCIENTIFIC.fullmatch(text):
            raise LOST
        try:
            exact = Decimal(text.replace(",", "") if GROUPED.fullmatch(text) else text)
        except InvalidOperation:
            return value
    else:
        return value
    if not exact.is_finite() or len(exact.as_tuple().digits) > 40 or abs(exact.adjusted()) > 40:
        return value
    scaled = exact * scale
    return int(scaled) if scaled == scaled.to_integral_value() else value


def _money(value: Any, scale: int) -> Any:
    found = _whole(value, scale)
    if isinstance(found, float) or (isinstance(found, str) and found is value and _whole(found, 10**6) is not value):
        raise CellFault("fraction_of_fen", "金额不足一分,或列的单位不是分 not a whole number of fen: check the column's unit")
    return found


def _day(value: Any, epoch: datetime) -> Any:
    found = _date(value, epoch)
    if found is None and isinstance(value, str | int) and not isinstance(value, bool):
        text = half_width(str(value))
        parts = DAY.fullmatch(text) or COMPACT_DAY.fullmatch(text)
        if parts:
            return _iso(*map(int, parts.groups()))
    return value if found is None else found.isoformat()


def _month(value: Any, epoch: datetime) -> Any:
    text = half_width(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    parts = MONTH.fullmatch(text)
    if parts:
        month = int(parts.group(2) or parts.group(3))
        if not 1 <= month <= 12:
            raise CellFault("no_such_month", "月份不存在 no such month")
        return f"{parts.group(1)}-{month:02d}"
    whole = DAY.fullmatch(text)
    found = _date(value, epoch)
    return _iso(*map(int, whole.groups()))[:7] if whole else value if found is None else found.isoformat()[:7]


def _date(value: Any, epoch: datetime) -> date | None:
    """A date cell, or a serial number of the sheet's calendar."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str) and SERIAL.fullmatch(half_width(value)):
        value = float(half_width(value))
    if isinstance(value, int | float) and not isinstance(value, bool) and 10_000 <= value < 110_000:
        found = from_excel(value, epoch)
        return found.date() if isinstance(found, datetime) else None
    return None


def _iso(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        raise CellFault("no_such_day", "日期不存在 no such day") from None


def _truth(value: Any) -> Any:
    text = half_width(_text(value))
    return True if text in TRUE else False if text in FALSE else value


def _list(value: Any, inner: Convert) -> Any:
    if isinstance(value, str) and value[:1] == "[":
        return _structure(value)
    return [inner(part.strip()) for part in LISTED.split(_text(value)) if part.strip()]


def _structure(value: Any) -> Any:
    """A cell that holds JSON: accreditations, members, a history."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise CellFault("not_json", "应为JSON the cell is not JSON") from None
    return value
