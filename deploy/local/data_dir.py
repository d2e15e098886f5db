"""The folder of one stack (`--data DIR`): lock, keys, clock, logs, and what a running stack says about itself."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from shared.clock import DemoClock, format_instant, parse_instant
from shared.errors import ConfigError

DEFAULT = ".kechuang"


class UsageError(Exception):
    """The user asked for what cannot be done; one sentence, exit 2."""


@dataclass(frozen=True)
class Running:
    """What a started stack says about itself in `stack.json`."""

    url: str
    mongo_uri: str
    mongo_port: int | None
    pid: int
    kafka: str | None = None


class DataDir:
    """Paths and files of a stack's folder."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self.logs = self.path / "logs"
        self.keys = self.path / "keys"
        self.run = self.path / "run"
        self.mongod = self.path / "mongod"
        self.clock_file = self.path / "clock"
        self.demo_marker = self.path / "demo.loaded"
        self._last = self.path / "clock.last"
        self._stack = self.path / "stack.json"
        self._lock = self.path / "lock"
        self._held: IO[str] | None = None

    def acquire(self) -> None:
        """Take the folder for this process, until it ends. Raises UsageError when another has it."""
        try:
            for folder in (self.path, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True)
            self.keys.mkdir(mode=0o700, exist_ok=True)
            file = open(self._lock, "a+", encoding="ascii")  # noqa: SIM115 - held as long as the process lives
        except OSError as error:
            raise UsageError(f"{self.path} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise UsageError(f"{self.path} is in use by another kechuang (pid {holder})") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._held = file

    def in_use(self) -> bool:
        """Whether a stack holds the folder now."""
        try:
            with open(self._lock, encoding="ascii") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    def previous(self) -> Running | None:
        """What the last stack of this folder said about itself, running or not."""
        try:
            return Running(**json.loads(self._stack.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def running(self) -> Running:
        """The stack that runs on this folder. Raises UsageError when there is none."""
        found = self.previous()
        if found is None or not self.in_use():
            raise UsageError(f"no stack runs on {self.path}: start one with `kechuang up --data {self.path}`")
        return found

    def announce(self, running: Running) -> None:
        """Write `stack.json`."""
        _replace(self._stack, json.dumps(asdict(running), indent=1))

    def key(self, name: str) -> str:
        """A secret of this folder: 32 random bytes in hex, made at first use and readable by its owner only."""
        path = self.keys / name
        with suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
        text = path.read_text().strip()
        if len(text) != 64:
            raise ConfigError(f"{path} does not hold a key of 64 hexadecimal digits")
        return text

    def renew_key(self, name: str) -> None:
        """Make a new secret and keep the old one beside it as `NAME.old`. Raises UsageError while an older one is still kept."""
        present, old, fresh = self.keys / name, self.keys / f"{name}.old", self.keys / f"{name}.new"
        held = self.key(name)
        if old.exists() and old.read_text().strip() != held:
            raise UsageError(f"{old} is still in use: `kechuang keys rotate` while the stack runs, then make another new key")
        if not old.exists():
            os.link(present, old)
        fresh.unlink(missing_ok=True)
        self.key(fresh.name)
        os.replace(fresh, present)

    def old_key(self, name: str) -> str:
        """The secret before the present one, "" when nothing is under it any more."""
        path = self.keys / f"{name}.old"
        return path.read_text().strip() if path.exists() else ""

    def forget_old_key(self, name: str) -> None:
        """Nothing is under it any more."""
        (self.keys / f"{name}.old").unlink(missing_ok=True)

    @property
    def demo(self) -> bool:
        """Whether this folder runs on a demo clock."""
        return self.clock_file.exists()

    def last_instant(self) -> datetime | None:
        """The latest instant that the demo clock of this folder may have shown."""
        try:
            return parse_instant(self._last.read_text().strip())
        except (OSError, ValueError):
            return None

    def remember(self, instant: datetime) -> None:
        """Keep `instant` as the last one shown, unless a later one is kept already."""
        with open(self.path / "clock.lock", "a") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            last = self.last_instant()
            if last is None or last < instant:
                _replace(self._last, format_instant(instant))

    def start_clock(self, wanted: datetime | None, default: datetime | None) -> DemoClock | None:
        """The demo clock of this start, or None for the machine's.

        A folder with a demo clock goes on from the last instant it showed, or from a later `wanted`; a new one begins
        at `wanted`, else at `default`. Raises UsageError when that would turn time back.
        """
        last, first = self.last_instant(), wanted or default
        if self.demo and last is not None:
            if wanted is not None and wanted < last:
                stands = format_instant(last)
                raise UsageError(f"the clock of {self.path} stands at {stands}; --clock {format_instant(wanted)} lies before")
            first = wanted or last
        elif first is None:
            return None
        elif self.previous() is not None and not self.demo:
            raise UsageError(f"{self.path} has run on the machine's clock: a demo clock needs a folder of its own (--data)")
        self.remember(first)
        return DemoClock.create(self.clock_file, first)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    os.replace(fresh, path)
