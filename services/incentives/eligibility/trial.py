"""Who gains if: a policy version, drafted or signed, tried on the whole district beside the version in force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any

from services.incentives.eligibility.decide import ELIGIBLE, Decision, decide
from services.incentives.eligibility.dossiers import Dossier, Dossiers
from shared.records.workflow import Image

REPORTED_EVERY = 200  # subjects between two progress lines


def trial(policy: Image, current: Image | None, dossiers: Dossiers, on: date) -> Iterator[dict[str, Any]]:
    """Lines as they are found: `{"progress": done, "of": all}`, `{"subject", …}` for everyone who gains, loses or is
    offered another amount, and at last `{"summary": …}`. `current` is the version in force of the same policy.

    A person counts once, by the introduction that counts. Amounts in fen.
    """
    total, summary = dossiers.count(policy["beneficiary"]), Summary()
    found = dossiers.all_introductions() if policy["beneficiary"] == "person" else dossiers.all_enterprises()
    yield {"progress": 0, "of": total}
    done = 0
    for dossier in found:
        if policy["beneficiary"] == "enterprise" and not dossier["enterprise"]:
            continue  # only a party to another record, not an enterprise of the district
        done += 1
        if policy["beneficiary"] == "enterprise" or dossier["introduction"]["id"] == dossier["first_introduction"]:
            line = summary.add(dossier, decide(policy, dossier, on), decide(current, dossier, on) if current else None)
            if line:
                yield line
        if done % REPORTED_EVERY == 0:
            yield {"progress": done, "of": total}
    yield {"progress": done, "of": total}
    yield {"summary": summary.to_json()}


class Summary:
    """Cost and winners so far."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.items: Counter[str] = Counter()
        self.towns: Counter[str] = Counter()
        self.lacking: Counter[str] = Counter()
        self.changes: Counter[str] = Counter()
        self.cost_fen = self.before_fen = 0

    def add(self, dossier: Dossier, decision: Decision, before: Decision | None) -> dict[str, Any] | None:
        """Count a subject; its line when it is eligible now or was before."""
        amount, earlier = decision.amount_fen or 0, (before.amount_fen if before else 0) or 0
        self.outcomes[decision.outcome] += 1
        self.cost_fen, self.before_fen = self.cost_fen + amount, self.before_fen + earlier
        if decision.outcome == ELIGIBLE:
            self.items[str(decision.item)] += 1
            self.towns[town_of(dossier)] += amount
        else:
            self.lacking.update(each.name for each in decision.conditions if each.met is not True)
        change = "gains" if amount > earlier == 0 else "loses" if earlier > amount == 0 else "changed" if amount != earlier else "same"
        self.changes[change] += 1
        if not amount and not earlier:
            return None
        introduction = dossier.get("introduction")
        subject = {"introduction": introduction["id"]} if introduction else {"enterprise": dossier["uscc"]}
        return {"subject": subject, "outcome": decision.outcome, "item": decision.item, "amount_fen": amount, "before_fen": earlier,
                "change": change}

    def to_json(self) -> dict[str, Any]:
        """The whole trial in figures."""
        return {
            "subjects": sum(self.outcomes.values()), "winners": self.outcomes[ELIGIBLE], "cost_fen": self.cost_fen,
            "before_fen": self.before_fen, "difference_fen": self.cost_fen - self.before_fen, "outcomes": dict(self.outcomes),
            "changes": {name: self.changes[name] for name in ("gains", "loses", "changed")}, "by_item": dict(self.items),
            "cost_by_town_fen": dict(sorted(self.towns.items())), "not_met": dict(self.lacking.most_common()),
        }


def town_of(dossier: Dossier) -> str:
    """The town of an introduction's start, or of the enterprise."""
    holder = dossier.get("introduction") or dossier.get("enterprise") or {}
    return str(holder.get("town_code") or "unassigned")
