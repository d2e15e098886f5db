"""What the OpenAPI document says of the routes that incentives has beside those of every kind."""

from __future__ import annotations

from typing import Any

from services.incentives.eligibility.catalogue import Type
from services.incentives.eligibility.decide import DATA_MISSING, ELIGIBLE, NOT_ELIGIBLE
from shared.web.openapi import DAY, FLAG, INSTANT, INTEGER, TEXT, items_of, maybe, obj, one_of

FEN = {"type": "integer"}
COUNT = {"type": "integer", "minimum": 0}
NAMES = obj({"zh": TEXT, "en": TEXT})
ANYTHING: dict[str, Any] = {}
SOME_RECORD = obj({"id": TEXT, "kind": TEXT, "version": INTEGER, "state": TEXT})
STATED = {"type": "string", "minLength": 1}

NOTICE = obj(
    {"id": TEXT, "version": INTEGER, "name": TEXT, "employer": TEXT, "category": maybe(NAMES), "item": maybe(TEXT), "amount_fen": FEN,
     "from": DAY, "until": DAY, "told_apart_by": TEXT},
    ["id", "version", "name", "employer", "category", "item", "amount_fen", "from", "until"],
)
NOTICES = items_of(NOTICE)
OBJECTION = obj({"reason": STATED}, additionalProperties=False)
OBJECTED = obj({"id": TEXT, "state": TEXT})
DECLARED = obj({"id": TEXT, "interests": {"type": "array", "items": obj({"actor": TEXT, "interest": TEXT})}})
LIGHT = one_of("green", "yellow", "red", "paused")
LIGHTS = items_of(obj(
    {"id": TEXT, "state": TEXT, "policy_code": TEXT, "town_code": maybe(TEXT), "escalated": ANYTHING, "light": LIGHT, "due_on": DAY,
     "working_days_left": INTEGER},
    ["id", "state", "policy_code"],
))
EXCEPTIONS = items_of(obj({
    "application": TEXT, "version": INTEGER, "action": TEXT, "actor": TEXT, "time": INSTANT, "reason": maybe(TEXT), "override": ANYTHING,
    "stacking": ANYTHING, "written_off_fen": maybe(FEN),
}))
RECOVERIES = items_of(obj({
    "application": TEXT, "state": one_of("held_back", "due", "ordered"), "policy_code": TEXT, "town_code": maybe(TEXT), "cause": ANYTHING,
    "evidence": ANYTHING, "amount_fen": maybe(FEN), "recovered_fen": FEN, "outstanding_fen": FEN,
}))
FIGURES = obj(dict.fromkeys(("gross_fen", "ordered_fen", "recovered_fen", "net_fen", "outstanding_fen", "written_off_fen"), FEN))
LEDGER = items_of(obj({"key": TEXT, **FIGURES["properties"]}), total=FIGURES, by=maybe(TEXT))
SIDE_BY_SIDE = obj({
    "record": SOME_RECORD, "counts": maybe(TEXT),
    "others": {"type": "array", "items": obj({
        "record": SOME_RECORD, "same": {"type": "array", "items": TEXT}, "differs": {"type": "object"}, "may_merge": FLAG, "merged": FLAG,
    })},
})
CONDITION = obj(
    {"name": TEXT, "text": NAMES, "met": maybe(FLAG), "value": ANYTHING, "threshold": ANYTHING, "gap": maybe(INTEGER),
     "missing_field": maybe(TEXT), "problem": maybe(TEXT), "operator": maybe(TEXT)},
)
DECISION = {
    "policy_code": TEXT, "version_no": INTEGER, "outcome": one_of(ELIGIBLE, NOT_ELIGIBLE, DATA_MISSING), "amount_fen": maybe(FEN),
    "item": maybe(TEXT), "conditions": {"type": "array", "items": CONDITION}, "snapshot": {"type": "object"},
}
QUESTION = obj({"enterprise": maybe(TEXT), "introduction": maybe(TEXT), "on": maybe(DAY)}, [], additionalProperties=False)
ANSWER = obj({
    "enterprise": maybe(TEXT), "introduction": maybe(TEXT), "on": DAY,
    "items": {"type": "array", "items": obj({"policy_id": TEXT, "title": NAMES, "clause": TEXT, "without_application": FLAG, **DECISION})},
})
FACTS_LIST = items_of(obj({"name": TEXT, "type": one_of(*Type), "zh": TEXT, "en": TEXT, "field": TEXT}))
REPEATED = obj({
    "stored": {"type": "object"}, "replayed": obj(DECISION), "same": FLAG,
    "what_if": maybe(obj({"policy_id": TEXT, "decision": obj(DECISION), "difference_fen": FEN})),
})
BANK_ROW = obj({"row": COUNT, "column": TEXT, "code": TEXT, "message": TEXT})
SETTLED = obj({
    "rows": COUNT, "paid": COUNT, "failed": COUNT, "unchanged": COUNT, "unknown": {"type": "array", "items": obj({"row": COUNT, "payment_no": TEXT})},
    "refused": {"type": "array", "items": BANK_ROW},
})
PAYMENTS = items_of(obj({
    "payment_no": TEXT, "application": TEXT, "amount_fen": FEN, "state": maybe(TEXT), "bank_receipt_no": maybe(TEXT),
    "bank_reason": maybe(TEXT), "paid_on": maybe(TEXT),
}))
