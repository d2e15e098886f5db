"""What the OpenAPI document says of the metrics API."""

from __future__ import annotations

from typing import Any

from services.metrics.plan.indicator import KINDS
from services.metrics.web import catalogue
from services.metrics.web.history import STEPS
from services.metrics.web.parameters import LARGEST_PAGE, PERIOD
from shared.web.openapi import DAY, FLAG, INTEGER, TEXT, in_query, items_of, maybe, obj, one_of

NUMBER = {"type": "number"}
EXACT = {"type": ["integer", "string", "null"], "description": "in base units; a decimal as text where it is not whole"}
NAMES = {"type": "object", "additionalProperties": TEXT}
TEXTS = {"type": "array", "items": TEXT}
COUNT = {"type": "integer", "minimum": 0}
STATE, VERDICT, KIND = one_of(*catalogue.STATES), one_of(*catalogue.VERDICTS), one_of(*KINDS)
TARGET = {"operator": TEXT, "value": NUMBER, "by": DAY, "commitment": TEXT, "deadline_stated": FLAG}
CELL = obj({"key": TEXT, "name": NAMES, "value": maybe(NUMBER), "numerator": EXACT, "denominator": EXACT, "state": STATE})
READING = {
    "id": TEXT, "name": NAMES, "clause": TEXTS, "kind": KIND, "unit": TEXT, "value": maybe(NUMBER), "numerator": EXACT, "denominator": EXACT,
    "state": STATE, "target": maybe(obj(TARGET)), "reached": maybe(FLAG), "gap": maybe(NUMBER), "progress": maybe(NUMBER),
    "expected_to_date": maybe(NUMBER), "forecast": maybe(NUMBER), "verdict": VERDICT, "as_of": DAY, "known_at": maybe(TEXT),
    "data_period": maybe(TEXT), "definition_version": INTEGER, "sequence": maybe(INTEGER), "updated_at": maybe(TEXT), "lag_s": maybe(NUMBER),
}
INDICATOR = obj(READING | {"proxy": FLAG, "breakdown": {"type": "array", "items": CELL}}, list(READING))
INDICATORS = items_of(INDICATOR, as_of=DAY, known_at=maybe(TEXT), sequence=maybe(INTEGER))
RECORDS = items_of(
    obj({
        "subject": TEXT, "part": one_of("numerator", "denominator"), "counted": FLAG, "amount": INTEGER, "cell": NAMES, "reason": maybe(TEXT),
        "records": {"type": "array", "items": obj({"kind": TEXT, "id": TEXT, "version": INTEGER})},
    }),
    maybe(TEXT), total=COUNT, indicator=TEXT, as_of=DAY, known_at=maybe(TEXT),
)
POINT = obj({
    "as_of": DAY, "value": maybe(NUMBER), "numerator": EXACT, "denominator": EXACT, "state": STATE, "expected_to_date": maybe(NUMBER),
    "data_period": maybe(TEXT),
})
HISTORY = items_of(POINT, id=TEXT, **{"from": DAY}, to=DAY, step=one_of(*STEPS), known_at=maybe(TEXT))
CODED = obj({"code": TEXT, "name": NAMES})
MEASURES = items_of(obj({
    "clause": TEXT, "title": NAMES, "lead": {"type": "array", "items": CODED}, "responsible": {"type": "array", "items": CODED},
    "commitments": TEXTS, "indicators": TEXTS, "verdicts": {"type": "object", "additionalProperties": COUNT},
}))
PART = maybe(obj({"each": TEXT, "where": maybe(TEXT), "when": TEXT, "amount": TEXT, "place": TEXT}))
MARK = obj({"on": DAY, "value": NUMBER})
DEFINITION = obj({
    "id": TEXT, "name": NAMES, "clause": TEXTS, "kind": KIND, "unit": TEXT, "decimals": COUNT, "section": TEXT, "secondary": FLAG,
    "reader": TEXT, "formula": NAMES, "numerator": PART, "denominator": PART, "dims": TEXTS, "definition_version": INTEGER,
    "target": maybe(obj(TARGET | {"unit": TEXT})), "baseline": maybe(MARK), "milestones": {"type": "array", "items": MARK},
    "measures": TEXTS, "lead": TEXTS, "responsible": TEXTS,
})
PLAN = obj({
    "id": TEXT, "name": NAMES, "district_scope": TEXT, "municipal_scope": TEXT, "window": {"type": "array", "items": DAY},
    "baseline_date": DAY, "deadline": DAY, "towns": {"type": "array", "items": obj({"code": TEXT, "name": NAMES, "in_scope": FLAG})},
    "clusters": {"type": "array", "items": CODED}, "units": {"type": "array", "items": CODED},
    "indicators": {"type": "array", "items": DEFINITION},
})
STREAM = {"type": "string", "description": "Server-Sent Events: `snapshot`, then `indicator` for every change, `id` its sequence"}
LAST_EVENT_ID = {"name": "Last-Event-ID", "in": "header", "schema": TEXT, "description": "the last sequence that was seen"}
MOMENT = {"type": "string", "description": "YYYY-MM-DD or an RFC 3339 instant with offset"}


def parameters_of(dims: frozenset[str], clauses: frozenset[str]) -> dict[str, dict[str, Any]]:
    """The query parameters by name, with what they may be."""
    told: dict[str, tuple[dict[str, Any], str]] = {
        "as_of": (MOMENT, "截至日"), "known_at": (MOMENT, "知悉时点; a date means its end"),
        "period": ({"type": "string", "pattern": f"^{PERIOD.pattern}$"}, "YYYY, YYYY-Qn, YYYY-MM"),
        "by": (one_of(*sorted(dims)), "dimension of the breakdown"),
        "measure": (one_of(*sorted(clauses)), "条款: a measure, or where the text sets the target"),
        "from": (MOMENT, "first day"), "to": (MOMENT, "last day"), "step": (one_of(*STEPS), "month where not given"),
        "counted": (one_of("true", "false"), "only what counts, or only what does not"),
        "part": (one_of("numerator", "denominator"), "numerator where not given"),
        "limit": ({"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}, "page size"),
        "cursor": ({"type": "string", "pattern": "^[0-9]{1,11}$"}, "`next` of the page before"),
        "indicators": (TEXT, "ids, separated by commas"),
    }
    return {name: in_query(name, schema, text) for name, (schema, text) in told.items()}
