"""Errors to RFC 9457 answers, in one place; Chinese by default, English on request."""

from __future__ import annotations

import json
import logging
from typing import Any

from bson.errors import BSONError
from flask import Flask, Response, g, request
from pymongo.errors import ConnectionFailure, DocumentTooLarge, PyMongoError
from werkzeug.exceptions import HTTPException

from shared.errors import Fault, Invalid, KechuangError, TooLarge, Unavailable
from shared.mongo import is_away
from shared.standards import citizen_id

TITLES = {
    400: ("请求无法读取", "The request cannot be read"), 401: ("未登录", "Not identified"), 403: ("无权限", "Not allowed"),
    404: ("未找到", "Not found"), 405: ("方法不允许", "Method not allowed"), 406: ("无法接受", "Not acceptable"),
    409: ("冲突", "Conflict"), 412: ("版本已变化", "The version has moved"), 413: ("请求过大", "Too large"),
    415: ("格式不支持", "Unsupported media type"), 422: ("内容有误", "Invalid content"), 428: ("缺少 If-Match", "If-Match is missing"),
    429: ("请求过多", "Too many requests"), 500: ("内部错误", "Internal error"), 503: ("暂时不可用", "Temporarily unavailable"),
}
log = logging.getLogger(__name__)


def language() -> str:
    """zh unless the caller prefers English."""
    return request.accept_languages.best_match(["zh", "zh-CN", "en"], default="zh")[:2]


def problem(error: KechuangError) -> Response:
    """The answer for an expected error; names all faults at once."""
    return _answer(error.status, error.code, error.message, error.faults, error.retry_after_s, error.facts)


def _answer(
    status: int, code: str, detail: str, faults: list[Fault], retry_after_s: int | None = None, facts: dict[str, Any] | None = None
) -> Response:
    g.problem_code = code  # for whoever notes what was refused
    zh, en = TITLES.get(status, ("错误", "Error"))
    body: dict[str, Any] = {
        "type": f"urn:kechuang:problem:{code}", "title": en if language() == "en" else zh, "status": status, "code": code,
        "detail": detail, "errors": [{"pointer": f.pointer, "code": f.code, "message": f.message} for f in faults], **(facts or {}),
    }
    # A detail may quote what cannot be written, or what must not be: an address or a field's name that is a person's number.
    text = citizen_id.hidden(json.dumps(body, ensure_ascii=False)).encode("utf-8", "replace")
    answer = Response(text, status, content_type="application/problem+json")
    if status in (429, 503):
        answer.headers["Retry-After"] = str(retry_after_s or 2)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def install(app: Flask) -> None:
    """Register the translation for everything a request can raise."""
    app.register_error_handler(KechuangError, problem)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(ConnectionFailure, _away)
    app.register_error_handler(Exception, _unexpected)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    code = TooLarge.code if status == TooLarge.status else (error.name or "error").lower().replace(" ", "_")
    answer = _answer(status, code, error.description or "", [])
    for name, value in error.get_headers():
        if name.lower() == "allow":
            answer.headers[name] = value
    return answer


def _away(error: PyMongoError) -> Response:
    log.warning("database away: %s", type(error).__name__)
    return problem(Unavailable("the database cannot be reached; nothing was changed"))


def _unexpected(error: Exception) -> Response:
    """Values that no store can hold are the client's mistake; anything else is ours and leaks nothing."""
    if isinstance(error, PyMongoError) and is_away(error):
        return _away(error)
    if isinstance(error, DocumentTooLarge):
        return problem(TooLarge("the record is larger than the store can hold"))
    if isinstance(error, RecursionError | OverflowError | UnicodeError | BSONError):
        return problem(Invalid("a value cannot be stored", faults=[Fault("", "unstorable", type(error).__name__)]))
    if isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError"):
        return problem(Unavailable("the store is busy; nothing was changed"))
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return _answer(500, "internal", "the fault is ours and has been logged", [])
