"""Loads the demo district through the public HTTP API: bulk imports first, then the single steps.

Safe to repeat: an imported row that is there already stays as it is, a step that was taken is not taken again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.local.client import Refused, explain
from deploy.local.demo import AWARDS, FOLDER, INCENTIVES, REGISTRY, SERVICE_OF, STEPS
from deploy.local.demo.awards import reference

Row = dict[str, Any]
Skip = Callable[[str, Row], bool]
POLL_S = 0.2
JOB_DEADLINE_S = 600
BUSY_TRIES = 20
SHOWN = 10
NATURAL_KEYS = {
    "enterprises": "uscc",
    "hnte-certificates": "cert_no",
    "tech-sme-entries": "entry_no",
    "tech-contracts": "registration_no",
    "patents": "patent_no",
    "budgets": "budget_code",
}


def rows_of(name: str) -> list[Row]:
    """The rows of one file of the district."""
    return [json.loads(line) for line in (FOLDER / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()]


def policies() -> list[Row]:
    """The district's incentive policies. Raises Refused naming every fault of the files."""
    from services.incentives.eligibility.policy_files import read_policies

    bodies, faults = read_policies(FOLDER.parent / "policies")
    if faults:
        raise Refused("\n".join(map(str, faults)))
    return bodies


def load(
    url: str,
    token_for: Callable[[Sequence[str]], str],
    progress: bool = True,
    skip: Skip | None = None,
) -> dict[str, int]:
    """Load everything but the rows for which `skip(kind, row)` holds; rows in place per kind.

    Raises Refused naming the first refused rows, or the step that was refused.
    """
    return _Load(url, token_for, skip or (lambda kind, row: False)).run(progress)


class _Load:
    def __init__(self, url: str, token_for: Callable[[Sequence[str]], str], skip: Skip) -> None:
        def client(role: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {token_for([role])}"}
            return httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)

        self.feed, self.reader = client("data_feed"), client("auditor")
        self.editor, self.signer = client("plan_officer"), client("bureau_approver")
        self.rows = {kind: [row for row in rows_of(kind) if not skip(kind, row)] for kind in SERVICE_OF}
        self.steps = [step for step in rows_of(STEPS) if any(_fits(row, step["find"]) for row in self.rows[step["kind"]])]

    def run(self, progress: bool) -> dict[str, int]:
        """Import every kind, the two services at once; then the steps in their order."""
        columns = TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        with self.feed, self.reader, self.editor, self.signer, Progress(*columns, disable=not progress) as bars:
            started = [(kind, self._start(kind)) for kind in INCENTIVES]
            for kind in REGISTRY:
                self._follow(kind, self._start(kind), bars)
            for kind, job in started:
                self._follow(kind, job, bars)
            for body in bars.track(policies(), description="policies"):
                self._policy(body)
            for kind in AWARDS:
                self._follow(kind, self._start(kind), bars)
            for step in bars.track(self.steps, description="late, doubled and corrected"):
                getattr(self, f"_{step['step']}")(step)
        return {kind: len(rows) for kind, rows in self.rows.items()}

    def _policy(self, body: Row) -> None:
        """A policy version: one officer drafts it, another signs."""
        path = "/incentives/v1/policies"
        found = list(self._list("policies", {name: str(body[name]) for name in ("policy_code", "version_no")}))
        draft = found[0] if found else self._call(self.editor, "POST", path, json=body).json()
        if draft["state"] == "draft":
            headers = {"If-Match": f'"{draft["version"]}"'}
            self._call(self.signer, "POST", f"{path}/{draft['id']}/transitions", json={"action": "sign"}, headers=headers)

    def _start(self, kind: str) -> str | None:
        """Send one file; the path of its import job, None without rows."""
        rows = list(self._bulk(kind))
        if not rows:
            return None
        body = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        path = f"/{SERVICE_OF[kind]}/v1/{kind}"
        answer = self._call(self.feed, "POST", f"{path}/import", content=body, headers={"Content-Type": "application/x-ndjson"})
        return f"{path}/imports/{answer.json()['id']}"

    def _bulk(self, kind: str) -> Iterator[Row]:
        """The rows for the import: not those posted one by one, nor those that a step has changed since."""
        steps = [step for step in self.steps if step["kind"] == kind]
        platforms = self._platform_ids() if kind == "rd-units" else {}
        introductions = self._introduction_ids() if kind == "applications" else {}
        for row in self.rows[kind]:
            mine = [step for step in steps if _fits(row, step["find"])]
            if any(step["step"] == "post_twice" or self._find(step) for step in mine):
                continue
            if kind == "applications":
                if row["introduction"] not in introductions:
                    continue  # the person was left out
                row = row | {"introduction": introductions[row["introduction"]]}
            if "platform_id" in row:
                if row["platform_id"] not in platforms:
                    continue  # its platform was left out
                row = row | {"platform_id": platforms[row["platform_id"]]}
            yield row

    def _platform_ids(self) -> dict[str, str]:
        """Ids of platforms by name: the files name a unit's platform, whose id the registry gives."""
        return {item["name"]: item["id"] for item in self._list("platforms", {})}

    def _introduction_ids(self) -> dict[str, str]:
        """Ids of introductions by employer, first day and the last characters of the masked number."""
        return {reference(item): item["id"] for item in self._list("introductions", {})}

    def _follow(self, kind: str, job_path: str | None, bars: Progress) -> None:
        """Wait for an import. Raises Refused when a row was."""
        if job_path is None:
            return
        bar = bars.add_task(kind, total=len(self.rows[kind]))
        deadline = time.monotonic() + JOB_DEADLINE_S
        while True:
            job = self._call(self.feed, "GET", job_path).json()
            done = sum(job.get(count) or 0 for count in ("created", "changed", "unchanged", "refused"))
            bars.update(bar, completed=done, total=job.get("rows") or len(self.rows[kind]))
            if job["state"] in ("done", "failed"):
                break
            if time.monotonic() > deadline:
                raise Refused(f"the import of {kind} has not ended in {JOB_DEADLINE_S} s: is the import worker running?")
            time.sleep(POLL_S)
        bars.update(bar, completed=job.get("rows") or 0)
        if job["state"] == "failed" or job.get("refused"):
            why = job.get("reason") or f"{job.get('refused')} rows refused"
            raise Refused(f"{kind}: {why}{_faults(job.get('errors') or [])}")

    def _find(self, step: Row) -> Row | None:
        """The record that a step is about, None while there is none."""
        kind, find = step["kind"], step["find"]
        if kind in NATURAL_KEYS:
            path = f"/{SERVICE_OF[kind]}/v1/{kind}/{find[NATURAL_KEYS[kind]]}"
            answer = self._call(self.reader, "GET", path, missing_is_fine=True)
            return None if answer.status_code == 404 else dict(answer.json())
        field = next(iter(find))
        found = [item for item in self._list(kind, {field: find[field]}) if _fits(item, find)]
        return found[0] if found else None

    def _list(self, kind: str, filters: Row) -> Iterator[Row]:
        cursor: str | None = None
        while True:
            query = {**filters, "limit": 200, **({"cursor": cursor} if cursor else {})}
            page = self._call(self.reader, "GET", f"/{SERVICE_OF.get(kind, 'incentives')}/v1/{kind}", params=query).json()
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    def _post_twice(self, step: Row) -> None:
        """Post a record twice under one key, as a client does that lost the first answer."""
        kind = step["kind"]
        row = next(row for row in self.rows[kind] if _fits(row, step["find"]))
        if self._find(step):
            return
        path, headers = f"/{SERVICE_OF[kind]}/v1/{kind}", {"Idempotency-Key": step["key"]}
        first, second = (self._call(self.feed, "POST", path, json=row, headers=headers).json() for _ in range(2))
        if first["id"] != second["id"] or first["version"] != second["version"]:
            raise Refused(f"{kind}/{first['id']}: the second post under one Idempotency-Key was taken as a new one")

    def _patch(self, step: Row) -> None:
        """A correction, or a change that holds from `effective_on`."""
        record = self._expect(step)
        if all(record.get(field) == value for field, value in step["change"].items()):
            return
        body = step["change"] | {field: step[field] for field in ("effective_on", "reason") if field in step}
        self._change(step, record, "PATCH", "", body, "application/merge-patch+json")

    def _transition(self, step: Row) -> None:
        """An action that holds from an earlier day."""
        record = self._expect(step)
        ended = any(spell.get("to") for spell in record.get("in_force") or ())
        if ended or record["state"] not in ("active", "verified"):
            return
        body = {field: step[field] for field in ("action", "effective_on", "reason")}
        self._change(step, record, "POST", "/transitions", body, "application/json")

    def _expect(self, step: Row) -> Row:
        record = self._find(step)
        if record is None:
            raise Refused(f"no record of {step['kind']} with {step['find']}, although it was loaded")
        return record

    def _change(self, step: Row, record: Row, method: str, tail: str, body: Row, media: str) -> None:
        path = f"/{SERVICE_OF[step['kind']]}/v1/{step['kind']}/{record['id']}{tail}"
        headers = {"If-Match": f'"{record["version"]}"', "Content-Type": media}
        self._call(self.feed, method, path, content=json.dumps(body).encode(), headers=headers)

    def _call(
        self, client: httpx.Client, method: str, path: str, *, missing_is_fine: bool = False, **options: Any
    ) -> httpx.Response:
        """One request, again while the service is busy. Raises Refused with the problem's own words."""
        for _ in range(BUSY_TRIES):
            try:
                answer = client.request(method, path, **options)
            except httpx.TransportError as error:
                raise Refused(f"{client.base_url} does not answer: {error}") from None
            if answer.status_code not in (429, 503):
                break
            time.sleep(float(answer.headers.get("Retry-After", "0.5")))
        if answer.is_success or (missing_is_fine and answer.status_code == 404):
            return answer
        raise Refused(f"{method} {path}: {explain(answer)}")


def _fits(row: Row, find: Row) -> bool:
    return all(row.get(field) == value for field, value in find.items())


def _faults(errors: Iterable[Row]) -> str:
    shown = list(errors)[:SHOWN]
    return "".join(f"\n  row {e.get('row')}, {e.get('column') or '-'}: {e.get('message')} ({e.get('code')})" for e in shown)
