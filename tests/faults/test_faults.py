"""The fault matrix in brief: ten kills and a few seconds a row, one broker and one mongod, rows with the same needs on one stack.

`make faults` runs all of it, with two hundred kills.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest

from deploy.local.kafka.jars import missing_tools
from shared.events.topics import REGISTRY
from tests.faults.district import District
from tests.faults.invariants import check
from tests.faults.listener import Listener
from tests.faults.load import Journal, Sender
from tests.faults.matrix import MATRIX
from tests.faults.rows import Row, run
from tests.faults.stand import Setting, Stand
from tests.system.stack import wait_until

KILLS, SECONDS, LONGEST_S = 10, 4.0, 30.0
SHARED = Setting(brokers=1)
ROWS = sorted((row.on(1) for row in MATRIX if not row.only_full), key=lambda row: (row.setting == SHARED, row.turn))

pytestmark = pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools()))


class Stands:
    """The stand of the present setting."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open = ExitStack()
        self._setting: Setting | None = None

    def of(self, setting: Setting) -> Stand:
        """A running stand; the one before it ends when it is of another setting."""
        if setting != self._setting:
            self.close()
            self._stand = self._open.enter_context(Stand(self.folder / f"stand-{hash(setting)}", setting))
            self._setting = setting
        return self._stand

    def close(self) -> None:
        """End the present one."""
        self._open.close()
        self._setting = None


@pytest.fixture(scope="module")
def stands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stands]:
    made = Stands(Path(tmp_path_factory.mktemp("faults")))
    yield made
    made.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name}: {row.title}")
def test_nothing_is_lost_doubled_or_invented(stands: Stands, row: Row, tmp_path: Path) -> None:
    if reason := row.needs():
        pytest.skip(reason)
    result = run(row, stands.of(row.setting), kills=KILLS, seconds=SECONDS, longest_s=LONGEST_S, folder=tmp_path)
    assert result.acknowledged
    assert not result.differences, "\n".join(result.differences)


def test_the_check_tells_what_is_lost_doubled_or_invented(stands: Stands, tmp_path: Path) -> None:
    """The last on its stand, whose books and figures are spoilt here, one breach of each kind."""
    stand = stands.of(SHARED)
    district, sender = District(stand.serials, 7), Sender(lambda: stand.url, stand.token, Journal(tmp_path / "journal.ndjson"))
    for step in islice(district.steps(), 20):
        image = sender.send(step)
        assert image is not None
        district.accept(image)
        stand.accepted.append(image)
    sender.close()
    stand.stack.settle()
    listener = Listener(lambda: stand.address)
    listener.start()
    wait_until(lambda: listener.items, what="the snapshot is heard")
    firm = district.records["enterprises"][0]
    contract = next(image for image in reversed(stand.accepted) if image["kind"] == "tech-contracts" and image["tech_amount_fen"])
    stand.accepted.append(firm | {"version": 99})
    stand.accepted.remove(contract)
    stand.appended.poison.add(stand.entries(REGISTRY)[0].value)
    metrics = stand.database("metrics")
    metrics["rows"].delete_one({"gen": metrics["state"].find_one({"_id": "active"})["generation"]})
    listener.items["hnte_count"]["numerator"] += 1
    found = check(stand, listener).differences
    listener.stop()
    for breach in (
        "acknowledged but lost", "never acknowledged", "not on the log", "tech_contract_amount is not what was written",
        "the stream's hnte_count", "the last value heard is not the stored one: hnte_count", "reconcile",
    ):
        assert any(each.startswith(breach) for each in found), (breach, found)
