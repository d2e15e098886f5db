"""The lines of an uploaded table as their cells: CSV (UTF-8, UTF-16 or GB 18030) and XLSX, streamed in bounded memory."""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from openpyxl import load_workbook
from openpyxl.utils.datetime import WINDOWS_EPOCH

from shared.errors import Invalid, UnsupportedMedia

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {"application/x-ndjson": "ndjson", "application/ndjson": "ndjson", "text/csv": "csv", XLSX: "xlsx"}
MEDIA = {"ndjson": "application/x-ndjson", "csv": "text/csv", "xlsx": XLSX}
NAMES = {"ndjson": "ndjson", "jsonl": "ndjson", "csv": "csv", "xlsx": "xlsx"}
MOST_LINES = 1_048_576  # of a worksheet
MOST_COLUMNS = 500
LARGEST_SHEET_BYTES = 1024**3  # unpacked; it is streamed
LARGEST_TABLE_BYTES = 128 * 1024**2  # unpacked shared strings and styles, which are held in memory
SNIFFED_BYTES = 64 * 1024
Line = tuple[int, list[Any]]  # number in the file, from 1; its cells


@dataclass(frozen=True)
class Sheet:
    """One table of a file."""

    lines: Iterator[Line]
    epoch: datetime = WINDOWS_EPOCH  # what a date's serial number counts from
    encoding: str = "utf-8-sig"
    delimiter: str = ","


def file_type(media: str, filename: str | None) -> str:
    """ndjson, csv or xlsx, by media type or by name. Raises UnsupportedMedia."""
    found = TYPES.get(media) or NAMES.get((filename or "").rpartition(".")[2].lower())
    if not found:
        raise UnsupportedMedia(f"send NDJSON, CSV or XLSX, not {media or 'nothing'}")
    return found


def sheets(type_of_file: str, raw: BinaryIO) -> Iterator[Sheet]:
    """The tables of a file, in order. Raises Invalid, also while lines are read, when it is no such file."""
    return _csv(raw) if type_of_file == "csv" else _xlsx(raw)


def titled(type_of_file: str, raw: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
    """The non-blank lines below a table's first one, by its titles, without the blank cells. Raises Invalid."""
    for sheet in sheets(type_of_file, raw):
        lines = ((number, [cell.strip() if isinstance(cell, str) else cell for cell in cells]) for number, cells in sheet.lines)
        filled = ((number, cells) for number, cells in lines if any(cell not in (None, "") for cell in cells))
        _, titles = next(filled, (0, []))
        for number, cells in filled:
            yield number, {str(title): cell for title, cell in zip(titles, cells, strict=False) if cell not in (None, "")}
        return


def _csv(raw: BinaryIO) -> Iterator[Sheet]:
    encoding = _encoding(raw)
    text = io.TextIOWrapper(raw, encoding, newline="")
    head = text.read(SNIFFED_BYTES)
    text.seek(0)
    first = next((line for line in head.splitlines() if line.strip(' ,;\t"')), "")
    delimiter = max(",\t;", key=first.count)
    yield Sheet(_csv_lines(text, delimiter), encoding=encoding, delimiter=delimiter)


def _csv_lines(text: io.TextIOWrapper, delimiter: str) -> Iterator[Line]:
    try:
        yield from enumerate(csv.reader(text, delimiter=delimiter), 1)
    except csv.Error as wrong:
        raise Invalid(f"不是CSV文件 not a CSV: {wrong}"[:200]) from wrong


def _encoding(raw: BinaryIO) -> str:
    """The first of the encodings that Excel writes in which the whole file can be read. Raises Invalid."""
    start = raw.read(2)
    tries = ("utf-16",) if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else ("utf-8-sig", "gb18030")
    for name in tries:
        raw.seek(0)
        decoder = codecs.getincrementaldecoder(name)()
        try:
            while piece := raw.read(SNIFFED_BYTES):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        raw.seek(0)
        return name
    raise Invalid("CSV文件既不是UTF-8也不是GBK the CSV is neither UTF-8 nor GBK")


def _xlsx(raw: BinaryIO) -> Iterator[Sheet]:
    try:
        _check_size(raw)
        book = load_workbook(raw, read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what a sheet says of its own size is often wrong, and may be huge
            yield Sheet(_xlsx_lines(sheet), epoch=book.epoch)
    except Invalid:
        raise
    except Exception as wrong:  # openpyxl raises whatever zip and XML raise
        raise _no_workbook(wrong) from wrong


def _no_workbook(wrong: Exception) -> Invalid:
    return Invalid(f"不是XLSX工作簿 not an XLSX workbook: {type(wrong).__name__}")


def _check_size(raw: BinaryIO) -> None:
    """A workbook is a zip: one that unpacks to more than we read is refused before it is unpacked."""
    with zipfile.ZipFile(raw) as packed:
        for member in packed.infolist():
            in_memory = not member.filename.startswith("xl/worksheets/")
            if member.file_size > (LARGEST_TABLE_BYTES if in_memory else LARGEST_SHEET_BYTES):
                raise Invalid("工作簿解压后过大 the workbook unpacks to more than is read")
    raw.seek(0)


def _xlsx_lines(sheet: Any) -> Iterator[Line]:
    try:
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            cells = list(row)
            while cells and cells[-1] is None:  # formatted to the last column, and empty
                cells.pop()
            if number > MOST_LINES or len(cells) > MOST_COLUMNS:
                raise Invalid(f"超出 {MOST_LINES} 行或 {MOST_COLUMNS} 列 more rows or columns than are read")
            yield number, cells
    except (zipfile.BadZipFile, zlib.error, SyntaxError, KeyError, ValueError, TypeError, EOFError, OverflowError) as wrong:
        raise _no_workbook(wrong) from wrong
