"""Every database of a stack as it was at one instant of the store's own time, read while writes go on.

A snapshot session reads all collections, of all databases, at the cluster time of its first read: records, their
changes, what the metrics service made of them, its log positions and the embedded log fit together as they would
after a power cut. What was acknowledged before that first read is in it, since acknowledged means majority-written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure

from deploy.backup.archive import File, write_collection
from shared.errors import Unavailable
from shared.mongo import Client

TOO_OLD, CATALOGUE_CHANGED = 239, 246  # SnapshotTooOld, SnapshotUnavailable
TRIES = 5
Progress = Callable[[int, int], None]  # documents written, documents expected
Place = tuple[str, str]  # database, collection


class CatalogueChanged(Exception):
    """A collection or an index was made in the very instant of the snapshot: begin again with a later one."""


def databases(client: Client, prefix: str) -> list[str]:
    """The databases of the stack, without their prefix."""
    own = re.compile(rf"{re.escape(prefix)}_([a-z]+)")
    return sorted(found.group(1) for name in client.list_database_names() if (found := own.fullmatch(name)))


def take(client: Client, prefix: str, make_folder: Callable[[], Path], progress: Progress) -> tuple[Path, list[File]]:
    """Write every collection into a fresh folder. Raises Unavailable when the store cannot give one instant of all."""
    for _ in range(TRIES):
        folder = make_folder()
        try:
            with client.start_session(snapshot=True) as session:
                return folder, list(_files(client, session, prefix, folder, progress))
        except CatalogueChanged:
            continue
    raise Unavailable("the store's collections keep changing; try again when nothing is being set up")


def _files(client: Client, session: ClientSession, prefix: str, folder: Path, progress: Progress) -> Iterator[File]:
    first = _places(client, prefix)
    if not first:
        raise Unavailable(f"the store has no database of a stack ({prefix}_…)")
    with _one_instant():
        client[f"{prefix}_{first[0][0]}"][first[0][1]].find_one(session=session)  # fixes the instant for all that follows
    places = _places(client, prefix)  # listed afterwards: nothing that existed at the instant is left out
    expected = sum(client[f"{prefix}_{database}"][name].estimated_document_count() for database, name in places)
    before = 0
    for database, name in places:
        def written(count: int, before: int = before) -> None:
            progress(before + count, max(expected, before + count))

        with _one_instant():
            batches = client[f"{prefix}_{database}"][name].find_raw_batches({}, sort=[("_id", 1)], session=session)
            file = write_collection(folder, database, name, batches, written)
        before += file.documents or 0
        yield file


def _places(client: Client, prefix: str) -> list[Place]:
    wanted = {"type": "collection", "name": {"$not": re.compile(r"^system\.")}}
    return [
        (database, name)
        for database in databases(client, prefix)
        for name in sorted(client[f"{prefix}_{database}"].list_collection_names(filter=wanted))
    ]


@contextmanager
def _one_instant() -> Iterator[None]:
    """Says what the store's refusals of a snapshot mean."""
    try:
        yield
    except OperationFailure as refused:
        if refused.code == CATALOGUE_CHANGED:
            raise CatalogueChanged from refused
        if refused.code == TOO_OLD:
            raise Unavailable(
                "the store no longer keeps the instant of the backup: raise its minSnapshotHistoryWindowInSeconds "
                "(300 s unless set) above what a backup takes"
            ) from refused
        raise
