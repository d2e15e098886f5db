"""Putting events on the log by hand, exactly as given: late, doubled and poisoned ones too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from shared.log.interface import Item, Log

BATCH = 500
UNKEYED = ""


def append_file(log: Log, topic: str, path: Path) -> int:
    """Append every line of an NDJSON file; how many. Empty lines are no entries."""
    with path.open("rb") as lines:
        return append_lines(log, topic, lines)


def append_lines(log: Log, topic: str, lines: Iterable[bytes]) -> int:
    """Append lines in their order; how many."""
    items: Iterable[Item] = ((key_of(line), line) for raw in lines if (line := raw.rstrip(b"\r\n")).strip())
    rest, count = iter(items), 0
    while batch := list(islice(rest, BATCH)):
        log.append(topic, batch)
        count += len(batch)
    return count


def key_of(line: bytes) -> str:
    """The partition key of a CloudEvent; "" for anything else, which lies on the log under no key."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return UNKEYED
    if not isinstance(event, dict) or "specversion" not in event:
        return UNKEYED
    key = event.get("partitionkey")
    return key if isinstance(key, str) and _writable(key) else UNKEYED


def _writable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True
