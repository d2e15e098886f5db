"""Expert opinions on a platform (专家评审, D.2): at least three experts without an interest, each once; who has one is recused.

Experts are known by their number in the office's pool: no name of a person comes into a record. A panel that is recorded here
must be whole before the platform is proposed; one that sat elsewhere leaves its papers among the attachments.
"""

from __future__ import annotations

import re
from typing import Any

from flask import Flask, Response

from services.registry.recusal import unbiased
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.auth.web import access, current_principal
from shared.errors import Conflict, Fault, Forbidden, Invalid, RuleBroken
from shared.records.blueprint import once
from shared.records.once import Answer, Once, guarded, remember
from shared.records.workflow import Context, Image, Request
from shared.records.write import Records
from shared.web.json import json_response, read_object
from shared.web.openapi import CREATES, IDEMPOTENCY_KEY, INTEGER, TEXT, document, in_path, obj, one_of, path_of

PLATFORMS, STATE = "platforms", "expert_review"
LEAST_EXPERTS = 3
VERDICTS = ("for", "against", "recused")
NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")
OPINION = obj({"expert": {"type": "string", "pattern": f"^{NUMBER.pattern}$"}, "verdict": one_of(*VERDICTS)}, additionalProperties=False)
HEARD = obj({"id": TEXT, "version": INTEGER, "opinions": {"type": "array", "items": obj({"expert": TEXT, "verdict": TEXT, "at": TEXT})}})
LONG_NUMBER = re.compile(r"\d{9}")  # no telephone, no document of a person


def panel_is_whole(image: Image, request: Request, context: Context) -> None:
    """A recorded panel has its three opinions of experts without an interest. Raises RuleBroken."""
    opinions = image.get("opinions") or []
    heard = [opinion for opinion in opinions if opinion["verdict"] != "recused"]
    if opinions and len(heard) < LEAST_EXPERTS:
        said = f"专家意见 {len(heard)} 份, 至少 {LEAST_EXPERTS} 份 opinions of experts without an interest"
        raise RuleBroken(said, faults=[Fault("/action", "panel_not_whole", said)])


def new_panel(image: Image) -> None:
    """A new review hears its own experts; what earlier ones said stays in the history."""
    image.pop("opinions", None)


def mount_experts(app: Flask, records: Records) -> None:
    """`POST /registry/v1/platforms/{id}/opinions {expert, verdict}`."""

    @access(Role.BUREAU_REVIEWER)
    def opinion(record_id: str) -> Response:
        given, principal = _opinion(read_object()), current_principal()
        records.get(records.kinds[PLATFORMS], record_id, principal)
        return json_response(_recorded(records, record_id, given, principal, once(records, given)), 201)

    base = f"/{records.service}/v1/{PLATFORMS}"
    app.add_url_rule(f"{base}/<record_id>/opinions", f"{PLATFORMS}.opinions", opinion, methods=["POST"])
    document(app, path_of(f"{base}/<record_id>/opinions"), "post", "创新平台: 专家意见", tag=PLATFORMS, status=201,
             parameters=[*in_path("<record_id>"), IDEMPOTENCY_KEY], body=OPINION, answer=HEARD, refusals=(*CREATES, 404))


def _recorded(records: Records, record_id: str, given: Image, principal: Principal, key: Once | None) -> Image:
    def work(_: Any) -> Answer:
        context = records.context(principal, writes=True)

        def put(image: Image) -> None:
            if image["state"] != STATE:
                raise RuleBroken(f"no expert review is under way: the platform is {image['state']}")
            if image["created_by"] == principal.actor:
                raise Forbidden("another person must do this: the file is yours", faults=[Fault("", "same_hand", "须由他人办理")])
            unbiased(image, Request("opinion"), context)
            known = image.get("opinions") or []
            if given["expert"] in {each["expert"] for each in known}:
                raise Conflict("this expert was heard already", faults=[Fault("/expert", "duplicate", "该专家已提出意见")])
            image["opinions"] = [*known, given | {"at": context.now}]

        image = context.work.change(PLATFORMS, record_id, put, "opinion")
        told = {name: image[name] for name in ("id", "version", "opinions")}
        remember(records, key, told, principal)
        return told, 201

    return guarded(records, work, key, principal, "this opinion is recorded already")[0]


def _opinion(body: Image) -> Image:
    faults = [Fault(f"/{name}", "unknown", "未知字段 unknown field") for name in body if name not in ("expert", "verdict")]
    expert = body.get("expert")
    if not isinstance(expert, str) or not NUMBER.fullmatch(expert) or LONG_NUMBER.search(expert):
        faults.append(Fault("/expert", "invalid", "专家库编号, 非姓名或证件号 a number of the pool, not of a person"))
    if body.get("verdict") not in VERDICTS:
        faults.append(Fault("/verdict", "unknown", f"one of {', '.join(VERDICTS)}"))
    if faults:
        raise Invalid("the opinion has faults", faults=faults)
    return {"expert": expert, "verdict": body["verdict"]}
