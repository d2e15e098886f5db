"""`kechuang dead-letters` over what both services could not apply: one event at one place of the log, decided on once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from deploy.local.cli import main
from shared.errors import Unavailable
from shared.events.topics import REGISTRY
from shared.log.dead_letters import DeadLetters, Decided, Poison
from shared.log.embedded import EmbeddedLog
from shared.log.interface import Entry
from shared.mongo import Client, transact

BOTH, METRICS, INCENTIVES = (f"{REGISTRY}|0|{offset}" for offset in (5, 6, 7))


@pytest.fixture
def desks(mongo: Client, database_name: str, monkeypatch: pytest.MonkeyPatch, mongo_uri: str) -> Iterator[dict[str, DeadLetters]]:
    """The letters of each service: one event that neither could apply, and one of its own."""
    monkeypatch.setenv("MONGO_URI", mongo_uri)
    monkeypatch.setenv("DB_PREFIX", database_name)
    made = {name: DeadLetters(mongo[f"{database_name}_{name}"]["dead_letters"]) for name in ("metrics", "incentives")}
    for name, own in (("metrics", 6), ("incentives", 7)):
        made[name].ensure()
        found = [Poison(Entry(REGISTRY, 0, offset, "k", b"{%d" % offset), f"why {name}") for offset in (5, own)]
        transact(mongo, lambda session, name=name, found=found: made[name].write(session, found, 1_800_000_000_000))  # type: ignore[misc]
    yield made
    for name in (*made, "log"):
        mongo.drop_database(f"{database_name}_{name}")


@pytest.fixture
def log(mongo: Client, database_name: str) -> EmbeddedLog:
    return EmbeddedLog(mongo, f"{database_name}_log")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["dead-letters", *words])


def on_the_log(log: EmbeddedLog) -> list[bytes]:
    return [entry.value for p in sorted(log.end_offsets(REGISTRY)) for entry in log.read(REGISTRY, p, -1, 100)]


def test_the_list_names_an_event_once_with_each_service_after_its_reason(desks: dict[str, DeadLetters]) -> None:
    *lines, total = run("list").output.splitlines()
    assert total == "3 dead letters"
    assert [(line.split("  ")[0], line.split("  ")[2:]) for line in lines] == [
        (BOTH, ["k", "2 bytes", "why metrics", "metrics", "why incentives", "incentives"]),
        (METRICS, ["k", "2 bytes", "why metrics", "metrics"]),
        (INCENTIVES, ["k", "2 bytes", "why incentives", "incentives"]),
    ]
    assert run("list", "--service", "incentives").output.splitlines()[-1] == "2 dead letters"


def test_a_replay_puts_every_event_on_the_log_once(desks: dict[str, DeadLetters], log: EmbeddedLog) -> None:
    assert run("replay").output == "3 dead letters replayed\n"
    assert on_the_log(log) == [b"{5", b"{6", b"{7"]
    assert run("list").output == "0 dead letters\n"


def test_a_service_can_be_named(desks: dict[str, DeadLetters], log: EmbeddedLog) -> None:
    assert run("drop", BOTH, "--service", "incentives").output == "1 dead letters dropped\n"
    assert [desk.get(BOTH)["state"] for desk in desks.values()] == ["waiting", "dropped"]
    assert run("drop", "all").output == "3 dead letters dropped\n"
    assert {desk.count() for desk in desks.values()} == {0}


def test_a_letter_is_decided_on_once(desks: dict[str, DeadLetters], log: EmbeddedLog) -> None:
    assert run("drop", BOTH).exit_code == 0
    again = run("replay", BOTH)
    assert (again.exit_code, again.output) == (
        1, f"kechuang: {BOTH} is dropped already in metrics, dropped already in incentives\n",
    )
    assert run("replay", METRICS).exit_code == 0
    assert run("drop", METRICS).output == f"kechuang: {METRICS} is replayed already in metrics, replayed already in incentives\n"
    assert run("replay", "nowhere").output == "kechuang: no dead letter nowhere\n"
    assert on_the_log(log) == [b"{6"]


def test_a_service_that_is_behind_learns_what_was_decided(
    mongo: Client, desks: dict[str, DeadLetters], log: EmbeddedLog
) -> None:
    assert run("replay", METRICS).exit_code == run("drop", INCENTIVES).exit_code == 0
    behind = {"incentives": 6, "metrics": 7}
    for name, offset in behind.items():
        late = [Poison(Entry(REGISTRY, 0, offset, "k", b"{"), "late")]
        transact(mongo, lambda session, name=name, late=late: desks[name].write(session, late, 1_800_000_000_001))  # type: ignore[misc]
    assert [letter["_id"] for desk in desks.values() for letter in desk.waiting()] == [BOTH, BOTH]


def test_one_of_two_operators_wins(desks: dict[str, DeadLetters]) -> None:
    desk = desks["metrics"]
    with desk.replaying(METRICS), pytest.raises(Decided, match="is replayed already"):
        desk.drop(METRICS)
    assert desk.get(METRICS)["state"] == "replayed"


def test_a_letter_waits_again_when_the_log_is_away(desks: dict[str, DeadLetters], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("the log cannot be reached")

    monkeypatch.setattr(EmbeddedLog, "append", away)
    assert run("replay", BOTH).exit_code == 1
    assert [desk.get(BOTH)["state"] for desk in desks.values()] == ["waiting", "waiting"]
