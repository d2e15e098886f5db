"""What a record says, on its way in: checked against the schema, completed by its kind, its personal fields sealed."""

from __future__ import annotations

from marshmallow import ValidationError

from shared.errors import Invalid
from shared.records.image import collection_of, faults_of
from shared.records.kind import Kind, missing
from shared.records.store import Store
from shared.records.workflow import Context, Image


def loaded(kind: Kind, body: Image, partial: bool = False) -> Image:
    """The body checked against the schema. Raises Invalid naming every fault."""
    try:
        image: Image = kind.schema.load(body, partial=partial)
    except ValidationError as wrong:
        raise Invalid("the record has faults", faults=list(faults_of(wrong.messages))) from None
    if partial:
        lacking = [fault for fault in missing(kind.schema, image) if fault.pointer[1:] in kind.draft_needs]
        if lacking:
            raise Invalid("a draft needs these", faults=lacking)
    return image


def derive(store: Store, kind: Kind, image: Image, old: Image | None, context: Context) -> None:
    """What follows from the body: the person's opaque key, and what the kind derives or refuses."""
    if "person" in image and isinstance(image["person"], dict) and "id_number" in image["person"]:
        image["person_key"] = store.sealer.person_key(image["person"]["id_kind"], image["person"]["id_number"])
    if kind.prepare is not None:
        kind.prepare(image, old, context)


def flag_person(store: Store, kind: Kind, image: Image, context: Context) -> None:
    """A person whom another counting record names already is flagged, for a reviewer to look at the pair."""
    key = image["person_key"]
    other = {"person_key": key, "state": {"$in": sorted(kind.workflow.counting)}}
    if key in context.people or store.database[collection_of(kind)].find_one(other, {"_id": 1}):
        image["duplicate_person"] = True
    context.people.add(key)


def seal(store: Store, kind: Kind, image: Image) -> None:
    """Encrypt the personal fields of an image in place."""
    sealed = dict(image.get("sealed") or {})
    for name in kind.personal:
        if name in image:
            sealed[name] = store.sealer.seal(image.pop(name), f"{kind.name}/{name}")
    if sealed:
        image["sealed"] = sealed


def unsealed(store: Store, kind: Kind, image: Image) -> Image:
    """The personal fields in clear: for checks inside the service only."""
    return {name: store.sealer.unseal(text, f"{kind.name}/{name}") for name, text in (image.get("sealed") or {}).items()}
