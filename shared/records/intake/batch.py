"""Some rows of an import in one transaction: their records, what became of each row, and how far the job is.

A worker that is killed leaves whole batches only, so that the next one goes on exactly where it stopped. A row whose
record exists already changes nothing, or is a feed's correction; a row that says something else than an earlier row of
the same file is refused. What a row is refused for never repeats its values.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import DuplicateKeyError

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Fault, KechuangError
from shared.mongo import transact
from shared.records.amend import amend, patched
from shared.records.content import unsealed
from shared.records.image import collection_of, from_store
from shared.records.intake.rows import Row
from shared.records.kind import Kind
from shared.records.workflow import Context, Image
from shared.records.write import Records

MOST_FAULTS = 30  # of one row that are kept
LONGEST_MESSAGE = 300
CONFLICT = Fault("", "duplicate", "与本文件前面一行的内容冲突 an earlier row of this file says something else")
TAKEN = Fault("", "duplicate", "已存在且内容不同 exists already with other content")
EXISTS = Fault("", "duplicate", "已存在 exists already")


@dataclass
class Outcome:
    """What became of some rows."""

    rows: list[list[Any]] = field(default_factory=list)  # [number, created | changed | unchanged | refused | found | missing, found records?]
    errors: list[Image] = field(default_factory=list)
    flagged: int = 0
    seen: dict[bytes, bytes] = field(default_factory=dict)  # identity of a row -> its content

    def note(self, row: Row, name: str) -> None:
        """A row's fate."""
        self.rows.append([row.number, name])

    def refuse(self, row: Row, faults: list[Fault]) -> None:
        """A row that is not taken, with every fault of it under its column."""
        self.note(row, "refused")
        for fault in faults[:MOST_FAULTS]:
            column = fault.pointer.lstrip("/").replace("/", ".").replace("~1", "/").replace("~0", "~")
            self.errors.append({"row": row.number, "column": column[:100], "code": fault.code, "message": fault.message[:LONGEST_MESSAGE]})

    def counts(self) -> Counter[str]:
        """How many rows of each fate."""
        return Counter(name for _, name, *_ in self.rows) + Counter({"flagged": self.flagged})


class _Refused(Exception):
    """A row that has changed other records already and must be undone."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("refused")
        self.faults = faults


@dataclass
class Batches:
    """Takes the rows of one job. `save` writes what became of them, inside their transaction; it raises if another worker has the job."""

    records: Records
    kind: Kind
    principal: Principal
    dry: bool
    save: Callable[[list[Row], Outcome], None]
    seen: dict[bytes, bytes] = field(default_factory=dict)  # over the whole file
    people: set[str] = field(default_factory=set)

    def take(self, rows: list[Row]) -> None:
        """All of the rows, or none when the store refuses; a row that the store refuses alone is refused alone."""
        if not rows:
            return
        if self._alone and len(rows) > 1:
            for row in rows:
                self.take([row])
            return
        made: list[Outcome] = []

        def work(_: Any) -> None:
            outcome = Outcome()
            self._rows(rows, outcome)
            self.save(rows, outcome)
            made.append(outcome)

        try:
            transact(self.records.client, work)
        except DuplicateKeyError:
            self._split(rows)
            return
        except _Refused as refused:
            self._refuse(rows[0], refused.faults)
            return
        self.seen |= made[-1].seen

    def remember(self, rows: list[Row]) -> None:
        """Rows that were taken before a worker was killed."""
        context = self.records.context(self.principal)
        for row in rows:
            made = self._new(row, context, Outcome())
            if made is not None:
                self.seen.setdefault(*self._digests(made[0]))

    def _split(self, rows: list[Row]) -> None:
        if len(rows) > 1:
            middle = len(rows) // 2
            self.take(rows[:middle])
            self.take(rows[middle:])
            return
        self._refuse(rows[0], [EXISTS])

    def _refuse(self, row: Row, faults: list[Fault]) -> None:
        outcome = Outcome()
        outcome.refuse(row, faults)
        transact(self.records.client, lambda _: self.save([row], outcome))

    @property
    def _alone(self) -> bool:
        """Whether a new record changes others on arrival: then each row has a transaction of its own, to be undone alone."""
        return self.kind.arrive is not None and not self.dry

    def _rows(self, rows: list[Row], outcome: Outcome) -> None:
        context = self.records.context(self.principal, writes=not self.dry)
        context.people.update(self.people)
        read = [(row, made) for row in rows if (made := self._new(row, context, outcome)) is not None]
        known = self._known([image for _, (image, _) in read])
        fresh: list[tuple[Image, Image]] = []
        for row, (image, change) in read:
            identity, content = self._digests(image)
            before = outcome.seen.get(identity) or self.seen.get(identity)
            if before is not None:
                outcome.note(row, "unchanged") if before == content else outcome.refuse(row, [CONFLICT])
                continue
            old = known.get(identity_of(self.kind, image))
            if old is not None:
                self._again(row, old, image, context, outcome)
            else:
                fresh.append((image, change))
                outcome.note(row, "created")
                outcome.flagged += bool(image.get("duplicate_person"))
            outcome.seen[identity] = content
        if self.dry:
            self.people |= context.people
        elif fresh:
            self.records.insert(self.kind, fresh)

    def _new(self, row: Row, context: Context, outcome: Outcome) -> tuple[Image, Image] | None:
        """The record that a row makes, not stored yet; None when it has faults, which are all noted."""
        if row.broken:
            outcome.refuse(row, row.faults)
            return None
        try:
            made = self.records.new(self.kind, row.body, self.principal, context)
        except KechuangError as wrong:
            found = wrong.faults or [Fault("", wrong.code, wrong.message)]
            if self._alone:
                raise _Refused(found) from wrong
        else:
            found = []
        named = {fault.pointer for fault in row.faults}
        if row.faults or found:
            outcome.refuse(row, [*row.faults, *(fault for fault in found if fault.pointer not in named)])
            return None
        return made

    def _again(self, row: Row, old: Image, image: Image, context: Context, outcome: Outcome) -> None:
        """A row whose record exists: the same content changes nothing; other content is a feed's correction."""
        if self._same(old, image):
            outcome.note(row, "unchanged")
            return
        if not self.principal.has(Role.DATA_FEED):
            outcome.refuse(row, [TAKEN])
            return
        patch = {name: value for name, value in row.body.items() if name in self.kind.schema.fields}
        try:
            if self.dry:
                patched(self.records, self.kind, old, patch, None, context)
            else:
                amend(self.records, self.kind, old, patch, self.principal, context)
        except KechuangError as wrong:
            outcome.refuse(row, wrong.faults or [Fault("", wrong.code, wrong.message)])
            return
        outcome.note(row, "changed")

    def _same(self, old: Image, image: Image) -> bool:
        """Whether a row says what is stored already; what it leaves out is as it was."""
        names = set(self.kind.schema.fields) - set(self.kind.personal)
        if any(old.get(name) != image.get(name) for name in names if image.get(name) is not None):
            return False
        told = unsealed(self.records, self.kind, image)
        held = unsealed(self.records, self.kind, old) if told else {}
        return all(held.get(name) == value for name, value in told.items())

    def _known(self, images: list[Image]) -> dict[tuple[Any, ...], Image]:
        """Stored records that rows name, by identity."""
        collection = self.records.database[collection_of(self.kind)]
        if self.kind.natural_key:
            found = collection.find({"_id": {"$in": [image["id"] for image in images]}})
        elif self.kind.identity and images:
            found = collection.find({"$or": [{name: image.get(name) for name in self.kind.identity} for image in images]})
        else:
            return {}
        return {identity_of(self.kind, image): image for image in map(from_store, found)}

    def _digests(self, image: Image) -> tuple[bytes, bytes]:
        names = sorted((set(self.kind.schema.fields) - set(self.kind.personal)) & set(image))
        content = [{name: image[name] for name in names}, unsealed(self.records, self.kind, image)]
        return digest(identity_of(self.kind, image)), digest(content)


def digest(value: Any) -> bytes:
    """Sixteen bytes that stand for a JSON value."""
    return hashlib.blake2b(json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def identity_of(kind: Kind, image: Image) -> tuple[Any, ...]:
    """What makes two rows the same record."""
    if kind.natural_key or not kind.identity:
        return (image["id"],)
    return tuple(json.dumps(image.get(name)) for name in kind.identity)
