"""Every error the software raises on purpose; one place (`shared/web/problems.py`) turns them into RFC 9457 answers.

An error carries facts: callers never parse its text. `retriable` tells a consumer whether to back off or to dead-letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fault:
    """One fault of a request. `pointer` is an RFC 6901 JSON pointer into the body ("" = the whole body)."""

    pointer: str
    code: str
    message: str


class KechuangError(Exception):
    """Root of all expected errors."""

    code = "error"
    status = 500
    retriable = False

    def __init__(
        self, message: str = "", *, faults: list[Fault] | None = None, retry_after_s: int | None = None,
        facts: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message or self.code)
        self.message = message or self.code
        self.faults = faults or []
        self.retry_after_s = retry_after_s
        self.facts = facts or {}  # members of its own in the answer (RFC 9457 §3.2)


class Unreadable(KechuangError):
    """The request could not be parsed at all."""

    code, status = "unreadable", 400


class Unauthorized(KechuangError):
    """No valid proof of identity."""

    code, status = "unauthorized", 401


class Forbidden(KechuangError):
    """Known caller, but not allowed."""

    code, status = "forbidden", 403


class NotFound(KechuangError):
    """No such record, or none that this caller may know of."""

    code, status = "not_found", 404


class Conflict(KechuangError):
    """The state moved, or the natural key is taken."""

    code, status = "conflict", 409


class StaleVersion(KechuangError):
    """`If-Match` names an older version."""

    code, status = "stale_version", 412


class TooLarge(KechuangError):
    """The body is larger than allowed."""

    code, status = "too_large", 413


class UnsupportedMedia(KechuangError):
    """The content type is not one we read."""

    code, status = "unsupported_media_type", 415


class Invalid(KechuangError):
    """Readable, but wrong: `faults` names all of it."""

    code, status = "invalid", 422


class RuleBroken(KechuangError):
    """A rule of the domain forbids it (for example the same hand twice)."""

    code, status = "rule_broken", 409


class PreconditionRequired(KechuangError):
    """`If-Match` is missing."""

    code, status = "precondition_required", 428


class TooManyRequests(KechuangError):
    """Slow down."""

    code, status, retriable = "too_many_requests", 429, True


class Unavailable(KechuangError):
    """The store or the log cannot answer now; nothing was changed."""

    code, status, retriable = "unavailable", 503, True


class MalformedEvent(KechuangError):
    """An event on the log that cannot be applied: goes to the dead letters with this reason."""

    code = "malformed_event"


class ConfigError(KechuangError):
    """The environment or a file of the deployment is wrong; the message names everything that is."""

    code = "config"
