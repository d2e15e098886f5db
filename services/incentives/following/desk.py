"""The offers 免申即享 of one beneficiary: who became eligible is offered, who no longer is is told why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.incentives.applications.decision import at_bank
from services.incentives.eligibility.decide import ELIGIBLE, Decision, decide
from services.incentives.eligibility.dossiers import Dossier
from services.incentives.kinds.offer import LIVE
from shared.records.work import TransactionWork
from shared.records.workflow import Image, Request

PAID = frozenset({"paid", "clawback_ordered", "partially_recovered", "recovered", "written_off"})
WITHDRAWN_APPLICATIONS = frozenset({"rejected", "withdrawn", "revoked"})
LONGEST_REASON = 1_000


class Desk:
    """Inside a transaction, with everything it needs at hand: the dossier, all offers and all applications of the beneficiary."""

    def __init__(self, work: TransactionWork, dossier: Dossier, offers: Iterable[Image], applications: Iterable[Image]) -> None:
        self.work, self.dossier = work, dossier
        self.offers, self.applications = list(offers), {each["id"]: each for each in applications}
        self.today = work.context.today

    def settle(self, policies: Iterable[Image]) -> list[Image]:
        """Revise and withdraw what stands; the bodies of what is to be offered anew."""
        live = {offer["policy_code"]: offer for offer in self.offers if offer["state"] in LIVE}
        fresh = []
        for policy in policies:
            decision, offer = decide(policy, self.dossier, self.today), live.pop(policy["policy_code"], None)
            if offer is not None:
                self._stands(offer, policy, decision)
            elif decision.outcome == ELIGIBLE and not self._answered(policy):
                fresh.append(self._body(policy, decision))
        for offer in live.values():  # its policy has ended, or offers no longer
            if offer["state"] == "offered":
                self._expire(offer, "政策已结束 the policy has ended")
        return fresh

    def _stands(self, offer: Image, policy: Image, decision: Decision) -> None:
        if decision.outcome != ELIGIBLE:
            self._withdraw(offer, decision)
        elif offer["state"] == "offered":
            if (offer.get("expires_on") or "9999-12-31") <= self.today.isoformat():
                self._expire(offer, "逾期未确认 not confirmed in time")
            elif self._applied(policy):
                self._expire(offer, "已另行申请 applied for otherwise")
            elif any(offer.get(name) != value for name, value in self._terms(policy, decision).items()):
                body = self._body(policy, decision)
                self.work.change("offers", offer["id"], lambda image: image.update(body), "revise", reason="条件或金额变化 terms changed")

    def _expire(self, offer: Image, reason: str) -> None:
        self.work.step("offers", offer["id"], Request("expire", reason=reason))

    def _withdraw(self, offer: Image, decision: Decision) -> None:
        """Say which conditions no longer hold; what is not paid yet is held back too."""
        failing = [each for each in decision.conditions if each.met is not True]
        reason = "; ".join(f"{each.text['zh']} {each.text['en']}" for each in failing)[:LONGEST_REASON]
        application = self.applications.get(offer.get("application_id"))
        if application is not None:
            if application["state"] in PAID or at_bank(application):
                return  # a matter of recovery, not of an offer
            if self.work.store.kinds["applications"].workflow.find(application["state"], "suspend"):
                self.work.step("applications", application["id"], Request("suspend", reason=reason))
        self.work.step("offers", offer["id"], Request("withdraw", reason=f"不再符合: {reason}"))

    def _answered(self, policy: Image) -> bool:
        """Whether this version's offer was answered or let pass, or the matter has an application already."""
        passed = any(each["policy_id"] == policy["id"] and each["state"] in ("declined", "expired") for each in self.offers)
        return passed or self._applied(policy)

    def _applied(self, policy: Image) -> bool:
        filed = (each for each in self.applications.values() if each["policy_code"] == policy["policy_code"])
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
