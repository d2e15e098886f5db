"""A write that is asked for twice with one Idempotency-Key happens once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from shared.auth.principal import Principal
from shared.errors import Conflict, Fault, Invalid, KechuangError
from shared.mongo import transact
from shared.records.store import Store
from shared.records.workflow import Image

Answer = tuple[Image, int]
EXISTS = Fault("", "duplicate", "已存在 exists already")


@dataclass(frozen=True)
class Once:
    """An Idempotency-Key with the body it came with."""

    key: str
    fingerprint: str


def once_of(store: Store, key: str | None, content: bytes) -> Once | None:
    """A key with the keyed fingerprint of its content, which may be personal; None without a key."""
    return Once(key, store.sealer.fingerprint(content)) if key is not None else None


def guarded(store: Store, work: Callable[[Any], Answer], once: Once | None, principal: Principal, taken: str) -> Answer:
    """Do the work in one transaction, once per key: a key met again gives the first answer. Raises Conflict, Invalid."""
    remembered = _recall(store, once, principal)
    if remembered:
        return remembered
    try:
        return transact(store.client, work)
    except DuplicateKeyError:
        remembered = _recall(store, once, principal)
        if remembered:
            return remembered
        raise Conflict(taken, faults=[EXISTS]) from None
    except KechuangError:
        remembered = _recall(store, once, principal)  # its twin was in the middle of it when this one looked first
        if remembered:
            return remembered
        raise


def _recall(store: Store, once: Once | None, principal: Principal) -> Answer | None:
    if once is None:
        return None
    found = store.database.idempotency.find_one({"_id": _once_id(once, principal)})
    if found is None:
        return None
    if found["fingerprint"] != once.fingerprint:
        raise Invalid("this Idempotency-Key was used with another body", faults=[Fault("", "idempotency_key", "已用于其他内容")])
    return found["image"], 201 if found["image"]["version"] == 1 else 200


def remember(store: Store, once: Once | None, image: Image, principal: Principal) -> None:
    """Keep the answer for a repetition of the request, in the same transaction."""
    if once is not None:
        # By the machine's clock, as the server that forgets it: a demo's clock may stand months before that.
        at = datetime.now(UTC)
        body = {"_id": _once_id(once, principal), "fingerprint": once.fingerprint, "image": image, "at": at}
        store.database.idempotency.insert_one(body)


def _once_id(once: Once, principal: Principal) -> str:
    return hashlib.sha256(f"{principal.actor}|{once.key}".encode()).hexdigest()
