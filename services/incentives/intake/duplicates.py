"""The same person from two employers, side by side: what agrees, what differs, and which of the records counts."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response

from services.incentives.description import SIDE_BY_SIDE
from services.incentives.eligibility.dossiers import Dossiers, first_among
from services.incentives.kinds.introduction import COUNTING
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.auth.web import access, current_principal
from shared.clock import today
from shared.records.blueprint import note_look
from shared.records.kind import Kind
from shared.records.present import shown
from shared.records.workflow import Image
from shared.records.write import Records
from shared.web.json import json_response
from shared.web.openapi import document, in_path, path_of

COMPARED = (
    "employer_uscc", "town_code", "degree_level", "hired_on", "intro_mode", "school", "graduated_on", "social_ins_first_month",
    "service_until", "departed_on", "state",
)
PERSON = ("name", "id_kind", "id_number")


def side_by_side(records: Records, kind: Kind, record_id: str, principal: Principal) -> Image:
    """A record and every other one of its person, masked; names are compared in clear and shown masked. Raises NotFound."""
    image = records.get(kind, record_id, principal)
    theirs = Dossiers(records.database.get_collection).of_person(image.get("person_key"))
    others = [each for each in theirs if each["id"] != record_id]
    for each in (image, *others):
        note_look(records, kind, each)
    return {
        "record": _shown(records, kind, image), "counts": first_among(theirs),
        "others": [_pair(records, kind, image, other) for other in others],
    }


def _pair(records: Records, kind: Kind, image: Image, other: Image) -> Image:
    values: dict[str, tuple[Any, Any]] = {name: (image.get(name), other.get(name)) for name in COMPARED}
    here, there = (records.unsealed(kind, each).get("person") or {} for each in (image, other))
    same = [f"person.{name}" for name in PERSON if here.get(name) == there.get(name)]
    differs: dict[str, Any] = {f"person.{name}": None for name in PERSON if here.get(name) != there.get(name)}
    same += [name for name, (one, two) in values.items() if one == two]
    differs |= {name: {"here": one, "there": two} for name, (one, two) in values.items() if one != two}
    merged = image["state"] == "merged" or other["state"] == "merged"
    return {
        "record": _shown(records, kind, other), "same": same, "differs": differs,
        "may_merge": image["state"] in COUNTING and other["state"] in COUNTING, "merged": merged,
    }


def _shown(records: Records, kind: Kind, image: Image) -> Image:
    return shown(kind, image, records.sealer, today=today(records.clock))


def mount_duplicates(app: Flask, records: Records) -> None:
    """`GET /introductions/{id}/duplicates`."""
    kind = records.kinds["introductions"]
    path = f"/{records.service}/v1/introductions"

    @access(Role.HR_OFFICER, Role.AUDITOR, Role.DPO)
    def duplicates(record_id: str) -> Response:
        return json_response(side_by_side(records, kind, record_id, current_principal()))

    app.add_url_rule(f"{path}/<record_id>/duplicates", "introductions.duplicates", duplicates)
    document(app, path_of(f"{path}/<record_id>/duplicates"), "get", "人才引进: 同一人的其他记录", tag="introductions",
             parameters=in_path("<record_id>"), answer=SIDE_BY_SIDE)
