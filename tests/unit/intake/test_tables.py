"""What people and Excel do to a table is undone; what cannot be undone is a fault with its reason, never a guess."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields
from openpyxl import Workbook

from services.incentives.kinds import KINDS as INCENTIVES
from services.registry.kinds import KINDS as REGISTRY
from shared.errors import Invalid
from shared.records.intake.rows import Row, read
from shared.records.intake.template import as_csv, as_xlsx
from shared.records.kind import Kind
from tests.system.made import HONGCAO, citizen_id, uscc

KINDS = {kind.name: kind for kind in (*REGISTRY, *INCENTIVES)}
ENTERPRISES, LINES, PEOPLE = KINDS["enterprises"], KINDS["credit-lines"], KINDS["introductions"]
HEADER = ["uscc", "name", "town_code", "industry_code", "established_on"]


def sheet(*lines: list[Any], before: Any = None) -> io.BytesIO:
    book = Workbook()
    if before:
        book.active.append([before])
        book.create_sheet("数据")
    table = book.worksheets[-1]
    for line in lines:
        table.append(line)
    raw = io.BytesIO()
    book.save(raw)
    raw.seek(0)
    return raw


def text(*lines: list[Any], encoding: str = "utf-8", delimiter: str = ",") -> io.BytesIO:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(lines)
    return io.BytesIO(out.getvalue().encode(encoding))


def rows(kind: Kind, raw: io.BytesIO, type_of_file: str = "xlsx") -> list[Row]:
    return [row for row in read(kind, type_of_file, raw).rows if row.data]


def one(kind: Kind, column: str, cell: Any, type_of_file: str = "xlsx") -> Any:
    """What a single cell is read as, or its faults' codes."""
    mark = "名称" if column == "source" else "source"
    (row,) = rows(kind, (sheet if type_of_file == "xlsx" else text)([column, mark], [cell, "x"]), type_of_file)
    if row.faults:
        return [fault.code for fault in row.faults]
    (found,) = (value for value in row.body.values() if value != "x")
    return found


@pytest.mark.parametrize("cell", [
    "2026-06-30", "2026/6/30", "2026.06.30", "2026年6月30日", "2026年06月30日", "２０２６年６月３０日", "20260630", 20260630,
    datetime(2026, 6, 30), date(2026, 6, 30), 46203, "46203", "46203.0", " 2026-06-30 ", "2026-06-30 00:00:00", "2026-6-30T00:00",
])
def test_a_day_in_any_form_that_excel_makes(cell: Any) -> None:
    assert one(ENTERPRISES, "established_on", cell) == "2026-06-30"
    if isinstance(cell, str):
        assert one(ENTERPRISES, "成立日期", cell, "csv") == "2026-06-30"


@pytest.mark.parametrize(("cell", "code"), [("2026年2月30日", "no_such_day"), ("2026/13/1", "no_such_day"), ("20260231", "no_such_day")])
def test_a_day_that_does_not_exist_is_named(cell: str, code: str) -> None:
    assert one(ENTERPRISES, "established_on", cell) == [code]


@pytest.mark.parametrize("cell", ["30/06/2026", "昨天", "2026-06", 5, "06-30", True])
def test_what_is_no_day_is_left_for_the_schema_to_refuse(cell: Any) -> None:
    assert one(ENTERPRISES, "established_on", cell) == cell


@given(st.dates(date(1928, 1, 1), date(2199, 12, 31)))
def test_a_serial_number_is_the_day_that_a_date_cell_holds(day: date) -> None:
    serial = (day - date(1899, 12, 30)).days
    assert one(ENTERPRISES, "established_on", serial, "csv") == one(ENTERPRISES, "established_on", str(serial), "csv") == day.isoformat()


@pytest.mark.parametrize("cell", ["2026-06", "2026年6月", "2026/6", "２０２６．０６", 202606, "202606", datetime(2026, 6, 30), "2026-06-30", 46203])
def test_a_month_in_any_form(cell: Any) -> None:
    assert one(KINDS["above-scale-spells"], "from_month", cell) == "2026-06"


@pytest.mark.parametrize("cell", [9.14415e17, 914415020000000001, "9.14415E+17", "９．１４Ｅ＋１７", "1E18", 1e15])
@pytest.mark.parametrize("column", ["uscc", "source"])
def test_a_code_whose_digits_excel_has_thrown_away_is_refused_with_a_reason(column: str, cell: Any) -> None:
    (row,) = rows(ENTERPRISES, sheet([column, "name"], [cell, "甲"]))
    assert [(fault.pointer, fault.code) for fault in row.faults] == [(f"/{column}", "digits_lost")]
    assert "文本" in row.faults[0].message


def test_no_reason_repeats_a_personal_value() -> None:
    number = citizen_id(1)
    line = ["欧阳明珠", float(number[:17]), "2026年2月30日", "公民身份号码"]
    (row,) = rows(PEOPLE, sheet(["姓名", "证件号码", "入职日期", "person.id_kind"], line))
    assert {fault.code for fault in row.faults} == {"digits_lost", "no_such_day"}
    assert not any(secret in fault.message for fault in row.faults for secret in ("欧阳", number[:6]))
    assert row.body["person"] == {"name": "欧阳明珠", "id_kind": "citizen_id"}


def test_numbers_as_text_and_text_as_numbers() -> None:
    assert one(ENTERPRISES, "town_code", int(HONGCAO)) == HONGCAO
    assert one(ENTERPRISES, "industry_code", 3974.0) == "3974"
    assert one(KINDS["tech-sme-entries"], "eval_year", " ２０２６ ") == 2026
    assert one(KINDS["tech-sme-entries"], "eval_year", "2026.0", "csv") == 2026
    assert one(KINDS["statistics"], "value", 390.25) == "390.25"
    assert one(ENTERPRISES, "uscc", f"  {uscc(1).lower()} ") == uscc(1)


@pytest.mark.parametrize(("title", "cell", "fen"), [
    ("amount_fen", 100, 100), ("amount_fen", "1,234,567", 1_234_567), ("授信额度(元)", 12.34, 1234), ("授信额度（万元）", "1.5", 1_500_000),
    ("授信额度(万元)", "１２，３４５．６７".replace("，", ","), 12_345_670_000), ("授信额度(单位：亿元)", 18.6, 186_000_000_000),
])
def test_money_is_exact_in_the_unit_that_its_title_names(title: str, cell: Any, fen: int) -> None:
    (row,) = rows(LINES, sheet([title, "bank"], [cell, "某银行"]))
    assert (row.faults, row.body["amount_fen"]) == ([], fen)


def test_money_without_a_unit_or_below_a_fen_is_refused() -> None:
    (row,) = rows(LINES, sheet(["授信额度", "bank"], [100, "某银行"]))
    assert "单位" in row.faults[0].message
    assert one(LINES, "授信额度(元)", 0.001) == ["fraction_of_fen"]


def test_codes_by_name_lists_and_truths() -> None:
    assert one(ENTERPRISES, "cluster_codes", "电子信息；food、Textiles and clothing") == ["electronics", "food", "textile"]
    assert one(ENTERPRISES, "cluster_codes", '["electronics"]') == ["electronics"]
    assert [one(ENTERPRISES, "in_hitech_zone", cell) for cell in ("是", "否", True, 0, "Y")] == [True, False, True, False, True]
    assert one(PEOPLE, "degree_level", "本科") == "bachelor"


def test_titles_in_chinese_with_what_people_add_to_them() -> None:
    line = ["＊统一社会信用代码（18位）", " 企业 名称: ", "镇街(必填)", "行业小类", "成立日期(yyyy-mm-dd)", "法定代表人"]
    (row,) = rows(ENTERPRISES, sheet(line, [uscc(1), "甲", HONGCAO, 3974, "2020/1/1", "张三"]))
    assert row.faults == []
    assert set(row.body) == {*HEADER, "legal_rep_name"}


def test_titles_above_merged_groups_and_blank_lines() -> None:
    book = Workbook()
    table = book.active
    for line in (["2026年人才引进名单"], [], ["序号", "个人信息", None, None, "用人单位", "学历"], [None, "姓名", "证件类型", "证件号码", None, None],
                 [], [1, "欧阳明珠", "公民身份号码", citizen_id(1), uscc(1), "硕士"], [None, " ", "", None, None, None], [None] * 40, [2, None]):
        table.append(line)
    for merged in ("A1:F1", "B3:D3", "A3:A4", "E3:E4", "F3:F4"):
        table.merge_cells(merged)
    raw = io.BytesIO()
    book.save(raw)
    (row,) = rows(PEOPLE, raw)
    assert (row.number, row.faults) == (6, [])
    assert row.body == {"person": {"name": "欧阳明珠", "id_kind": "citizen_id", "id_number": citizen_id(1)},
                        "employer_uscc": uscc(1), "degree_level": "master"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_csv_in_every_encoding(encoding: str, delimiter: str) -> None:
    name = "汕尾市𠮷野有限公司" if encoding != "gbk" else "汕尾市吉野有限公司"
    line = [uscc(1), f"{name}\n分公司", HONGCAO, "3974", "2020-01-01"]
    found = rows(ENTERPRISES, text(HEADER, line, [], encoding=encoding, delimiter=delimiter), "csv")
    assert [row.body["name"] for row in found] == [f"{name}\n分公司"]


def test_the_first_sheet_with_a_header_is_read() -> None:
    assert len(rows(ENTERPRISES, sheet(HEADER, [uscc(1), "甲"], before="填表说明"))) == 1


@pytest.mark.parametrize(("data", "type_of_file"), [
    (b"PK\x03\x04 no zip", "xlsx"), (b"", "xlsx"), (b"\xff\xff\xff\xff", "csv"), (b"", "csv"), (b"a,b\n1,2\n", "csv"),
    (b'uscc,"' + b"x" * 200_000 + b'"\n', "csv"), (b"uscc,uscc\n1,2\n", "csv"),
])
def test_what_is_no_table_is_refused_whole(data: bytes, type_of_file: str) -> None:
    with pytest.raises(Invalid):
        rows(ENTERPRISES, io.BytesIO(data), type_of_file)


def test_unknown_and_nameless_columns_are_refused_where_they_say_something() -> None:
    first, second = rows(ENTERPRISES, sheet(["uscc", "备注", None], [uscc(1), "说明", None], [uscc(2), None, "多"]))
    assert [(fault.pointer, fault.code) for fault in (*first.faults, *second.faults)] == [("/备注", "unknown"), ("/", "unknown")]


@given(st.lists(st.lists(st.none() | st.text(max_size=12) | st.integers() | st.floats() | st.booleans(), max_size=8), max_size=6))
def test_no_cell_ends_in_a_fault_of_ours(lines: list[list[Any]]) -> None:
    clean = [["" if isinstance(cell, str) and any("\ud800" <= c <= "\udfff" for c in cell) else cell for cell in line] for line in lines]
    for kind in (ENTERPRISES, LINES, PEOPLE):
        titles = [f"{name}.name" if name in ("person",) else name for name in list(kind.schema.fields)[:8]]
        for row in rows(kind, text(titles, *clean), "csv"):
            assert all(fault.message and fault.code for fault in row.faults)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_template_can_be_handed_in_as_it_is_and_its_example_is_good(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHETIC_IDS", "true")
    for made, type_of_file in ((as_csv(kind), "csv"), (as_xlsx(kind), "xlsx")):
        assert rows(kind, io.BytesIO(made), type_of_file) == []
    lines = list(csv.reader(io.StringIO(as_csv(kind).decode("utf-8-sig"))))
    assert [line[0][:1] == "#" for line in lines] == [False, True, True, True]
    example = [lines[2][0].removeprefix("# 例 "), *lines[2][1:]]
    (row,) = rows(kind, text(lines[0], example), "csv")
    wrong = set(kind.schema.validate(row.body))
    assert row.faults == []
    assert wrong <= {name for name, shape in kind.schema.fields.items() if isinstance(shape, fields.List | fields.Dict)}
