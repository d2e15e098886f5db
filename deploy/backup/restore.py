"""`kechuang restore DIR`: a backup into a folder, or a MongoDB, that has nothing yet."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import click
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.backup import keys, resume, snapshot
from deploy.backup.archive import Damaged, File, Manifest, open_archive, read_collection
from deploy.backup.bar import bar
from deploy.local import readiness
from deploy.local.data_dir import DataDir, UsageError
from deploy.local.environment import DB_PREFIX
from deploy.local.mongod import Mongod
from shared.clock import DemoClock, parse_instant
from shared.config import read
from shared.errors import ConfigError, Unavailable
from shared.events.topics import TOPICS

BATCH = 1_000
RAW: CodecOptions[Any] = CodecOptions(document_class=RawBSONDocument)


def restore(folder: Path, data: DataDir, mongo: str | None, new_log: bool, environ: Mapping[str, str]) -> None:
    """Restore into `data`, or into the MongoDB at `mongo`. Either all of it is there afterwards, or nothing.

    With `new_log`, and always when the events were on Kafka, the stack goes on with an empty log.
    """
    manifest = open_archive(folder)
    new_log = new_log or manifest.external_log
    if new_log and environ.get("KAFKA_BOOTSTRAP"):
        _check_log(environ)
    try:
        if mongo:
            _check_keys(manifest, environ)
            prefix = environ.get("DB_PREFIX", DB_PREFIX)
            with _empty_store(mongo, prefix) as client:
                _fill(client, prefix, folder, manifest, new_log)
        else:
            with _empty_folder(data) as draft:
                _fill_folder(draft, folder, manifest, new_log, environ)
    except PyMongoError as away:
        raise Unavailable(f"the store failed: {type(away).__name__}; nothing was restored") from away
    except OSError as full:
        raise ConfigError(f"{full.filename or data.path} cannot be written: {full.strerror}; nothing was restored") from full
    documents = sum(file.documents or 0 for file in manifest.collections)
    where = "the store" if mongo else str(data.path)
    click.echo(f"{where}: {documents} documents of {len(manifest.collections)} collections, as of {manifest.made_at}")
    if new_log:
        click.echo(
            "the stack goes on with an empty log (on Kafka: topics without an event, else under another KAFKA_PREFIX): "
            "the relays publish every event again when it starts", err=True,
        )


def _check_keys(manifest: Manifest, environ: Mapping[str, str]) -> None:
    """Keys that the environment names must be those that the records were sealed with."""
    given = keys.fingerprints(environ)
    if wrong := [f"{name.upper()}_KEY" for name, found in given.items() if manifest.key_ids.get(name, found) != found]:
        raise ConfigError(f"{', '.join(wrong)}: not the key of this backup; nothing was restored")


def _check_log(environ: Mapping[str, str]) -> None:
    """The Kafka that the environment names must have nothing yet.

    Events from after the backup would be folded into the figures, and what is written from now on has their version numbers again.
    """
    from shared.log.kafka import KafkaLog
    from shared.log.kafka_config import KafkaConfig

    with closing(KafkaLog(read(KafkaConfig, environ))) as log:
        if used := [log.config.named(topic) for topic in TOPICS if any(log.end_offsets(topic).values())]:
            raise UsageError(f"the log has events already ({', '.join(used)}): empty the topics, or set another KAFKA_PREFIX")


@contextmanager
def _empty_store(uri: str, prefix: str) -> Iterator[MongoClient[Any]]:
    readiness.check_mongo(uri)
    with MongoClient[Any](uri, tz_aware=True) as client:
        if present := snapshot.databases(client, prefix):
            raise UsageError(f"the store has databases of a stack already ({', '.join(f'{prefix}_{p}' for p in present)})")
        try:
            yield client
        except BaseException:
            with suppress(PyMongoError):
                for name in snapshot.databases(client, prefix):
                    client.drop_database(f"{prefix}_{name}")
            raise


@contextmanager
def _empty_folder(data: DataDir) -> Iterator[DataDir]:
    """A folder beside the wanted one, which takes its place at the end."""
    target = data.path
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} has data already: restore into a folder that is empty or not there yet (--into)")
    draft = DataDir(target.with_name(f".{target.name}.unfinished-{os.getpid()}"))
    try:
        draft.path.mkdir(mode=0o700, parents=True)
        yield draft
        os.replace(draft.path, target)
    finally:
        shutil.rmtree(draft.path, ignore_errors=True)


def _fill_folder(draft: DataDir, folder: Path, manifest: Manifest, new_log: bool, environ: Mapping[str, str]) -> None:
    draft.keys.mkdir(mode=0o700)
    for name, content in _keys(folder, manifest, environ).items():
        with os.fdopen(os.open(draft.keys / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    if manifest.clock:
        instant = parse_instant(manifest.clock)
        draft.remember(instant)
        DemoClock.create(draft.clock_file, instant)
    if manifest.demo_loaded:
        draft.demo_marker.touch()
    with Mongod(draft.mongod) as mongod, MongoClient[Any](mongod.uri, tz_aware=True) as client:
        _fill(client, DB_PREFIX, folder, manifest, new_log)


def _keys(folder: Path, manifest: Manifest, environ: Mapping[str, str]) -> keys.Keys:
    """From the backup, else from the environment: a stack that made new ones could not read its own records."""
    found = keys.load_keys(folder, manifest.keys, environ.get(keys.PASSPHRASE))
    if found:
        return found
    _check_keys(manifest, environ)
    if lacking := [f"{name.upper()}_KEY" for name in keys.NAMES if not environ.get(f"{name.upper()}_KEY")]:
        raise ConfigError(f"the backup has no keys, so the environment must: {', '.join(f'{n} is not set' for n in lacking)}")
    return {name: environ[f"{name.upper()}_KEY"].encode() for name in keys.NAMES}


def _fill(client: MongoClient[Any], prefix: str, folder: Path, manifest: Manifest, new_log: bool) -> None:
    total = sum(file.documents or 0 for file in manifest.collections)
    done = 0
    with bar("restore") as progress:
        for file in manifest.collections:
            for count in _insert(client, prefix, folder, file):
                done += count
                progress(done, total)
    if new_log:
        resume.begin_new_log(client, prefix)
    resume.announce_again(client, prefix)


def _insert(client: MongoClient[Any], prefix: str, folder: Path, file: File) -> Iterator[int]:
    database = client[f"{prefix}_{file.database}"]
    assert file.collection is not None
    collection = database.create_collection(file.collection, codec_options=RAW)  # an empty one too
    raw = (RawBSONDocument(document, RAW) for document in read_collection(folder, file))
    while batch := list(islice(raw, BATCH)):
        collection.insert_many(batch, ordered=False)
        yield len(batch)
    if (found := collection.count_documents({})) != file.documents:
        raise Damaged(f"{file.path} holds {found} documents instead of {file.documents}; nothing was restored")
