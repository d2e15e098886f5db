"""Large tables of enterprises, some of whose rows are spoiled in one of many ways, and the reason that each must get."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openpyxl import Workbook

from tests.system.made import HONGCAO, uscc_of

COLUMNS = (
    "uscc", "name", "town_code", "industry_code", "established_on", "active_from", "former_names", "address", "cluster_codes",
    "in_hitech_zone", "legal_rep_name", "state", "history",
)


@dataclass(frozen=True)
class Fault:
    """One way to spoil a row: what stands in which column, and what the reason must say."""

    column: str
    value: Any
    reason: str


def _wrong(code: str, place: int, char: str) -> str:
    return code[:place] + char + code[place + 1:]


FAULTS = (
    Fault("uscc", lambda code: _wrong(code, 17, "0" if code[17] != "0" else "1"), "第18位校验码不符"),
    Fault("uscc", lambda code: _wrong(code, 9, "O"), "第10位不允许"),
    Fault("uscc", lambda code: code[:-1], "现为17位"),
    Fault("uscc", "9.14415E+17", "科学计数法"),
    Fault("uscc", None, "required"),
    Fault("uscc", lambda code: _wrong(code, 0, "0"), "登记管理部门"),
    Fault("uscc", lambda code: _wrong(code, 4, "A"), "行政区划"),
    Fault("uscc", lambda code: _wrong(code, 16, "0" if code[16] != "0" else "1"), "第17位主体标识码"),
    Fault("name", None, "required"),
    Fault("name", "长" * 201, "Length"),
    Fault("name", "带\t制表符", "控制字符"),
    Fault("name", "#REF!", "公式出错"),
    Fault("town_code", "红草镇", "镇街代码应为"),
    Fault("town_code", None, "required"),
    Fault("industry_code", "9999", "行业小类应为"),
    Fault("industry_code", None, "required"),
    Fault("established_on", "2026年2月30日", "日期不存在"),
    Fault("established_on", "昨天", "日期应为"),
    Fault("established_on", None, "required"),
    Fault("active_from", "2026/13/1", "日期不存在"),
    Fault("active_from", "1899-12-31", "日期应为"),
    Fault("former_names", "甲" * 201, "Length"),
    Fault("address", "址" * 201, "Length"),
    Fault("address", "#N/A", "公式出错"),
    Fault("cluster_codes", "钢铁", "Must be one of"),
    Fault("cluster_codes", "[1", "not JSON"),
    Fault("in_hitech_zone", "也许", "应为 true 或 false"),
    Fault("legal_rep_name", "欧阳明珠" * 60, "Length"),
    Fault("state", "zombie", "one of"),
    Fault("history", "[{", "not JSON"),
    Fault("history", '{"action": "post"}', "列表"),
    Fault("", "多出来的一格", "列缺标题"),
)


def good(number: int) -> dict[str, Any]:
    """A row as people type it: a date of the Chinese form, names of codes."""
    return {
        "uscc": uscc_of(f"MB{number:06d}"), "name": f"批量企业{number:06d}有限公司", "town_code": int(HONGCAO), "industry_code": "3974",
        "established_on": f"2015年{1 + number % 12}月{1 + number % 28}日", "cluster_codes": "电子信息;海洋产业", "in_hitech_zone": "是",
        "legal_rep_name": "欧阳明珠",
    }


def table(rows: int, spoiled: int, begin: int = 0) -> Iterator[tuple[list[Any], Fault | None]]:
    """The lines below the header, each with its fault; the spoiled ones lie spread over the table."""
    every = rows // spoiled if spoiled else rows + 1
    for place in range(rows):
        row = good(begin + place)
        fault = FAULTS[place // every % len(FAULTS)] if place % every == every - 1 and place // every < spoiled else None
        extra = []
        if fault and fault.column:
            row[fault.column] = fault.value(row["uscc"]) if callable(fault.value) else fault.value
        elif fault:
            extra = [fault.value]
        yield [row.get(name) for name in COLUMNS] + extra, fault


def workbook(lines: Iterator[list[Any]]) -> bytes:
    """An XLSX file of some lines."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("企业")
    for line in lines:
        sheet.append(line)
    raw = io.BytesIO()
    book.save(raw)
    return raw.getvalue()
