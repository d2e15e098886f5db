"""A small file system of its own, that can be filled."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

DISK_MB = 700


@cache
def unavailable() -> str:
    """Why this machine cannot give one; "" when it can."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder)):
                return ""
        except (OSError, subprocess.CalledProcessError):
            return "mounting a small file system needs root, or sudo without a password"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mounted on `folder` inside the block."""
    folder.mkdir(parents=True, exist_ok=True)
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size={DISK_MB}m,uid={os.geteuid()},gid={os.getegid()}"
    subprocess.run([*root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run([*root, "umount", "-l", str(folder)], check=True, capture_output=True)
