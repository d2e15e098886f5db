"""A small file system of its own, that can be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISK_MB = 700


def unavailable() -> str:
    """Why this machine cannot give one; "" when it can."""
    return "" if os.geteuid() == 0 else "mounting a small file system needs root"


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mounted on `folder` inside the block."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
