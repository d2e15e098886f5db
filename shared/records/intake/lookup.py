"""Which of these are registered: a file's rows looked up instead of taken, by number, by enterprise or by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from shared.auth.principal import Principal
from shared.errors import Fault, Forbidden
from shared.records.access import sees_all, visible
from shared.records.image import collection_of, from_store
from shared.records.intake.batch import Outcome
from shared.records.intake.rows import Row
from shared.records.kind import OWNERS, Kind
from shared.records.write import Records

MOST_NAMED = 20  # records of one row that are named
NO_KEY = Fault("", "required", "没有可查询的列:编号、统一社会信用代码或名称 no number, credit code or name to look for")


def keys_of(kind: Kind) -> list[str]:
    """The fields that a row is looked up by, the first that it gives."""
    named = [*filter(None, [kind.natural_key]), *kind.owner_fields, kind.search_field]
    return [name for name in dict.fromkeys(named) if name in kind.schema.fields and name not in kind.personal]


def check_may_look(kind: Kind, principal: Principal) -> None:
    """Whoever may list a kind may look rows up in it, and sees no more. Raises Forbidden."""
    if not sees_all(kind, principal) and not principal.has(*kind.readers, *OWNERS):
        raise Forbidden(f"{kind.name} may be read by: {', '.join(sorted(kind.readers))}")


@dataclass
class Lookup:
    """Looks up the rows of one job."""

    records: Records
    kind: Kind
    principal: Principal

    def look(self, rows: list[Row]) -> Outcome:
        """What is registered of some rows; what the caller may not see is not there."""
        outcome, wanted = Outcome(), []
        for row in rows:
            name, value, fault = self._key(row)
            if fault is not None:
                outcome.refuse(row, [fault])
            else:
                wanted.append((row, name, value))
        found = self._found({name: [value for _, named, value in wanted if named == name] for _, name, _ in wanted})
        for row, name, value in wanted:
            records = found.get((name, value), [])
            outcome.rows.append([row.number, "found" if records else "missing", records[:MOST_NAMED]])
        return outcome

    def _key(self, row: Row) -> tuple[str, Any, Fault | None]:
        for name in keys_of(self.kind):
            fault = next((fault for fault in row.faults if fault.pointer == f"/{name}"), None)
            if fault is not None:
                return name, None, fault
            if row.body.get(name) is not None:
                try:
                    return name, self.kind.schema.fields[name].deserialize(row.body[name]), None
                except ValidationError as wrong:
                    return name, None, Fault(f"/{name}", "invalid", " ".join(map(str, wrong.messages)))
        return "", None, NO_KEY

    def _found(self, wanted: dict[str, list[Any]]) -> dict[tuple[str, Any], list[str]]:
        """Records as `id (state)`, by the field and value that they were looked up by."""
        found: dict[tuple[str, Any], list[str]] = {}
        for name, values in wanted.items():
            stored = "_id" if name == self.kind.natural_key else name
            for one in self.records.database[collection_of(self.kind)].find({stored: {"$in": values}}):
                image = from_store(one)
                if visible(self.kind, image, self.principal, self.records.find):
                    found.setdefault((name, image["id"] if stored == "_id" else image[name]), []).append(f"{image['id']} ({image['state']})")
        return found
