"""The records of a service as stored: found, inserted and replaced together with their change documents."""

from __future__ import annotations

from collections.abc import Iterable

from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from shared.auth.principal import Principal
from shared.clock import Clock
from shared.errors import NotFound, StaleVersion
from shared.mongo import Client, ensure_collection
from shared.records import grams
from shared.records.access import entitled, visible
from shared.records.access_log import COLLECTION as ACCESS_LOG
from shared.records.access_log import AccessLog
from shared.records.change import change_document
from shared.records.image import collection_of, from_store, to_store
from shared.records.kind import BY_ID, Kind
from shared.records.line import Line
from shared.records.personal import Sealer
from shared.records.workflow import Context, Image

DUPLICATE_KEY = 11000


class Store:
    """The collections of one service's kinds."""

    def __init__(self, client: Client, database: str, service: str, kinds: Iterable[Kind], clock: Clock, sealer: Sealer) -> None:
        self.client, self.service, self.clock, self.sealer = client, service, clock, sealer
        self.database = client.get_database(database)
        self.kinds = {kind.name: kind for kind in kinds}
        self.access_log = AccessLog(self.database, clock)
        self.line = Line()

    def ensure_collections(self) -> None:
        """Create collections and indexes at start: inside a transaction it would fail."""
        for name in ("changes", ACCESS_LOG, "idempotency", "imports", "import_outcomes", *(collection_of(kind) for kind in self.kinds.values())):
            ensure_collection(self.database, name)
        self.database.changes.create_index([("kind", 1), ("record_id", 1), ("version", 1)], unique=True)
        self.database.changes.create_index("position", sparse=True)
        for keys in ([("actor", 1), ("time", 1), ("_id", 1)], [("time", 1), ("_id", 1)]):
            self.database.changes.create_index(keys)
        self.access_log.ensure_indexes()
        self.database.reveals.create_index("at", expireAfterSeconds=2 * 3_600)
        self.database.idempotency.create_index("at", expireAfterSeconds=30 * 86_400)
        for kind in self.kinds.values():
            collection = self.database[collection_of(kind)]
            unique = set(kind.document._meta.get("unique_together", ()))
            plain = {("state",), ("created_by",), ("person_key",), kind.identity, *kind.indexes, *((name,) for name in kind.owner_fields)}
            for fields in (plain | unique) - {()}:
                collection.create_index([(name, 1) for name in fields], unique=fields in unique)
            for name in kind.unique_while_present:
                collection.create_index(name, unique=True, partialFilterExpression={name: {"$exists": True}})
            if kind.ends is not None:
                collection.create_index([("state", 1), ("ends_on", 1)])
            self._serve_lists(kind)

    def _serve_lists(self, kind: Kind) -> None:
        """One index for every filter, one for each order, and one for parts of names, which older records get here."""
        collection = self.database[collection_of(kind)]
        collection.create_index([("$**", 1)], wildcardProjection={name: 1 for name in kind.filters() if name != BY_ID}, name="filters")
        for name in set(kind.sorts()) - {BY_ID}:
            collection.create_index([(name, 1), ("_id", 1)])
        collection.create_index(grams.FIELD)
        for stored in collection.find({grams.FIELD: None}):
            pairs = {"$set": {grams.FIELD: grams.of_image(kind, from_store(stored))}}
            collection.update_one({"_id": stored["_id"], "version": stored["version"]}, pairs)

    def find(self, kind_name: str, record_id: str) -> Image | None:
        """The stored image, or None."""
        if kind_name not in self.kinds:  # another service's
            return None
        found = self.database[collection_of(self.kinds[kind_name])].find_one({"_id": record_id})
        return from_store(found) if found else None

    def get(self, kind: Kind, record_id: str, principal: Principal) -> Image:
        """An image that the caller may see. Raises NotFound, also for one that it may not know of."""
        image = self.find(kind.name, record_id)
        if image is None or not visible(kind, image, principal, self.find):
            raise NotFound(f"no {kind.name} {record_id}" if image is None else "no such record for this caller")
        return image

    def open(self, kind: Kind, record_id: str, principal: Principal) -> Image:
        """An image whose file the caller may open: its history, its attachments. Raises NotFound."""
        image = self.get(kind, record_id, principal)
        if not entitled(kind, image, principal, self.find):
            raise NotFound("the file is not open to this caller")
        return image

    def current(self, kind: Kind, record_id: str, expected: int, principal: Principal, action: str | None = None) -> Image:
        """The image at the version that the caller saw, for an action on it. Raises NotFound, StaleVersion."""
        old = self.find(kind.name, record_id) if action in kind.unseen else None
        if old is None or not kind.workflow.find(old["state"], str(action)):
            old = self.get(kind, record_id, principal)
        if old["version"] != expected:
            raise StaleVersion(f"the record is at version {old['version']}, not {expected}; read it again")
        return old

    def insert(self, kind: Kind, pairs: Iterable[tuple[Image, Image]]) -> None:
        """Store new records with their changes, inside a transaction. Raises DuplicateKeyError."""
        pairs = list(pairs)
        try:
            self.database[collection_of(kind)].insert_many([to_store(image) for image, _ in pairs])
            self.database.changes.insert_many([change for _, change in pairs])
        except BulkWriteError as wrong:
            codes = {error["code"] for error in wrong.details["writeErrors"]}
            raise (DuplicateKeyError("exists already") if codes == {DUPLICATE_KEY} else wrong) from wrong

    def replace(
        self, kind: Kind, old: Image, fresh: Image, action: str, principal: Principal, context: Context,
        reason: str | None = None, effective_on: str | None = None, faults: list[dict[str, str]] | None = None,
    ) -> Image:
        """Put the next version in the place of the one read, with its change. Raises StaleVersion if it moved meanwhile."""
        fresh = dict(fresh) | {"version": old["version"] + 1, "recorded_at": context.now}
        change = change_document(kind, fresh, action, principal, context, reason, effective_on, old, faults)
        swapped = self.database[collection_of(kind)].find_one_and_replace(
            {"_id": old["id"], "version": old["version"]}, to_store(fresh), return_document=ReturnDocument.AFTER
        )
        if swapped is None:
            raise StaleVersion("the record was changed meanwhile; read it again")
        self.database.changes.insert_one(change)
        return fresh
