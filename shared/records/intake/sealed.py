"""Files as they lie in GridFS: sealed block by block, since an upload may hold personal data; read as a seekable stream."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any

import gridfs
from bson import ObjectId
from pymongo.database import Database

from shared.mongo import Document
from shared.records.personal import BLOCK_BYTES, KEY_ID_CHARS, LENGTH_BYTES, SEAL_BYTES, Sealer

PIECE_BYTES = 64 * 1024
SEALED_BYTES = BLOCK_BYTES + SEAL_BYTES


class Files:
    """The sealed files of one service."""

    def __init__(self, database: Database[Document], sealer: Sealer, bucket: str = "import_files") -> None:
        self.bucket = gridfs.GridFSBucket(database, bucket)
        self._index = database[f"{bucket}.files"]
        self.sealer = sealer

    def ensure(self) -> None:
        """The index that old files are found by; GridFS makes its own."""
        self._index.create_index("uploadDate")

    def delete_before(self, instant: datetime) -> None:
        """Remove files that are older: nothing names them any more."""
        for found in self._index.find({"uploadDate": {"$lt": instant}}, {"_id": 1}).limit(100):
            self.delete(found["_id"])

    def writer(self, name: str) -> Writer:
        """A new file, open for writing."""
        return Writer(self.bucket.open_upload_stream(name), self.sealer)

    def reader(self, file_id: ObjectId) -> io.BufferedReader:
        """A file as its plain bytes, seekable. Raises NoFile."""
        return io.BufferedReader(_Blocks(self.bucket.open_download_stream(file_id), self.sealer), PIECE_BYTES)

    def chunks(self, file_id: ObjectId) -> Iterator[bytes]:
        """A file's plain bytes, piece by piece. Raises NoFile at once."""
        reader = self.reader(file_id)

        def pieces() -> Iterator[bytes]:
            with reader:
                while piece := reader.read(PIECE_BYTES):
                    yield piece

        return pieces()

    def delete(self, file_id: ObjectId | None) -> None:
        """Remove a file; one that is gone is gone."""
        if file_id is not None:
            try:
                self.bucket.delete(file_id)
            except gridfs.NoFile:
                return


class Writer(io.RawIOBase):
    """A file being written; leaving the block by an exception throws it away."""

    def __init__(self, grid: Any, sealer: Sealer) -> None:
        self.file_id: ObjectId = grid._id
        self._grid, self._sealer = grid, sealer
        self._block, self._waiting, self.size = 0, bytearray(), 0
        grid.write(sealer.key_id.encode())

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes; whole blocks are sealed and sent."""
        self._waiting += data
        self.size += len(data)
        while len(self._waiting) >= BLOCK_BYTES:
            self._send(bytes(self._waiting[:BLOCK_BYTES]))
            del self._waiting[:BLOCK_BYTES]
        return len(data)

    def tell(self) -> int:
        """Bytes written so far: a zip writer asks."""
        return self.size

    def _send(self, plain: bytes) -> None:
        self._grid.write(self._sealer.seal_block(self._block, plain))
        self._block += 1

    def __exit__(self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._grid.abort()
            return
        if self._waiting:
            self._send(bytes(self._waiting))
        self._send(b"")
        self._grid.close()


class _Blocks(io.RawIOBase):
    """Reads one block at a time. Raises InvalidTag when a byte is not as it was, at once when the file was cut off."""

    def __init__(self, grid: gridfs.GridOut, sealer: Sealer) -> None:
        self._grid, self._sealer = grid, sealer
        body = grid.length - KEY_ID_CHARS - SEAL_BYTES
        blocks = -(-body // SEALED_BYTES)
        self._size = body - blocks * SEAL_BYTES
        self._key = grid.read(KEY_ID_CHARS).decode("ascii", "replace")
        self._at, self._held, self._plain = 0, -1, b""
        grid.seek(KEY_ID_CHARS + body)
        sealer.open_block(self._key, blocks, grid.read(SEAL_BYTES)[LENGTH_BYTES:])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        block, offset = divmod(self._at, BLOCK_BYTES)
        if block != self._held:
            self._grid.seek(KEY_ID_CHARS + block * SEALED_BYTES)
            length = int.from_bytes(self._grid.read(LENGTH_BYTES), "big")
            self._plain, self._held = self._sealer.open_block(self._key, block, self._grid.read(length)), block
        piece = self._plain[offset:offset + len(buffer)]
        buffer[:len(piece)] = piece
        self._at += len(piece)
        return len(piece)
