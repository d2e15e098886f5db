"""Keeps offers 免申即享 in step with eligibility: who became eligible is offered, who no longer is is told why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog
from pymongo.errors import DuplicateKeyError

from services.incentives.eligibility.decide import ELIGIBLE, Decision, decide
from services.incentives.eligibility.dossiers import Dossier, Dossiers, first_among
from services.incentives.eligibility.expressions import compiled
from services.incentives.following.projection import EVERYBODY, Projection
from services.incentives.kinds.offer import LIVE
from services.incentives.kinds.policy import in_force
from services.incentives.payments import causes
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.clock import today
from shared.errors import KechuangError
from shared.mongo import transact
from shared.records.image import from_store
from shared.records.work import TransactionWork
from shared.records.workflow import Image, Request
from shared.records.write import Records
from shared.telemetry import counter

FOLLOWER = Principal("system:offers", frozenset({Role.DATA_FEED}))
SETTLED_AT_ONCE, IN_ONE_TRANSACTION = 200, 20
FAILED = counter("kechuang_offers_failed_total", "Subjects whose offers could not be settled, with their reason in the log")
logger = structlog.get_logger(__name__)
PAID = frozenset({"paid", "clawback_ordered", "partially_recovered", "recovered", "written_off"})
WITHDRAWN_APPLICATIONS = frozenset({"rejected", "withdrawn", "revoked"})
LONGEST_REASON = 1_000


class Offering:
    """Works off the subjects that are due, one transaction each."""

    def __init__(self, records: Records, projection: Projection) -> None:
        self.records, self.projection = records, projection
        self.dossiers = Dossiers(records.database.get_collection)

    def settle(self) -> int:
        """Look at up to a few hundred due subjects, those whose own records changed first; how many there were."""
        marks = list(self.projection.due.find().sort([("swept", 1), ("since_ms", 1)]).limit(SETTLED_AT_ONCE))
        policies = self.policies() if marks else []
        due = [mark for mark in marks if mark["_id"] != EVERYBODY]
        for at in range(0, len(due), IN_ONE_TRANSACTION):
            self._settle(due[at : at + IN_ONE_TRANSACTION], policies)
        for mark in marks:
            if mark["_id"] == EVERYBODY:
                self._mark_all()
                self.projection.due.delete_one({"_id": EVERYBODY, "n": mark["n"]})
        return len(marks)

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

    def _settle(self, marks: Sequence[Mapping[str, Any]], policies: list[Image]) -> None:
        """Several subjects in one transaction; when one of them fails, each in its own, so that it stops nobody else."""
        def work(_: Any) -> None:
            for mark in marks:
                self._one(mark, policies)

        try:
            transact(self.records.client, work)
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
            self.projection.letters.insert_one({"subject": marks[0]["_id"], "reason": wrong.message, "at": self.records.clock.now()})
            self.projection.due.delete_one({"_id": marks[0]["_id"], "n": marks[0]["n"]})

    def _one(self, mark: Mapping[str, Any], policies: list[Image]) -> None:
        done = self.projection.due.delete_one({"_id": mark["_id"], "n": mark["n"]})
        if not done.deleted_count:
            return  # it changed meanwhile, and comes again
        kind, _, key = mark["_id"].partition("|")
        rules = TransactionWork(self.records, FOLLOWER, writes=True)
        for subject, dossier in list(self._subjects(kind, key, policies)):
            Desk(rules, subject, dossier).settle([each for each in policies if each["beneficiary"] == subject.partition("|")[0]])
        if "applications" in self.records.kinds:
            causes.mark(key, rules.context)

    def _subjects(self, kind: str, key: str, policies: list[Image]) -> Iterator[tuple[str, Dossier]]:
        """The beneficiaries that a mark stands for: an enterprise, and its persons where a policy reads the employer's facts."""
        if kind == "person":
            yield from self._person(key)
            return
        yield f"enterprise|{key}", self.dossiers.of_enterprise(key)
        if any(policy["beneficiary"] == "person" and _reads_employer(policy) for policy in policies):
            for person in self.dossiers.introductions.distinct("person_key", {"employer_uscc": key}):
                yield from self._person(person)

    def _person(self, key: str) -> Iterator[tuple[str, Dossier]]:
        """A person by the introduction that counts; without one, by the latest (to withdraw what was offered)."""
        introductions = self.dossiers.of_person(key)
        if introductions:
            first = first_among(introductions)
            chosen = next((each for each in introductions if each["id"] == first), introductions[-1])
            yield f"person|{key}", self.dossiers.of_introduction(chosen, introductions)


def _reads_employer(policy: Image) -> bool:
    texts = [each[part] for each in policy["conditions"] for part in ("value", "threshold")]
    texts += [text for each in policy["items"] for text in (each.get("when"), each["amount"]) if text]
    return any(name.startswith("enterprise.") for text in texts for name in compiled(text).names)


class Desk:
    """The offers of one beneficiary, inside a transaction."""

    def __init__(self, work: TransactionWork, subject: str, dossier: Dossier) -> None:
        self.work, self.subject, self.dossier = work, subject, dossier
        self.offers = work.matching("offers", {"subject": subject}, limit=1_000)
        self.today = work.context.today

    def settle(self, policies: list[Image]) -> None:
        """Offer, revise or withdraw."""
        live = {offer["policy_code"]: offer for offer in self.offers if offer["state"] in LIVE}
        for policy in policies:
            self._policy(policy, decide(policy, self.dossier, self.today), live.pop(policy["policy_code"], None))
        for offer in live.values():  # its policy has ended, or offers no longer
            if offer["state"] == "offered":
                self.work.step("offers", offer["id"], Request("expire", reason="政策已结束 the policy has ended"))

    def _policy(self, policy: Image, decision: Decision, offer: Image | None) -> None:
        if offer is None:
            if decision.outcome == ELIGIBLE and not self._answered(policy):
                self.work.create("offers", self._body(policy, decision))
        elif decision.outcome != ELIGIBLE:
            self._withdraw(offer, decision)
        elif offer["state"] == "offered":
            if (offer.get("expires_on") or "9999-12-31") <= self.today.isoformat():
                self.work.step("offers", offer["id"], Request("expire", reason="逾期未确认 not confirmed in time"))
            elif self._applied(policy):
                self.work.step("offers", offer["id"], Request("expire", reason="已另行申请 applied for otherwise"))
            elif any(offer.get(name) != value for name, value in self._terms(policy, decision).items()):
                fresh = self._body(policy, decision)
                self.work.change("offers", offer["id"], lambda image: image.update(fresh), "revise", reason="条件或金额变化 terms changed")

    def _withdraw(self, offer: Image, decision: Decision) -> None:
        """Say which conditions no longer hold; what is not paid yet is held back too."""
        failing = [each for each in decision.conditions if each.met is not True]
        reason = "; ".join(f"{each.text['zh']} {each.text['en']}" for each in failing)[:LONGEST_REASON]
        application = self._application(offer)
        if application is not None:
            if application["state"] in PAID:
                return  # a matter of recovery, not of an offer
            if self.work.store.kinds["applications"].workflow.find(application["state"], "suspend"):
                self.work.step("applications", application["id"], Request("suspend", reason=reason))
        self.work.step("offers", offer["id"], Request("withdraw", reason=f"不再符合: {reason}"))

    def _application(self, offer: Image) -> Image | None:
        if not offer.get("application_id") or "applications" not in self.work.store.kinds:
            return None
        return self.work.find("applications", offer["application_id"])

    def _answered(self, policy: Image) -> bool:
        """Whether this version's offer was answered or let pass, or the matter has an application already."""
        passed = any(each["policy_id"] == policy["id"] and each["state"] in ("declined", "expired") for each in self.offers)
        return passed or self._applied(policy)

    def _applied(self, policy: Image) -> bool:
        if "applications" not in self.work.store.kinds:
            return False
        key = self.subject.partition("|")[2]
        filed = self.work.matching("applications", {"policy_code": policy["policy_code"], "applicant": key}, limit=100)
        return any(each["state"] not in WITHDRAWN_APPLICATIONS for each in filed)

    def _terms(self, policy: Image, decision: Decision) -> dict[str, Any]:
        """What an offer that stands must still say."""
        terms = {"policy_id": policy["id"], "item": decision.item, "amount_fen": decision.amount_fen, "uscc": self.dossier["uscc"]}
        return terms | ({"introduction_id": self.dossier["introduction"]["id"]} if policy["beneficiary"] == "person" else {})

    def _body(self, policy: Image, decision: Decision) -> Image:
        person = policy["beneficiary"] == "person"
        holder = (self.dossier["introduction"] if person else self.dossier["enterprise"]) or {}
        body = self._terms(policy, decision) | {
            "policy_code": policy["policy_code"], "version_no": policy["version_no"], "title": policy["title"],
            "clause": policy["clause"], "beneficiary": policy["beneficiary"], "town_code": holder.get("town_code"),
            "person_key": holder.get("person_key"), "expires_on": policy["window"].get("to"), "decision": decision.to_json(),
        }
        return {name: value for name, value in body.items() if value is not None}
