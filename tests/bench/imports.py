"""The import bench: a dry run of 50,000 rows, 1,000 of them spoiled, then the import, each in a worker process of its own."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.local.mongod import Mongod
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.records.imports import Imports
from shared.records.service import records_of
from tests.integration.records.spoiled import COLUMNS, table, workbook

ROWS, SPOILED = 50_000, 1_000
FEED = Principal("f" * 32, frozenset({Role.DATA_FEED}))
WORKER = """
import os, time
from services.registry.kinds import KINDS
from shared.records.imports import Imports
from shared.records.intake import work
from shared.records.service import records_of
def memory(name):
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith(name))
imports = Imports(records_of("registry", KINDS, os.environ)[0])
before = memory("VmRSS")
begun, used = time.perf_counter(), time.process_time()
work.run(imports, imports.take("bench", time.time()), "bench", time.time)
print(time.perf_counter() - begun, time.process_time() - used, before, memory("VmHWM"))
"""


def environ_of(uri: str) -> dict[str, str]:
    """A service's environment over a database."""
    return {
        "MONGO_URI": uri, "OIDC_ISSUER": "bench", "OIDC_AUDIENCE": "bench", "OIDC_JWKS_URL": "http://127.0.0.1:9/none",
        "ACTOR_KEY": "actor", "FIELD_KEY": "aa" * 32, "BLIND_KEY": "bb" * 32, "DB_PREFIX": "bench",
    }


def files() -> dict[str, bytes]:
    """The same table in both formats."""
    lines = [list(COLUMNS), *(line for line, _ in table(ROWS, SPOILED))]
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return {"xlsx": workbook(iter(lines)), "csv": text.getvalue().encode("gb18030")}


def run(folder: Path) -> None:
    """Print seconds and peak memory of each."""
    from services.registry.kinds import KINDS

    with Mongod(folder / "mongod") as server:
        environ = environ_of(server.uri)
        records, _ = records_of("registry", KINDS, environ)
        records.ensure_collections()
        imports = Imports(records)
        imports.ensure()
        made = files()
        for type_of_file, mode in (("xlsx", "dry_run"), ("csv", "dry_run"), ("xlsx", "import"), ("csv", "import")):
            job = imports.submit(records.kinds["enterprises"], [made[type_of_file]], type_of_file, mode, FEED)
            took, used, before, peak = worker(environ)
            told: dict[str, Any] = imports.show(records.kinds["enterprises"], job, FEED)
            counts = ", ".join(f"{told[name]:,} {name}" for name in ("created", "unchanged", "refused"))
            print(f"{mode} of {ROWS:,} rows, {type_of_file:<4} {len(made[type_of_file]) / 2**20:>4.1f} MiB {took:>12.1f} s         "
                  f"({used:,.1f} s of processor; memory {before:,.0f} to {peak:,.0f} MiB; {counts})", flush=True)


def worker(environ: dict[str, str]) -> tuple[float, float, float, float]:
    """Seconds, those of its processor, and memory in MiB before and at its peak, of a worker that takes one job."""
    done = subprocess.run([sys.executable, "-c", WORKER], env=dict(os.environ) | environ, capture_output=True, text=True, check=True)
    took, used, before, peak = map(float, done.stdout.split())
    return took, used, before, peak
