"""A backup is one instant of every database, and everything acknowledged before it began is in it."""

from __future__ import annotations

import gzip
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest

from deploy.backup import snapshot
from deploy.backup.archive import File
from shared.errors import Unavailable
from shared.mongo import Client, transact

BACKUPS = 8


class Writer(threading.Thread):
    """Puts one document into each of two databases, in one transaction, again and again."""

    def __init__(self, client: Client, prefix: str) -> None:
        super().__init__(daemon=True)
        self.client, self.sides = client, [client[f"{prefix}_{name}"]["records"] for name in ("registry", "metrics")]
        for side in self.sides:
            side.database.create_collection("records")
        self.acknowledged = -1
        self.written = threading.Event()
        self._over = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._over.is_set():
            transact(self.client, lambda session, n=number: [s.insert_one({"_id": n}, session=session) for s in self.sides])
            self.acknowledged = number
            self.written.set()
            number += 1

    def stop(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def writer(mongo: Client, database_name: str) -> Iterator[Writer]:
    made = Writer(mongo, database_name)
    made.start()
    assert made.written.wait(30)
    yield made
    made.stop()
    for side in made.sides:
        mongo.drop_database(side.database.name)


def records(folder: Path, files: list[File]) -> list[list[Any]]:
    return [
        [document["_id"] for document in bson.decode_all(gzip.decompress((folder / file.path).read_bytes()))] for file in files
    ]


def test_both_sides_of_every_transaction_or_neither_and_all_that_was_acknowledged(
    writer: Writer, mongo: Client, database_name: str, tmp_path: Path
) -> None:
    def fresh() -> Path:
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
        (tmp_path / "b").mkdir()
        return tmp_path / "b"

    for _ in range(BACKUPS):
        before = writer.acknowledged
        told: list[tuple[int, int]] = []
        folder, files = snapshot.take(mongo, database_name, fresh, lambda done, total: told.append((done, total)))  # noqa: B023
        one, other = records(folder, files)
        assert one == other == list(range(len(one)))
        assert len(one) > before
        assert all(done <= total for done, total in told)
        assert [file.documents for file in files] == [len(one)] * 2
    assert writer.acknowledged > BACKUPS, "nothing was written meanwhile"


def test_a_collection_made_in_that_instant_only_makes_it_begin_again(
    writer: Writer, mongo: Client, database_name: str, tmp_path: Path
) -> None:
    over = threading.Event()

    def disturb() -> None:
        for number in range(40):
            if over.is_set():
                return
            writer.sides[0].database.create_collection(f"late{number}")

    disturber = threading.Thread(target=disturb, daemon=True)
    disturber.start()
    number = iter(range(100))

    def fresh() -> Path:
        folder = tmp_path / str(next(number))
        folder.mkdir()
        return folder

    try:
        folder, files = snapshot.take(mongo, database_name, fresh, lambda _done, _total: None)
    except Unavailable:  # five times in a row: it says so and gives no half of a backup
        return
    finally:
        over.set()
        disturber.join()
    both = records(folder, [file for file in files if file.collection == "records"])
    assert both[0] == both[1]


def test_another_stack_on_the_same_store_is_left_alone(mongo: Client, database_name: str) -> None:
    for name in (f"{database_name}_registry", f"{database_name}_other_registry"):
        mongo[name]["records"].insert_one({})
    try:
        assert snapshot.databases(mongo, database_name) == ["registry"]
    finally:
        for name in (f"{database_name}_registry", f"{database_name}_other_registry"):
            mongo.drop_database(name)


def test_a_store_without_a_stack_gives_no_backup(mongo: Client, database_name: str, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no database of a stack"):
        snapshot.take(mongo, database_name + "x", lambda: tmp_path, lambda _done, _total: None)
