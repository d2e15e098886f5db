"""What every record has in the store, and the change document that is its history, audit entry and outgoing event."""

from __future__ import annotations

import mongoengine as me


class Record(me.Document):
    """Base of all records. Dates and instants of the kind's own fields are stored as ISO strings, so that a stored
    record, its after-image and its JSON are the same thing."""

    meta = {"abstract": True, "auto_create_index": False, "strict": False, "indexes": ["state", "created_by"]}

    id = me.StringField(primary_key=True)
    version = me.IntField(required=True)
    state = me.StringField(required=True)
    recorded_at = me.StringField(required=True)
    source = me.StringField()
    created_by = me.StringField()
    hands = me.ListField(me.DictField())
    states = me.ListField(me.DictField())
    revoked = me.ListField(me.DictField())
    proposed_change = me.DictField(default=None, null=True)
    effective_on = me.StringField()
    keys = me.ListField(me.StringField())  # every subject it names or ever named
    held_by = me.StringField()  # the last transaction that kept others from changing it
    sealed = me.DictField()  # personal fields, encrypted


class Change(me.Document):
    """One change of one record: written in the same transaction, never altered but for `published` and `position`."""

    meta = {
        "collection": "changes", "auto_create_index": False, "strict": False,
        "indexes": [
            {"fields": ["kind", "record_id", "version"], "unique": True},
            {"fields": ["published", "id"]},
            {"fields": ["position"], "sparse": True},
        ],
    }

    id = me.StringField(primary_key=True)
    kind = me.StringField(required=True)
    record_id = me.StringField(required=True)
    version = me.IntField(required=True)
    action = me.StringField(required=True)
    actor = me.StringField()
    role = me.StringField()
    time = me.StringField(required=True)
    reason = me.StringField()
    effective_on = me.StringField()
    keys = me.ListField(me.StringField())
    after = me.DictField()
    record_hash = me.StringField()
    prev_hash = me.StringField()
    hash = me.StringField()
    published = me.BooleanField(default=False)
    position = me.IntField()
