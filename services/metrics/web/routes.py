"""The read endpoints of the metrics API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from flask import Flask, Response, request

from services.metrics.readings import dims_of
from services.metrics.web import catalogue, exports
from services.metrics.web import history as over_time
from services.metrics.web import records as drill
from services.metrics.web.access import READERS
from services.metrics.web.board import Board, Edition, Question
from services.metrics.web.parameters import Parameters
from shared.auth.web import access, public
from shared.clock import today
from shared.errors import NotFound
from shared.web.json import json_response
from shared.web.openapi import document

PREFIX = "/metrics/v1"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
View = Callable[..., Response]
Guard = Callable[[View], View]
READING = ("as_of", "known_at", "period", "by")
REFUSALS = (401, 403, 404, 422, 503)
PARAMETERS = {
    "as_of": "截至日 YYYY-MM-DD or an instant",
    "known_at": "知悉时点: date (to its end) or instant",
    "period": "YYYY, YYYY-Qn, YYYY-MM",
    "by": "dimension: town, cluster, kind, level, …",
    "measure": "条款: a measure, or where the text sets the target; for example 三(二)2",
    "from": "first day",
    "to": "last day",
    "step": "day, week or month",
    "counted": "true or false",
    "part": "numerator or denominator",
    "limit": "page size",
    "cursor": "`next` of the page before",
    "indicators": "ids, separated by commas",
}


class Routes:
    """Views over one board."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.plan = board.plan
        self.dims = frozenset(dim for indicator in self.plan.indicators.values() for dim in dims_of(indicator))

    def indicators(self) -> Response:
        """GET /indicators."""
        parameters = Parameters(request.args)
        question, names = self._question(parameters), self._named(parameters)
        parameters.check()
        edition = self.board.edition()
        items = self.board.items(question, edition, names)
        return json_response(
            {
                "items": items,
                "as_of": question.on.isoformat(),
                "known_at": question.known.text,
                "sequence": edition.publication.sequence,
                "next": None,
            }
        )

    def indicator(self, name: str) -> Response:
        """GET /indicators/{id}."""
        self._exists(name)
        parameters = Parameters(request.args)
        question = self._question(parameters)
        parameters.check()
        return json_response(self.board.items(question, self.board.edition(), [name])[0])

    def records(self, name: str) -> Response:
        """GET /indicators/{id}/records."""
        self._exists(name)
        parameters = Parameters(request.args)
        on, known = self._day(parameters), parameters.known("known_at")
        part, counted = parameters.choice("part", drill.PARTS), parameters.flag("counted")
        limit, begin = parameters.limit(), parameters.cursor()
        parameters.check()
        opening = drill.Opening(name, on, known.at_ms, part, counted)
        rows = self._opened(opening)
        end = begin + limit
        return json_response(
            {
                "items": rows[begin:end],
                "total": len(rows),
                "next": str(end) if end < len(rows) else None,
                "indicator": name,
                "as_of": on.isoformat(),
                "known_at": known.text,
            }
        )

    def history(self, name: str) -> Response:
        """GET /indicators/{id}/history."""
        self._exists(name)
        parameters = Parameters(request.args)
        begin, end, step = over_time.span(parameters, self.plan.window[0], today(self.board.clock))
        known = parameters.known("known_at")
        parameters.check()
        edition = self.board.edition()
        key = ("history", edition.generation, edition.positions, name, begin, end, step, known)
        points = self.board.cached(key, lambda: over_time.points(self.board, edition, name, begin, end, step, known))
        return json_response(
            {
                "id": name,
                "from": begin.isoformat(),
                "to": end.isoformat(),
                "step": step,
                "known_at": known.text,
                "items": points,
                "next": None,
            }
        )

    def plan_(self) -> Response:
        """GET /plan."""
        return json_response(catalogue.plan_json(self.plan))

    def measures(self) -> Response:
        """GET /measures."""
        items = self.board.items(Question(today(self.board.clock)), self.board.edition(), list(self.plan.indicators))
        return json_response({"items": catalogue.measures_json(self.plan, items), "next": None})

    def codes(self) -> Response:
        """GET /codes."""
        return json_response(catalogue.codes_json(self.plan))

    def csv(self) -> Response:
        """GET /exports/indicators.csv."""
        return _file(exports.as_csv(self._table()), "text/csv", "indicators.csv")

    def xlsx(self) -> Response:
        """GET /exports/indicators.xlsx."""
        return _file(exports.as_xlsx(self._table()), XLSX, "indicators.xlsx")

    def _table(self) -> list[list[Any]]:
        parameters = Parameters(request.args)
        question, names = self._question(parameters), self._named(parameters)
        parameters.check()
        language = request.accept_languages.best_match(["zh", "zh-CN", "en"], "zh") or "zh"
        return exports.table(self.board.items(question, self.board.edition(), names), language[:2])

    def _question(self, parameters: Parameters) -> Question:
        return Question(
            self._day(parameters),
            parameters.known("known_at"),
            parameters.period("period"),
            parameters.choice("by", self.dims),
        )

    def _day(self, parameters: Parameters) -> date:
        return parameters.day("as_of", today(self.board.clock))

    def _named(self, parameters: Parameters) -> list[str]:
        clause = parameters.choice("measure", catalogue.clauses(self.plan))
        return list(self.plan.indicators) if clause is None else catalogue.under(self.plan, clause)

    def _exists(self, name: str) -> None:
        if name not in self.plan.indicators:
            raise NotFound(f"there is no indicator {name}")

    def _opened(self, opening: drill.Opening) -> list[dict[str, Any]]:
        edition: Edition = self.board.edition()
        key = ("records", edition.generation, edition.positions, opening)
        store, definitions = self.board.store, self.board.definitions
        return self.board.cached(key, lambda: drill.rows(store, edition.generation, definitions, opening))


def mount(app: Flask, board: Board, public_board: bool) -> None:
    """Hang the read endpoints into the app. Values are open when the board is public, records never are."""
    routes = Routes(board)
    open_to_all: Guard = public if public_board else access(*READERS)
    staff: Guard = access(*READERS)
    for path, view, guard, summary, names in (
        ("/indicators", routes.indicators, open_to_all, "Every indicator of the plan on a day", (*READING, "measure")),
        ("/indicators/<name>", routes.indicator, open_to_all, "One indicator", READING),
        (
            "/indicators/<name>/history",
            routes.history,
            open_to_all,
            "An indicator over time",
            ("from", "to", "step", "known_at"),
        ),
        (
            "/indicators/<name>/records",
            routes.records,
            staff,
            "The units behind a number, and those left out",
            ("as_of", "known_at", "counted", "part", "limit", "cursor"),
        ),
        ("/plan", routes.plan_, open_to_all, "The plan: towns, definitions, targets", ()),
        ("/measures", routes.measures, open_to_all, "The measures, who does them, how they stand", ()),
        ("/codes", routes.codes, open_to_all, "Code lists", ()),
        ("/exports/indicators.csv", routes.csv, open_to_all, "The board as CSV", (*READING, "measure")),
        ("/exports/indicators.xlsx", routes.xlsx, open_to_all, "The board as XLSX", (*READING, "measure")),
    ):
        app.add_url_rule(PREFIX + path, f"metrics{path}".replace(".", "_"), guard(_plain(view)), methods=["GET"])
        describe(app, path, summary, names)


def describe(app: Flask, path: str, summary: str, names: Iterable[str]) -> None:
    """Put a GET into the service's OpenAPI document."""
    text = {"type": "string"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "schema": text, "description": PARAMETERS[name]} for name in names
    ]
    if "<name>" in path:
        parameters.insert(0, {"name": "id", "in": "path", "required": True, "schema": text, "description": "指标 id"})
    document(
        app, PREFIX + path.replace("<name>", "{id}"), "get", summary, parameters=parameters, tag="indicators", refusals=REFUSALS
    )


def _plain(view: View) -> View:
    """A bound method cannot carry the mark of its access; a function can."""

    def call(**arguments: Any) -> Response:
        return view(**arguments)

    return call


def _file(body: bytes, media: str, name: str) -> Response:
    return Response(body, mimetype=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})
