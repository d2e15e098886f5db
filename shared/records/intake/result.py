"""The result file: the upload's own lines, each record with what became of it and why, in the format it came in.

Imported again it says the same: the columns that are added here are not read. Personal values are hidden unless the whole
is asked for, which only the uploader may (contract "Fields": absent from import results).
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

from shared.records.intake import workbook
from shared.records.intake.files import Sheet
from shared.records.intake.header import OURS, OUTCOME, REASONS, RECORDS, Header
from shared.records.intake.rows import HIDDEN, Row, Upload
from shared.records.intake.sealed import Writer
from shared.records.kind import Kind
from shared.records.workflow import Image

WORDS = {
    "created": "新增 created", "changed": "更新 changed", "unchanged": "未变 unchanged", "refused": "未采纳 refused",
    "found": "已登记 registered", "missing": "未登记 not registered",
}


Fate = list[str]  # what became of a row, the reasons, the records that were found
NONE: Fate = ["", "", ""]


def fates_of(rows: Iterable[list[Any]], errors: Iterable[Image]) -> dict[int, Fate]:
    """What became of rows, by number, from an outcome (see batch.Outcome)."""
    reasons = defaultdict(list)
    for error in errors:
        reasons[error["row"]].append(f"{error['column']}: {error['message']}" if error["column"] else error["message"])
    return {number: [WORDS[name], "; ".join(reasons[number]), "; ".join(more[0]) if more else ""] for number, name, *more in rows}


class Result(Protocol):
    """A result file being written."""

    def add(self, row: Row, fate: Fate) -> None:
        """The next line of the upload."""

    def close(self) -> None:
        """After the last."""


def result(out: Writer, kind: Kind, type_of_file: str, upload: Upload, *, whole: bool, lookup: bool) -> Result:
    """The result file of an upload; `whole` with its personal values."""
    hidden = frozenset() if whole else frozenset(kind.personal)
    if type_of_file == "ndjson":
        return _Objects(out, hidden, lookup)
    assert upload.header is not None, "a table has one"
    assert upload.sheet is not None, "a table has one"
    lines: Lines = workbook.Sheet(out) if type_of_file == "xlsx" else _Csv(out, upload.sheet)
    return _Table(lines, upload.header, hidden, lookup)


class Lines(Protocol):
    """A table being written."""

    def add(self, cells: list[Any]) -> None:
        """The next line."""

    def close(self) -> None:
        """After the last."""


class _Csv:
    def __init__(self, out: Writer, sheet: Sheet) -> None:
        self._text = io.TextIOWrapper(io.BufferedWriter(out), sheet.encoding, errors="replace", newline="")
        self._lines = csv.writer(self._text, delimiter=sheet.delimiter)

    def add(self, cells: list[Any]) -> None:
        self._lines.writerow(cells)

    def close(self) -> None:
        self._text.flush()
        self._text.detach().detach()


class _Objects:
    def __init__(self, out: Writer, hidden: frozenset[str], lookup: bool) -> None:
        self._out, self._hidden, self._names = out, hidden, _added(lookup)

    def add(self, row: Row, fate: Fate) -> None:
        text = json.dumps(self._kept(row) | dict(zip(self._names, fate, strict=False)), ensure_ascii=False) if row.data else ""
        self._out.write((text + "\n").encode("utf-8", "replace"))

    def _kept(self, row: Row) -> Image:
        try:
            body = json.loads(row.cells[0])
            return {name: HIDDEN if name in self._hidden else value for name, value in body.items() if name not in OURS}
        except (ValueError, AttributeError, RecursionError):
            return {"": HIDDEN if self._hidden else row.cells[0]}

    def close(self) -> None:
        pass


class _Table:
    """The lines as they were, without the columns of an earlier result, with those of this one."""

    def __init__(self, lines: Lines, header: Header, hidden: frozenset[str], lookup: bool) -> None:
        self._lines, self._header, self._hidden, self._names = lines, header, hidden, _added(lookup)
        columns = header.columns
        self._places = [place for place, column in enumerate(columns) if not set(column.title.split("\n")) & OURS]
        self._secret = {
            place for place, column in enumerate(columns) if hidden and not column.ours and (not column.path or column.path[0] in hidden)
        }
        self._last = 0

    def add(self, row: Row, fate: Fate) -> None:
        for _ in range(row.number - self._last - 1):
            self._lines.add([])
        self._last = row.number
        cells = [row.cells[place] if place < len(row.cells) else None for place in self._places]
        if row.number == self._header.last:
            self._lines.add([*cells, *self._names])
        elif row.number < self._header.last:
            self._lines.add(cells)
        elif row.data:
            shown = [self._shown(place, cell) for place, cell in zip(self._places, cells, strict=True)]
            beyond = [] if self._hidden else row.cells[self._header.width:]
            self._lines.add([*shown, *fate[: len(self._names)], *beyond])
        else:
            self._lines.add([] if self._hidden else cells)

    def _shown(self, place: int, cell: Any) -> Any:
        return HIDDEN if place in self._secret and cell not in (None, "") else cell

    def close(self) -> None:
        self._lines.close()


def _added(lookup: bool) -> tuple[str, ...]:
    return (OUTCOME, REASONS, RECORDS) if lookup else (OUTCOME, REASONS)
