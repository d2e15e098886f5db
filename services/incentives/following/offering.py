"""Works off the subjects whose eligibility may have changed: a batch of them is read and written together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from pymongo.errors import DuplicateKeyError

from services.incentives.eligibility.dossiers import Dossier, Dossiers
from services.incentives.eligibility.expressions import compiled
from services.incentives.following.desk import Desk
from services.incentives.following.projection import EVERYBODY, Projection
from services.incentives.kinds.policy import in_force
from services.incentives.payments import causes
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.clock import today
from shared.errors import KechuangError
from shared.mongo import Document, transact
from shared.records.image import from_store
from shared.records.work import TransactionWork
from shared.records.workflow import Image
from shared.records.write import Records
from shared.telemetry import counter

FOLLOWER = Principal("system:offers", frozenset({Role.DATA_FEED}))
IN_ONE_TRANSACTION = 50  # subjects: each may write an offer and its change, and one transaction carries a thousand documents
NEWEST, LONGEST = 100, 100  # marks of a round: the newest changes, and those that wait longest
FAILED = counter("kechuang_offers_failed_total", "Subjects whose offers could not be settled, with their reason in the log")
logger = structlog.get_logger(__name__)
Mark = Mapping[str, Any]


class Offering:
    """Works off the subjects that are due, several in a transaction."""

    def __init__(self, records: Records, projection: Projection) -> None:
        self.records, self.projection = records, projection

    def settle(self) -> int:
        """Look at up to a few hundred due subjects; how many there were."""
        marks = self._turn()
        policies = self.policies() if marks else []
        due = [mark for mark in marks if mark["_id"] != EVERYBODY]
        for at in range(0, len(due), IN_ONE_TRANSACTION):
            self._settle(due[at : at + IN_ONE_TRANSACTION], policies)
        for mark in marks:
            if mark["_id"] == EVERYBODY:
                self._mark_all()
                self.projection.due.delete_one({"_id": EVERYBODY, "n": mark["n"]})
        return len(marks)

    def _turn(self) -> list[Document]:
        """Whose turn it is. Half are what changed last, so that behind a bulk import too an offer appears at once; half are
        what waits longest, so that nobody waits for ever; the daily sweep comes when nothing else is due."""
        newest = self.projection.due.find({"swept": False}).sort("since_ms", -1).limit(NEWEST)
        longest = self.projection.due.find().sort([("swept", 1), ("since_ms", 1)]).limit(LONGEST)
        return list({mark["_id"]: mark for mark in (*newest, *longest)}.values())

    def policies(self) -> list[Image]:
        """The versions in force today that offer by themselves."""
        found = [from_store(each) for each in self.records.database.policies.find({"state": {"$in": ["in_force", "closed"]}})]
        return [policy for policy in in_force(found, today(self.records.clock).isoformat()) if policy.get("without_application")]

    def _mark_all(self) -> None:
        """Every enterprise and person is due: a policy changed, or the day."""
        into = {"into": "eligibility_due", "whenMatched": [{"$set": {"n": {"$add": ["$n", 1]}}}], "whenNotMatched": "insert"}
        swept = {"$set": {"swept": True, "since_ms": 0}}
        for source, where, prefix, key in (
            (self.projection.facts, {"kind": "enterprises"}, "enterprise|", "$key"),
            (self.records.database.introductions, {"person_key": {"$type": "string"}}, "person|", "$person_key"),
        ):
            group = {"$group": {"_id": {"$concat": [prefix, key]}, "n": {"$sum": 1}}}
            source.aggregate([{"$match": where}, group, swept, {"$merge": into}])

    def _settle(self, marks: Sequence[Mark], policies: list[Image]) -> None:
        """Several subjects in one transaction; when one of them fails, each in its own, so that it stops nobody else."""
        try:
            transact(self.records.client, lambda _: self._together(marks, policies))
        except DuplicateKeyError:  # another process offered the same at once: they come again
            self.projection.mark([mark["_id"] for mark in marks])
        except KechuangError as wrong:
            if wrong.retriable:
                raise
            if len(marks) > 1:
                for mark in marks:
                    self._settle([mark], policies)
                return
            logger.error("offers could not be settled", subject=marks[0]["_id"], reason=wrong.message)
            FAILED.inc()
            self.projection.letters.collection.insert_one({"subject": marks[0]["_id"], "reason": wrong.message, "at": self.records.clock.now()})
            self.projection.due.delete_one({"_id": marks[0]["_id"], "n": marks[0]["n"]})

    def _together(self, marks: Sequence[Mark], policies: list[Image]) -> None:
        """Everything of the subjects as it is in this transaction; a change after it marks them anew."""
        subjects = [mark["_id"] for mark in marks]
        self.projection.due.delete_many({"_id": {"$in": subjects}})
        work = TransactionWork(self.records, FOLLOWER, writes=True)
        offers, applications = self._offers(subjects), self._applications(subjects)
        bodies: list[Image] = []
        for subject, dossier in self._dossiers(subjects).items():
            kind, _, key = subject.partition("|")
            mine = [policy for policy in policies if policy["beneficiary"] == kind]
            bodies += Desk(work, dossier, offers.get(subject, ()), applications.get(key, ())).settle(mine)
        work.create_all("offers", bodies)
        if any(policy["beneficiary"] == "person" and _reads_employer(policy) for policy in policies):
            self._mark_people([mark["_id"] for mark in marks if not mark["swept"]])  # a sweep has everybody already
        for theirs in applications.values():
            causes.look(theirs, work.context)

    def _dossiers(self, subjects: Iterable[str]) -> dict[str, Dossier]:
        """By subject; a person without any introduction has none."""
        dossiers = Dossiers(self.records.database.get_collection)
        firms, people = dossiers.of_enterprises(_keys(subjects, "enterprise")), dossiers.of_people(_keys(subjects, "person"))
        return {f"enterprise|{key}": each for key, each in firms.items()} | {f"person|{key}": each for key, each in people.items()}

    def _offers(self, subjects: list[str]) -> dict[str, list[Image]]:
        return _grouped(self.records.database.offers.find({"subject": {"$in": subjects}}).sort("_id", 1), "subject")

    def _applications(self, subjects: list[str]) -> dict[str, list[Image]]:
        if "applications" not in self.records.kinds:
            return {}
        keys = [subject.partition("|")[2] for subject in subjects]
        return _grouped(self.records.database.applications.find({"applicant": {"$in": keys}}).sort("_id", 1), "applicant")

    def _mark_people(self, subjects: Iterable[str]) -> None:
        """What changed of an employer may change what its people are due."""
        employers = {"employer_uscc": {"$in": _keys(subjects, "enterprise")}, "person_key": {"$type": "string"}}
        people = self.records.database.introductions.distinct("person_key", employers)
        self.projection.mark(f"person|{key}" for key in people)


def _keys(subjects: Iterable[str], kind: str) -> list[str]:
    return [subject.partition("|")[2] for subject in subjects if subject.startswith(f"{kind}|")]


def _grouped(found: Iterable[Document], name: str) -> dict[str, list[Image]]:
    groups: dict[str, list[Image]] = {}
    for each in found:
        groups.setdefault(each[name], []).append(from_store(each))
    return groups


def _reads_employer(policy: Image) -> bool:
    texts = [each[part] for each in policy["conditions"] for part in ("value", "threshold")]
    texts += [text for each in policy["items"] for text in (each.get("when"), each["amount"]) if text]
    return any(name.startswith("enterprise.") for text in texts for name in compiled(text).names)
