"""The folder of a backup: one gzipped BSON file a collection (what `mongorestore --gzip` reads too), and a manifest.

The manifest is written last and names every file with size and checksum: what is incomplete or damaged is found out
before anything is restored.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from shared.errors import ConfigError

FORMAT = 1
MANIFEST, MANIFEST_SUM = "manifest.json", "manifest.json.sha256"
READ_BYTES = 1 << 20
LENGTH = struct.Struct("<i")  # a BSON document begins with its own length


class Damaged(ConfigError):
    """A backup that cannot be trusted; the message names everything that is wrong with it."""

    code = "backup_damaged"


@dataclass(frozen=True)
class File:
    """A file of the folder. `documents` of a collection's file, else None."""

    path: str
    bytes: int
    sha256: str
    database: str | None = None  # without the stack's prefix: "registry"
    collection: str | None = None
    documents: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What a backup says about itself."""

    made_at: str  # RFC 3339, the machine's clock
    external_log: bool  # the events were on Kafka, which is not in here
    clock: str | None = None  # of a demo stack
    demo_loaded: bool = False
    keys: str = "none"  # none | plain | sealed
    key_ids: dict[str, str] = field(default_factory=dict)  # fingerprints of the keys that the records are sealed with
    files: list[File] = field(default_factory=list)
    format: int = FORMAT

    @property
    def collections(self) -> list[File]:
        """The files that hold a collection."""
        return [file for file in self.files if file.collection is not None]


class Writing:
    """A new file of the folder, readable by its owner only, summed up while it is written."""

    def __init__(self, folder: Path, path: str) -> None:
        self.path, self.size, self._sum = path, 0, hashlib.sha256()
        target = folder / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file: IO[bytes] = os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def write(self, data: bytes) -> int:
        """For GzipFile, or directly."""
        self._sum.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        """For GzipFile."""
        self._file.flush()

    def done(self, **facts: Any) -> File:
        """Durable and closed."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return File(self.path, self.size, self._sum.hexdigest(), **facts)


def write_collection(
    folder: Path, database: str, collection: str, batches: Iterable[bytes], written: Callable[[int], None]
) -> File:
    """Write runs of raw BSON; `written` is told how many documents the file has so far."""
    writing = Writing(folder, f"{database}/{collection}.bson.gz")
    count = 0
    with gzip.GzipFile(fileobj=writing, mode="wb", compresslevel=1, mtime=0) as packed:  # type: ignore[call-overload]
        for batch in batches:
            packed.write(batch)
            count += _documents(batch)
            written(count)
    return writing.done(database=database, collection=collection, documents=count)


def _documents(batch: bytes) -> int:
    count = at = 0
    while at < len(batch):
        at += int(LENGTH.unpack_from(batch, at)[0])
        count += 1
    return count


def read_collection(folder: Path, file: File) -> Iterator[bytes]:
    """The raw documents of a collection's file."""
    with gzip.open(folder / file.path, "rb") as packed:
        while head := packed.read(LENGTH.size):
            (length,) = LENGTH.unpack(head)
            yield head + packed.read(length - LENGTH.size)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """The last act of a backup."""
    text = json.dumps(asdict(manifest), indent=1, ensure_ascii=False).encode()
    for path, content in ((MANIFEST, text), (MANIFEST_SUM, hashlib.sha256(text).hexdigest().encode())):
        writing = Writing(folder, path)
        writing.write(content)
        writing.done()


def open_archive(folder: Path) -> Manifest:
    """The manifest of a backup that is whole. Raises Damaged naming every file that is not as it was written."""
    manifest = _manifest(folder)
    if wrong := [fault for file in manifest.files if (fault := _fault(folder, file))]:
        raise Damaged(f"{folder} is damaged, nothing was restored: {'; '.join(wrong)}")
    return manifest


def _manifest(folder: Path) -> Manifest:
    try:
        text = (folder / MANIFEST).read_bytes()
        total = (folder / MANIFEST_SUM).read_text().strip()
    except (OSError, UnicodeDecodeError) as lacking:
        name = Path(getattr(lacking, "filename", None) or MANIFEST_SUM).name
        raise Damaged(f"{folder} is no complete backup: {name} cannot be read") from None
    if hashlib.sha256(text).hexdigest() != total:
        raise Damaged(f"{folder} is damaged, nothing was restored: {MANIFEST} is not as it was written")
    found = json.loads(text)
    if found.get("format") != FORMAT:
        raise Damaged(f"{folder} has format {found.get('format')}; this version reads {FORMAT}")
    return Manifest(**found | {"files": [File(**file) for file in found["files"]]})


def _fault(folder: Path, file: File) -> str | None:
    path = folder / file.path
    if not path.is_file():
        return f"{file.path} is missing"
    if path.stat().st_size != file.bytes:
        return f"{file.path} has {path.stat().st_size} bytes instead of {file.bytes}"
    found = hashlib.sha256()
    with path.open("rb") as content:
        while data := content.read(READ_BYTES):
            found.update(data)
    return None if found.hexdigest() == file.sha256 else f"{file.path} is not as it was written"
