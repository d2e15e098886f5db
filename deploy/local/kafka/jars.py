"""The broker's own jars, brought from Maven Central by the `pom.xml` beside this file into a folder that git ignores."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from shared.errors import ConfigError

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).resolve().parents[3] / ".kafka" / "jars"
FETCH_S = 900


def missing_tools() -> str | None:
    """What the machine lacks to run a broker, as one clause; None when it lacks nothing."""
    needed = {"Java 17": shutil.which("java"), "Maven": _present() or shutil.which("mvn")}
    lacking = [name for name, there in needed.items() if not there]
    return f"a Kafka broker needs {' and '.join(lacking)}" if lacking else None


def class_path() -> str:
    """The class path of a broker; fetches the jars once. Raises ConfigError when that cannot be done."""
    if lacking := missing_tools():
        raise ConfigError(f"{lacking}: apt-get install openjdk-17-jdk-headless maven")
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / "lock", "w") as guard:  # several test runs may want them at once
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not _present():
            _fetch(folder)
    return f"{folder}/*"


def _fetch(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    command.append(f"-DoutputDirectory={folder}")
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"Maven did not bring the broker's jars within {FETCH_S} s") from None
    if done.returncode:
        raise ConfigError(f"Maven could not bring the broker's jars: {done.stdout.decode(errors='replace')[-400:].strip()}")
    _stamp(folder).write_text(POM.read_text(encoding="utf-8"), encoding="utf-8")


def _present() -> bool:
    """Whether the jars are those of the present `pom.xml`."""
    stamp = _stamp(_folder())
    return stamp.exists() and stamp.read_text(encoding="utf-8") == POM.read_text(encoding="utf-8")


def _folder() -> Path:
    return Path(os.environ["KAFKA_JARS"]) if "KAFKA_JARS" in os.environ else CACHE


def _stamp(folder: Path) -> Path:
    return folder / "pom.stamp"
