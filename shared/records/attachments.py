"""What is attached to a record (a licence scan, a letter): taken by its content, sealed at rest, given only to who may see it.

A file's name is never taken over: it may name a person, and a served one would be a stranger's text in a header. The record
lists what is attached (`attached`, with each change of the list a version); the bytes lie in GridFS, sealed. GridFS is in no
transaction: a file is stored first and named afterwards, and what nothing names is swept.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Fault, Forbidden, Invalid, NotFound, RuleBroken, TooLarge, UnsupportedMedia
from shared.ids import new_id
from shared.mongo import transact
from shared.records.access import mine
from shared.records.intake.sealed import Files
from shared.records.kind import ATTACHED, Kind
from shared.records.once import Answer, guarded, once_of, remember
from shared.records.workflow import Image
from shared.records.write import Records

BUCKET, COLLECTION = "attachment_files", "attachments"
LARGEST_BYTES = 10 * 1024 * 1024
MOST = 20  # of one record
ORPHAN = timedelta(hours=1)  # an upload that no record names after that never will be named
SWEEP_S = 600.0
logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Format:
    """How a file of a type begins, what it holds near its end, and what its name ends with."""

    head: bytes
    tail: bytes
    ending: str


FORMATS = {
    "application/pdf": Format(b"%PDF-", b"%%EOF", "pdf"),
    "image/jpeg": Format(b"\xff\xd8\xff", b"\xff\xd9", "jpg"),
    "image/png": Format(b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82", "png"),
}
TAIL_BYTES = 1024  # a PDF's end mark may be followed by so much
UNTOLD = ("", "application/octet-stream")  # what a client says that does not know


def media_type(content: bytes, told: str) -> str:
    """What a file is, by its content. Raises UnsupportedMedia when it is nothing we take, or not what the client says."""
    found = next((name for name, form in FORMATS.items() if content.startswith(form.head) and form.tail in content[-TAIL_BYTES:]), None)
    if found is None:
        raise UnsupportedMedia(f"内容须为完整的 PDF、JPEG 或 PNG a whole file of: {', '.join(FORMATS)}")
    if told not in (*UNTOLD, found):
        raise UnsupportedMedia(f"内容为 {found}, 与所称类型不符 the content is {found}, not what it is said to be")
    return found


class Attachments:
    """The attachments of one service's records."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.index = records.database[COLLECTION]
        self.files = Files(records.database, records.sealer, BUCKET)

    def ensure(self) -> None:
        """The indexes."""
        self.index.create_index("file", unique=True)
        self.index.create_index([("kind", 1), ("record_id", 1)])
        self.files.ensure()

    def add(
        self, kind: Kind, record_id: str, purpose: str, told: str, pieces: Iterable[bytes], principal: Principal, key: str | None = None
    ) -> Image:
        """Attach a file, once for a key. Raises NotFound, Forbidden, Invalid, TooLarge, UnsupportedMedia, RuleBroken; then nothing is kept."""
        self._check_may(kind, self.records.get(kind, record_id, principal), principal)
        if purpose not in kind.attaches:
            raise Invalid("the attachment has faults", faults=[Fault("/purpose", "unknown", f"one of {', '.join(kind.attaches)}")])
        content = _read(pieces)
        told_type = media_type(content, told)
        with self.files.writer(purpose) as writer:
            writer.write(content)
        entry: Image = {
            "id": new_id(), "purpose": purpose, "media_type": told_type, "size_bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }

        def work(_: Any) -> Answer:
            context = self.records.context(principal, writes=True)

            def put(image: Image) -> None:
                self._check_may(kind, image, principal)
                if len(image.get(ATTACHED) or ()) >= MOST:
                    raise RuleBroken(f"每份档案至多{MOST}个附件 at most {MOST} attachments")
                image[ATTACHED] = [*(image.get(ATTACHED) or []), entry | {"at": context.now}]

            image = context.work.change(kind.name, record_id, put, "attach")
            self.index.insert_one({"_id": entry["id"], "kind": kind.name, "record_id": record_id, "file": writer.file_id})
            made = {"version": image["version"], "entry": image[ATTACHED][-1]}
            remember(self.records, once, made, principal)
            return made, 201

        once = once_of(self.records, key, f"{kind.name}/{record_id}/{purpose} {entry['sha256']}".encode())
        kept: Image = {}
        try:
            kept = guarded(self.records, work, once, principal, "this file is attached already")[0]["entry"]
        finally:
            if kept.get("id") != entry["id"]:  # refused, or attached by the first of these requests
                self.files.delete(writer.file_id)
        return kept

    def remove(self, kind: Kind, record_id: str, attachment_id: str, principal: Principal) -> None:
        """Take a file off a record that its owner may still change, and delete its bytes: a wrong scan is gone for good."""
        self._check_may(kind, self.records.get(kind, record_id, principal), principal, counting=False)
        file_id = self._file(kind, record_id, attachment_id)

        def work(_: Any) -> None:
            context = self.records.context(principal, writes=True)

            def take(image: Image) -> None:
                self._check_may(kind, image, principal, counting=False)
                image[ATTACHED] = [entry for entry in image.get(ATTACHED) or () if entry["id"] != attachment_id]

            context.work.change(kind.name, record_id, take, "detach")
            self.index.delete_one({"_id": attachment_id})

        transact(self.records.client, work)
        self.files.delete(file_id)

    def listed(self, kind: Kind, record_id: str, principal: Principal) -> list[Image]:
        """What is attached. Raises NotFound also for who sees the record only because it is under public notice."""
        found: list[Image] = self.records.open(kind, record_id, principal).get(ATTACHED) or []
        return found

    def open(self, kind: Kind, record_id: str, attachment_id: str, principal: Principal) -> tuple[Image, Iterator[bytes]]:
        """One attachment and its bytes. Raises NotFound."""
        entry = next((each for each in self.listed(kind, record_id, principal) if each["id"] == attachment_id), None)
        if entry is None:
            raise NotFound("没有该附件 no such attachment")
        return entry, self.files.chunks(self._file(kind, record_id, attachment_id))

    def sweep(self, now: datetime) -> int:
        """Delete files that nothing names and that are too old to be named yet; how many."""
        bucket = self.records.database[f"{BUCKET}.files"]
        unnamed: list[Image] = [
            {"$match": {"uploadDate": {"$lt": now - ORPHAN}}},
            {"$lookup": {"from": COLLECTION, "localField": "_id", "foreignField": "file", "as": "named"}},
            {"$match": {"named": []}}, {"$project": {"_id": 1}},
        ]
        orphans = [found["_id"] for found in bucket.aggregate(unnamed)]
        for file_id in orphans:
            self.files.delete(file_id)
        return len(orphans)

    def run(self, stop: threading.Event) -> None:
        """Sweep from time to time, by the machine's clock, until told to stop. A store that is away is waited for."""
        while not stop.wait(SWEEP_S):
            try:
                self.sweep(datetime.now(UTC))
            except PyMongoError as away:
                logger.warning("sweeping attachments waits for the store", reason=type(away).__name__)

    def _check_may(self, kind: Kind, image: Image, principal: Principal, *, counting: bool = True) -> None:
        """Its owner attaches while the file is the owner's to change, or counts; a reviewer never does (S12)."""
        if principal.has(Role.DATA_FEED):
            return
        if not principal.has(*kind.owners) or not mine(kind, image, principal):
            raise Forbidden("附件由申报人提交 only who owns the file attaches to it")
        if image["state"] not in kind.editable and not (counting and kind.counts(image["state"])):
            raise Forbidden("a file under review is returned, not changed")

    def _file(self, kind: Kind, record_id: str, attachment_id: str) -> ObjectId:
        found = self.index.find_one({"_id": attachment_id, "kind": kind.name, "record_id": record_id})
        if found is None:
            raise NotFound("没有该附件 no such attachment")
        file_id: ObjectId = found["file"]
        return file_id


def _read(pieces: Iterable[bytes]) -> bytes:
    """A whole upload, bounded. Raises TooLarge, Invalid for an empty one."""
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > LARGEST_BYTES:
            raise TooLarge(f"附件不超过{LARGEST_BYTES >> 20}MB at most {LARGEST_BYTES >> 20} MiB")
    if not content:
        raise Invalid("the file is empty", faults=[Fault("", "empty", "文件为空")])
    return bytes(content)
