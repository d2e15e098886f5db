"""`kechuang import`: one file of one record kind through the import endpoint, with a progress bar and a result file."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

import click

from deploy.local.client import Api
from deploy.local.data_dir import DataDir, UsageError

SERVICES = ("registry", "incentives")
TYPES = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
POLL_S = 0.3
SHOWN = 20
OVER = ("done", "failed")
COUNTS = ("created", "changed", "unchanged", "refused")


def run(
    data: DataDir, url: str | None, token: str | None, kind: str, file: Path, dry_run: bool, result: Path | None, lookup: bool = False
) -> int:
    """Import `file`, or look its rows up; 0 when every row was taken (or found), 1 when some were refused (or missing)."""
    content_type = TYPES.get(file.suffix.lower())
    if content_type is None:
        raise UsageError(f"{file.name} is none of {', '.join(TYPES)}")
    path = f"/{_service_of(kind)}/v1/{kind}"
    api = Api(data, url, token, ["data_feed"])
    mode = {"dry_run": str(dry_run).lower(), "lookup": str(lookup).lower()}
    with file.open("rb") as content:
        answer = api.call("POST", f"{path}/import", params=mode, content=content, headers={"Content-Type": content_type})
    job = _follow(api, f"{path}/imports/{answer.json()['id']}")
    _report(job, dry_run)
    if job.get("result_url"):
        _keep_result(api.call("GET", job["result_url"], params={"personal": "true"}), file, result)
    return 0 if job["state"] == "done" and not job.get("refused") and not job.get("missing") else 1


def _keep_result(answer: Any, file: Path, wanted: Path | None) -> None:
    """Write the result file, beside the imported one unless told where."""
    media = answer.headers.get("Content-Type", "").partition(";")[0]
    suffix = next((suffix for suffix, known in TYPES.items() if known == media), file.suffix)
    target = wanted or file.with_name(f"{file.stem}.result{suffix}")
    target.write_bytes(answer.content)
    click.echo(f"result: {target}")


def _service_of(kind: str) -> str:
    """The service that keeps `kind`. Raises UsageError when none does."""
    known: list[str] = []
    for service in SERVICES:
        names = [each.name for each in importlib.import_module(f"services.{service}.kinds").KINDS]
        if kind in names:
            return service
        known += names
    raise UsageError(f"no such record kind: {kind}; there are {', '.join(known)}")


def _follow(api: Api, path: str) -> dict[str, Any]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Progress(*columns) as progress:
        task = progress.add_task("import", total=100)
        while True:
            job: dict[str, Any] = api.call("GET", path).json()
            progress.update(task, completed=job.get("percent") or 0, description=f"{job.get('rows') or 0} rows")
            if job["state"] in OVER:
                return job
            time.sleep(POLL_S)


def _report(job: dict[str, Any], dry_run: bool) -> None:
    names = ("found", "missing", "refused") if job.get("lookup") else (*COUNTS, "flagged")
    counts = ", ".join(f"{job.get(name) or 0} {name}" for name in names)
    click.echo(f"{job.get('rows')} rows{' tried, nothing written' if dry_run else ''}: {counts}")
    if job.get("reason"):
        click.echo(f"failed: {job['reason']}", err=True)
    errors = job.get("errors") or []
    for error in errors[:SHOWN]:
        where = f"row {error.get('row')}, {error.get('column') or '-'}"
        click.echo(f"{where}: {error.get('message')} ({error.get('code')})", err=True)
    if len(errors) > SHOWN:
        click.echo(f"and {len(errors) - SHOWN} more in the result file", err=True)
