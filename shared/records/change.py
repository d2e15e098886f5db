"""The change document: a record's history, audit entry and outgoing event in one (shared/records/document.py: Change)."""

from __future__ import annotations

from shared.auth.principal import Principal
from shared.ids import new_id
from shared.records import grams
from shared.records.image import digest, event_data, record_digest, to_store
from shared.records.kind import Kind
from shared.records.workflow import Context, Image


def change_document(
    kind: Kind, image: Image, action: str, principal: Principal, context: Context, reason: str | None = None,
    effective_on: str | None = None, old: Image | None = None, faults: list[dict[str, str]] | None = None,
) -> Image:
    """The change document of an image, which must not change any more before it is stored.

    Sets the image's `head`, the hash that the next change chains to.
    Its `keys` are every subject that the record names or ever named: whoever counted it must hear that it moved on.
    """
    if kind.ends is not None:
        image["ends_on"] = kind.ends(image)
    image[grams.FIELD] = grams.of_image(kind, image)
    after = event_data(kind, image)
    image["keys"] = list(dict.fromkeys([*kind.subject_keys(image), *((old or {}).get("keys") or ())]))
    body: Image = {
        "_id": new_id(), "kind": kind.name, "event": kind.event_name, "record_id": image["id"], "version": image["version"], "action": action,
        "actor": principal.actor, "role": ",".join(sorted(principal.roles)), "time": context.now, "reason": reason,
        "effective_on": effective_on, "keys": image["keys"], "after": after,
        "record_hash": record_digest(to_store(image)), "prev_hash": (old or {}).get("head"), "published": False, "position": None,
    }
    if faults:
        body["faults"] = faults  # what a return named, field by field: for the file's history, in no event
    body["hash"] = digest(body)
    image["head"] = body["hash"]
    return body
