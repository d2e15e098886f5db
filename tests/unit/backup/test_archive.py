"""A backup's folder: whole or refused with everything that is wrong named; its keys open with their passphrase only."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.backup import keys
from deploy.backup.archive import (
    MANIFEST,
    MANIFEST_SUM,
    Damaged,
    Manifest,
    open_archive,
    read_collection,
    write_collection,
    write_manifest,
)
from shared.errors import ConfigError

RECORDS = [{"_id": n, "name": "科创" * n} for n in range(50)]
Damage = Callable[[Path], object]


def make(folder: Path) -> Path:
    folder.mkdir()
    batches = [b"".join(bson.encode(record) for record in RECORDS[at:at + 20]) for at in range(0, 50, 20)]
    told: list[int] = []
    files = [write_collection(folder, "registry", "changes", batches, told.append), write_collection(folder, "log", "ends", [], told.append)]
    assert told == [20, 40, 50]
    files += keys.write_keys(folder, {"actor": b"ab" * 32}, None)
    write_manifest(folder, Manifest("2026-07-01T00:00:00+00:00", external_log=False, keys=keys.PLAIN, files=files))
    return folder


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    folder = make(tmp_path / "b")
    manifest = open_archive(folder)
    first, empty = manifest.collections
    assert [bson.decode(document) for document in read_collection(folder, first)] == RECORDS
    assert (first.documents, empty.documents, list(read_collection(folder, empty))) == (50, 0, [])
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


CHANGES = "registry/changes.bson.gz"
DAMAGES: dict[str, tuple[Damage, str]] = {
    "a bit": (lambda folder: flip(folder / CHANGES), f"{CHANGES} is not as it was written"),
    "the end": (lambda folder: (folder / CHANGES).write_bytes((folder / CHANGES).read_bytes()[:-9]), f"{CHANGES} has "),
    "a file": (lambda folder: (folder / CHANGES).unlink(), f"{CHANGES} is missing"),
    "a folder": (lambda folder: shutil.rmtree(folder / "log"), "log/ends.bson.gz is missing"),
    "a key": (lambda folder: flip(folder / "keys" / "actor"), "keys/actor is not as it was written"),
    "the manifest": (lambda folder: (folder / MANIFEST).unlink(), f"{MANIFEST} cannot be read"),
    "a word of the manifest": (lambda folder: flip(folder / MANIFEST), f"{MANIFEST} is not as it was written"),
    "the manifest's sum": (lambda folder: (folder / MANIFEST_SUM).unlink(), f"{MANIFEST_SUM} cannot be read"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_named(tmp_path: Path, what: str) -> None:
    damage, said = DAMAGES[what]
    damage(make(tmp_path / "b"))
    with pytest.raises(Damaged, match=said):
        open_archive(tmp_path / "b")


def test_all_damage_is_named_at_once(tmp_path: Path) -> None:
    folder = make(tmp_path / "b")
    flip(folder / CHANGES)
    (folder / "keys" / "actor").unlink()
    with pytest.raises(Damaged, match=f"{CHANGES} is not as it was written; keys/actor is missing"):
        open_archive(folder)


@settings(max_examples=5, deadline=None)
@given(st.dictionaries(st.sampled_from(["actor", "field", "blind", "issuer.json"]), st.text(max_size=80).map(str.encode)), st.text(min_size=1))
def test_sealed_keys_open_with_their_passphrase_and_no_other(kept: dict[str, bytes], passphrase: str) -> None:
    sealed = keys.seal(kept, passphrase)
    assert keys.unseal(sealed, passphrase) == kept
    with pytest.raises(ConfigError, match="do not open"):
        keys.unseal(sealed, passphrase + "x")
