"""HTTP of eligibility: why (not) me, who gains if, the facts that policies may read, replay and what-if of a decision."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from flask import Flask, Response

from services.incentives import description as said_of
from services.incentives.eligibility.catalogue import FACTS
from services.incentives.eligibility.decide import Decision, decide, replay, what_if
from services.incentives.eligibility.dossiers import Dossier, Dossiers
from services.incentives.eligibility.trial import trial
from services.incentives.kinds import policy as policies
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.auth.web import access, current_principal
from shared.clock import today
from shared.errors import Fault, Invalid, NotFound, RuleBroken
from shared.records.fields import YEARS, calendar_day
from shared.records.image import from_store
from shared.records.kind import OWNERS, STAFF
from shared.records.workflow import Image
from shared.records.write import Records
from shared.standards import uscc
from shared.standards.errors import StandardError
from shared.web.json import json_response, read_object
from shared.web.openapi import ASKS, FINDS, SENDS, document, in_path, path_of

ASKERS = tuple(STAFF | OWNERS | {Role.TALENT})
ASKED = ("enterprise", "introduction", "on")


class Eligibility:
    """Answers over the policies and dossiers of one service."""

    def __init__(self, records: Records) -> None:
        self.records, self.dossiers = records, Dossiers(records.database.get_collection)

    def versions(self, code: str | None = None) -> list[Image]:
        """Policy versions, of one policy or of all, in their order."""
        where = {"policy_code": code} if code else {"state": {"$in": ["in_force", "closed"]}}
        return [from_store(each) for each in self.records.database.policies.find(where).sort("version_no", 1)]

    def answer(self, body: Image, principal: Principal) -> Image:
        """For each policy in force that the subject could have: met or not, with value, threshold and gap. Raises NotFound, Invalid."""
        on = self._asked(body)
        dossier, beneficiary = self._dossier(body, principal)
        found = [each for each in policies.in_force(self.versions(), on.isoformat()) if each["beneficiary"] == beneficiary]
        items = [shown(policy, decide(policy, dossier, on)) for policy in found]
        return {"enterprise": body.get("enterprise"), "introduction": body.get("introduction"), "on": on.isoformat(), "items": items}

    def _asked(self, body: Image) -> date:
        faults = [Fault(f"/{name}", "unknown", "未知字段 unknown field") for name in body if name not in ASKED]
        if bool(body.get("enterprise")) == bool(body.get("introduction")):
            faults.append(Fault("", "required", "须给出 enterprise 或 introduction 之一 one of the two is wanted"))
        faults += [Fault(f"/{n}", "type", "文本 text is wanted") for n in ASKED if body.get(n) is not None and not isinstance(body[n], str)]
        try:
            on = calendar_day(str(body["on"])) if body.get("on") is not None else today(self.records.clock)
            if on.year not in YEARS:
                raise ValueError
        except ValueError:
            faults.append(Fault("/on", "date", "YYYY-MM-DD"))
        if faults:
            raise Invalid("the question has faults", faults=faults)
        return on

    def _dossier(self, body: Image, principal: Principal) -> tuple[Dossier, str]:
        if body.get("introduction"):
            introduction = self.records.get(self.records.kinds["introductions"], body["introduction"], principal)
            return self.dossiers.of_introduction(introduction), "person"
        try:
            code = uscc.check(body["enterprise"])
        except StandardError as wrong:
            raise Invalid(wrong.message, faults=[Fault("/enterprise", wrong.code, wrong.message)]) from None
        dossier = self.dossiers.of_enterprise(code)
        town = (dossier["enterprise"] or {}).get("town_code")
        sees = principal.has(*(STAFF - {Role.TOWN_REVIEWER})) or (principal.has(Role.TOWN_REVIEWER) and principal.town in (None, town))
        if not sees and not (principal.has(*OWNERS) and principal.enterprise == code):
            raise NotFound("no such enterprise for this caller")
        return dossier, "enterprise"

    def trial(self, policy_id: str, principal: Principal) -> Iterator[Image]:
        """See `trial.trial`. Raises NotFound."""
        policy = self.records.get(self.records.kinds["policies"], policy_id, principal)
        on = today(self.records.clock)
        others = policies.in_force(self.versions(policy["policy_code"]), on.isoformat())
        current = next((each for each in others if each["id"] != policy["id"]), None)
        return trial(policy, current, self.dossiers, on)

    def repeated(self, kind: str, record_id: str, principal: Principal) -> Image:
        """A stored decision, what its version gives today, and what today's version would. Raises NotFound, RuleBroken."""
        if kind not in self.records.kinds:
            raise NotFound(f"no record kind {kind}")
        image = self.records.get(self.records.kinds[kind], record_id, principal)
        stored = image.get("decision")
        if not stored:
            raise RuleBroken("nothing has been decided on this record yet")
        versions = self.versions(stored["policy_code"])
        policy = next((each for each in versions if each["version_no"] == stored["version_no"]), None)
        if policy is None:
            raise NotFound(f"no policy {stored['policy_code']} version {stored['version_no']}")
        again, now = replay(policy, stored["snapshot"]), today(self.records.clock)
        present = next(iter(policies.in_force(versions, now.isoformat())), None)
        return {
            "stored": stored, "replayed": again.to_json(), "same": plain(again.to_json()) == plain(_own(stored, again)),
            "what_if": compared(stored, present, now) if present else None,
        }


def compared(stored: Image, present: Image, now: date) -> Image:
    """What the version in force today gives on the stored facts, and the difference in fen."""
    found = what_if(present, stored["snapshot"], now)
    difference = (found.amount_fen or 0) - (stored["amount_fen"] or 0)
    return {"policy_id": present["id"], "decision": found.to_json(), "difference_fen": difference}


def _own(stored: Image, again: Decision) -> Image:
    return {name: stored.get(name) for name in again.to_json()}


def plain(value: Any) -> Any:
    """As JSON has it: tuples are lists."""
    return json.loads(json.dumps(value))


def shown(policy: Image, decision: Decision) -> Image:
    """A decision as it is answered, with the policy's name and clause."""
    body = decision.to_json()
    return {"policy_id": policy["id"], "title": policy["title"], "clause": policy["clause"],
            "without_application": bool(policy.get("without_application")), **body}


def mount_eligibility(app: Flask, records: Records) -> None:
    """Add the routes."""
    eligibility, base = Eligibility(records), f"/{records.service}/v1"

    @access(*ASKERS)
    def ask() -> Response:
        return json_response(eligibility.answer(read_object(), current_principal()))

    @access(*ASKERS)
    def facts() -> Response:
        return json_response({"items": [vars(fact) | {"type": fact.type.value} for fact in FACTS.values()], "next": None})

    @access(*STAFF)
    def tried(policy_id: str) -> Response:
        lines = eligibility.trial(policy_id, current_principal())
        text = (json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        return Response(text, content_type="application/x-ndjson")

    @access(*ASKERS)
    def repeated(kind: str, record_id: str) -> Response:
        return json_response(eligibility.repeated(kind, record_id, current_principal()))

    routes: list[tuple[str, str, Callable[..., Response], str, dict[str, Any]]] = [
        ("/eligibility", "POST", ask, "是否符合: 逐项条件、阈值与差距",
         {"body": said_of.QUESTION, "answer": said_of.ANSWER, "refusals": (*SENDS, 404)}),
        ("/facts", "GET", facts, "政策表达式可用的事实", {"answer": said_of.FACTS_LIST, "refusals": ASKS}),
        ("/policies/<policy_id>/trial", "POST", tried, "政策沙盘: 谁受益、需多少资金", {"answers": ["application/x-ndjson"]}),
        ("/<kind>/<record_id>/decision", "GET", repeated, "判定复算与按现行政策的差异",
         {"answer": said_of.REPEATED, "refusals": (*FINDS, 409)}),
    ]
    for path, method, view, summary, said in routes:
        app.add_url_rule(f"{base}{path}", f"eligibility.{view.__name__}", view, methods=[method])
        document(app, path_of(f"{base}{path}"), method, summary, tag="eligibility", parameters=in_path(path), **said)
