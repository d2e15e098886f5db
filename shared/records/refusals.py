"""Every refused request of a service goes to its access log: by whom, by which route, with which code."""

from __future__ import annotations

import re

from flask import Flask, Response, g, request

from shared.auth.principal import ANONYMOUS
from shared.errors import Unavailable
from shared.records.access_log import AccessLog
from shared.standards import citizen_id
from shared.web import problems

READS = frozenset({"GET", "HEAD", "OPTIONS"})
OURS = re.compile(r"[A-Za-z0-9._-]{1,64}")
PHONE = re.compile(r"1[3-9]\d{9}")


def watch(app: Flask, log: AccessLog) -> None:
    """Note what the app refuses: every refused write, and what a known caller was not let see."""

    def note(answer: Response) -> Response:
        if request.url_rule is None or not _refused(answer.status_code):
            return answer
        kind = (request.endpoint or "").rpartition(".")[0]
        try:
            log.note_refusal(
                g.get("principal", ANONYMOUS), method=request.method, route=request.url_rule.rule, status=answer.status_code,
                code=g.get("problem_code", str(answer.status_code)), kind=kind or None, record_id=_record_id(),
            )
        except Unavailable as full:
            return problems.problem(full)
        return answer

    app.after_request(note)
    app.extensions["access_log"] = log


def _refused(status: int) -> bool:
    if request.method in READS:  # a stranger who reads is told 401 and leaves no line: else anybody could fill the log
        return status in (403, 404) and not g.get("principal", ANONYMOUS).anonymous
    return 400 <= status < 500


def _record_id() -> str | None:
    """The id in the path, unless it may name a person: a caller may put anything there."""
    given = (request.view_args or {}).get("record_id")
    if not given:
        return None
    return given if OURS.fullmatch(given) and not PHONE.fullmatch(given) and not citizen_id.names_a_person(given) else citizen_id.HIDDEN

