"""HTTP of applications beside what every record kind has: public notices, objections, declared interests, lights, exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from flask import Flask, Response, request

from services.incentives import description as said_of
from services.incentives.applications.notice import over
from services.incentives.applications.progress import seen_on
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.auth.web import access, current_principal, public
from shared.clock import today
from shared.errors import Fault, Forbidden, Invalid, NotFound, RuleBroken
from shared.mongo import transact
from shared.records.image import from_store
from shared.records.kind import STAFF
from shared.records.workflow import Image, Request
from shared.records.write import Records
from shared.standards.workdays import end_of
from shared.web.json import json_response, read_object
from shared.web.openapi import ASKS, SENDS, document, in_path, in_query, obj, one_of, path_of

BASE = "/incentives/v1"
APPLICATIONS, INTRODUCTIONS, POLICIES = "applications", "introductions", "policies"
POSTED = ("publicity", "objection")
LONGEST_CACHE_S = 300
MOST_LISTED = 1_000
INTERESTS = ("employer", "kin", "shareholding", "other")
EXCEPTIONAL = ("confirm_change", "write_off", "propose_write_off")  # what an auditor is told of
SHOWN_OF_ID = 4


def mount_applications(app: Flask, records: Records) -> None:
    """Add the routes."""

    @public
    def publicity() -> Response:
        items, ends = posted(records)
        response = json_response({"items": items, "next": None})
        left = [max(int((end - records.clock.now()).total_seconds()), 0) for end in ends]
        response.headers["Cache-Control"] = f"public, max-age={min([LONGEST_CACHE_S, *left])}, must-revalidate"
        return response

    @access(*(set(Role) - {Role.SYSADMIN, Role.METRICS, Role.DATA_FEED}))
    def object_(record_id: str) -> Response:
        reason = _text(read_object(), "reason")
        state = step(records, record_id, Request("object", reason=reason), current_principal())["state"]
        return json_response({"id": record_id, "state": state}, 201)

    @access(*STAFF)
    def declare(record_id: str) -> Response:
        interest = _text(read_object(), "interest", INTERESTS)
        records.get(records.kinds[APPLICATIONS], record_id, current_principal())
        image = _declare(records, record_id, interest, current_principal())
        return json_response({"id": record_id, "interests": image["interests"]}, 201)

    @access(*STAFF)
    def lights() -> Response:
        wanted = request.args.get("light")
        if wanted not in (None, *said_of.LIGHT["enum"]):
            raise Invalid("no such light", faults=[Fault("", "light", f"one of {', '.join(said_of.LIGHT['enum'])}")])
        return json_response({"items": _lights(records, current_principal(), wanted), "next": None})

    @access(Role.AUDITOR)
    def exceptions() -> Response:
        return json_response({"items": list(_exceptions(records)), "next": None})

    body = {"status": 201, "refusals": (*SENDS, 404, 409)}
    interest = obj({"interest": one_of(*INTERESTS)}, additionalProperties=False)
    routes: list[tuple[str, str, Callable[..., Response], str, dict[str, Any]]] = [
        ("/publicity", "GET", publicity, "公示中的拟兑现名单, 期满即撤", {"public": True, "answer": said_of.NOTICES, "refusals": ASKS}),
        ("/publicity/<record_id>/objections", "POST", object_, "对公示提出异议", body | {"body": said_of.OBJECTION, "answer": said_of.OBJECTED}),
        ("/applications/<record_id>/interests", "POST", declare, "申报利害关系并回避", body | {"body": interest, "answer": said_of.DECLARED}),
        ("/deadlines", "GET", lights, "办理时限灯: green yellow red",
         {"answer": said_of.LIGHTS, "refusals": (*ASKS, 422), "parameters": [in_query("light", said_of.LIGHT)]}),
        ("/exceptions", "GET", exceptions, "例外与核销, 供审计", {"answer": said_of.EXCEPTIONS, "refusals": ASKS}),
    ]  # fmt: skip
    for path, method, view, summary, said in routes:
        app.add_url_rule(f"{BASE}{path}", f"applications{path}", view, methods=[method])
        told = {**said, "parameters": [*in_path(path), *said.get("parameters", ())]}
        document(app, path_of(f"{BASE}{path}"), method, summary, tag=APPLICATIONS, **told)


def posted(records: Records) -> tuple[list[Image], list[datetime]]:
    """The notices of this moment without any number, birthday, account or telephone, and when each is taken down."""
    now = today(records.clock)
    found = records.database[APPLICATIONS].find({"state": {"$in": list(POSTED)}}).sort("_id", 1)
    shown = [image for image in map(from_store, found) if not over(image, now)]
    names = _names(records, shown)
    named = {"policy_code": {"$in": sorted({image["policy_code"] for image in shown})}}
    titles = {policy["policy_code"]: policy["title"] for policy in records.database[POLICIES].find(named).sort("version_no", 1)}
    items = [
        {
            "id": image["id"], "version": image["version"],  # what an objection to it names
            **names[image["id"]], "category": titles.get(image["policy_code"]), "item": image.get("item"),
            "amount_fen": image["amount_fen"], "from": image["publicity"]["from"], "until": image["publicity"]["until"],
        }
        for image in shown
    ]  # fmt: skip
    return items, [end_of(datetime.fromisoformat(image["publicity"]["until"]).date()) for image in shown]


def _names(records: Records, images: list[Image]) -> dict[str, Image]:
    """name and employer of each; who shares both is told apart by the last characters of the document number (D.6)."""
    kind = records.kinds[INTRODUCTIONS]
    ids = [image["introduction"] for image in images if image.get("introduction")]
    people = {found["_id"]: records.unsealed(kind, from_store(found))["person"]
              for found in records.database[INTRODUCTIONS].find({"_id": {"$in": ids}})}
    firms = _firms(records, {str(image.get("uscc") or image.get("employer_uscc")) for image in images})
    named: dict[str, Image] = {}
    for image in images:
        code = str(image.get("uscc") or image.get("employer_uscc"))
        firm = image.get("employer_name") or firms.get(code) or code
        person = people.get(image.get("introduction"))
        named[image["id"]] = {"name": person["name"] if person else image.get("applicant_name") or firm, "employer": firm}
    seen: dict[tuple[str, str], int] = {}
    for line in named.values():
        seen[line["name"], line["employer"]] = seen.get((line["name"], line["employer"]), 0) + 1
    for image in images:
        line, person = named[image["id"]], people.get(image.get("introduction"))
        if person and seen[line["name"], line["employer"]] > 1:
            line["told_apart_by"] = person["id_number"][-SHOWN_OF_ID:]
    return named


def _firms(records: Records, codes: set[str]) -> dict[str, str]:
    """Names of enterprises, as the registry told them."""
    found = records.database["registry_facts"].find({"kind": "enterprises", "key": {"$in": sorted(codes)}}, {"key": 1, "data.name": 1})
    return {each["key"]: each["data"]["name"] for each in found if (each.get("data") or {}).get("name")}


def step(records: Records, record_id: str, asked: Request, principal: Principal) -> Image:
    """A step by a caller who need not see the file. Raises NotFound, Invalid, RuleBroken."""
    kind = records.kinds[APPLICATIONS]

    def work(_: Any) -> Image:
        image = records.find(APPLICATIONS, record_id)
        if image is None or image["state"] not in POSTED:
            raise NotFound("没有该公示 no such notice")
        line = kind.workflow.find(image["state"], asked.action)
        if line is None:
            raise RuleBroken(f"{asked.action} is not possible from {image['state']}")
        if not kind.workflow.may(line, principal):
            raise Forbidden(f"{asked.action} may be taken by: {', '.join(sorted(line.by))}")
        return records.context(principal, writes=True).work.step(APPLICATIONS, record_id, asked)

    return transact(records.client, work)


def _declare(records: Records, record_id: str, interest: str, principal: Principal) -> Image:
    def note(image: Image) -> None:
        interests = image.get("interests") or []
        if principal.actor not in {each["actor"] for each in interests}:
            image["interests"] = [*interests, {"actor": principal.actor, "interest": interest}]

    def work(_: Any) -> Image:
        return records.context(principal, writes=True).work.change(APPLICATIONS, record_id, note, "declare_interest", reason=interest)

    return transact(records.client, work)


def _lights(records: Records, principal: Principal, wanted: str | None) -> list[Image]:
    """Files with a running clock, the most urgent first; a town's reviewer sees the own town's."""
    where: Image = {"clock.due_on": {"$exists": True}}
    if not principal.has(*(STAFF - {Role.TOWN_REVIEWER})):
        where["town_code"] = principal.town
    now = today(records.clock)
    found = map(from_store, records.database[APPLICATIONS].find(where).sort("clock.due_on", 1).limit(MOST_LISTED))
    lines = [
        {"id": image["id"], "state": image["state"], "policy_code": image["policy_code"], "town_code": image.get("town_code"),
         "escalated": image["clock"].get("escalated"), **seen_on(image, now)} for image in found
    ]  # fmt: skip
    return [line for line in lines if wanted in (None, line.get("light"))]


def _exceptions(records: Records) -> Iterable[Image]:
    """Every override that two persons signed and every write-off, newest first."""
    where = {"kind": APPLICATIONS, "action": {"$in": list(EXCEPTIONAL)}}
    for change in records.database.changes.find(where).sort("_id", -1).limit(MOST_LISTED):
        after = change["after"]
        yield {
            "application": change["record_id"], "version": change["version"], "action": change["action"], "actor": change["actor"],
            "time": change["time"], "reason": change["reason"], "override": after.get("override"), "stacking": after.get("stacking"),
            "written_off_fen": (after.get("clawback") or {}).get("written_off_fen"),
        }


def _text(body: Image, name: str, allowed: tuple[str, ...] | None = None) -> str:
    """The one text that a body has. Raises Invalid."""
    faults = [Fault(f"/{other}", "unknown", "未知字段 unknown field") for other in body if other != name]
    text = body.get(name)
    if not isinstance(text, str) or not text.strip():
        faults.append(Fault(f"/{name}", "required", "必填 required"))
    elif allowed and text not in allowed:
        faults.append(Fault(f"/{name}", "unknown", f"one of {', '.join(allowed)}"))
    if faults:
        raise Invalid("the body has faults", faults=faults)
    return str(text)
