"""`kechuang audit verify`: walks the changes, access logs and anchors of both record services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from deploy.local.background import configuration
from deploy.local.data_dir import DataDir, UsageError

SERVICES = ("registry", "incentives")


def verify(data: DataDir, noted: tuple[str, ...], every: bool) -> int:
    """Print the first finding of each service, or every one: 1 when there is any, else 0."""
    from pymongo import MongoClient

    from shared.records.anchors import NONE_YET, STATE
    from shared.records.audit import Audit

    expect = {service: _noted(service, noted) for service in SERVICES}
    told = configuration(data)
    wrong = 0
    with MongoClient[dict[str, Any]](told["MONGO_URI"], tz_aware=True) as client:
        for service in SERVICES:
            database = client[f"{told.get('DB_PREFIX', 'kechuang')}_{service}"]
            kinds = {kind.name: kind for kind in import_module(f"services.{service}.kinds").KINDS}
            with _progress(service) as advance:
                audit = Audit(service, database, kinds, advance(Audit(service, database, kinds).size()))
                findings = audit.findings(expect[service])
                found = [str(finding) for finding in (findings if every else _first(findings))]
            for line in found:
                click.echo(line)
            wrong += len(found)
            state = database[STATE].find_one() or NONE_YET
            verdict = "see above" if found else "intact"
            click.echo(f"{service}: {verdict}; newest anchor {service}:{state['number']}:{state['hash'] or '-'}")
    return 1 if wrong else 0


def _first(findings: Iterator[Any]) -> Iterator[Any]:
    for finding in findings:
        yield finding
        return


def _noted(service: str, noted: tuple[str, ...]) -> Mapping[int, str]:
    """Anchors noted earlier, by number. Raises UsageError."""
    found = {}
    for each in noted:
        of, number, sha = [*each.split(":"), "", ""][:3]
        if of not in SERVICES or not number.isdigit() or len(sha) != 64:
            raise UsageError(f"{each!r} is no anchor: SERVICE:NUMBER:HASH, as `audit verify` prints it")
        if of == service:
            found[int(number)] = sha
    return found


@contextmanager
def _progress(service: str) -> Iterator[Callable[[int], Callable[[int], None]]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def begin(total: int) -> Callable[[int], None]:
            task = progress.add_task(f"audit {service}", total=total)
            return lambda done: progress.advance(task, done)

        yield begin
