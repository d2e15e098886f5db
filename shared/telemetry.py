"""What operators watch: structured JSON logs without personal data, and Prometheus figures of this process."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TextIO, TypeVar

import structlog
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
HIDDEN = "***"
PERSONAL = frozenset({
    "person", "id_number", "legal_rep_name", "contact_name", "contact_phone", "phone", "email", "account", "bank_account",
    "leader", "members", "authorization", "token", "cookie", "secret", "password", "body",
})  # field names that never reach a log
NUMBERS = re.compile(r"(?<![0-9A-Za-z])(?:[1-9]\d{16}[\dXx]|1[3-9]\d{9})(?![0-9A-Za-z])")  # citizen id, mobile phone
DEPTH = 6
REGISTRY = CollectorRegistry()
LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

Figure = TypeVar("Figure", Counter, Gauge, Histogram)
_figures: dict[str, Any] = {}


def configure_logging(process: str, level: str = "info", stream: TextIO | None = None) -> None:
    """One JSON object a line on standard output; the standard library's loggers too."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=False),
        _named(process),
        structlog.processors.format_exc_info,
        hide_personal,
    ]
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("pymongo", "httpx", "httpcore", "kafka"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def hide_personal(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: personal fields by name, citizen ids and phone numbers wherever they stand."""
    for name, value in event.items():
        if name.startswith("_"):  # structlog's own
            continue
        event[name] = HIDDEN if name.lower() in PERSONAL else _hidden(value, DEPTH)
    return event


def _hidden(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return NUMBERS.sub(HIDDEN, value)
    if isinstance(value, int | float | bool | None):
        return HIDDEN if isinstance(value, int) and NUMBERS.fullmatch(str(value)) else value
    if depth == 0:
        return HIDDEN
    if isinstance(value, Mapping):
        return {k: HIDDEN if str(k).lower() in PERSONAL else _hidden(v, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(each, depth - 1) for each in value]
    return _hidden(str(value), depth)


def _named(process: str) -> Any:
    def add(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return add


def counter(name: str, description: str, labels: Sequence[str] = ()) -> Counter:
    """A figure that only rises; the same object for the same name."""
    return _figure(Counter, name, description, labels)


def gauge(name: str, description: str, labels: Sequence[str] = ()) -> Gauge:
    """A figure that goes up and down; the same object for the same name."""
    return _figure(Gauge, name, description, labels)


def histogram(name: str, description: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_S) -> Histogram:
    """How figures are spread (seconds unless the name says otherwise); the same object for the same name."""
    return _figure(Histogram, name, description, labels, buckets=buckets)


def exposition() -> bytes:
    """Every figure of this process as Prometheus text; serve it as `CONTENT_TYPE`."""
    return generate_latest(REGISTRY)


def _figure(kind: type[Figure], name: str, description: str, labels: Sequence[str], **options: Any) -> Figure:
    if name not in _figures:
        _figures[name] = kind(name, description, labels, registry=REGISTRY, **options)
    found = _figures[name]
    assert isinstance(found, kind)
    return found
