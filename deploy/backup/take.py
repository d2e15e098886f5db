"""`kechuang backup DIR`: the running stack into a folder, while it goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from deploy.backup import keys, snapshot
from deploy.backup.archive import Manifest, write_manifest
from deploy.backup.bar import bar
from deploy.local.background import configuration
from deploy.local.data_dir import DataDir, UsageError
from shared.clock import DemoClock, format_instant
from shared.errors import ConfigError, Unavailable


def backup(data: DataDir, folder: Path, environ: Mapping[str, str]) -> None:
    """Write the backup. The folder appears when it is complete; one that has anything in it is refused."""
    target = folder.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not empty: a backup wants a folder of its own")
    told = configuration(data)
    draft = target.with_name(f".{target.name}.unfinished-{os.getpid()}")
    try:
        manifest = _write(data, told, draft, environ)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(draft, target)
    except PyMongoError as away:
        raise Unavailable(f"the store does not answer: {type(away).__name__}; no backup was made") from away
    except OSError as full:
        raise ConfigError(f"{target} cannot be written: {full.strerror}; no backup was made") from full
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    documents = sum(file.documents or 0 for file in manifest.collections)
    click.echo(f"{target}: {documents} documents of {len(manifest.collections)} collections")
    if manifest.keys == keys.PLAIN:
        click.echo(
            f"备份内含未加密的密钥，请妥善保管，或设置 {keys.PASSPHRASE} 后重新备份\n"
            f"the backup holds the stack's keys unencrypted, readable by you only: guard it, or set {keys.PASSPHRASE}", err=True,
        )
    if manifest.keys == keys.NONE:
        named = ", ".join(f"{name.upper()}_KEY" for name in keys.NAMES)
        click.echo(
            f"备份不含密钥，请另行妥善备份 {named}，否则恢复后无法读取个人信息\n"
            f"the keys are not in the backup: keep {named} as well, without them no personal field can be read again", err=True,
        )


def _write(data: DataDir, told: Mapping[str, str], draft: Path, environ: Mapping[str, str]) -> Manifest:
    own = "MONGO_URI" not in environ  # else the keys belong to whoever set the environment

    def fresh() -> Path:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        return draft

    with MongoClient[dict[str, Any]](told["MONGO_URI"], tz_aware=True) as client, bar("backup") as progress:
        _, files = snapshot.take(client, told.get("DB_PREFIX", "kechuang"), fresh, progress)
    kept = keys.read_keys(data.keys) if own else {}
    passphrase = environ.get(keys.PASSPHRASE)
    files += keys.write_keys(draft, kept, passphrase)
    manifest = Manifest(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        external_log=bool(told.get("KAFKA_BOOTSTRAP")),
        # Read after the records, so that none of them lies in the restored stack's future.
        clock=format_instant(DemoClock(data.clock_file).now()) if own and data.demo else None,
        demo_loaded=own and data.demo_marker.exists(),
        keys=(keys.SEALED if passphrase else keys.PLAIN) if kept else keys.NONE,
        key_ids=keys.fingerprints(told), files=files,
    )
    write_manifest(draft, manifest)
    return manifest
