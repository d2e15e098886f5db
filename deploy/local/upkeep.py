"""`plan check`, `rebuild`, `reconcile` and `dead-letters`: looking after the figures of a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.local.background import configuration
from deploy.local.client import mint
from deploy.local.data_dir import DataDir, UsageError

if TYPE_CHECKING:
    from shared.log.dead_letters import DeadLetters
    from shared.log.interface import Log

METRICS_LIFETIME_S = 6 * 3600
ALL = "all"


def check_plan(folder: Path) -> int:
    """Validate a plan folder, its policies too: 0, or 1 with a line for each fault."""
    from services.incentives.eligibility.policy_files import read_policies
    from services.metrics.plan.check import check

    faults = [*check(folder), *read_policies(folder / "policies")[1]]
    for fault in faults:
        click.echo(str(fault))
    click.echo(f"{folder}: {len(faults)} faults" if faults else f"{folder}: ok")
    return 1 if faults else 0


def rebuild(data: DataDir, origin: str) -> int:
    """Every indicator anew from `origin` ("log" or "stores"), switched in in one step."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from services.metrics.rebuild import main

    with Progress(SpinnerColumn(), TextColumn("{task.completed} events folded"), TimeElapsedColumn()) as progress:
        task = progress.add_task("rebuild", total=None)

        def advance(done: int) -> None:
            progress.update(task, completed=done)

        return main(_with_token(data) if origin == "stores" else configuration(data), origin, advance)


def reconcile(data: DataDir) -> int:
    """Compare with a recount over the event feeds: 1 when anything differs."""
    from services.metrics.reconcile import main

    return main(_with_token(data), click.echo)


def _with_token(data: DataDir) -> dict[str, str]:
    """With the token that the environment has, else one of the folder's issuer. Raises UsageError when there is neither."""
    told = configuration(data)
    return told if told.get("KECHUANG_TOKEN") else told | {"KECHUANG_TOKEN": _minted(data)}


def _minted(data: DataDir) -> str:
    if not data.keys.exists():
        raise UsageError(f"KECHUANG_TOKEN is not set (a token with the role metrics), and {data.path} has no issuer that gives one")
    return mint(data, ["metrics"], "metrics", lifetime_s=METRICS_LIFETIME_S)


def list_dead_letters(data: DataDir) -> int:
    """Print the waiting letters: place, key, reason."""
    with _letters(data) as (letters, _):
        count = 0
        for letter in letters.waiting():
            count += 1
            at = datetime.fromtimestamp(letter["at_ms"] / 1000).astimezone().isoformat(timespec="seconds")
            click.echo(f"{letter['_id']}  {at}  {letter['key'] or '-'}  {letter['size_bytes']} bytes  {letter['reason']}")
        click.echo(f"{count} dead letters")
    return 0


def replay_dead_letters(data: DataDir, ids: tuple[str, ...]) -> int:
    """Put letters on the log again, under the key they had; what still cannot be applied becomes a letter anew."""

    def replay(letters: DeadLetters, log: Log, letter: dict[str, Any]) -> None:
        value = letter["bytes"]
        if value is None:  # too many or too large to be kept: the log still has it
            found = log.read(letter["topic"], letter["partition"], letter["offset"] - 1, 1)
            if not found or found[0].offset != letter["offset"]:
                raise UsageError(f"{letter['_id']} is no longer in the log")
            value = found[0].value
        log.append(letter["topic"], [(letter["key"], bytes(value))])
        letters.replayed(letter["_id"])

    return _each(data, ids, replay, "replayed")


def drop_dead_letters(data: DataDir, ids: tuple[str, ...]) -> int:
    """Decide that these events are not wanted."""
    return _each(data, () if ids == (ALL,) else ids, lambda letters, _, letter: letters.drop(letter["_id"]), "dropped")


def _each(
    data: DataDir, ids: tuple[str, ...], act: Callable[[DeadLetters, Log, dict[str, Any]], None], done: str
) -> int:
    """Do something to the letters named, or to all that wait."""
    with _letters(data) as (letters, log):
        chosen = [letters.get(each) for each in ids] if ids else list(letters.waiting())
        for letter in chosen:
            act(letters, log, letter)
    click.echo(f"{len(chosen)} dead letters {done}")
    return 0


@contextmanager
def _letters(data: DataDir) -> Iterator[tuple[DeadLetters, Log]]:
    from pymongo import MongoClient

    from shared.log.dead_letters import DeadLetters
    from shared.log.open import open_log

    told = configuration(data)
    with MongoClient[dict[str, Any]](told["MONGO_URI"], tz_aware=True) as client:
        yield DeadLetters(client[f"{told.get('DB_PREFIX', 'kechuang')}_metrics"]["dead_letters"]), open_log(told, client)
