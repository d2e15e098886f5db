"""Rows of an uploaded file as record bodies, each with its number in the file and the faults of its cells."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, BinaryIO

from shared.errors import Fault, Invalid, KechuangError
from shared.records.intake.cells import CellFault, plain
from shared.records.intake.files import Sheet, sheets
from shared.records.intake.header import OURS, SEARCHED_LINES, Column, Header, Titles, is_comment
from shared.records.kind import Kind
from shared.records.workflow import Image
from shared.web.json import check_storable, no_constant, once_each

HIDDEN = "***"  # stands for a personal value in a result file; read again, it says nothing
NAMELESS = Column("", why="列缺标题 the column has no title")
MOST_ROWS = 200_000  # of one file: a dry run remembers each row's identity


@dataclass
class Row:
    """A line of the file. Only a line with `data` is a record; the others are header, notes and blanks."""

    number: int
    cells: list[Any]  # as they are in the file; of NDJSON the one text
    data: bool = False
    body: Image = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    broken: bool = False  # it is no object, or holds what no store can: nobody looks into it


@dataclass
class Upload:
    """A file as it is read: `header` and `sheet` of a table, none for NDJSON."""

    rows: Iterator[Row]
    header: Header | None = None
    sheet: Sheet | None = None


def read(kind: Kind, type_of_file: str, raw: BinaryIO) -> Upload:
    """A file's rows. Raises Invalid, also while rows are read, when the file is none or has no header."""
    found = Upload(_ndjson(kind, raw)) if type_of_file == "ndjson" else _table(kind, type_of_file, raw)
    found.rows = _bounded(found.rows)
    return found


def _bounded(rows: Iterator[Row]) -> Iterator[Row]:
    count = 0
    for row in rows:
        count += row.data
        if count > MOST_ROWS:
            raise Invalid(f"文件超过 {MOST_ROWS} 行,请拆分 more than {MOST_ROWS} rows: split the file")
        yield row


def _ndjson(kind: Kind, raw: BinaryIO) -> Iterator[Row]:
    for number, line in enumerate(raw, 1):
        row = Row(number, [line.decode("utf-8", "replace").rstrip("\r\n")], data=bool(line.strip()))
        if row.data:
            try:
                body = json.loads(
                    line.decode("utf-8-sig" if number == 1 else "utf-8"), parse_constant=no_constant, object_pairs_hook=once_each
                )
                if not isinstance(body, dict):
                    raise ValueError("an object is wanted")
                row.body = {name: value for name, value in body.items() if name not in OURS}
                hide(kind, row.body)
                _check(row)
            except (ValueError, RecursionError) as wrong:
                why = "not UTF-8" if isinstance(wrong, UnicodeDecodeError) else str(wrong)
                row.broken, row.faults = True, [Fault("", "unreadable", f"不是JSON对象 not a JSON object: {why}"[:200])]
        yield row


def hide(kind: Kind, body: Image) -> None:
    """Take away what a result file has hidden: it says that the value is to stay as it is."""
    for name in kind.personal:
        value = body.get(name)
        if value == HIDDEN:
            del body[name]
        elif isinstance(value, dict):
            body[name] = {key: item for key, item in value.items() if item != HIDDEN}
            if not body[name]:
                del body[name]


def _table(kind: Kind, type_of_file: str, raw: BinaryIO) -> Upload:
    """The first table that has a header, as sheets of notes and code lists may stand before it."""
    titles = Titles(kind.schema)
    for sheet in sheets(type_of_file, raw):
        first = list(islice(sheet.lines, 2 * SEARCHED_LINES))
        header = titles.find([line for line in first if any(_given(cell) for cell in line[1])], sheet.epoch)
        if header is not None:
            return Upload(_rows(kind, header, chain(first, sheet.lines)), header, sheet)
    known = ", ".join(name for name in kind.schema.fields)
    raise Invalid(f"前{SEARCHED_LINES}行没有表头 no header in the first {SEARCHED_LINES} lines; columns: {known}")


def _given(cell: Any) -> bool:
    return cell is not None and (not isinstance(cell, str) or bool(cell.strip()))


def _rows(kind: Kind, header: Header, lines: Iterator[tuple[int, list[Any]]]) -> Iterator[Row]:
    for number, cells in lines:
        row = Row(number, cells)
        if number > header.last and not is_comment(cells):
            _fill(row, header)
            if row.data:
                hide(kind, row.body)
        yield row


def _fill(row: Row, header: Header) -> None:
    columns, width = header.columns, header.width
    for place, cell in enumerate(row.cells):
        if cell is None or cell == "" or not _given(cell):
            continue
        column = columns[place] if place < width else NAMELESS
        if column.ours:
            continue
        row.data = True
        try:
            value = plain(cell)
            if column.convert is None:
                raise CellFault("unknown", column.why or "不认识的列 unknown column")
            if value is not None:
                _put(row.body, column.path, value if value == HIDDEN else column.convert(value))
        except CellFault as wrong:
            row.faults.append(Fault("/" + "/".join(column.path or (column.title,)), wrong.code, wrong.message))
    _check(row)


def _check(row: Row) -> None:
    try:
        check_storable(row.body)
    except KechuangError as wrong:
        row.broken = True
        row.faults += wrong.faults or [Fault("", wrong.code, wrong.message)]


def _put(body: Image, path: tuple[str, ...], value: Any) -> None:
    """Set a nested value. A column of the whole (person, as JSON) and one of its parts (person.name) cannot both be."""
    for name in path[:-1]:
        inner = body.setdefault(name, {})
        if not isinstance(inner, dict):
            raise CellFault("twice", "与另一列重复 another column says it already")
        body = inner
    if isinstance(body.get(path[-1]), dict):
        raise CellFault("twice", "与另一列重复 another column says it already")
    body[path[-1]] = value
