"""`kechuang audit verify` against a running stack, before and after somebody wrote into its store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymongo import MongoClient

from tests.system.made import enterprise, uscc
from tests.system.stack import Stack, wait_until

START = "2026-06-30T08:00:00+08:00"


def test_what_was_done_to_the_store_is_named(stack: Callable[..., Stack]) -> None:
    running = stack(clock=START)
    for n in range(1, 6):
        running.post("/registry/v1/enterprises", enterprise(n))
    running.post("/registry/v1/enterprises", enterprise(1), expect=409)
    with MongoClient[dict[str, Any]](running.data.running().mongo_uri) as client:
        registry = client["kechuang_registry"]
        wait_until(lambda: any(anchor["accesses"] for anchor in registry.anchors.find()), what="an anchor that names the refusal")
        wait_until(lambda: sum(len(anchor["changes"]) for anchor in registry.anchors.find()) == 5, what="anchored changes")
        intact = running.run("audit", "verify")
        assert "registry: intact" in intact.stdout
        newest = next(word for word in intact.stdout.split() if word.startswith("registry:") and len(word) > 64)
        assert running.run("audit", "verify", "--expect", newest).returncode == 0

        registry.changes.update_one({"record_id": uscc(3)}, {"$set": {"after.name": "别人有限公司"}})
        altered = running.run("audit", "verify", check=False)
        assert altered.returncode == 1
        assert f"registry changes: altered enterprises/{uscc(3)} version 1" in altered.stdout
        assert "incentives: intact" in altered.stdout

        registry.changes.update_one({"record_id": uscc(3)}, {"$set": {"after.name": enterprise(3)["name"]}})
        registry.access_log.delete_one({})
        missing = running.run("audit", "verify", check=False)
        assert (missing.returncode, "access_log: missing" in missing.stdout) == (1, True)
    assert running.run("audit", "verify", "--expect", "registry:1:no", check=False).returncode == 2
