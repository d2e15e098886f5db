"""The collections of the metrics database and their indexes."""

from __future__ import annotations

from pymongo import ASCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.database import Database

from shared.log.dead_letters import DeadLetters
from shared.mongo import Client, Document, ensure_collection

ROWS = [
    IndexModel([("gen", ASCENDING), ("indicator", ASCENDING), ("part", ASCENDING), ("known_to", ASCENDING)]),
    IndexModel([("gen", ASCENDING), ("key", ASCENDING)]),
]
DOSSIERS = [IndexModel([("gen", ASCENDING), ("kinds", ASCENDING)])]
STEPS = [IndexModel([("gen", ASCENDING), ("indicator", ASCENDING)])]


class Store:
    """The metrics database. A client is built after a fork, so is this."""

    def __init__(self, client: Client, database: str) -> None:
        self.client = client
        self.database: Database[Document] = client.get_database(database)
        self.dossiers: Collection[Document] = self.database["dossiers"]
        self.rows: Collection[Document] = self.database["rows"]
        self.steps: Collection[Document] = self.database["steps"]
        self.positions: Collection[Document] = self.database["positions"]
        self.dirty: Collection[Document] = self.database["dirty"]
        self.dead_letters: Collection[Document] = self.database["dead_letters"]
        self.published: Collection[Document] = self.database["published"]
        self.changes: Collection[Document] = self.database["changes"]
        self.state: Collection[Document] = self.database["state"]
        self.leases: Collection[Document] = self.database["leases"]

    def ensure(self) -> None:
        """Create collections and indexes; call at start, never inside a transaction. Safe to call again."""
        present = set(self.database.list_collection_names())
        for collection in (
            self.positions,
            self.dirty,
            self.published,
            self.changes,
            self.state,
            self.leases,
        ):
            if collection.name not in present:
                ensure_collection(self.database, collection.name)
        self.rows.create_indexes(ROWS)
        self.dossiers.create_indexes(DOSSIERS)
        self.steps.create_indexes(STEPS)
        DeadLetters(self.dead_letters).ensure()
