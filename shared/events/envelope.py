"""A change document as CloudEvents 1.0: one per subject key, same version, own event id (contract §3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def events_of(change: Mapping[str, Any], service: str) -> list[dict[str, Any]]:
    """The events of a change, one under each key that the record names now or named earlier."""
    return [
        {
            "specversion": "1.0",
            "id": change["_id"] if n == 0 else f"{change['_id']}-{n}",
            "source": f"/{service}",
            "type": f"cn.kechuang.{service}.{change['event']}.v1",
            "subject": f"{change['kind']}/{change['record_id']}",
            "time": change["time"],
            "datacontenttype": "application/json",
            "partitionkey": key,
            "sequence": change["version"],
            "action": change["action"],
            "actor": change["actor"],
            "data": dict(change["after"]),
        }
        for n, key in enumerate(change["keys"])
    ]

