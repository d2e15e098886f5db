"""Whether a policy's conditions are met, and for how much: a pure function that its stored snapshot repeats for ever.

Integer fen only. The snapshot holds every fact as of the policy's reference date, so that `replay` under the same version
gives the same amount years later, and under another version says what today's rules would give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from services.incentives.eligibility import facts as dossier_facts
from services.incentives.eligibility.catalogue import FACTS
from services.incentives.eligibility.expressions import Failed, Missing, Wrong, compiled

Json = Mapping[str, Any]
ELIGIBLE, NOT_ELIGIBLE, DATA_MISSING = "eligible", "not_eligible", "data_missing"
OPERATORS = ("==", "!=", ">=", ">", "<=", "<", "in", "contains")
NO_ITEM = {"zh": "符合其中一个资助类别", "en": "One of the policy's items applies"}
IN_WINDOW = {"zh": "在申报期内", "en": "The policy's window is open"}
HAS_REFERENCE = {"zh": "基准日已知", "en": "The reference date is known"}


@dataclass(frozen=True)
class ConditionResult:
    """One condition as it stands. `met` is None when a fact is missing or the expression has no result.

    `gap` (numbers only): how much is lacking, ≤ 0 when met. `missing_field`: kind and field to fill.
    """

    name: str
    text: Json
    met: bool | None
    value: Any = None
    threshold: Any = None
    gap: int | None = None
    missing_field: str | None = None
    problem: str | None = None
    operator: str | None = None


@dataclass(frozen=True)
class Decision:
    """What a policy's version says of one enterprise or introduction. `amount_fen` is None unless eligible."""

    policy_code: str
    version_no: int
    outcome: str
    amount_fen: int | None
    item: str | None
    conditions: tuple[ConditionResult, ...]
    snapshot: Json

    def to_json(self) -> dict[str, Any]:
        """As stored and as answered."""
        return asdict(self) | {"conditions": [asdict(each) for each in self.conditions]}


def decide(policy: Json, facts: Json, on: date) -> Decision:
    """Decide over a dossier (see `facts.py`) on a day; what is known is read as of the policy's reference date."""
    reference = reference_day(policy, facts, on)
    known = dossier_facts.resolve(facts, reference, on) if reference else {}
    subject = {"enterprise": facts.get("uscc"), "introduction": (facts.get("introduction") or {}).get("id")}
    return replay(policy, {"on": on.isoformat(), "reference": reference and reference.isoformat(), "subject": subject, "facts": known})


def replay(policy: Json, snapshot: Json) -> Decision:
    """Decide from a stored snapshot: under the same version the same decision, whenever it is asked."""
    facts = dossier_facts.flat(snapshot["facts"])
    results = [_window(policy, snapshot["on"])]
    if snapshot["reference"] is None:
        results.append(ConditionResult("reference_date", HAS_REFERENCE, None, missing_field=REFERENCE_FIELDS.get(policy["reference_date"]["rule"])))
    else:
        results += [_condition(each, facts) for each in policy["conditions"]]
    item, amount, of_item = _amount(policy, facts) if snapshot["reference"] else (None, None, None)
    if of_item:
        results.append(of_item)
    mets = [each.met for each in results]
    outcome = NOT_ELIGIBLE if False in mets else DATA_MISSING if None in mets else ELIGIBLE
    paid = amount if outcome == ELIGIBLE else None
    return Decision(policy["policy_code"], policy["version_no"], outcome, paid, item, tuple(results), snapshot)


def what_if(policy: Json, snapshot: Json, today: date) -> Decision:
    """What a version would give on the stored facts if it were asked today: its window is today's, the facts stay."""
    return replay(policy, {**snapshot, "on": today.isoformat()})


REFERENCE_FIELDS = {"hired_on": "introductions.hired_on", "established_on": "enterprises.established_on"}


def reference_day(policy: Json, facts: Json, on: date) -> date | None:
    """The day as of which facts are read: the asking day, a fixed one, a year's first or last day, or a fact's own."""
    rule = policy["reference_date"]["rule"]
    if rule == "application":
        return on
    if rule == "fixed":
        return date.fromisoformat(policy["reference_date"]["day"])
    if rule == "year_start":
        return date(on.year, 1, 1)
    if rule == "year_end":
        return date(on.year, 12, 31)
    holder = facts.get("introduction") if rule == "hired_on" else facts.get("enterprise")
    text = (holder or {}).get(rule)
    return date.fromisoformat(text) if text else None


def _window(policy: Json, on: str) -> ConditionResult:
    window = policy["window"]
    met = window["from"] <= on and (not window.get("to") or on < window["to"])
    return ConditionResult("window", IN_WINDOW, met, on, dict(window))


def _condition(condition: Json, facts: Json) -> ConditionResult:
    def result(met: bool | None, **more: Any) -> ConditionResult:
        return ConditionResult(condition["name"], condition["text"], met, operator=condition["operator"], **more)

    found: dict[str, Any] = {}
    try:
        for part in ("value", "threshold"):
            found[part] = compiled(condition[part]).value(facts)
        met = bool(compiled(whole(condition)).value(facts))
    except Missing as missing:
        return result(None, **found, missing_field=FACTS[missing.names[0]].field)
    except Failed as failed:
        return result(None, **found, problem=str(failed))
    return result(met, **found, gap=gap(condition["operator"], found["value"], found["threshold"]))


def whole(condition: Json) -> str:
    """The condition as one expression, which is true when it is met."""
    value, operator, threshold = (condition[name] for name in ("value", "operator", "threshold"))
    return f"({threshold}) in ({value})" if operator == "contains" else f"({value}) {operator} ({threshold})"


def gap(operator: str, value: Any, threshold: Any) -> int | None:
    """How much is lacking; 0 or less when the condition is met."""
    if any(isinstance(each, bool) or not isinstance(each, int) for each in (value, threshold)):
        return None
    lacking = {">=": threshold - value, ">": threshold + 1 - value, "<=": value - threshold, "<": value + 1 - threshold}
    return lacking.get(operator)


def _amount(policy: Json, facts: Json) -> tuple[str | None, int | None, ConditionResult | None]:
    """The first item that applies, its amount within the cap, and a result when there is none."""
    def without(met: bool | None, **more: Any) -> tuple[None, None, ConditionResult]:
        return None, None, ConditionResult("item", NO_ITEM, met, **more)

    try:
        for item in policy["items"]:
            if compiled(item.get("when") or "true").value(facts):
                amount = compiled(item["amount"]).value(facts)
                cap = policy.get("cap_fen")
                amount = amount if cap is None else min(amount, cap)
                return (item["code"], amount, None) if amount > 0 else without(False, value=amount, threshold=1)
    except Missing as missing:
        return without(None, missing_field=FACTS[missing.names[0]].field)
    except Failed as failed:
        return without(None, problem=str(failed))
    return without(False)


def faults_of(policy: Json) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every expression of a policy that cannot be used: (where in the policy, place and reason)."""
    def tried(text: str, *wanted: str) -> str | None:
        try:
            compiled(text, *wanted)
        except Wrong as wrong:
            return str(wrong)
        return None

    for n, condition in enumerate(policy.get("conditions") or ()):
        found = [(part, tried(condition[part])) for part in ("value", "threshold")]
        yield from ((("conditions", n, part), why) for part, why in found if why)
        if not any(why for _, why in found):
            why = tried(whole(condition), "BOOL")
            if why:
                yield ("conditions", n, "operator"), f"value and threshold do not compare: {why}"
    for n, item in enumerate(policy.get("items") or ()):
        for part, wanted, default in (("when", "BOOL", "true"), ("amount", "INT", "0")):
            why = tried(item.get(part) or default, wanted)
            if why:
                yield ("items", n, part), why
