"""A service's changes without the kernel, and a log that can be made to fail: what the relay's tests stand on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from shared.events.topics import REGISTRY
from shared.ids import new_id
from shared.log.embedded import EmbeddedLog
from shared.log.interface import Fence, Item
from shared.mongo import Client, Document
from shared.relay.lease import Lease
from shared.relay.relay import Relay
from tests.contract.log_contract import all_of


def envelope(change: Document, service: str) -> list[dict[str, Any]]:
    """One event for each key, as plain as can be."""
    return [
        {
            "id": change["_id"] if n == 0 else f"{change['_id']}-{n}", "source": f"/{service}", "partitionkey": key,
            "subject": f"{change['kind']}/{change['record_id']}", "sequence": change["version"],
        }
        for n, key in enumerate(change["keys"])
    ]


def make_change(record_id: str, version: int, *, change_id: str | None = None, keys: Sequence[str] = ("k",)) -> Document:
    return {
        "_id": change_id or new_id(), "kind": "enterprises", "event": "enterprise", "record_id": record_id, "version": version, "keys": list(keys),
        "after": {"id": record_id}, "published": False, "position": None,
    }


class FlakyLog(EmbeddedLog):
    """Raises `failure` before or after the next append."""

    before: Exception | None = None
    after: Exception | None = None

    def append(self, topic: str, items: Sequence[Item], fence: Fence | None = None) -> None:
        if self.before:
            failure, self.before = self.before, None
            raise failure
        super().append(topic, items, fence)
        if self.after:
            failure, self.after = self.after, None
            raise failure


class World:
    """One service with its database, its log and as many relays as wanted."""

    def __init__(self, client: Client, database: str) -> None:
        self.client = client
        self.database = client.get_database(database)
        self.log = FlakyLog(client, database, partitions=2)
        self.relay = self.make_relay()
        self.relay.prepare()
        assert self.relay.lease.acquire()

    def make_relay(self, *, batch: int = 1_000, events_of: Any = envelope, ttl_s: float = 60.0) -> Relay:
        lease = Lease(self.database["leases"], "relay-registry", ttl_s=ttl_s)
        return Relay("registry", self.client, self.database.name, self.log, lease, events_of=events_of, batch=batch)

    def write(self, *changes: Document) -> None:
        self.database["changes"].insert_many(changes)

    def events(self) -> list[dict[str, Any]]:
        """Everything on the log, each key's in order."""
        return [json.loads(entry.value) for entry in all_of(self.log, REGISTRY)]

    def versions(self, record_id: str) -> list[int]:
        return [e["sequence"] for e in self.events() if e["subject"] == f"enterprises/{record_id}"]

    def positions(self) -> list[int]:
        found = self.database["changes"].find({"published": True}).sort("position", 1)
        return [change["position"] for change in found]

    def pending(self) -> int:
        return self.database["changes"].count_documents({"published": False})
