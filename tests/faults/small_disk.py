"""A store's folder without room: a small file system of its own that is filled, or, where none can be mounted, no file that may grow."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

DISK_MB = 700
FILLER = "filler"


@cache
def can_mount() -> bool:
    """Whether this machine gives one: it needs root, or sudo without a password."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with _mounted(Path(folder)):
                return True
        except (OSError, subprocess.CalledProcessError):
            return False


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """What is in `folder` can be robbed of its room inside the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with _mounted(folder) if can_mount() else nullcontext():
        yield


@contextmanager
def without_room(folder: Path, pid: int) -> Iterator[None]:
    """No room for `pid`, which writes in `folder`, inside the block."""
    if not can_mount():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]))
        yield
        return
    filler = folder / FILLER
    _fill(filler)
    try:
        yield
    finally:
        filler.unlink()


def _fill(path: Path) -> None:
    """Take all the room there is."""
    block = b"\0" * (1 << 20)
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(block)
            except OSError:
                if len(block) == 1:
                    return
                block = block[: max(1, len(block) // 16)]


@contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size={DISK_MB}m,uid={os.geteuid()},gid={os.getegid()}"
    subprocess.run([*root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([*root, "umount", "-l", str(folder)], check=True, capture_output=True)
