"""What a restored store must be told before anything runs on it: what happened since the backup is unknown to it."""

from __future__ import annotations

from pymongo.client_session import ClientSession

from services.metrics.store.collections import Store
from services.metrics.store.publications import PUBLICATION, Announcement, Publications
from shared.log.halts import PREFIX as HALTED
from shared.mongo import Client, transact

SEQUENCES_LEFT_OUT = 10**9  # more than the lost stack can have announced since the backup; 2**53 is far away
RECORD_SERVICES = ("registry", "incentives")


def announce_again(client: Client, prefix: str) -> None:
    """Announce every indicator under a sequence that the lost stack never gave out.

    A client may have seen sequences that the backup knows nothing of. Going on from the backup's would give the same
    numbers to other changes. So a wide gap is left, and behind it every indicator is announced as it stood: whatever
    `Last-Event-ID` a client comes with, it gets all of them, or a snapshot.
    """
    store = Store(client, f"{prefix}_metrics")
    publications = Publications(store)

    def work(session: ClientSession) -> None:
        state = publications.state(session)
        if state.published_as_of is None:
            return
        jump = {"$inc": {"sequence": SEQUENCES_LEFT_OUT, "version": 1}}
        store.state.update_one({"_id": PUBLICATION}, jump, session=session)
        latest = publications.latest(session=session)
        announcements = [
            Announcement(name, dict(found["item"]), found["breakdowns"], found["breakdowns"])
            for name, found in sorted(latest.items())
        ]
        publications.write(
            session, announcements, as_of=state.published_as_of, generation=state.generation, lag_s=state.lag_s,
            stale=state.stale, at=max((str(found["item"]["updated_at"]) for found in latest.values()), default=""),
        )

    transact(client, work)


def begin_new_log(client: Client, prefix: str) -> None:
    """The stack goes on with a log that has none of its events: the relays publish all of them again.

    Consumers read it from its first entry. What they knew already changes nothing (versions win by number), so every
    figure stands as it stood while the log fills up again.
    """
    for service in RECORD_SERVICES:
        # No position: the feed lists a change when it is published, in the order of publishing.
        client[f"{prefix}_{service}"]["changes"].update_many({}, {"$set": {"published": False, "position": None}})
        client[f"{prefix}_{service}"]["followed"].delete_many({"topic": {"$exists": True}})  # places in the old log
    metrics = client[f"{prefix}_metrics"]
    metrics["positions"].delete_many({})
    for service, state in (("metrics", "state"), ("incentives", "followed")):
        store = client[f"{prefix}_{service}"]
        store["dead_letters"].delete_many({"topic": {"$exists": True}})  # their places too; poison becomes a letter again
        store[state].delete_many({"_id": {"$gte": HALTED, "$lt": HALTED + "~"}})
    metrics["state"].update_one({"_id": PUBLICATION}, {"$set": {"appended": 0}})
    client.drop_database(f"{prefix}_log")
