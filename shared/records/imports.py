"""Import jobs: the web process stores the sealed file and a job, a worker process reads it row by row (shared/records/intake/)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.clock import format_instant
from shared.errors import Forbidden, Invalid, NotFound
from shared.ids import new_id
from shared.records.intake.lookup import check_may_look
from shared.records.intake.sealed import Files
from shared.records.kind import Kind
from shared.records.once import Answer, guarded, once_of, remember
from shared.records.workflow import Image
from shared.records.write import Records

LISTED_ERRORS = 1000  # in a status; the result file has them all
TRIES = 5  # of one job: a file that ends its worker must not end every worker
STALE_S = 30  # a running job whose worker has not reported for so long is taken over
KEPT = timedelta(days=7)  # how long a file and what became of its rows are kept
COUNTED = ("created", "changed", "unchanged", "refused", "flagged")
LOOKED_UP = ("found", "missing")
MODES = ("import", "dry_run", "lookup")
RUNNING = {"state": "running"}


class Imports:
    """The import jobs of one service."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.jobs = records.database.imports
        self.outcomes = records.database.import_outcomes
        self.files = Files(records.database, records.sealer)

    def ensure(self) -> None:
        """The indexes. One job of a kind runs at a time: rows of two files may name the same record."""
        self.jobs.create_index([("state", 1), ("_id", 1)])
        self.jobs.create_index("kind", unique=True, partialFilterExpression=RUNNING, name="one_runs")
        self.jobs.create_index("expires", sparse=True)
        self.outcomes.create_index([("job", 1), ("first", 1)], unique=True)
        self.files.ensure()

    def check_may(self, kind: Kind, mode: str, principal: Principal) -> None:
        """Raises Forbidden for who may not import a kind, or look rows up in it."""
        if mode == "lookup":
            check_may_look(kind, principal)
        elif not principal.has(*kind.posters):
            raise Forbidden(f"{kind.name} may be imported by: {', '.join(sorted(kind.posters))}")

    def submit(
        self, kind: Kind, pieces: Iterable[bytes], type_of_file: str, mode: str, principal: Principal, key: str | None = None
    ) -> str:
        """Store a file and its job; the worker takes it from there. The job's id, the same one for the same key and file."""
        self.check_may(kind, mode, principal)
        content = hashlib.sha256(f"import {kind.name} {type_of_file} {mode} ".encode())
        with self.files.writer(kind.name) as writer:
            for piece in pieces:
                content.update(piece)
                writer.write(piece)
        job: Image = {
            "_id": new_id(), "kind": kind.name, "type": type_of_file, "file": writer.file_id, "mode": mode, "state": "queued",
            "actor": principal.actor, "roles": sorted(principal.roles), "town": principal.town, "enterprise": principal.enterprise,
            "rows": 0, "through": 0, "percent": 0, **dict.fromkeys((*COUNTED, *LOOKED_UP), 0), "results": {},
            "at": format_instant(self.records.clock.now()), "expires": datetime.now(UTC) + KEPT,
        }
        answer = {"id": job["_id"], "version": 1}

        def work(_: Any) -> Answer:
            self.jobs.insert_one(job)
            remember(self.records, once, answer, principal)
            return answer, 202

        once = once_of(self.records, key, content.digest())
        try:
            kept = str(guarded(self.records, work, once, principal, "this import exists already")[0]["id"])
        except Invalid:  # the key was used with another file
            self.files.delete(writer.file_id)
            raise
        if kept != job["_id"]:
            self.files.delete(writer.file_id)
        return kept

    def find(self, kind: Kind, job_id: str, principal: Principal) -> Image:
        """A job, for who submitted it and for auditors. Raises NotFound."""
        job = self.jobs.find_one({"_id": job_id})
        if job is None or "mode" not in job or job["kind"] != kind.name or (job["actor"] != principal.actor and not principal.has(Role.AUDITOR)):
            raise NotFound(f"no import {job_id}")
        return job

    def show(self, kind: Kind, job_id: str, principal: Principal) -> Image:
        """A job's progress. Raises NotFound."""
        job = self.find(kind, job_id, principal)
        looks = job["mode"] == "lookup"
        names = ("kind", "state", "rows", "percent", *COUNTED, *(LOOKED_UP if looks else ()))
        url = f"/{self.records.service}/v1/{kind.name}/imports/{job_id}/result" if job["results"] else None
        return {
            "id": job_id, **{name: job[name] for name in names}, "dry_run": job["mode"] == "dry_run", "lookup": looks,
            "errors": list(islice(self._errors(job_id), LISTED_ERRORS)), "reason": job.get("reason"), "result_url": url,
        }

    def result(self, job: Image, *, whole: bool) -> Iterator[bytes]:
        """The result file of a finished job. Raises NotFound before there is one, and when its time is over."""
        file_id: ObjectId | None = job["results"].get("whole" if whole and "whole" in job["results"] else "shown")
        if file_id is None:
            raise NotFound("结果尚未生成或已过期 there is no result yet, or no longer")
        return self.files.chunks(file_id)

    def take(self, worker: str, now_s: float) -> Image | None:
        """Claim a waiting job, or one whose worker died."""
        claim = {"$set": {"state": "running", "worker": worker, "beat": now_s}, "$inc": {"tries": 1}}
        stale = {"state": "running", "beat": {"$lt": now_s - STALE_S}}
        given_up = {"state": "failed", "reason": f"处理{TRIES}次均中断 its workers died {TRIES} times"}
        self.jobs.update_many(stale | {"tries": {"$gte": TRIES}}, {"$set": given_up})
        dead = self.jobs.find_one_and_update(stale, claim, sort=[("_id", 1)], return_document=ReturnDocument.AFTER)
        busy: list[str] = []
        while dead is None:
            waiting = {"state": "queued", "kind": {"$nin": busy}}
            found = self.jobs.find_one(waiting, {"kind": 1}, sort=[("_id", 1)])
            if found is None:
                return None
            try:
                mine = {"_id": found["_id"], "state": "queued"}
                dead = self.jobs.find_one_and_update(mine, claim, return_document=ReturnDocument.AFTER)
            except DuplicateKeyError:  # another worker has a job of this kind
                busy.append(found["kind"])
        return dead

    def give_back(self, worker: str) -> None:
        """Let the next worker go on at once with what this one has begun; being told to stop is no failure of the job."""
        self.jobs.update_many({"state": "running", "worker": worker}, {"$set": {"state": "queued", "worker": None}, "$inc": {"tries": -1}})

    def sweep(self) -> None:
        """Delete files and fates of rows whose time is over, and files that no job names."""
        now = datetime.now(UTC)  # the machine's clock: a demo's may leap over a year
        for job in self.jobs.find({"expires": {"$lt": now}}, {"file": 1, "results": 1}).limit(100):
            for file_id in (job["file"], *job["results"].values()):
                self.files.delete(file_id)
            self.outcomes.delete_many({"job": job["_id"]})
            self.jobs.update_one({"_id": job["_id"]}, {"$set": {"results": {}}, "$unset": {"expires": "", "file": ""}})
            self.jobs.update_one({"_id": job["_id"], "state": {"$in": ["queued", "running"]}}, {"$set": {"state": "failed", "reason": "expired"}})
        self.files.delete_before(now - 2 * KEPT)

    def _errors(self, job_id: str) -> Iterator[Image]:
        for outcome in self.outcomes.find({"job": job_id}, {"errors": 1}).sort("first", 1):
            yield from outcome["errors"]
