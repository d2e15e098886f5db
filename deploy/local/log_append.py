"""`kechuang log append`: put events on a demo stack's log exactly as given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from deploy.local.data_dir import DataDir, UsageError
from deploy.local.environment import log_environment


def append(data: DataDir, topic: str, file: Path) -> int:
    """Append every line of `file` ("-": standard input) to `topic`; how many. Raises UsageError outside demo."""
    from shared.events.topics import TOPICS
    from shared.log.append import append_file, append_lines
    from shared.log.open import open_log

    running = data.running()
    if not data.demo:
        raise UsageError("the log takes events by hand on a demo stack only")
    if topic not in TOPICS:
        raise UsageError(f"no such topic: {topic}; there are {', '.join(TOPICS)}")
    with MongoClient[dict[str, Any]](running.mongo_uri, tz_aware=True) as client:
        log = open_log(log_environment(running.kafka), client)
        return append_lines(log, topic, sys.stdin.buffer) if str(file) == "-" else append_file(log, topic, file)
