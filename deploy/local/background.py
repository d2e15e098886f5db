"""The processes without a face: each is told everything by its environment and ends at SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from deploy.local.data_dir import DataDir
from deploy.local.environment import environment


def configuration(data: DataDir) -> dict[str, str]:
    """The environment; where it names no store, that of the stack which runs on the folder."""
    if "MONGO_URI" in os.environ:
        return dict(os.environ)
    running = data.running()
    return environment(data, running.url, running.mongo_uri, running.kafka)


def told(data: DataDir) -> dict[str, str]:
    """The same, but where no stack runs on the folder, whoever reads it names every variable that is missing."""
    return configuration(data) if data.in_use() else dict(os.environ)


def _begin(data: DataDir) -> dict[str, str]:
    """Say that this process is at work, and end in good order when told to."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    environ = told(data)
    if name := os.environ.get("READY_FILE"):
        Path(name).touch()
    return environ


def relay(data: DataDir, service: str) -> None:
    """See `kechuang relay`."""
    from shared.relay.main import run

    run(service, _begin(data))


def worker(data: DataDir, service: str) -> None:
    """See `kechuang worker`."""
    from importlib import import_module

    import_module(f"services.{service}.app").run_worker(_begin(data))


def follow(data: DataDir) -> None:
    """See `kechuang follow`."""
    from services.incentives.following.main import main

    main(_begin(data))


def ingest(data: DataDir) -> None:
    """See `kechuang ingest`."""
    from services.metrics.ingest import main

    main(_begin(data))


def publish(data: DataDir) -> None:
    """See `kechuang publish`."""
    from services.metrics.publisher import main

    main(_begin(data))
