"""What a killed process had open in the database."""

import os
import subprocess
import sys

import pytest
from pymongo.errors import OperationFailure

from shared.mongo import Client, connect, end_what_died
from shared.process import is_dead, read, this_process, written

BEGIN = """
import sys
from shared.mongo import connect
client = connect(sys.argv[1], sys.argv[2])
with client.start_session() as session, session.start_transaction():
    client[sys.argv[2]]["heads"].update_one({"_id": "head"}, {"$inc": {"n": 1}}, session=session)
    print("begun", flush=True)
    sys.stdin.read()
"""


def begun(uri: str, database: str) -> subprocess.Popen[str]:
    """A process inside a transaction that has written "head"."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN, uri, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def write(client: Client, database: str) -> None:
    with client.start_session() as session, session.start_transaction():
        client[database]["heads"].update_one({"_id": "head"}, {"$set": {"by": "another"}}, session=session)


def test_its_locks_go_with_it_and_those_of_the_living_stay(mongo_uri: str, database_name: str) -> None:
    client = connect(mongo_uri, database_name, alias="what_died")
    heads = client[database_name]["heads"]
    heads.insert_one({"_id": "head", "n": 0})
    process = begun(mongo_uri, database_name)
    assert end_what_died(client) == 0
    with pytest.raises(OperationFailure, match="WriteConflict"):
        write(client, database_name)
    process.kill()
    process.communicate()
    assert end_what_died(client) == 1
    write(client, database_name)
    assert heads.find_one({"_id": "head"}) == {"_id": "head", "n": 0, "by": "another"}


def test_a_process_is_known_by_its_start_too() -> None:
    me = this_process()
    assert not is_dead(me)
    assert is_dead(me | {"started": me["started"] - 1}), "its number was given to this one"
    assert not is_dead(me | {"machine": "elsewhere", "pid": 2**22 + 1})
    assert not is_dead({name: me[name] for name in ("machine", "pid")}), "written by an earlier release"
    assert read(written(me)) == me
    assert read("") is read("mongosh 2.1/3") is read(f"{os.getpid()}") is None
