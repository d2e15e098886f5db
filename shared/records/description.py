"""What the OpenAPI document says of a kind: its record, its list, what may be sent, and how the routes of all kinds answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import fields

from shared.records.fields import MOST_FEN, Day
from shared.records.kind import Kind
from shared.records.listing import LARGEST_PAGE, LONGEST
from shared.records.workflow import LONGEST_NOTICE, MOST_FAULTS
from shared.web.openapi import DAY, FLAG, INSTANT, INTEGER, TEXT, JsonSchema, Operations, in_query, items_of, maybe, obj, one_of

ANYTHING: dict[str, Any] = {}
VERSION_NO = {"type": "integer", "minimum": 1}
OPAQUE = {"type": "string", "description": "an opaque id: no name, no account"}
SPELLS = {"type": "array", "items": obj({"from": maybe(TEXT), "to": maybe(TEXT), "value": ANYTHING}, ["from", "to"])}
HAND = obj({"action": TEXT, "actor": OPAQUE, "at": TEXT})
ALWAYS = ("id", "kind", "version", "state")  # all that is told to who may act on a record without seeing it
NAMED = obj({"pointer": {"type": "string", "pattern": "^/"}, "message": {"type": "string", "minLength": 1, "maxLength": 500}},
            additionalProperties=False)
DECISIONS = ("confirm_change", "refuse_change")
ASKED_DAY = {**DAY, **Day.json_schema}
AS_OF = in_query("as_of", TEXT, "a day YYYY-MM-DD or an RFC 3339 instant: the record as it held on that day")


class Description:
    """The schemas of one kind, as components of its service's document."""

    def __init__(self, operations: Operations, kind: Kind) -> None:
        self.kind, self.name = kind, kind.document.__name__
        self._operations, self._own = operations, operations.properties(kind.schema)
        self.record = self._component("", self._record())
        self.page = items_of(self.record, maybe(TEXT))
        self.versions = items_of(self._component("Version", self._version()))

    def posted(self, said: Sequence[str] = ()) -> dict[str, Any]:
        """The body of a POST: all that a draft needs, else all that the kind requires; without what the path has `said`."""
        given = {"state": maybe(one_of(*sorted(self.kind.workflow.states))), "history": maybe({"type": "array", "items": HAND_GIVEN}),
                 "reason": maybe(TEXT)}
        required = [name for name in self.kind.draft_needs or self._required() if name not in said]
        name = "New" if not said else "Named"
        return self._component(name, obj(self._nullable(said) | given, required, additionalProperties=False))

    def patched(self) -> dict[str, Any]:
        """A merge patch with its day and reason: null takes a value away, an object is merged name by name."""
        whole = {name: _merged(field, self._nullable()[name]) for name, field in self._fields()}
        return self._component("Patch", obj(whole | {"effective_on": maybe(ASKED_DAY), "reason": maybe(TEXT)}, [], additionalProperties=False))

    def step(self) -> dict[str, Any]:
        """The body of a transition."""
        actions = one_of(*self.kind.workflow.actions, *DECISIONS)
        texts = dict.fromkeys(("reason", "level", "into", "doc_no", "cause"), maybe(TEXT))
        more = {"action": actions, "effective_on": maybe(ASKED_DAY), "accreditation": {"type": ["object", "null"]},
                "amount_fen": {"type": ["integer", "null"], "minimum": 0, "maximum": MOST_FEN},
                "working_days": {"type": ["integer", "null"], "minimum": 1, "maximum": LONGEST_NOTICE},
                "faults": {"type": ["array", "null"], "minItems": 1, "maxItems": MOST_FAULTS, "items": NAMED}}
        return self._component("Step", obj(texts | more, ["action"], additionalProperties=False))

    def query(self) -> list[dict[str, Any]]:
        """The parameters of the list: pages, order, `q` on names, and a filter a field, which may be given several times."""
        text = {"type": "string", "maxLength": LONGEST}
        order = [f"{sign}{name}" for name in self.kind.sorts() for sign in ("", "-")]
        return [
            in_query("limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}),
            in_query("cursor", text, "`next` of the page before, of the same query"),
            in_query("sort", one_of(*order), "ascending, or with - descending; by id where not given"),
            in_query("q", text, f"part of {self.kind.search_field}"),
            *(in_query(name, {"type": "array", "items": text}) for name in self.kind.filters()),
        ]

    def _record(self) -> dict[str, Any]:
        kind = self.kind
        own = {name: _shown(kind, name, self._own[name]) for name, _ in self._fields()}
        common = {
            "id": TEXT, "kind": {"const": kind.name}, "version": VERSION_NO, "recorded_at": INSTANT, "created_by": OPAQUE, "states": SPELLS,
            "state": maybe(one_of(*sorted(kind.workflow.states))),  # null before its first day, with as_of
            "effective_on": DAY, "proposed_change": {"type": "object"}, "as_of": DAY, "revoked": SPELLS,
        }
        ends = {"ends_on": {**TEXT, "description": "the first day on which it no longer counts"}} if kind.ends else {}
        return obj(common | ends | dict.fromkeys(kind.derived, ANYTHING) | dict.fromkeys(kind.spelled.values(), SPELLS) | own, ALWAYS)

    def _version(self) -> dict[str, Any]:
        change = obj({"from": ANYTHING, "to": ANYTHING})
        return obj({
            "version": VERSION_NO, "action": TEXT, "actor": OPAQUE, "role": TEXT, "time": INSTANT, "reason": maybe(TEXT),
            "effective_on": maybe(TEXT), "hash": TEXT, "diff": {"type": "object", "additionalProperties": change},
            "record": {"type": "object", "description": "the record of that version, without personal data"},
        })

    def _fields(self) -> list[tuple[str, fields.Field[Any]]]:
        return [(field.data_key or name, field) for name, field in self.kind.schema.fields.items()]

    def _required(self) -> list[str]:
        return [name for name, field in self._fields() if field.required]

    def _nullable(self, said: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """The fields as a body may have them: null means "not given"."""
        required = set(self.kind.draft_needs or self._required()) - {*said}
        return {name: shape if name in required else maybe(shape) for name, shape in self._own.items()}

    def _component(self, suffix: str, schema: JsonSchema) -> dict[str, Any]:
        return self._operations.component(self.name + suffix, schema)


HAND_GIVEN = obj({"action": TEXT, "actor": TEXT, "at": INSTANT}, additionalProperties=False)
AHEAD = obj({
    "state": TEXT, "past": {"type": "array", "items": HAND},
    "next": {"type": "array", "items": obj({"action": TEXT, "to": TEXT, "needs_reason": FLAG})},
})
EVENT = obj({
    "specversion": {"const": "1.0"}, "id": TEXT, "source": TEXT, "type": TEXT, "subject": TEXT, "time": INSTANT, "partitionkey": TEXT,
    "datacontenttype": {"const": "application/json"}, "sequence": VERSION_NO, "action": TEXT, "actor": OPAQUE, "data": {"type": "object"},
})
FEED = items_of(EVENT, maybe(TEXT), last=maybe(TEXT), pending={"type": "integer", "minimum": 0})
COUNT = {"type": "integer", "minimum": 0}
JOB = obj({
    "id": TEXT, "kind": TEXT, "state": one_of("queued", "running", "done", "failed"), "rows": COUNT, "percent": {**COUNT, "maximum": 100},
    **dict.fromkeys(("created", "changed", "unchanged", "refused", "flagged"), COUNT), "found": COUNT, "missing": COUNT,
    "dry_run": FLAG, "lookup": FLAG, "reason": maybe(TEXT), "result_url": maybe(TEXT),
    "errors": {"type": "array", "items": obj({"row": INTEGER, "column": maybe(TEXT), "code": TEXT, "message": TEXT})},
}, ["id", "kind", "state", "rows", "percent", "created", "changed", "unchanged", "refused", "flagged", "dry_run", "lookup", "errors",
    "reason", "result_url"])


def _shown(kind: Kind, name: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    """A field as it is answered: personal ones masked; one with spells is null on a day outside them."""
    if name in kind.personal:
        return {"description": f"{shape.get('description', '')} masked"}
    return maybe(shape) if name in kind.spelled else dict(shape)


def _merged(field: fields.Field[Any], shape: Mapping[str, Any]) -> dict[str, Any]:
    """A field of a merge patch: a nested object may lack what it requires."""
    return {"type": ["object", "null"]} if isinstance(field, fields.Nested | fields.Dict) else maybe(shape)
