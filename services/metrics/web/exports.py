"""The board as a table: CSV that Excel opens with its Chinese right, and XLSX."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from openpyxl import Workbook

from services.metrics.readings import Item

HEADINGS = {
    "id": ("编号", "id"),
    "name": ("指标", "indicator"),
    "clause": ("条款", "clause"),
    "unit": ("单位", "unit"),
    "value": ("现值", "value"),
    "numerator": ("分子", "numerator"),
    "denominator": ("分母", "denominator"),
    "state": ("状态", "state"),
    "operator": ("比较", "operator"),
    "target": ("目标", "target"),
    "by": ("期限", "by"),
    "progress": ("完成率", "progress"),
    "gap": ("差距", "gap"),
    "expected_to_date": ("时序目标", "expected to date"),
    "forecast": ("到期预测", "forecast"),
    "verdict": ("判断", "verdict"),
    "as_of": ("数据日", "as of"),
    "known_at": ("知悉时点", "known at"),
    "data_period": ("数据期", "data period"),
    "definition_version": ("定义版本", "definition version"),
}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def table(items: Iterable[Item], language: str) -> list[list[Any]]:
    """Heading and one line an indicator."""
    column = 0 if language == "zh" else 1
    return [[names[column] for names in HEADINGS.values()], *(_line(item, language) for item in items)]


def as_csv(rows: Sequence[Sequence[Any]]) -> bytes:
    """UTF-8 with the mark by which Excel knows it."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8")


def as_xlsx(rows: Sequence[Sequence[Any]]) -> bytes:
    """One sheet."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("indicators")
    for row in rows:
        sheet.append(list(row))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _line(item: Item, language: str) -> list[Any]:
    target = item.get("target") or {}
    special = {
        "name": item["name"].get(language) or item["id"],
        "clause": " ".join(item["clause"]),
        "operator": target.get("operator"),
        "target": target.get("value"),
        "by": target.get("by"),
    }
    return [_safe(special[name] if name in special else item.get(name)) for name in HEADINGS]


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
