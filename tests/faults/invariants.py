"""What must hold after any row: the acknowledged writes, their changes, the log, the values and the stream agree."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from deploy.local.readiness import await_settled
from services.metrics.publisher import UNSAID
from shared.errors import Unavailable
from shared.events.topics import INCENTIVES, REGISTRY
from tests.faults.listener import Listener
from tests.faults.recount import recount
from tests.faults.stand import SERVICES, Stand
from tests.system.stack import wait_until

SETTLE_S = 120.0
TOPICS = {"registry": REGISTRY, "incentives": INCENTIVES}
NAMED = 20  # of each breach, the first so many are named
Key = tuple[str, str, int]  # kind, id, version


@dataclass
class Findings:
    """How much there is, and whatever differs."""

    changes: int = 0
    events: int = 0  # distinct ones on the log
    delivered: int = 0  # entries on the log, doubles too
    differences: list[str] = field(default_factory=list)

    def differ(self, what: str, found: Iterable[Any]) -> None:
        """Note breaches of one kind."""
        listed = list(found)
        self.differences += [f"{what}: {each}" for each in listed[:NAMED]]
        if len(listed) > NAMED:
            self.differences.append(f"{what}: {len(listed) - NAMED} more")


def check(stand: Stand, listener: Listener) -> Findings:
    """Everything of `stand` against its accepted answers, once it has come to rest."""
    findings = Findings()
    try:
        await_settled(stand.stack.data.running(), SETTLE_S)
    except Unavailable as never:
        findings.differ("not settled", [never.message])
        return findings
    _await_listener(stand, listener)
    changes = {service: list(stand.database(service)["changes"].find()) for service in SERVICES}
    findings.changes = sum(map(len, changes.values()))
    _writes(stand, changes, findings)
    _records(stand, changes, findings)
    for service, listed in changes.items():
        _events(stand, service, listed, findings)
    _values(stand, listener, findings)
    _stream(stand, listener, findings)
    said = stand.stack.run("reconcile", check=False)
    if said.returncode or not said.stdout.startswith("0 differences ("):
        findings.differ("reconcile", (said.stdout + said.stderr).splitlines())
    return findings


def _await_listener(stand: Stand, listener: Listener) -> None:
    state = stand.database("metrics")["state"]

    def there() -> bool:
        published = state.find_one({"_id": "publication"}) or {}
        return (listener.last or 0) >= published.get("sequence", 0)

    wait_until(there, 60, "the listener has everything")


def _writes(stand: Stand, changes: dict[str, list[dict[str, Any]]], findings: Findings) -> None:
    """I1: an acknowledged write is one change, and the other way round."""
    accepted = {(image["kind"], image["id"], image["version"]): image for image in stand.accepted}
    answers = Counter((image["kind"], image["id"], image["version"]) for image in stand.accepted)
    found = {key_of(change): change for listed in changes.values() for change in listed}
    findings.differ("two writes were given the same version", (key for key, count in answers.items() if count > 1))
    findings.differ("acknowledged but lost", sorted(accepted.keys() - found.keys()))
    findings.differ("never acknowledged", sorted(found.keys() - accepted.keys()))
    findings.differ(
        "the change says something else than the answer",
        (key for key, change in found.items() if key in accepted and not _same(change["after"], accepted[key])),
    )


def _same(after: dict[str, Any], answer: dict[str, Any]) -> bool:
    return all(answer.get(name) == value for name, value in after.items())


def _records(stand: Stand, changes: dict[str, list[dict[str, Any]]], findings: Findings) -> None:
    """Never half: every record is at the version of its newest change, and versions have no gap."""
    for service, listed in changes.items():
        versions: dict[str, dict[str, list[int]]] = {}
        for change in listed:
            versions.setdefault(change["kind"], {}).setdefault(change["record_id"], []).append(change["version"])
        for kind, records in versions.items():
            stored = {each["_id"]: each["version"] for each in stand.database(service)[kind.replace("-", "_")].find({}, {"version": 1})}
            findings.differ(f"{kind} and its changes disagree", sorted(
                name for name in stored.keys() | records.keys() if sorted(records.get(name, [])) != list(range(1, stored.get(name, 0) + 1))
            ))


def _events(stand: Stand, service: str, changes: list[dict[str, Any]], findings: Findings) -> None:
    """I2: every change is on the log at least once under each of its keys, and a record's versions in order."""
    wanted = {(*key_of(change), key): change for change in changes for key in change["keys"]}
    seen: set[tuple[str, str, int, str]] = set()
    newest: dict[tuple[str, str, str], int] = {}
    wrong: list[str] = []
    for entry in stand.entries(TOPICS[service]):
        if entry.value in stand.appended.poison:
            continue
        findings.delivered += 1
        event = json.loads(entry.value)
        kind, _, record = event["subject"].partition("/")
        name = (kind, record, event["sequence"], entry.key)
        if name not in wanted or event["data"] != wanted[name]["after"] or event["partitionkey"] != entry.key:
            wrong.append(f"{entry.topic} {entry.partition}/{entry.offset} {event['subject']} version {event['sequence']}")
        elif name not in seen:
            seen.add(name)
            before = newest.get((kind, record, entry.key), 0)
            newest[kind, record, entry.key] = max(before, event["sequence"])
            if event["sequence"] < before and (kind, record) not in stand.appended.disordered:
                wrong.append(f"{event['subject']} version {event['sequence']} first came after {before}")
    findings.events += len(seen)
    findings.differ("on the log, but not as it was written", wrong)
    findings.differ("not on the log", sorted(
        name for name in wanted.keys() - seen if wanted[name]["_id"] not in stand.appended.lost
    ))


def _values(stand: Stand, listener: Listener, findings: Findings) -> None:
    """I3: the figures are those of an independent count, on the API and on the stream."""
    for name, counted in recount(stand.accepted, stand.day).items():
        read = stand.stack.indicator(name, **({"by": "town"} if len(counted) > 1 else {}))
        listed = read.get("breakdown", [])
        cells = {"": read["numerator"]} | {cell["key"]: cell["numerator"] for cell in listed}
        hidden = {cell["key"] for cell in listed if cell["state"] == "suppressed"}
        findings.differ(f"{name} is not what was written", (
            f"{place or 'district'}: {cells.get(place, 0)}, counted {counted.get(place, 0)}"
            for place in sorted((cells.keys() | counted.keys()) - hidden) if (cells.get(place) or 0) != counted.get(place, 0)
        ))
        heard = listener.items.get(name, {}).get("numerator")
        findings.differ(f"the stream's {name}", [f"{heard}, counted {counted['']}"] if heard != counted[""] else [])


def _stream(stand: Stand, listener: Listener, findings: Findings) -> None:
    """I6: what was heard last is what is stored, and nothing was missed on the way."""
    stored = {each["_id"]: each["item"] for each in stand.database("metrics")["published"].find()}
    said: Callable[[dict[str, Any]], dict[str, Any]] = lambda item: {n: v for n, v in item.items() if n not in UNSAID - {"sequence"}}  # noqa: E731
    findings.differ("the last value heard is not the stored one", (
        name for name in sorted(stored.keys() | listener.items.keys())
        if said(stored.get(name, {})) != said(listener.items.get(name, {}))
    ))
    findings.differ("stream", listener.breaches)


def key_of(change: dict[str, Any]) -> Key:
    """kind, id and version of a change document."""
    return change["kind"], change["record_id"], change["version"]
