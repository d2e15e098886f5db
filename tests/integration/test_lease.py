"""A lease has one holder, changes hands when its term ends or its process is dead, and fences the old one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pymongo
import pytest
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from shared.mongo import Client, Document, transact
from shared.relay.lease import Fenced, Lease

Leases = Collection[Document]


@pytest.fixture
def leases(mongo: Client, database_name: str) -> Leases:
    return mongo[database_name]["leases"]


def end_term(leases: Leases) -> None:
    leases.update_one({}, [{"$set": {"expires": "$$NOW"}}])


def test_one_holds_and_another_waits(leases: Leases) -> None:
    one, two = Lease(leases, "x"), Lease(leases, "x")
    assert one.acquire()
    assert not two.acquire()
    assert not two.keep()
    assert one.renew()
    assert one.keep()
    assert (one.epoch, one.held, two.epoch, two.held) == (1, True, 0, False)


def test_two_names_are_two_leases(leases: Leases) -> None:
    assert Lease(leases, "x").acquire()
    assert Lease(leases, "y").acquire()


def test_a_released_lease_is_free_at_once(leases: Leases) -> None:
    one, two = Lease(leases, "x"), Lease(leases, "x")
    one.acquire()
    one.release()
    assert not one.held
    assert two.acquire()
    assert two.epoch == 2


def test_when_the_term_ends_the_epoch_rises_and_the_old_holder_is_fenced(leases: Leases, mongo: Client) -> None:
    one, two = Lease(leases, "x"), Lease(leases, "x")
    one.acquire()
    end_term(leases)
    assert two.acquire()
    assert two.epoch == 2
    with pytest.raises(Fenced):
        transact(mongo, one.check_in)
    assert not one.held
    assert not one.renew()
    transact(mongo, two.check_in)


def test_a_holder_whose_term_ended_unnoticed_keeps_its_epoch(leases: Leases) -> None:
    one = Lease(leases, "x")
    one.acquire()
    end_term(leases)
    assert one.renew()
    assert one.acquire()
    assert one.epoch == 1


def test_a_restarted_holder_of_the_same_name_is_another(leases: Leases, mongo: Client) -> None:
    old, new = Lease(leases, "x", "publisher"), Lease(leases, "x", "publisher")
    old.acquire()
    end_term(leases)
    new.acquire()
    with pytest.raises(Fenced):
        transact(mongo, old.check_in)


def test_who_never_held_it_cannot_check_in(leases: Leases, mongo: Client) -> None:
    with pytest.raises(Fenced):
        transact(mongo, Lease(leases, "x").check_in)


def test_a_takeover_before_the_commit_undoes_the_transaction(leases: Leases, mongo: Client, mongo_uri: str) -> None:
    """The write skew that a mere look at the lease would allow."""
    one, two = Lease(leases, "x"), Lease(leases, "x")
    one.acquire()
    facts = leases.database["facts"]
    facts.insert_one({"_id": 0})
    attempts: list[int] = []

    def work(session: ClientSession) -> None:
        facts.insert_one({"_id": 1}, session=session)
        if not attempts:
            attempts.append(1)
            subprocess.run([sys.executable, "-c", TAKE_OVER, mongo_uri, leases.database.name], check=True)
        one.check_in(session)

    with pytest.raises(Fenced):
        transact(mongo, work)
    assert facts.count_documents({}) == 1
    assert not two.acquire()


TAKE_OVER = """
import sys
from pymongo import MongoClient
with MongoClient(sys.argv[1]) as client:
    client[sys.argv[2]]["leases"].update_one({}, [{"$set": {"holder": "other", "epoch": 2, "process": None}}])
"""
ACQUIRE = """
import sys
from pymongo import MongoClient
from shared.relay.lease import Lease
with MongoClient(sys.argv[1]) as client:
    assert Lease(client[sys.argv[2]]["leases"], "x", ttl_s=600).acquire()
"""


def acquire_elsewhere(uri: str, database: str) -> None:
    subprocess.run([sys.executable, "-c", ACQUIRE, uri, database], check=True)


def test_the_lease_of_a_dead_process_of_this_machine_is_free_at_once(leases: Leases, mongo_uri: str) -> None:
    acquire_elsewhere(mongo_uri, leases.database.name)
    heir = Lease(leases, "x")
    assert heir.acquire()
    assert heir.epoch == 2


def test_the_lease_of_a_process_elsewhere_is_not(leases: Leases, mongo_uri: str) -> None:
    acquire_elsewhere(mongo_uri, leases.database.name)
    leases.update_one({}, {"$set": {"process.machine": "another"}})
    assert not Lease(leases, "x").acquire()


def test_the_lease_of_a_living_process_is_not(leases: Leases, mongo_uri: str) -> None:
    acquire_elsewhere(mongo_uri, leases.database.name)
    leases.update_one({}, {"$set": {"process.pid": os.getppid()}, "$unset": {"process.started": ""}})
    assert not Lease(leases, "x").acquire()


def test_a_transaction_renews_the_term(leases: Leases, mongo: Client) -> None:
    one = Lease(leases, "x", ttl_s=60)
    one.acquire()
    end_term(leases)
    transact(mongo, one.check_in)
    found: Document = leases.find_one_and_update({"$expr": {"$gt": ["$expires", "$$NOW"]}}, {"$set": {"seen": True}})
    assert found is not None


OPEN_TRANSACTION = """
import os, signal, sys
from pymongo import MongoClient
from shared.relay.lease import Lease
client = MongoClient(sys.argv[1])
lease = Lease(client[sys.argv[2]]["leases"], "x", ttl_s=600)
lease.acquire()
with client.start_session() as session, session.start_transaction():
    lease.check_in(session)
    client[sys.argv[2]]["facts"].update_one({"_id": 0}, {"$set": {"by": "the old"}}, session=session)
    os.kill(os.getpid(), int(sys.argv[3]))
"""


def open_transaction(uri: str, database: str, number: int) -> subprocess.Popen[bytes]:
    """A process that was killed or frozen inside a transaction."""
    words = [sys.executable, "-c", OPEN_TRANSACTION, uri, database, str(int(number))]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WSTOPPED | os.WNOWAIT)
    if number == signal.SIGKILL:
        process.wait()
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_takeover_ends_the_open_transaction_of_the_old_holder(
    leases: Leases, mongo: Client, mongo_uri: str, number: signal.Signals
) -> None:
    """The server would keep its locks for a minute."""
    facts = leases.database["facts"]
    facts.insert_one({"_id": 0})
    old = open_transaction(mongo_uri, leases.database.name, number)
    if number == signal.SIGSTOP:
        # By hand, since the term is long: ending it would wait for the very lock that this is about.
        found = leases.find_one()
        assert found is not None
        new = Lease(leases, "x")
        new._look = lambda: found | {"ended": True}  # type: ignore[method-assign]
    else:
        new = Lease(leases, "x")
    assert new.acquire()
    with pymongo.timeout(10):
        facts.update_one({"_id": 0}, {"$set": {"by": "the new"}})
        transact(mongo, new.check_in)
    if number == signal.SIGSTOP:
        old.send_signal(signal.SIGCONT)
        old.wait()
    assert facts.find_one() == {"_id": 0, "by": "the new"}
