"""A record kind is one declaration; everything that all kinds share reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from marshmallow import RAISE, Schema, fields, pre_load

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Fault, Invalid, KechuangError
from shared.records import spells
from shared.records.document import Record
from shared.records.workflow import Context, Image, Workflow

STAFF = frozenset(set(Role) - {Role.ENTERPRISE_AGENT, Role.ENTERPRISE_REP, Role.TALENT, Role.SYSADMIN, Role.VIEWER})
OWNERS = frozenset({Role.ENTERPRISE_AGENT, Role.ENTERPRISE_REP})
BY_ID = "id"
EVERY_FIELD = frozenset({"*"})
ATTACHED = "attached"  # what is attached to a record: [{id, purpose, media_type, size_bytes, sha256, at}]
EDITABLE: Mapping[str, frozenset[str]] = dict.fromkeys(("draft", "returned", "recorded"), EVERY_FIELD)


class RecordSchema(Schema):
    """Shape of a record's own fields; what is not named is refused."""

    class Meta:
        unknown = RAISE

    source = fields.Str(metadata={"description": "文号或来源"})

    @pre_load
    def drop_nulls(self, data: Any, **_: Any) -> Any:
        """null means "not given"."""
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


def same_keys(*names: str) -> Callable[[Image], list[str]]:
    """Subject keys from plain fields, the record's own id without any."""

    def keys(image: Image) -> list[str]:
        return [str(image[name]) for name in names if image.get(name)] or [str(image["id"])]

    return keys


@dataclass(frozen=True)
class Kind:
    """What is a kind's own. Functions see records as JSON-like dicts: dates are ISO strings."""

    name: str  # hnte-certificates
    event_name: str  # hnte-certificate
    document: type[Record]
    schema: RecordSchema
    workflow: Workflow
    subject_keys: Callable[[Image], list[str]]
    title: str = ""
    natural_key: str | None = None
    identity: tuple[str, ...] = ()  # what makes two rows the same record where there is no natural key
    prepare: Callable[[Image, Image | None, Context], None] | None = None  # (new, old, context): derive, check; raises Invalid
    spelled: Mapping[str, str] = field(default_factory=dict)  # town_code -> towns
    first_day: str | None = None  # field that names the record's first day
    initial: Callable[[Principal, Image], str] | None = None
    draft_needs: tuple[str, ...] = ()  # a draft may be saved with only these
    posters: frozenset[Role] = frozenset({Role.DATA_FEED, Role.BUREAU_REVIEWER})
    readers: frozenset[Role] = STAFF
    owner_fields: tuple[str, ...] = ("uscc",)
    personal: tuple[str, ...] = ()  # encrypted at rest, masked on read, absent from events
    revealers: frozenset[Role] = frozenset()  # who may see personal fields in full, with purpose and reason
    owners: frozenset[Role] = OWNERS
    deciders: frozenset[Role] | None = None  # who confirms a proposed change
    editable: Mapping[str, frozenset[str]] = field(default_factory=lambda: EDITABLE)  # state -> fields an owner may change
    staff_proposes: frozenset[str] = frozenset()  # fields that staff may change on an open file, with a second hand
    indexes: tuple[tuple[str, ...], ...] = ()  # of queries that only this kind has
    unique_while_present: tuple[str, ...] = ()  # no two records have the same value of these, those without it aside
    arrive: Callable[[Image, Context], None] | None = None  # what else a new record changes, in the transaction that stores it
    in_line: bool = False  # its steps change one other record: within a process they wait for each other instead of colliding
    seen_on: Callable[[Image, date], Image] | None = None  # fields that follow from the day of reading
    derived: tuple[str, ...] = ()  # fields that `prepare` makes: in the image and the event, refused in a body
    public_states: frozenset[str] = frozenset()  # 公示: whoever is signed in may see it, and object
    unseen: frozenset[str] = frozenset()  # actions open also to those who do not see the record: an objection to a public notice
    search_field: str = "name"
    taken: Callable[[Image, str], KechuangError] | None = None  # (who holds the identity, path of the kind): what a second poster is told
    reopens: frozenset[str] = frozenset()  # states in which a record is over, and its identity free for a new file
    attaches: tuple[str, ...] = ()  # purposes of what its owner may attach
    on_day: Callable[[Image, str], Image] | None = None  # fields that follow from a past or future day
    ends: Callable[[Image], str | None] | None = None  # the first day on which it no longer counts, see `endings`: `ends_on`

    def new_state(self, principal: Principal, image: Image) -> str:
        """State after POST, by role (contract §2)."""
        if self.initial is not None:
            return self.initial(principal, image)
        return "verified" if principal.has(Role.DATA_FEED) else "recorded"

    def identifier(self, body: Image) -> str:
        """The natural key that a valid body names, as stored."""
        return str(self.schema.fields[self.natural_key].deserialize(body[self.natural_key])) if self.natural_key else ""

    def counts(self, state: str) -> bool:
        """Whether a record in this state counts."""
        return state in self.workflow.counting

    def in_effect(self, image: Image, day: str) -> bool:
        """Whether it counted on a day, as far as is known now: begun, in a counting state, and not ended."""
        first = spells.day_of(image.get(self.first_day)) if self.first_day else None
        end = self.ends(image) if self.ends is not None else None
        state = spells.value_on(image.get("states") or [], day)
        return self.counts(state) and (first or "") <= day and (end is None or day < end)

    def filters(self) -> list[str]:
        """The fields that a list is filtered by: plain values and lists of them, nothing personal. One index serves all."""
        own = [name for name, shape in self.schema.fields.items() if name not in self.personal and _is_plain(shape)]
        person = ["person_key"] if "person" in self.personal else []
        return list(dict.fromkeys([*own, "state", BY_ID, "created_by", *person, *(["ends_on"] if self.ends else []), *self.derived]))

    def sorts(self) -> list[str]:
        """The fields that a list is ordered by, all of them texts; each has an index with the id behind it."""
        name = self.search_field if self.search_field in self.schema.fields else None
        return list(dict.fromkeys(filter(None, [BY_ID, "recorded_at", name, self.first_day, "ends_on" if self.ends else None])))


def _is_plain(shape: fields.Field[Any]) -> bool:
    return _is_plain(shape.inner) if isinstance(shape, fields.List) else not isinstance(shape, fields.Nested | fields.Dict)


def missing(schema: Schema, image: Image) -> list[Fault]:
    """Required fields that a draft has not got yet."""
    return [
        Fault(f"/{name}", "required", "必填 required")
        for name, shape in schema.fields.items() if shape.required and image.get(name) in (None, "", [])
    ]


def refuse(pointer: str, code: str, message: str) -> Invalid:
    """An Invalid with one fault."""
    return Invalid(message, faults=[Fault(pointer, code, message)])
