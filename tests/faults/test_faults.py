"""The fault matrix in brief: ten kills and a few seconds a row, one broker and one mongod, rows with the same needs on one stack.

`make faults` runs all of it, with two hundred kills.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.local.kafka.jars import missing_tools
from tests.faults.matrix import MATRIX
from tests.faults.rows import Row, run
from tests.faults.stand import Setting, Stand

KILLS, SECONDS = 10, 6.0
ROWS = sorted((row.on(1) for row in MATRIX if not row.only_full), key=lambda row: (row.setting != Setting(brokers=1), row.last))

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
    result = run(row, stands.of(row.setting), kills=KILLS, seconds=SECONDS, folder=tmp_path)
    assert result.acknowledged
    assert not result.differences, "\n".join(result.differences)
