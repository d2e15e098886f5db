"""MongoDB: one client per process and the one way to run a transaction.

mongoengine has no sessions; PyMongo's `session.bind()` gives every call inside the block the session.
Traps that this file owns: `bind()` ends the session unless told not to; mongoengine wraps a WriteConflict in
OperationError without the label that says retry; a document object that was saved in an aborted attempt
writes nothing in the next one (so `work` must build its documents anew on each call); a write concern on the client is sent inside
the transaction too, where the server refuses it (the server's default since 5.0 is majority, journaled).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

import mongoengine
import pymongo
from pymongo import MongoClient, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from shared import process
from shared.errors import Unavailable

Document = dict[str, Any]
Client = MongoClient[Document]
Result = TypeVar("Result")

NAMESPACE_EXISTS = 48
APP_NAME_LENGTH = 128  # at most, in bytes
SERVER_SELECTION_MS = 4_000  # a write must answer 503 within 5 s when the database is away
UNKNOWN = "UnknownTransactionCommitResult"


def connect(uri: str, database: str, alias: str = "default") -> Client:
    """Open the client of this process and register it for mongoengine. Call after a fork, never before.

    Returns the client; `client.get_database(database)` is the service's own database.
    """
    client: Client = mongoengine.connect(
        db=database, host=uri, alias=alias, tz_aware=True,
        serverSelectionTimeoutMS=SERVER_SELECTION_MS, uuidRepresentation="standard",
        appname=process.written(process.this_process())[-APP_NAME_LENGTH:],
    )
    return client


def end_what_died(client: Client) -> int:
    """Roll back the open transactions of processes that are known to be dead; how many there were.

    The server keeps them until transactionLifetimeLimitSeconds are over, and whoever needs the same documents waits.
    Called by a process that takes a dead one's place. A database that is away is left to whoever needs it next.
    """
    with suppress(PyMongoError):
        idle = client.admin.aggregate([{"$currentOp": {"idleSessions": True}}, {"$match": {"type": "idleSession"}}])
        dead = [each["lsid"]["id"] for each in idle if process.is_dead(process.read(each.get("appName", "")))]
        if dead:
            client.admin.command("killSessions", [{"id": number} for number in dead], codec_options=client.codec_options)
        return len(dead)
    return 0


class TimeLimit(AbstractContextManager[None]):
    """Inside the block the database is not waited for any longer than this: a call raises, with `timeout` true."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token = _LIMIT.set(self)
        self._begin()

    def _begin(self) -> None:
        self._running = pymongo.timeout(self._seconds)
        self._running.__enter__()

    def begin_again(self) -> None:
        """The time begins anew: what was waited for until now was not the database."""
        self._running.__exit__(None, None, None)
        self._begin()

    def __exit__(self, *_: object) -> None:
        self._running.__exit__(None, None, None)
        _LIMIT.reset(self._token)


_LIMIT: ContextVar[TimeLimit | None] = ContextVar("time_limit", default=None)


def within(seconds: float) -> TimeLimit:
    """See TimeLimit."""
    return TimeLimit(seconds)


def renew_limit() -> None:
    """Begin the running time limit anew, where there is one. Not inside a transaction."""
    limit = _LIMIT.get()
    if limit is not None:
        limit.begin_again()


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached, or is not heard of in time."""
    return isinstance(error, ConnectionFailure) or (isinstance(error, PyMongoError) and error.timeout)


def transact(client: Client, work: Callable[[ClientSession], Result]) -> Result:
    """Run `work` in one transaction, majority-written, retried on transient conflicts.

    Everything that PyMongo or mongoengine does inside `work` belongs to the transaction. Leaving by an exception
    rolls all of it back. Raises Unavailable when the database cannot be reached.
    """

    def attempt(session: ClientSession) -> Result:
        try:
            return work(session)
        except mongoengine.OperationError as wrapped:
            cause = wrapped.__context__
            if isinstance(cause, PyMongoError):
                raise cause from wrapped
            raise

    try:
        with client.start_session() as session, session.bind(end_session=False):
            return session.with_transaction(
                attempt, read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority", j=True)
            )
    except PyMongoError as away:
        if not is_away(away):
            raise
        raise Unavailable(_told(away), retry_after_s=2) from away


def _told(away: PyMongoError) -> str:
    """A commit whose answer was lost may have happened: the caller must not be told otherwise."""
    if away.has_error_label(UNKNOWN):
        return "the database did not say whether it was changed; send it again with the same Idempotency-Key"
    return "the database cannot be reached; nothing was changed"


def ensure_collection(database: Database[Document], name: str) -> None:
    """Create a collection unless it is there; several processes may do so at once."""
    try:
        database.create_collection(name, check_exists=False)
    except OperationFailure as failed:
        if failed.code != NAMESPACE_EXISTS:
            raise
