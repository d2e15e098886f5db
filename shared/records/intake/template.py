"""Templates to fill in: field names, Chinese titles, an example and the allowed codes, made from the kind's schema.

Lines that begin with # are notes: an import skips them, so that a template is handed in as it is.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError, fields, validate
from openpyxl import Workbook
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter

from shared.records import fields as ours
from shared.records.intake.header import Leaf, leaves
from shared.records.kind import Kind
from shared.standards.codes import CODES
from shared.standards.numbers import patent_check

USCC = "91441502MAQQQQ019U"  # a valid code of a body that is not issued
EXAMPLES: tuple[str | int, ...] = (  # the first that a field takes is its example
    "示例", USCC, "GR202644900001", "202644150200000001", f"ZL202010000001.{patent_check('202010000001')}", "441502100", "3974",
    "2026-06-30", "2026-06", "2026", "390.00", 2026, 3, 10_000, "example-1", "6222000000000000",
)
NAMED = {"id_number": "990000200103150024"}  # of a division that is not assigned
HEAD = PatternFill("solid", fgColor="DDE8F5")


@dataclass(frozen=True)
class Line:
    """One column of a template."""

    name: str
    title: str
    required: bool
    example: str
    allowed: list[dict[str, str]]  # code, zh, en
    note: str


def columns(kind: Kind) -> list[Line]:
    """The columns of a kind's table: its fields, a nested one by its parts."""
    return [_column(leaf) for leaf in leaves(kind.schema)]


def _column(leaf: Leaf) -> Line:
    shape = leaf.shape.inner if isinstance(leaf.shape, fields.List) else leaf.shape
    structured = isinstance(shape, fields.Nested | fields.Dict)
    note = "JSON" if structured else "分 fen" if isinstance(shape, ours.Fen) else ""
    note = note or ("多个用;分隔 several by ;" if shape is not leaf.shape else "")
    example = NAMED.get(leaf.path[-1], "" if structured else _example(shape))
    title = ".".join(title or name for title, name in zip(leaf.titles, leaf.path, strict=True))
    return Line(".".join(leaf.path), title, leaf.required, example, _allowed(shape), note)


def _allowed(shape: fields.Field[Any]) -> list[dict[str, str]]:
    if isinstance(shape, ours.Code):
        return CODES[shape.codes]
    choices = next((list(one.choices) for one in shape.validators if isinstance(one, validate.OneOf)), [])
    return [{"code": str(choice), "zh": "", "en": ""} for choice in choices]


def _example(shape: fields.Field[Any]) -> str:
    """The first value of a few that the field takes."""
    if isinstance(shape, fields.Bool):
        return "是"
    tries = [*(one["code"] for one in _allowed(shape)), *EXAMPLES]
    return next((str(one) for one in tries if _takes(shape, one)), "")


def _takes(shape: fields.Field[Any], value: str | int) -> bool:
    try:
        shape.deserialize(value)
    except ValidationError:
        return False
    return True


def _notes(lines: list[Line]) -> list[list[str]]:
    titles = [f"{line.title}*" if line.required else line.title for line in lines]
    allowed = ["|".join("=".join(filter(None, (one["code"], one["zh"]))) for one in line.allowed) or line.note for line in lines]
    examples = [line.example for line in lines]
    marked = [("# ", titles), ("# 例 ", examples), ("# 允许值 ", allowed)]
    return [[mark + row[0], *row[1:]] for mark, row in marked]


def as_csv(kind: Kind) -> bytes:
    """UTF-8 with the mark that Excel needs."""
    lines = columns(kind)
    text = io.StringIO()
    csv.writer(text).writerows([[line.name for line in lines], *_notes(lines)])
    return text.getvalue().encode("utf-8-sig")


def as_xlsx(kind: Kind) -> bytes:
    """A sheet to fill in, its cells as text so that no code is taken for a number, and a sheet of notes and codes."""
    lines = columns(kind)
    book = Workbook()
    sheet = book.active
    sheet.title = kind.title or kind.name
    for row in [[line.name for line in lines], *_notes(lines)]:
        sheet.append(row)
    for place, line in enumerate(lines, 1):
        letter = get_column_letter(place)
        sheet.column_dimensions[letter].width = max(14, len(line.name) + 2)
        sheet.column_dimensions[letter].number_format = "@"
        sheet.cell(1, place).font, sheet.cell(1, place).fill = Font(bold=True), HEAD
    sheet.freeze_panes = "A2"
    _codes(book.create_sheet("代码 codes"), lines)
    raw = io.BytesIO()
    book.save(raw)
    return raw.getvalue()


def _codes(sheet: Any, lines: list[Line]) -> None:
    sheet.append(["列 column", "标题 title", "必填 required", "代码 code", "中文", "English"])
    for line in lines:
        for one in line.allowed or [{"code": line.note, "zh": "", "en": ""}]:
            sheet.append([line.name, line.title, "是 yes" if line.required else "", one["code"], one["zh"], one["en"]])
