"""The indicator board in the terminal: once, or live as a subscriber of the stream."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table

from deploy.local.client import Api, Refused
from deploy.local.data_dir import DataDir

Indicator = dict[str, Any]
RETRY_S = 1.0
FRAME_LINES = 6  # of the table, beside its rows
DECIMALS = {"%": 2, "元": 2, "万元": 2, "万人": 2, "倍": 4, "件/万人": 4}
PLAIN_WIDTH = 170
WORDS = {
    "zh": {
        "title": "科创行动方案指标", "clause": "条款", "name": "指标", "value": "现值", "target": "目标", "progress": "完成",
        "verdict": "判断", "state": "状态", "as_of": "数据日", "achieved": "已达成", "on_track": "正常", "at_risk": "有风险",
        "behind": "滞后", "not_assessable": "不评", "ok": "", "provisional": "初步数", "not_applicable": "不适用",
        "no_data": "无数据", "stale": "数据陈旧", "suppressed": "不公开", "sequence": "序号", "away": "连接中断，重连中",
    },
    "en": {
        "title": "Action plan indicators", "clause": "clause", "name": "indicator", "value": "value", "target": "target",
        "progress": "progress", "verdict": "verdict", "state": "state", "as_of": "as of", "achieved": "achieved",
        "on_track": "on track", "at_risk": "at risk", "behind": "behind", "not_assessable": "not assessed", "ok": "",
        "provisional": "provisional", "not_applicable": "n/a", "no_data": "no data", "stale": "stale",
        "suppressed": "hidden", "sequence": "sequence", "away": "connection lost, trying again",
    },
}
COLOURS = {"achieved": "green", "on_track": "green", "at_risk": "yellow", "behind": "red"}


def show(data: DataDir, url: str | None, token: str | None, *, once: bool, language: str | None) -> None:
    """Print the board once, or keep it up to date until Ctrl-C."""
    api = Api(data, url, token, ["viewer"])
    chosen = language or ("en" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("en") else "zh")
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    if once:
        body = api.call("GET", "/metrics/v1/indicators").json()
        console.print(table(body["items"], body["sequence"], chosen))
        return
    try:
        _follow(api, console, chosen)
    except KeyboardInterrupt:
        return


def table(items: list[Indicator], sequence: int, language: str, note: str = "") -> Table:
    """The board as a table, in the order in which the service lists the indicators."""
    words = WORDS[language]
    day = max((item.get("as_of") or "" for item in items), default="")
    board = Table(title=f"{words['title']}  {day}  ({words['sequence']} {sequence}) {note}", title_justify="left")
    for column, right in (("clause", 0), ("name", 0), ("id", 0), ("value", 1), ("target", 1), ("progress", 1), ("verdict", 0)):
        whole = column in ("id", "value", "verdict")
        board.add_column(words.get(column, column), justify="right" if right else "left", no_wrap=whole, overflow="fold")
    for item in items:
        board.add_row(*_cells(item, language))
    return board


def _cells(item: Indicator, language: str) -> tuple[str, ...]:
    words = WORDS[language]
    state = words.get(item["state"], item["state"])
    verdict = item.get("verdict") or ""
    label = words.get(verdict, verdict)
    colour = COLOURS.get(verdict)
    progress = item.get("progress")
    return (
        " ".join(item.get("clause") or []),
        item["name"].get(language) or item["id"],
        item["id"],
        number(item.get("value"), item.get("unit")) if item.get("value") is not None else "–",
        _target(item),
        f"{progress * 100:.2f} %" if progress is not None else "",
        " ".join(part for part in (f"[{colour}]{label}[/]" if colour else label, state) if part),
    )


def number(value: Any, unit: str | None) -> str:
    """A value with its unit, with the decimals that the unit is published with."""
    text = f"{value:,.{DECIMALS.get(unit or '', 0)}f}" if isinstance(value, float) and unit in DECIMALS else f"{value:,}"
    return f"{text} {unit}" if unit else text


def _target(item: Indicator) -> str:
    target = item.get("target") or {}
    if target.get("value") is None:
        return ""
    return f"{ {'>=': '≥', '<=': '≤'}.get(target['operator'], target['operator']) } {target['value']:,} {item.get('unit') or ''}".rstrip()


def _follow(api: Api, console: Console, language: str) -> None:
    items: dict[str, Indicator] = {}
    last: str | None = None

    def draw(note: str = "") -> None:
        shown = list(items.values())[: max(console.size.height - FRAME_LINES, 1)]
        note = note or ("" if len(shown) == len(items) else f"{len(shown)} / {len(items)}")
        live.update(table(shown, int(last or 0), language, note), refresh=True)

    with Live(console=console, auto_refresh=False, screen=console.is_terminal, vertical_overflow="ellipsis") as live:
        while True:
            note = ""
            try:
                for name, identifier, body in events(api, last):
                    last = identifier or last
                    if name == "snapshot":
                        items = {item["id"]: item for item in body["items"]}
                    elif name == "indicator":
                        items[body["id"]] = body
                    draw()
            except httpx.TransportError:
                note = f"[yellow]{WORDS[language]['away']}[/]"
            draw(note)
            time.sleep(RETRY_S)


def events(api: Api, last: str | None) -> Iterator[tuple[str, str, Any]]:
    """The stream's events (name, id, data) until the connection ends. Raises Refused when the stack says no."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
    limits = httpx.Timeout(10, read=45)  # a comment comes at least every 15 s
    with api.http.stream("GET", "/metrics/v1/stream", headers=headers, timeout=limits) as answer:
        if answer.is_client_error:
            raise Refused(f"{answer.status_code}: the stream is not open to this caller")
        if not answer.is_success:
            raise httpx.ReadError(f"the stream answered {answer.status_code}")
        name, identifier, lines = "message", "", list[str]()
        for line in answer.iter_lines():
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "id":
                identifier = value
            elif field == "data" and line:
                lines.append(value)
            elif not line and lines:
                yield name, identifier, json.loads("\n".join(lines))
                name, lines = "message", []
