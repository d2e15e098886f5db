"""GET /stream: the published changes as Server-Sent Events."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, Response, request

from services.metrics.push.hub import Hub, socket_closer
from services.metrics.push.stream import Wish, last_event_id, stream
from services.metrics.web.access import READERS
from services.metrics.web.board import Board
from services.metrics.web.description import LAST_EVENT_ID, STREAM
from services.metrics.web.parameters import Parameters
from services.metrics.web.routes import describing, dims_of_plan
from shared.auth.web import access, public

HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
View = Callable[[], Response]


def mount(app: Flask, board: Board, hub: Hub, public_board: bool) -> None:
    """Hang the stream into the app."""
    order = tuple(board.plan.indicators)
    dims = dims_of_plan(board.plan)

    def view() -> Response:
        parameters = Parameters(request.args)
        wish = Wish(
            parameters.choices("indicators", board.plan.indicators),
            parameters.choice("by", dims),
            last_event_id(request.headers.get("Last-Event-ID")),
        )
        parameters.check()
        body = stream(hub, board.publications, wish, order, socket_closer(request.environ))
        return Response(body, mimetype="text/event-stream", headers=HEADERS)

    guard: Callable[[View], View] = public if public_board else access(*READERS)
    app.add_url_rule("/metrics/v1/stream", "metrics/stream", guard(view), methods=["GET"])
    describing(app, board)(
        "/stream", "The changes of the indicators as Server-Sent Events", ("indicators", "by"),
        answers=["text/event-stream"], answer=STREAM, parameters=[LAST_EVENT_ID], public=public_board,
    )
