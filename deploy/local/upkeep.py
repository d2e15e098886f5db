"""`plan check`, `rebuild`, `reconcile` and `dead-letters`: looking after the figures of a stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
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
    from shared.mongo import Document

METRICS_LIFETIME_S = 6 * 3600
ALL = "all"
LETTER_SERVICES = ("metrics", "incentives")


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


def list_dead_letters(data: DataDir, service: str | None) -> int:
    """Print the events that wait: place, time, key, size, and each service that could not apply it after its reason."""
    with _desks(data, service) as (desks, _):
        waiting = _waiting(desks)
        for letter_id, letters in waiting.items():
            first = next(iter(letters.values()))
            at = datetime.fromtimestamp(first["at_ms"] / 1000).astimezone().isoformat(timespec="seconds")
            reasons = "  ".join(f"{letter['reason']}  {name}" for name, letter in letters.items())
            click.echo(f"{letter_id}  {at}  {first['key'] or '-'}  {first['size_bytes']} bytes  {reasons}")
        click.echo(f"{len(waiting)} dead letters")
    return 0


def replay_dead_letters(data: DataDir, ids: tuple[str, ...], service: str | None) -> int:
    """Put events on the log again, under the key they had, for every service to read; what still fails is a letter anew."""
    from shared.log.dead_letters import REPLAYED

    def replay(desks: list[DeadLetters], log: Log, letter_id: str) -> None:
        letter = desks[0].get(letter_id)
        value = letter["bytes"]
        if value is None:  # too many or too large to be kept: the log still has it
            found = log.read(letter["topic"], letter["partition"], letter["offset"] - 1, 1)
            if not found or found[0].offset != letter["offset"]:
                raise UsageError(f"{letter_id} is no longer in the log")
            value = found[0].value
        with ExitStack() as claims:
            for desk in desks:
                claims.enter_context(desk.replaying(letter_id))
            log.append(letter["topic"], [(letter["key"], bytes(value))])

    return _each(data, ids, service, replay, REPLAYED)


def drop_dead_letters(data: DataDir, ids: tuple[str, ...], service: str | None) -> int:
    """Decide that these events are not wanted."""
    from shared.log.dead_letters import DROPPED

    def drop(desks: list[DeadLetters], _log: Log, letter_id: str) -> None:
        for desk in desks:
            desk.drop(letter_id)

    return _each(data, () if ids == (ALL,) else ids, service, drop, DROPPED)


def _each(
    data: DataDir, ids: tuple[str, ...], service: str | None, act: Callable[[list[DeadLetters], Log, str], None], state: str
) -> int:
    """Bring the events named, or all that wait, into a state; a service that is behind and has no letter yet learns of it."""
    from shared.log.dead_letters import Decided

    count = 0
    with _desks(data, service) as (desks, log):
        chosen = {each: _holders(desks, each) for each in ids} if ids else _waiting(desks)
        for letter_id, holders in chosen.items():
            try:
                act([desks[name] for name in holders], log, letter_id)
            except Decided:  # by another operator, a moment ago
                if ids:
                    raise
                continue
            for name in desks.keys() - holders.keys():
                desks[name].decided(next(iter(holders.values())), state)
            count += 1
    click.echo(f"{count} dead letters {state}")
    return 0


def _waiting(desks: dict[str, DeadLetters]) -> dict[str, dict[str, Document]]:
    """By id, the letters of each service: what two services could not apply is one event at one place of the log."""
    found: dict[str, dict[str, Document]] = {}
    for name, desk in desks.items():
        for letter in desk.waiting():
            found.setdefault(letter["_id"], {})[name] = letter

    def age(item: tuple[str, dict[str, Document]]) -> tuple[int, str, int, int]:
        first, *_ = letters = list(item[1].values())
        return min(each["at_ms"] for each in letters), first["topic"], first["partition"], first["offset"]

    return dict(sorted(found.items(), key=age))


def _holders(desks: dict[str, DeadLetters], letter_id: str) -> dict[str, Document]:
    """The waiting letters of one id by service. Raises NotFound, and Decided when it waits nowhere."""
    from shared.errors import NotFound
    from shared.log.dead_letters import WAITING, Decided

    found: dict[str, Document] = {}
    for name, desk in desks.items():
        with suppress(NotFound):
            found[name] = desk.get(letter_id)
    if not found:
        raise NotFound(f"no dead letter {letter_id}")
    waiting = {name: letter for name, letter in found.items() if letter["state"] == WAITING}
    if not waiting:
        states = ", ".join(f"{letter['state']} already in {name}" for name, letter in found.items())
        raise Decided(f"{letter_id} is {states}")
    return waiting


@contextmanager
def _desks(data: DataDir, service: str | None) -> Iterator[tuple[dict[str, DeadLetters], Log]]:
    """The letters of the service, or of every one that keeps some, and the log."""
    from pymongo import MongoClient

    from shared.log.dead_letters import DeadLetters
    from shared.log.open import open_log

    told = configuration(data)
    with MongoClient[dict[str, Any]](told["MONGO_URI"], tz_aware=True) as client:
        prefix = told.get("DB_PREFIX", "kechuang")
        names = (service,) if service else LETTER_SERVICES
        yield {name: DeadLetters(client[f"{prefix}_{name}"]["dead_letters"]) for name in names}, open_log(told, client)
