"""The audit names what was done to the store behind its back: any byte, any entry, any order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bson
import pytest
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pymongo.errors import PyMongoError

from services.registry.kinds import KINDS
from shared.auth.principal import Principal
from shared.auth.roles import Role
from shared.log.embedded import EmbeddedLog
from shared.records.anchors import Anchors
from shared.records.audit import Audit, Finding
from shared.records.image import digest
from shared.records.service import records_of
from shared.records.write import Records
from shared.relay.lease import Lease
from shared.relay.relay import Relay
from tests.integration.records.conftest import Office
from tests.integration.records.test_access_log import entries
from tests.integration.records.test_kinds import ALL, bodies
from tests.system.made import certificate, enterprise, uscc

FEED = Principal("f" * 32, frozenset({Role.DATA_FEED}))
Document = dict[str, Any]
Place = tuple[Any, ...]


class World:
    """A registry with a past: anchored changes and accesses, and some that no anchor names yet."""

    def __init__(self, office: Office) -> None:
        self.records: Records = records_of("registry", KINDS, office.environ)[0]
        database = self.records.database
        self.database = database
        self.anchors = Anchors("registry", database, self.records.clock, Lease(database["leases"], "anchors-registry", ttl_s=600))
        self.anchors.prepare()
        assert self.anchors._lease.acquire()
        self.relay = Relay("registry", self.records.client, database.name, EmbeddedLog(self.records.client, f"{database.name}_log"),
                           Lease(database["leases"], "relay-registry", ttl_s=600))
        self.relay.prepare()
        assert self.relay.lease.acquire()
        for n in range(600, 604):
            self.write(n)
            self.relay.drain()
            self.anchors.drain()
        self.write(604)
        self.relay.drain()
        self.write(605)  # not even published

    def write(self, n: int) -> None:
        kinds = self.records.kinds
        self.records.create(kinds["enterprises"], enterprise(n, contact_name="欧阳明珠"), FEED)
        for version in (1, 2):
            self.records.amend(kinds["enterprises"], uscc(n), {"name": f"第{version}名"}, version, FEED)
        self.records.create(kinds["hnte-certificates"], certificate(f"GR202444{920000 + n}", uscc(n), "2024-12-01"), FEED)
        log = self.records.access_log
        log.note_look(FEED, method="GET", route="/x", kind="enterprises", record_id=uscc(n), fields=["contact_name"], reason="核验")
        log.note_refusal(FEED, method="POST", route="/x", status=403, code="forbidden", kind="enterprises")
        log.flush()

    def findings(self, **more: Any) -> list[Finding]:
        return list(Audit("registry", self.database, self.records.kinds).findings(**more))

    def entries(self, log: str, **query: Any) -> list[Document]:
        return list(self.database[log].find(query).sort("_id", 1))

    @contextmanager
    def tampered(self, log: str, before: list[Document], after: list[Document]) -> Iterator[None]:
        """Put `after` in the place of `before`, and everything back at the end."""
        collection = self.database[log]
        collection.delete_many({"_id": {"$in": [entry["_id"] for entry in before]}})
        try:
            try:
                for entry in after:
                    collection.insert_one(dict(entry))
            except PyMongoError:
                assume(False)  # the store itself refuses it
            yield
        finally:
            collection.delete_many({"_id": {"$in": [entry["_id"] for entry in [*before, *after]]}})
            if before:
                collection.insert_many(before)


@pytest.fixture(scope="module")
def world(office: Office) -> World:
    return World(office)


def place(log: str, entry: Document) -> Place:
    """How a finding names an entry."""
    if log == "anchors":
        return None, None, f"anchor {entry['_id']}"
    if log == "access_log":
        return None, None, f"entry {entry.get('seq')} of stream {entry.get('stream')}"
    version = entry.get("version")
    return entry.get("kind"), entry.get("record_id", entry["_id"]), f"version {version}"


def places(finding: Finding) -> Place:
    of_record = (finding.kind, finding.record_id) if finding.log in ("changes", "records") else (None, None)
    return (*of_record, finding.place)


def in_order(entry: Document) -> Place:
    return None, None, f"position {entry.get('position')}"


LOGS = st.sampled_from(["changes", "access_log", "anchors"])
PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_what_was_written_fits_together(world: World) -> None:
    assert world.findings() == []


@PROPERTY
@given(log=LOGS, which=st.floats(0, 0.999), byte=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_any_one_byte_changed_is_named(world: World, log: str, which: float, byte: float, bit: int) -> None:
    entries = world.entries(log)
    entry = entries[int(which * len(entries))]
    raw = bytearray(bson.encode(entry))
    raw[int(byte * len(raw))] ^= 1 << bit
    try:
        changed = bson.decode(bytes(raw), CodecOptions(tz_aware=True))
        assume("_id" in changed and bson.encode(changed) != bson.encode(entry))
    except (BSONError, UnicodeError, OverflowError, ValueError):
        assume(False)  # no document any more: the store cannot hold it
    with world.tampered(log, [entry], [changed]):
        found = [places(finding) for finding in world.findings()]
    names = {place(log, entry), place(log, changed), in_order(entry), in_order(changed)}
    assert found, "nothing was found"
    assert found[0] in names or place(log, entry) in found
    assert names & set(found)


@PROPERTY
@given(log=LOGS, which=st.floats(0, 0.999))
def test_any_one_entry_removed_is_named(world: World, log: str, which: float) -> None:
    entries = world.entries(log)
    entry = entries[int(which * len(entries))]
    anchored = {head[1] for anchor in world.entries("anchors") for head in anchor["accesses"]}
    assume(log != "access_log" or entry["seq"] <= max(anchored))  # the window: what no anchor names yet
    with world.tampered(log, [entry], []):
        found = world.findings()
    assert (places(found[0]), found[0].fault) == (place(log, entry), "missing")


@PROPERTY
@given(log=LOGS, data=st.data())
def test_any_two_entries_swapped_are_named(world: World, log: str, data: st.DataObject) -> None:
    """Each takes the other's place: its number in the chain, and its position in the order of all."""
    key = {"changes": "position", "access_log": "seq", "anchors": "_id"}[log]
    newest = max(change[0] for anchor in world.entries("anchors") for change in anchor["changes"])
    entries = [entry for entry in world.entries(log) if log != "changes" or (entry["position"] or newest + 1) <= newest]
    one, other = data.draw(st.lists(st.sampled_from(range(len(entries))), min_size=2, max_size=2, unique=True))
    first, second = entries[one], entries[other]
    after = [first | {key: second[key]}, second | {key: first[key]}]
    with world.tampered(log, [first, second], after):
        found = world.findings()
    assert found[0].fault in ("altered", "reordered")
    assert places(found[0]) in {place(log, entry) for entry in [first, second, *after]}


@PROPERTY
@given(which=st.floats(0, 0.999), data=st.data())
def test_any_field_of_a_stored_record_that_changes_is_named(world: World, which: float, data: st.DataObject) -> None:
    entries = world.entries("enterprises")
    entry = entries[int(which * len(entries))]
    name = data.draw(st.sampled_from(sorted(set(entry) - {"_id", "held_by"})))
    with world.tampered("enterprises", [entry], [entry | {name: "x"}]):
        found = world.findings()
    assert (found[0].kind, found[0].record_id) == ("enterprises", entry["_id"])


def remove(world: World, log: str, gone: Callable[[Document], bool]) -> list[Finding]:
    entries = [entry for entry in world.entries(log) if gone(entry)]
    with world.tampered(log, entries, []):
        return world.findings()


def test_the_newest_entries_are_missed_through_the_anchors(world: World) -> None:
    """A whole record with its changes, and the end of a stream: nothing after them is left to tell."""
    firm = uscc(603)
    record = world.entries("enterprises", _id=firm)
    with world.tampered("enterprises", record, []):
        found = remove(world, "changes", lambda change: change["record_id"] == firm)
    assert [finding.fault for finding in found] == ["missing"] * 3
    assert [places(finding) for finding in found] == [("enterprises", firm, f"version {n}") for n in (1, 2, 3)]
    anchored = max(head[1] for anchor in world.entries("anchors") for head in anchor["accesses"])
    found = remove(world, "access_log", lambda entry: entry["seq"] >= anchored)
    assert found[0].place.startswith(f"entry {anchored} ")
    found = remove(world, "anchors", lambda anchor: anchor["_id"] == len(world.entries("anchors")))
    assert (found[0].log, found[0].fault) == ("anchors", "missing")


def test_a_record_slipped_in_and_one_rewritten_with_all_its_chain_are_named(world: World) -> None:
    slipped = world.entries("enterprises")[0] | {"_id": "91441502MAQQQQ019U"}
    with world.tampered("enterprises", [], [slipped]):
        assert places(world.findings()[0]) == ("enterprises", slipped["_id"], "version 1")
    record, changes = world.entries("enterprises", _id=uscc(601))[0], world.entries("changes", record_id=uscc(601))
    forged = {**changes[-1], "reason": "另有隐情"}
    forged["hash"] = digest(forged)
    with world.tampered("changes", [changes[-1]], [forged]), world.tampered("enterprises", [record], [record | {"head": forged["hash"]}]):
        assert places(world.findings()[0]) == ("enterprises", uscc(601), "version 3")


def test_an_anchor_noted_elsewhere_stands_against_a_rewritten_chain(world: World) -> None:
    newest = world.entries("anchors")[-1]
    assert world.findings(expect={newest["_id"]: newest["hash"]}) == []
    assert places(world.findings(expect={newest["_id"]: "0" * 64})[0]) == (None, None, f"anchor {newest['_id']}")
    assert places(world.findings(expect={newest["_id"] + 1: "0" * 64})[0]) == (None, None, f"anchor {newest['_id'] + 1}")


def test_two_that_anchor_make_one_chain(world: World) -> None:
    other = Anchors("registry", world.database, world.records.clock)
    assert not other._lease.keep()
    assert [anchor["_id"] for anchor in world.entries("anchors")] == list(range(1, len(world.entries("anchors")) + 1))


def test_every_kind_s_records_fit_their_changes_whatever_happens_to_them(office: Office) -> None:
    for service, kind in ALL:
        base = f"/{service}/v1/{kind.name}"
        record = office.make(base, bodies(7001)[kind.name])
        office.call("PATCH", f"{base}/{record['id']}", {"source": "更正"}, version=1)
    for service in ("registry", "incentives"):
        database = office.clients[service].application.extensions["access_log"]._entries.database
        kinds = {kind.name: kind for of, kind in ALL if of == service}
        assert list(Audit(service, database, kinds).findings()) == []


def test_an_auditor_reads_writes_looks_and_refusals_as_one_list(office: Office) -> None:
    firm, other = uscc(7101), uscc(7102)
    for n in (7101, 7102):
        office.make("/registry/v1/enterprises", enterprise(n, contact_name="欧阳明珠"))
    office.call("PATCH", f"/registry/v1/enterprises/{firm}", {"name": "新名", "reason": "更名"}, version=1)
    office.call("GET", f"/registry/v1/enterprises/{firm}", by="bureau_reviewer:looker")
    office.call("PATCH", f"/registry/v1/enterprises/{firm}", {"name": "x"}, version=1)
    entries(office)

    def audit(query: str) -> Any:
        return office.call("GET", f"/registry/v1/audit?{query}", by="auditor").json

    of_firm = audit(f"record=enterprises/{firm}")["items"]
    assert [entry["event"] for entry in of_firm] == ["refusal", "look", "write", "write"]
    assert [entry.get("reason") for entry in of_firm if entry["event"] == "write"] == ["更名", None]
    looker = of_firm[1]["actor"]
    assert {(entry["event"], entry["record_id"]) for entry in audit(f"actor={looker}")["items"]} == {("look", firm)}
    assert {entry["event"] for entry in audit("event=write&limit=1000")["items"]} == {"write"}
    assert audit("from=2100-01-01")["items"] == []
    assert other in {entry.get("record_id") for entry in audit(f"from={of_firm[-1]['time']}".replace("+", "%2B"))["items"]}
    first = audit("limit=3")
    second = audit(f"limit=3&cursor={first['next']}".replace("+", "%2B"))
    everything = audit("limit=6")["items"]
    assert [*first["items"], *second["items"]] == everything
    assert "欧阳明珠" not in str(audit("limit=1000"))


def test_only_an_auditor_reads_the_audit_and_its_query_is_checked(office: Office) -> None:
    for role in ("bureau_reviewer", "sysadmin", "data_feed"):
        assert office.call("GET", "/registry/v1/audit", by=role).status_code == 403
    wrong = office.call("GET", "/registry/v1/audit?from=soon&event=x&bogus=1", by="auditor")
    assert (wrong.status_code, {fault["pointer"] for fault in wrong.json["errors"]}) == (422, {"/from", "/event", "/bogus"})


def test_every_audit_query_stands_on_an_index(world: World) -> None:
    queries: list[Document] = [{}, {"actor": "a"}, {"kind": "enterprises", "record_id": "x"}, {"time": {"$gte": "2026"}}]
    for log in ("changes", "access_log"):
        for query in queries:
            plan = world.database[log].find(query).sort([("time", -1), ("_id", -1)]).limit(5).explain()
            assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"]), (log, query)
