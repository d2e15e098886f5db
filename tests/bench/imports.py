"""The import bench: a dry run of 50,000 rows, 1,000 of them spoiled, then the import, each in a worker process of its own.

Enterprises, and introductions: persons are sealed one by one, matched by blind index, and flagged when they count already.
"""

from __future__ import annotations

import csv
import importlib
import io
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from deploy.local.mongod import Mongod
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.records.imports import Imports
from shared.records.service import records_of
from tests.integration.records.spoiled import COLUMNS, table, workbook
from tests.system.made import citizen_id, uscc

ROWS, SPOILED = 50_000, 1_000
FEED = Principal("f" * 32, frozenset({Role.DATA_FEED}))
WORKER = """
import importlib, os, sys, time
KINDS = importlib.import_module(f"services.{sys.argv[1]}.kinds").KINDS
from shared.records.imports import Imports
from shared.records.intake import work
from shared.records.service import records_of
def memory(name):
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith(name))
imports = Imports(records_of(sys.argv[1], KINDS, os.environ)[0])
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


Table = list[list[str]]


def files(lines: Table) -> dict[str, bytes]:
    """The same table in both formats."""
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return {"xlsx": workbook(iter(lines)), "csv": text.getvalue().encode("gb18030")}


def introductions() -> Table:
    """Everybody once but every tenth person, whom two employers introduced; some with a wrong check character."""
    names = ("person.name", "person.id_kind", "person.id_number", "employer_uscc", "town_code", "degree_level", "hired_on", "intro_mode")
    lines = [list(names)]
    for n in range(ROWS):
        person = n - 1 if n % 10 == 9 else n
        number = citizen_id(person % 1_000, date(1990, 1, 1) + timedelta(days=person // 1_000))
        if n % (ROWS // SPOILED) == 3:
            number = number[:-1] + ("0" if number[-1] != "0" else "1")
        lines.append(["欧阳明珠", "citizen_id", number, uscc(n % 300), "441502100", "bachelor", "2026-03-01", "campus"])
    return lines


def run(folder: Path) -> None:
    """Print seconds and peak memory of each."""
    with Mongod(folder / "mongod") as server:
        environ = environ_of(server.uri)
        os.environ |= {"SYNTHETIC_IDS": "true"}
        _run("registry", "enterprises", [list(COLUMNS), *(line for line, _ in table(ROWS, SPOILED))], environ)
        _run("incentives", "introductions", introductions(), environ)


def _run(service: str, kind: str, lines: Table, environ: dict[str, str]) -> None:
    kinds = importlib.import_module(f"services.{service}.kinds").KINDS
    records, _ = records_of(service, kinds, environ)
    records.ensure_collections()
    imports = Imports(records)
    imports.ensure()
    made = files(lines)
    for type_of_file, mode in (("xlsx", "dry_run"), ("csv", "dry_run"), ("xlsx", "import"), ("csv", "import")):
        job = imports.submit(records.kinds[kind], [made[type_of_file]], type_of_file, mode, FEED)
        took, used, before, peak = worker(service, environ)
        told: dict[str, Any] = imports.show(records.kinds[kind], job, FEED)
        counts = ", ".join(f"{told[name]:,} {name}" for name in ("created", "unchanged", "refused", "flagged") if told[name])
        print(f"{mode} of {ROWS:,} {kind}, {type_of_file:<4} {len(made[type_of_file]) / 2**20:>4.1f} MiB {took:>8.1f} s         "
              f"({used:,.1f} s of processor; memory {before:,.0f} to {peak:,.0f} MiB; {counts})", flush=True)


def worker(service: str, environ: dict[str, str]) -> tuple[float, float, float, float]:
    """Seconds, those of its processor, and memory in MiB before and at its peak, of a worker that takes one job."""
    words = [sys.executable, "-c", WORKER, service]
    done = subprocess.run(words, env=dict(os.environ) | environ, capture_output=True, text=True, check=True)
    took, used, before, peak = map(float, done.stdout.split())
    return took, used, before, peak
