"""The header of a table: which column holds which field, by field name or by Chinese title, over one line or two.

A line above may carry titles of groups (个人信息 over 姓名 and 证件号码), as merged cells do: their text is in the first cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, zip_longest
from typing import Any

from marshmallow import Schema, fields

from shared.errors import Fault, Invalid
from shared.records.create import GIVEN
from shared.records.fields import CreditCode, Fen, IndustryCode, TownCode
from shared.records.intake.cells import CellFault, Convert, converter, plain
from shared.standards.errors import half_width

SEARCHED_LINES = 20  # titles and notes may stand above the header
UNITS = {"分": 1, "元": 100, "万元": 10**6, "亿元": 10**10}  # fen
OUTCOME, REASONS, RECORDS = "导入结果 import_result", "原因 import_reasons", "记录 import_records"
OURS = frozenset({OUTCOME, REASONS, RECORDS})  # what a result file adds; read again, it says nothing
NUMBERING = frozenset({"序号", "编号", "no", "no.", "#"})
OTHER_NAMES: dict[type[fields.Field[Any]], Sequence[str]] = {  # where a kind has one field of the type
    CreditCode: ("统一社会信用代码", "社会信用代码", "信用代码", "企业统一社会信用代码"), TownCode: ("镇街", "镇街代码", "所在镇街"),
    IndustryCode: ("行业小类", "行业代码", "行业小类代码"),
}
ADVICE = r"必填|选填|非必填|可选|文本|required|optional|personal|个人信息|\d+位.*|y{4}.*|单位:"
NOTE = re.compile(rf"(.+?)\s*[(\[【](?:{ADVICE})?([^()\[\]【】]*)[)\]】]", re.IGNORECASE)
TEXT, HISTORY = fields.Str(), fields.Raw()


@dataclass(frozen=True)
class Name:
    """What a header cell may mean: the path of a field; for money, how many fen one unit is."""

    path: tuple[str, ...]
    shape: fields.Field[Any]
    fen: int | None = None


@dataclass(frozen=True)
class Column:
    """One column of a table. Without a path its cells are refused, `why` says what is wrong with its title."""

    title: str
    path: tuple[str, ...] = ()
    convert: Convert | None = None
    why: str | None = None
    ours: bool = False  # added by a result file, or a running number: not read


@dataclass(frozen=True)
class Header:
    """A table's columns; `last` is the number of the header's last line."""

    columns: list[Column]
    first: int
    last: int

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.columns)


def title_of(shape: fields.Field[Any]) -> str:
    """A field's Chinese title: its description up to the first comma or bracket."""
    return re.split(r"[,，;；(（]", str(shape.metadata.get("description", "")))[0].strip()


def normal(text: Any) -> str:
    """A header cell without what people add to it: blanks, stars, colons, full-width forms."""
    return re.sub(r"[\s*::]", "", half_width(str(text))).casefold()


@dataclass(frozen=True)
class Leaf:
    """A field that a column can hold, with the titles of those that it lies in."""

    path: tuple[str, ...]
    titles: tuple[str, ...]
    shape: fields.Field[Any]
    required: bool


def leaves(schema: Schema) -> list[Leaf]:
    """Every field of a schema, a nested one by its parts."""
    return [*_leaves(schema, (), (), True)]


def _leaves(schema: Schema, path: tuple[str, ...], titles: tuple[str, ...], needed: bool) -> Iterator[Leaf]:
    for attribute, shape in schema.fields.items():
        name = shape.data_key or attribute
        here, called, required = (*path, name), (*titles, title_of(shape)), needed and shape.required
        if isinstance(shape, fields.Nested):
            yield from _leaves(shape.schema, here, called, required)
        else:
            yield Leaf(here, called, shape, required)


def names_of(schema: Schema) -> dict[str, Name]:
    """Every name that a column may go by."""
    found = {normal(name): Name((name,), shape) for name, shape in schema.fields.items()}
    found |= {name: Name((name,), HISTORY if name == "history" else TEXT) for name in GIVEN if name not in found}
    inner: dict[str, list[Name]] = {}
    for leaf in leaves(schema):
        money = isinstance(leaf.shape, Fen)
        found.setdefault(normal(".".join(leaf.path)), Name(leaf.path, leaf.shape))
        for text in (".".join(leaf.titles), "".join(leaf.titles)) if all(leaf.titles) else ():
            for unit in UNITS if money else (None,):
                named = Name(leaf.path, leaf.shape, UNITS.get(unit or ""))
                found.setdefault(normal(f"{text}({unit})" if unit else text), named)
        if len(leaf.path) > 1 and not money:
            inner.setdefault(normal(leaf.titles[-1]), []).append(Name(leaf.path, leaf.shape))
    for of_type, others in OTHER_NAMES.items():
        ones = [name for name, shape in schema.fields.items() if isinstance(shape, of_type)]
        for text in others if len(ones) == 1 else ():
            found.setdefault(normal(text), Name((ones[0],), schema.fields[ones[0]]))
    for title, names in inner.items():
        if len(names) == 1:  # 姓名 where only one person is asked for
            found.setdefault(title, names[0])
    found.pop("", None)
    return found


class Titles:
    """Reads header lines of one kind's tables."""

    def __init__(self, schema: Schema) -> None:
        self.names = names_of(schema)
        self.units_missing = {normal(title_of(shape)) for shape in schema.fields.values() if isinstance(shape, Fen)}
        self.groups = {normal(text) for name, shape in schema.fields.items() if isinstance(shape, fields.Nested)
                       for text in (name, title_of(shape))}

    def find(self, lines: Iterable[tuple[int, list[Any]]], epoch: datetime) -> Header | None:
        """The header among a table's first lines, None without one. Raises Invalid for two columns of one field."""
        above = list(islice(lines, SEARCHED_LINES + 1))
        for place, (number, cells) in enumerate(above[:SEARCHED_LINES]):
            if not any(self._means(cell) for cell in cells):
                continue
            below = above[place + 1][1] if place + 1 < len(above) and above[place + 1][0] == number + 1 else []
            below = [] if is_comment(below) else below
            pairs = list(zip_longest(_carried(cells, below), below))
            if self._is_second(pairs):
                return Header(self._columns(pairs, epoch), number, number + 1)
            return Header(self._columns([(None, cell) for cell in cells], epoch), number, number)
        return None

    def _means(self, cell: Any) -> bool:
        return _shown(cell) != "" and (self._name(cell) is not None or normal(cell) in self.groups)

    def _name(self, cell: Any) -> Name | None:
        text = _shown(cell)
        key = normal(text)
        if key in self.names:
            return self.names[key]
        noted = NOTE.fullmatch(half_width(text))
        if not noted:
            return None
        base, note = normal(noted.group(1)), normal(noted.group(2))
        return self.names.get(f"{base}({note})") if note else self.names.get(base)

    def _is_second(self, pairs: list[tuple[Any, Any]]) -> bool:
        """Whether the line below belongs to the header: at least half of what stands in it are titles."""
        below = [(group, cell) for group, cell in pairs if _shown(cell)]
        return bool(below) and 2 * sum(self._of_pair(*pair) is not None for pair in below) >= len(below)

    def _of_pair(self, group: Any, cell: Any) -> Name | None:
        if not _shown(cell):
            return self._name(group)
        joined = (f"{_shown(group)}.{_shown(cell)}", f"{_shown(group)}({_shown(cell)})") if _shown(group) else ()
        return next((name for text in (*joined, cell) if (name := self._name(text))), None)

    def _columns(self, pairs: list[tuple[Any, Any]], epoch: datetime) -> list[Column]:
        columns = [self._column(group, cell, epoch) for group, cell in pairs]
        paths = [column.path for column in columns if column.path]
        twice = sorted({".".join(path) for path in paths if paths.count(path) > 1})
        if twice:
            raise Invalid("两列是同一字段 two columns of one field", faults=[Fault(f"/{name}", "twice", "列重复 twice") for name in twice])
        return columns

    def _column(self, group: Any, cell: Any, epoch: datetime) -> Column:
        title = " ".join(dict.fromkeys(filter(None, (_shown(group), _shown(cell)))))
        if {_shown(cell), _shown(group)} & OURS or normal(title) in NUMBERING - set(self.names):
            return Column(title, ours=True)
        name = self._of_pair(group, cell)
        if name is None:
            why = "列缺标题 the column has no title" if not title else "不认识的列 unknown column"
            if normal(title) in self.units_missing:
                why = "金额列须注明单位,如 合同成交额(元) name the unit of the amount in the title"
            return Column(title, why=why)
        return Column(title, name.path, converter(name.shape, epoch, name.fen))


def is_comment(cells: Sequence[Any]) -> bool:
    """Whether a line is a note for people, as templates have them."""
    return bool(cells) and isinstance(cells[0], str) and cells[0].lstrip().startswith("#")


def _carried(cells: Sequence[Any], below: Sequence[Any]) -> list[Any]:
    """A line of group titles: a blank cell belongs to the group on its left where there is a title below it."""
    found: list[Any] = []
    for cell, under in zip_longest(cells, below):
        found.append(found[-1] if not _shown(cell) and _shown(under) and found else cell)
    return found


def _shown(cell: Any) -> str:
    try:
        return str(plain(cell) or "")
    except CellFault:
        return ""
