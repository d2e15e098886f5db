"""Moving everything sealed to a new key: value by value, as often as it is started, while the service runs.

A value is replaced only if it is still the one that was read, so that a change at the same moment wins and comes next.
Versions, histories and hash chains stay: sealed fields are in none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gridfs
from bson import ObjectId
from cryptography.exceptions import InvalidTag
from pymongo.collection import Collection

from shared.mongo import Document
from shared.records.attachments import BUCKET, COLLECTION
from shared.records.image import collection_of
from shared.records.kind import Kind
from shared.records.write import Records

BATCH = 200
ROUNDS = 20  # over values that changed meanwhile; more of them than that is not chance


@dataclass
class Rotated:
    """What one run did; `left` is what is still under an old key."""

    resealed: int = 0
    left: int = 0
    by_collection: dict[str, int] = field(default_factory=dict)


def reseal(records: Records, report: Callable[[int], None] = lambda done: None) -> Rotated:
    """Seal everything under the present key that is not yet; run again after a break, what is done stays done."""
    done = Rotated()
    for _ in range(ROUNDS):
        before = done.resealed
        for collection, path, context in places(records):
            for value in _old(records, collection, path):
                done.resealed += _one(records, collection, path, context, value)
                report(done.resealed)
        done.resealed += _files(records)
        if done.resealed == before:
            break
    for collection, path, _ in places(records):
        left = collection.count_documents(_under_another(records, path))
        done.left += left
        if left:
            done.by_collection[collection.name] = done.by_collection.get(collection.name, 0) + left
    return done


def places(records: Records) -> Iterator[tuple[Collection[Document], str, str]]:
    """Every place of a sealed value: collection, path, and the context that is authenticated with it."""
    for kind in records.kinds.values():
        collection = records.database[collection_of(kind)]
        for prefix, holder in (("", collection), ("image.", records.database.idempotency)):
            for path, context in _paths(kind):
                yield holder, f"{prefix}{path}", context


def _paths(kind: Kind) -> Iterator[tuple[str, str]]:
    for name in kind.personal:
        yield f"sealed.{name}", f"{kind.name}/{name}"
    if kind.personal:
        yield "proposed_change.sealed", f"{kind.name}/proposal"


def _under_another(records: Records, path: str) -> Document:
    return {path: {"$type": "string", "$not": re.compile(f"^{records.sealer.key_id}:")}}


def _old(records: Records, collection: Collection[Document], path: str) -> Iterator[Document]:
    yield from collection.find(_under_another(records, path), {path: 1}).batch_size(BATCH)


def _one(records: Records, collection: Collection[Document], path: str, context: str, found: Document) -> int:
    """Re-seal one value unless it changed meanwhile, or belongs to another kind's context (an idempotency image)."""
    sealed: Any = found
    for name in path.split("."):
        sealed = sealed[name]
    try:
        plain = records.sealer.unseal(sealed, context)
    except InvalidTag:
        return 0
    fresh = records.sealer.seal(plain, context)
    return collection.update_one({"_id": found["_id"], path: sealed}, {"$set": {path: fresh}}).modified_count


def _files(records: Records) -> int:
    """Uploaded files, result files and attachments: a sealed copy takes the place of the one under an old key."""
    imports, attachments, done = records.database.imports, records.database[COLLECTION], 0
    for job in imports.find({"expires": {"$exists": True}}, {"file": 1, "results": 1}):
        for path, file_id in (("file", job["file"]), *((f"results.{name}", one) for name, one in job["results"].items())):
            done += _file(records, "import_files", imports, job["_id"], path, file_id)
    for attachment in attachments.find({}, {"file": 1}):
        done += _file(records, BUCKET, attachments, attachment["_id"], "file", attachment["file"])
    return done


def _file(
    records: Records, of_bucket: str, named_in: Collection[Document], named_by: Any, path: str, file_id: ObjectId
) -> int:
    """Re-seal one file, unless it is sealed under the present key or what names it names another meanwhile."""
    bucket = gridfs.GridFSBucket(records.database, of_bucket)
    with bucket.open_download_stream(file_id) as raw:
        if raw.read(len(records.sealer.key_id)).decode("ascii", "replace") == records.sealer.key_id:
            return 0
    with bucket.open_download_stream(file_id) as raw:
        plain = b"".join(records.sealer.opened_file(raw))
    fresh = bucket.upload_from_stream("sealed", records.sealer.sealed_file(plain))
    swapped = named_in.update_one({"_id": named_by, path: file_id}, {"$set": {path: fresh}}).modified_count
    bucket.delete(file_id if swapped else fresh)
    return swapped
