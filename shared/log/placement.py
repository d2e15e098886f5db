"""Where a key's entries lie: the same partition number in every topic, on every backend."""

from __future__ import annotations

import zlib


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key among `partitions`."""
    return zlib.crc32(key.encode("utf-8")) % partitions
