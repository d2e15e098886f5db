"""Looks for persons in clear: the numbers, names and accounts of the demo, in texts, stored documents and raw files."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from deploy.local.demo import FOLDER

NUMBER = re.compile(rb"990000\d{11}[\dXx]")  # every citizen's number of the demo and the tests, and no other text
ACCOUNT = re.compile(rb"0000441502\d{9}")
WRITTEN = re.compile("[\u3400-\u9fff\U00020000-\U0003134f]{2,}")
LENGTHS = (2, 3, 4)
OWN = frozenset({"person", "account", "legal_rep_name", "contact_name", "contact_phone"})  # fields that are personal


class Persons:
    """Everybody whom the demo district and the tests name."""

    def __init__(self, *more: str) -> None:
        rows = [json.loads(line) for file in sorted(FOLDER.glob("*.ndjson")) for line in file.read_text("utf-8").splitlines()]
        self.numbers = {row["person"]["id_number"] for row in rows if "person" in row}
        self.accounts = {row["account"]["number"] for row in rows if "account" in row}
        names = {row["person"]["name"] for row in rows if "person" in row} | {row["legal_rep_name"] for row in rows if "legal_rep_name" in row}
        public = [json.dumps({name: value for name, value in row.items() if name not in OWN}, ensure_ascii=False) for row in rows]
        public += [file.read_text("utf-8") for file in FOLDER.parent.rglob("*.yaml")]
        self.names = (names | set(more)) - set(_pieces(_runs(public)))  # two characters of a firm's name may be a person's by chance

    def found_in(self, content: bytes) -> set[str]:
        """What a text gives away: any number or account of the demo's form, and any name."""
        hits = {hit.decode() for pattern in (NUMBER, ACCOUNT) for hit in pattern.findall(content)}
        return hits | self.named(_runs([content.decode("utf-8", "ignore")]))

    def named(self, runs: Iterable[str]) -> set[str]:
        """The names among runs of Chinese characters."""
        return self.names & set(_pieces(runs))


def _runs(texts: Iterable[str]) -> set[str]:
    return {run for text in texts for run in WRITTEN.findall(text)}


def _pieces(runs: Iterable[str]) -> Iterator[str]:
    for run in runs:
        for length in LENGTHS:
            yield from (run[at : at + length] for at in range(len(run) - length + 1))


def in_the_store(uri: str, persons: Persons) -> dict[str, set[str]]:
    """By collection, what its documents give away: of every database, the server's own journal of writes (`local`) among them."""
    found: dict[str, set[str]] = {}
    with MongoClient[Any](uri) as client:
        for database in client.list_database_names():
            for collection in client[database].list_collections(filter={"type": "collection"}):
                runs: set[str] = set()
                hits: set[str] = set()
                for batch in client[database][collection["name"]].find_raw_batches():
                    hits |= {hit.decode() for pattern in (NUMBER, ACCOUNT) for hit in pattern.findall(batch)}
                    runs.update(WRITTEN.findall(batch.decode("utf-8", "ignore")))
                if hits := hits | persons.named(runs):
                    found[f"{database}.{collection['name']}"] = hits
    return found


def indexed(uri: str) -> set[str]:
    """Every field that an index of any of our databases holds."""
    with MongoClient[Any](uri) as client:
        return {
            field for database in client.list_database_names() if database.startswith("kechuang")
            for name in client[database].list_collection_names() for index in client[database][name].list_indexes() for field in index["key"]
        }


def in_files(folder: Path, persons: Persons) -> dict[str, set[str]]:
    """By file, what it gives away; of the store's own files, which are compressed, numbers only."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".sock":
            content = path.read_bytes()
            hits = persons.found_in(content) if "mongod" not in path.parts else {hit.decode() for hit in NUMBER.findall(content)}
            if hits:
                found[str(path.relative_to(folder))] = hits
    return found


def unpacked(content: bytes) -> bytes:
    """The text of an XLSX file."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return b"\n".join(packed.read(name) for name in packed.namelist())
