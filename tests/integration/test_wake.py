"""The bell rings for what is new, for every waiter, through a restart of the store, and under gevent."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from pymongo import MongoClient

from deploy.local.mongod import Mongod
from shared.mongo import Client
from shared.wake import Wake

LONG_S = 30.0
SHORT_S = 0.01


def quiet(wake: Wake) -> None:
    """Hear the ring of the stream's opening."""
    assert wake.wait(LONG_S)


def test_it_rings_when_it_opens_and_for_each_insert(mongo: Client, database_name: str) -> None:
    letters = mongo[database_name]["letters"]
    wake = Wake(letters, [{"$match": {"operationType": "insert"}}])
    quiet(wake)
    for n in range(3):
        letters.insert_one({"_id": n})
        assert wake.wait(LONG_S)
    letters.update_one({"_id": 1}, {"$set": {"seen": True}})
    assert not wake.wait(SHORT_S)
    wake.close()


def test_a_database_can_be_watched(mongo: Client, database_name: str) -> None:
    wake = Wake(mongo[database_name])
    quiet(wake)
    mongo[database_name]["letters"].insert_one({})
    assert wake.wait(LONG_S)
    wake.close()


def test_what_came_before_the_wait_is_not_forgotten(mongo: Client, database_name: str) -> None:
    wake = Wake(mongo[database_name])
    quiet(wake)
    wake.ring()
    assert wake.wait(LONG_S)
    assert not wake.wait(SHORT_S)
    wake.close()


def test_every_thread_hears_each_ring(mongo: Client, database_name: str) -> None:
    wake = Wake(mongo[database_name])
    ready = threading.Barrier(4)
    heard: list[bool] = []

    def listen() -> None:
        wake.wait(LONG_S)
        ready.wait(LONG_S)
        heard.append(wake.wait(LONG_S))

    threads = [threading.Thread(target=listen, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    ready.wait(LONG_S)
    wake.ring()
    for thread in threads:
        thread.join(LONG_S)
    assert heard == [True] * 3
    wake.close()


def test_closing_ends_a_wait_and_later_ones(mongo: Client, database_name: str) -> None:
    wake = Wake(mongo[database_name])
    quiet(wake)
    answers: list[bool] = []

    def listen() -> None:
        wake.wait(LONG_S)  # in this thread the opening is news
        answers.append(wake.wait(LONG_S))

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    wake.close()
    thread.join(LONG_S)
    assert answers == [False]
    assert not wake.wait(LONG_S)


def test_it_survives_a_restart_of_the_store(tmp_path: Path) -> None:
    first = Mongod(tmp_path)
    with MongoClient(first.uri, tz_aware=True, serverSelectionTimeoutMS=500) as client:
        letters = client["a"]["letters"]
        wake = Wake(letters)
        quiet(wake)
        letters.insert_one({"_id": 1})
        assert wake.wait(LONG_S)
        first.process.kill()
        first.process.wait()
        with Mongod(tmp_path, first.port):
            quiet(wake)  # the stream is open again
            letters.insert_one({"_id": 2})
            assert wake.wait(LONG_S)
            wake.close()


GEVENT = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from pymongo import MongoClient
from shared.wake import Wake
with MongoClient(sys.argv[1]) as client:
    letters = client[sys.argv[2]]["letters"]
    wake = Wake(letters)
    assert wake.wait(30)
    beats = []
    def beat():
        while True:
            beats.append(1)
            gevent.sleep(0.005)
    gevent.spawn(beat)
    gevent.spawn_later(0.1, letters.insert_one, {})
    assert wake.wait(30)
    assert len(beats) > 3, "waiting held up the others"
    wake.close()
"""


def test_under_gevent_waiting_lets_others_run(mongo_uri: str, mongo: Client, database_name: str) -> None:
    done = subprocess.run([sys.executable, "-c", GEVENT, mongo_uri, database_name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
