"""A worker's run over one import job: its file read once, in batches that are whole or not there, its result file written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import BinaryIO, cast

from bson import ObjectId

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.errors import Conflict, Invalid
from shared.ids import new_id
from shared.records.imports import COUNTED, Imports
from shared.records.intake.batch import Batches, Outcome
from shared.records.intake.lookup import Lookup
from shared.records.intake.result import NONE, Fate, Result, fates_of, result
from shared.records.intake.rows import Row, Upload, read
from shared.records.workflow import Image

BATCH_ROWS = 200  # rows of one transaction: well under the 1,000 documents and 4 MB that a transaction carries safely
MOST_LINES = 2_000  # that wait for a batch, blank ones among them
Beat = Callable[[], float]


class LostJob(Conflict):
    """Another worker has taken the job over."""


def run(imports: Imports, job: Image, worker: str, beat: Beat) -> None:
    """Read a job's file to the end. What a killed worker has done stays done and is not done again."""
    one = _Run(imports, job, worker, beat)
    try:
        one.run()
    except LostJob:
        return
    except Invalid as wrong:
        one.fail(wrong)


class _Run:
    def __init__(self, imports: Imports, job: Image, worker: str, beat: Beat) -> None:
        self.imports, self.job, self.worker, self.beat = imports, job, worker, beat
        self.kind = imports.records.kinds[job["kind"]]
        principal = Principal(job["actor"], frozenset(Role(r) for r in job["roles"]), job["town"], job["enterprise"])
        self.mode, self.through = job["mode"], job["through"]
        self.batches = Batches(imports.records, self.kind, principal, self.mode == "dry_run", self._save)
        self.lookup = Lookup(imports.records, self.kind, principal)
        self.fates: dict[int, Fate] = {}

    def run(self) -> None:
        """To the end."""
        if self.mode == "dry_run" and self.through:  # nothing was written: it begins anew
            self.imports.outcomes.delete_many({"job": self.job["_id"]})
            self._set({"through": 0, "rows": 0, **dict.fromkeys(COUNTED, 0)})
            self.through = 0
        elif self.through:
            for outcome in self.imports.outcomes.find({"job": self.job["_id"]}).sort("first", 1):
                self.fates |= fates_of(outcome["rows"], outcome["errors"])
        with self.imports.files.reader(self.job["file"]) as raw:
            results = self._read(cast(BinaryIO, raw))
        self._set({"state": "done", "percent": 100, "results": results})

    def fail(self, wrong: Invalid) -> None:
        """The file is none, or is not what it says."""
        why = "; ".join([wrong.message, *(f"{fault.pointer.lstrip('/')}: {fault.message}" for fault in wrong.faults)])
        self._set({"state": "failed", "reason": why[:1000]})

    def _read(self, raw: BinaryIO) -> dict[str, ObjectId]:
        size = raw.seek(0, 2)
        raw.seek(0)
        upload = read(self.kind, self.job["type"], raw)
        with ExitStack() as stack:
            results = self._results(upload, stack)
            lines: list[Row] = []
            waiting = 0
            for row in upload.rows:
                lines.append(row)
                waiting += row.data
                if waiting >= BATCH_ROWS or len(lines) >= MOST_LINES:
                    self._lines(lines, [made for _, made in results.values()])
                    self._set({"percent": min(99, 100 * raw.tell() // max(size, 1))})
                    lines, waiting = [], 0
            self._lines(lines, [made for _, made in results.values()])
            for _, made in results.values():
                made.close()
        return {name: file_id for name, (file_id, _) in results.items()}

    def _results(self, upload: Upload, stack: ExitStack) -> dict[str, tuple[ObjectId, Result]]:
        """The result files: with personal values hidden, and the whole where there are any."""
        found: dict[str, tuple[ObjectId, Result]] = {}
        for name in ("shown", "whole") if self.kind.personal else ("shown",):
            writer = stack.enter_context(self.imports.files.writer(f"{self.kind.name} result"))
            made = result(writer, self.kind, self.job["type"], upload, whole=name == "whole", lookup=self.mode == "lookup")
            found[name] = (writer.file_id, made)
        return found

    def _lines(self, lines: list[Row], results: Iterable[Result]) -> None:
        done = [row for row in lines if row.data and row.number <= self.through]
        todo = [row for row in lines if row.data and row.number > self.through]
        if self.mode == "lookup":
            if todo:
                self._save(todo, self.lookup.look(todo))
        else:
            self.batches.remember(done)
            self.batches.take(todo)
        for row in lines:
            fate = self.fates.pop(row.number, NONE)
            for each in results:
                each.add(row, fate)

    def _save(self, rows: list[Row], outcome: Outcome) -> None:
        """What became of rows, and how far the job is: with the records, in their transaction. Raises LostJob."""
        found = {"_id": new_id(), "job": self.job["_id"], "first": rows[0].number, "rows": outcome.rows, "errors": outcome.errors}
        counts = {name: count for name, count in outcome.counts().items() if count}
        self.imports.outcomes.insert_one(found)
        self._set({"through": rows[-1].number}, {"rows": len(rows), **counts})
        self.fates |= fates_of(outcome.rows, outcome.errors)

    def _set(self, fields: Image, added: Image | None = None) -> None:
        change: Image = {"$set": fields | {"beat": self.beat()}} | ({"$inc": added} if added else {})
        if not self.imports.jobs.update_one({"_id": self.job["_id"], "worker": self.worker}, change).matched_count:
            raise LostJob("another worker has taken the job over")
