"""Dossiers at rest. The body is one JSON text: a record may hold what BSON cannot (large integers, odd keys).

Each carries a checksum: a dossier is what later events are folded into, so one damaged byte would spread into figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

from pymongo import ReplaceOne
from pymongo.client_session import ClientSession

from services.metrics.engine.dossier import Dossier, from_document, to_document
from services.metrics.store.collections import Store
from services.metrics.store.generations import Generations
from shared.errors import KechuangError

CHECKSUM_BYTES = 8


class Corrupted(KechuangError):
    """What is stored is not what was written: the generation is condemned, and the next start makes a new one."""

    code, status = "corrupted", 503


class DossierStore:
    """Dossiers of one generation."""

    def __init__(self, store: Store, generation: int) -> None:
        self.store = store
        self.collection = store.dossiers
        self.generation = generation

    def load(self, keys: Iterable[str]) -> dict[str, Dossier]:
        """The stored ones among `keys`."""
        ids = [self._id(key) for key in keys]
        return {found["key"]: self._sound(found) for found in self.collection.find({"_id": {"$in": ids}})} if ids else {}

    def with_kinds(self, kinds: Iterable[str]) -> Iterator[Dossier]:
        """Every dossier that has a record of one of the kinds."""
        for found in self.collection.find({"gen": self.generation, "kinds": {"$in": list(kinds)}}):
            yield self._sound(found)

    def all(self) -> Iterator[Dossier]:
        """Every dossier."""
        for found in self.collection.find({"gen": self.generation}):
            yield self._sound(found)

    def damaged(self) -> Iterator[str]:
        """The subjects whose dossier is not what was written."""
        for found in self.collection.find({"gen": self.generation}):
            if not is_sound(found):
                yield found["key"]

    def write(self, partition: int, dossier: Dossier) -> ReplaceOne[dict[str, Any]]:
        """The statement that stores one. Raises ValueError when it cannot be written as JSON."""
        body = json.dumps(to_document(dossier), ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        return ReplaceOne(
            {"_id": self._id(dossier.key)},
            {
                "gen": self.generation,
                "key": dossier.key,
                "partition": partition,
                "kinds": sorted({kind for kind, _ in dossier.records}),
                "body": body,
                "checksum": checksum(body),
            },
            upsert=True,
        )

    def save(self, session: ClientSession, writes: list[ReplaceOne[dict[str, Any]]]) -> None:
        """Carry out the statements."""
        if writes:
            self.collection.bulk_write(writes, ordered=False, session=session)

    def _sound(self, found: dict[str, Any]) -> Dossier:
        """A dossier from its stored form. Raises Corrupted, and condemns the generation, when it was damaged."""
        if not is_sound(found):
            Generations(self.store).condemn(self.generation)
            raise Corrupted(f"the dossier of {found['key']} is damaged; generation {self.generation} is made anew")
        return decoded(found)

    def _id(self, key: str) -> str:
        return f"{self.generation}|{key}"


def decoded(found: dict[str, Any]) -> Dossier:
    """A dossier from its stored form."""
    return from_document(json.loads(found["body"]))


def checksum(body: bytes) -> bytes:
    """Of a stored body."""
    return blake2b(body, digest_size=CHECKSUM_BYTES).digest()


def is_sound(found: dict[str, Any]) -> bool:
    """Whether a stored dossier is what was written; one of an earlier version without checksum is taken for sound."""
    return found.get("checksum") in (None, checksum(found["body"]))
