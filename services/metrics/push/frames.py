"""Server-Sent Events as bytes; each change is written once per breakdown, whoever listens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

HEARTBEAT = b": still here\n\n"
OPENING = b"retry: 1000\n\n"
Item = dict[str, Any]


def text(data: Any) -> str:
    """JSON in one line."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def message(event: str, sequence: int, data: Any) -> bytes:
    """One event; JSON has no line breaks, so that one data line is enough."""
    return f"event: {event}\nid: {sequence}\ndata: {text(data)}\n\n".encode()


class Frame:
    """A change that is being sent."""

    def __init__(self, change: Mapping[str, Any]) -> None:
        self.sequence: int = change["_id"]
        self.indicator: str = change["indicator"]
        self._change = change
        self._written: dict[str | None, bytes] = {}

    def written(self, by: str | None) -> bytes:
        """The event, with the changed cells of one dimension."""
        found = self._written.get(by)
        if found is None:
            item = self._change["item"]
            data = item if by is None else item | {"breakdown": self._change["cells"].get(by, [])}
            found = self._written[by] = message("indicator", self.sequence, data)
        return found


def snapshot(sequence: int, items: Iterable[Item]) -> bytes:
    """The whole board as it stands at `sequence`."""
    return message("snapshot", sequence, {"resumed": False, "sequence": sequence, "items": list(items)})
