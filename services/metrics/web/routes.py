"""The read endpoints of the metrics API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from flask import Flask, Response, request

from services.metrics.plan.model import Plan
from services.metrics.readings import dims_of
from services.metrics.web import catalogue, exports
from services.metrics.web import description as told
from services.metrics.web import history as over_time
from services.metrics.web import records as drill
from services.metrics.web.access import READERS
from services.metrics.web.board import Board, Edition, Question
from services.metrics.web.parameters import Parameters
from shared.auth.web import access, public
from shared.clock import today
from shared.errors import NotFound
from shared.web.json import json_response
from shared.web.openapi import ASKS, CODE_LISTS, FINDS, document, in_path, path_of

PREFIX = "/metrics/v1"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
View = Callable[..., Response]
Guard = Callable[[View], View]
READING = ("as_of", "known_at", "period", "by")
OPENING = ("as_of", "known_at", "counted", "part", "limit", "cursor")
FILES = (*READING, "measure")


class Routes:
    """Views over one board."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.plan = board.plan
        self.dims = dims_of_plan(self.plan)

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
    describe = describing(app, board)
    one = "/indicators/<name>"
    for path, view, guard, summary, names, answer in (
        ("/indicators", routes.indicators, open_to_all, "Every indicator of the plan on a day", FILES, told.INDICATORS),
        (one, routes.indicator, open_to_all, "One indicator", READING, told.INDICATOR),
        (f"{one}/history", routes.history, open_to_all, "An indicator over time", ("from", "to", "step", "known_at"), told.HISTORY),
        (f"{one}/records", routes.records, staff, "The units behind a number, and those left out", OPENING, told.RECORDS),
        ("/plan", routes.plan_, open_to_all, "The plan: towns, definitions, targets", (), told.PLAN),
        ("/measures", routes.measures, open_to_all, "The measures, who does them, how they stand", (), told.MEASURES),
        ("/codes", routes.codes, open_to_all, "Code lists", (), CODE_LISTS),
    ):
        app.add_url_rule(PREFIX + path, f"metrics{path}", guard(_plain(view)), methods=["GET"])
        describe(path, summary, names, answer=answer, public=guard is public)
    for path, view, media in (("/exports/indicators.csv", routes.csv, "text/csv"), ("/exports/indicators.xlsx", routes.xlsx, XLSX)):
        app.add_url_rule(PREFIX + path, f"metrics{path}".replace(".", "_"), open_to_all(_plain(view)), methods=["GET"])
        describe(path, "The board as a table", FILES, answers=[media], public=public_board)


def describing(app: Flask, board: Board) -> Callable[..., None]:
    """Puts a GET into the service's OpenAPI document, with the query parameters that it reads."""
    known = told.parameters_of(dims_of_plan(board.plan), catalogue.clauses(board.plan))

    def describe(path: str, summary: str, names: Iterable[str], **more: Any) -> None:
        path = path.replace("<name>", "<id>")
        refusals = (*(FINDS if "<" in path else ASKS), *((422,) if names else ()))
        parameters = [*in_path(path), *(known[name] for name in names), *more.pop("parameters", ())]
        document(app, path_of(PREFIX + path), "get", summary, parameters=parameters, tag="indicators", refusals=refusals, **more)

    return describe


def dims_of_plan(plan: Plan) -> frozenset[str]:
    """Every dimension that some indicator of the plan is broken down by."""
    return frozenset(dim for indicator in plan.indicators.values() for dim in dims_of(indicator))


def _plain(view: View) -> View:
    """A bound method cannot carry the mark of its access; a function can."""

    def call(**arguments: Any) -> Response:
        return view(**arguments)

    return call


def _file(body: bytes, media: str, name: str) -> Response:
    return Response(body, mimetype=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})
