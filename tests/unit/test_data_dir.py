"""The folder of a stack: one holder, keys that stay, a clock that never goes back."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.local.data_dir import DataDir, Running, UsageError
from shared.clock import parse_instant

BEGIN = parse_instant("2026-06-30T00:00:00+08:00")


def taken(folder: Path) -> DataDir:
    data = DataDir(folder)
    data.acquire()
    return data


def test_a_second_holder_is_told_who_has_it(tmp_path: Path) -> None:
    first = taken(tmp_path / "d")
    with pytest.raises(UsageError, match=r"is in use by another kechuang \(pid \d+\)"):
        DataDir(tmp_path / "d").acquire()
    assert first.in_use()


def test_keys_stay_and_are_private(tmp_path: Path) -> None:
    data = taken(tmp_path / "d")
    key = data.key("field")
    assert data.key("field") == key != data.key("blind")
    assert stat.S_IMODE((data.keys / "field").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.keys.stat().st_mode) == 0o700


def test_without_a_running_stack_the_sentence_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kechuang up --data"):
        DataDir(tmp_path).running()


def test_a_new_folder_runs_on_the_machine_clock_unless_told(tmp_path: Path) -> None:
    data = taken(tmp_path / "d")
    assert data.start_clock(None, None) is None
    assert not data.demo


def test_the_clock_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data = taken(tmp_path / "d")
    clock = data.start_clock(None, BEGIN)
    assert clock is not None
    assert clock.now() >= BEGIN
    data.remember(BEGIN + timedelta(days=3))
    again = data.start_clock(None, BEGIN)
    assert again is not None
    assert again.now() >= BEGIN + timedelta(days=3)


def test_the_last_instant_never_goes_back(tmp_path: Path) -> None:
    data = taken(tmp_path / "d")
    data.remember(BEGIN + timedelta(days=3))
    data.remember(BEGIN)
    assert data.last_instant() == BEGIN + timedelta(days=3)


def test_an_earlier_clock_is_refused_and_a_later_one_taken(tmp_path: Path) -> None:
    data = taken(tmp_path / "d")
    data.start_clock(BEGIN, None)
    with pytest.raises(UsageError, match="lies before"):
        data.start_clock(BEGIN - timedelta(days=1), None)
    later = data.start_clock(BEGIN + timedelta(days=9), None)
    assert later is not None
    assert later.now() >= BEGIN + timedelta(days=9)


def test_a_folder_of_the_machine_clock_takes_no_demo_clock(tmp_path: Path) -> None:
    data = taken(tmp_path / "d")
    data.announce(Running("http://127.0.0.1:1", "mongodb://127.0.0.1:2", 2, 3))
    with pytest.raises(UsageError, match="a folder of its own"):
        data.start_clock(None, BEGIN)
