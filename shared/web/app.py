"""What every web service has: errors as problems, denied-by-default routes, health, telemetry and its own description."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from flask import Flask, Response, g, request

from shared.auth.verifier import TokenVerifier
from shared.auth.web import check_declared_access, public
from shared.clock import Clock
from shared.mongo import within
from shared.telemetry import CONTENT_TYPE, exposition, histogram
from shared.web import problems
from shared.web.json import json_response
from shared.web.openapi import Operations
from shared.web.reader import reader

WRITE_S, READ_S = 4.0, 30.0  # a frozen database keeps its connections open and says nothing: 503 to a write within 5 s
LARGEST_BODY_BYTES = 4 * 1024 * 1024
ReadyCheck = Callable[[], str | None]


def create_app(name: str, prefix: str, *, verifier: TokenVerifier, clock: Clock) -> Flask:
    """A Flask app of service `name` under `prefix` ("/registry"); add ready checks to `extensions["ready_checks"]`."""
    app = Flask(name, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.extensions |= {"verifier": verifier, "clock": clock, "ready_checks": [], "alarms": [], "operations": Operations(f"Kechuang {name}")}
    problems.install(app)
    _answer_soon(app)
    _measure(app, name)
    app.before_request(check_declared_access)
    app.after_request(_safe_headers)
    _mount_health(app, prefix)
    _mount_description(app, name, prefix)
    return app


def _safe_headers(answer: Response) -> Response:
    answer.headers.setdefault("X-Content-Type-Options", "nosniff")
    answer.headers.setdefault("Cache-Control", "no-store")
    answer.headers.setdefault("Referrer-Policy", "same-origin")
    return answer


def _answer_soon(app: Flask) -> None:
    """A request waits for the database only so long. What is streamed after the view has returned is not bounded."""

    def begin() -> None:
        g.waiting = ExitStack()
        g.waiting.enter_context(within(READ_S if request.method in ("GET", "HEAD") else WRITE_S))

    def end(_: BaseException | None) -> None:
        if "waiting" in g:
            g.waiting.close()

    app.before_request(begin)
    app.teardown_request(end)


def _measure(app: Flask, name: str) -> None:
    """How long each endpoint takes to begin its answer; by endpoint and never by address, which may name a person."""
    took = histogram("kechuang_http_seconds", "Until an answer begins", ("service", "endpoint", "method", "status"))

    def begin() -> None:
        g.begun = time.perf_counter()

    def end(answer: Response) -> Response:
        if "begun" in g:
            known = request.endpoint or "none"
            method = request.method if request.url_rule else "any"
            took.labels(name, known, method, str(answer.status_code)).observe(time.perf_counter() - g.begun)
        return answer

    app.before_request(begin)
    app.after_request(end)


def _mount_health(app: Flask, prefix: str) -> None:
    @public
    def live() -> Response:
        return json_response({"live": True})

    @public
    def ready() -> Response:
        checks: list[ReadyCheck] = app.extensions["ready_checks"]
        wrong = [reason for reason in (check() for check in checks) if reason]
        alarms = [] if wrong else [alarm for source in app.extensions["alarms"] for alarm in source()]
        told = {"ready": not wrong, "waiting_for": wrong} | ({"alarms": alarms} if alarms else {})
        return json_response(told, 503 if wrong else 200)

    @public
    def telemetry() -> Response:
        return Response(exposition(), content_type=CONTENT_TYPE)

    app.add_url_rule(f"{prefix}/-/live", "live", live)
    app.add_url_rule(f"{prefix}/-/ready", "ready", ready)
    app.add_url_rule(f"{prefix}/-/metrics", "telemetry", telemetry)


def _mount_description(app: Flask, name: str, prefix: str) -> None:
    operations: Operations = app.extensions["operations"]

    @public
    def openapi() -> Response:
        return json_response(operations.document())

    @public
    def docs() -> Response:
        return Response(reader(f"Kechuang {name}", operations.document()), content_type="text/html; charset=utf-8")

    app.add_url_rule(f"{prefix}/v1/openapi.json", "openapi", openapi)
    app.add_url_rule(f"{prefix}/v1/docs", "docs", docs)
