"""The keys of a stack's folder in its backup: sealed under a passphrase, or plain and readable by their owner only.

Without them a restored stack could read no personal field, and nobody would be the actor that he was. See docs/adr/0008.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from deploy.backup.archive import File, Writing
from shared.errors import ConfigError

PASSPHRASE = "KECHUANG_BACKUP_PASSPHRASE"
SEALED_FILE, PLAIN_FOLDER = "keys.sealed", "keys"
NONE, PLAIN, SEALED = "none", "plain", "sealed"
NAMES = ("actor", "field", "blind")
SALT_BYTES, NONCE_BYTES = 16, 12
WORK = {"n": 1 << 15, "r": 8, "p": 1}  # some 0.1 s and 32 MB a try
CONTEXT = b"kechuang backup keys 1"
Keys = dict[str, bytes]  # file name -> content


def read_keys(folder: Path) -> Keys:
    """Every key file of a stack's `keys/`."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def fingerprints(environ: Mapping[str, str]) -> dict[str, str]:
    """Names each key without telling it."""
    keys = {name: environ.get(f"{name.upper()}_KEY") for name in NAMES}
    return {name: hashlib.sha256(f"{name}:{key}".encode()).hexdigest()[:12] for name, key in keys.items() if key}


def write_keys(folder: Path, keys: Keys, passphrase: str | None) -> list[File]:
    """Put the keys into the backup, sealed if there is a passphrase."""
    if not keys:
        return []
    if passphrase:
        return [_write(folder, SEALED_FILE, seal(keys, passphrase))]
    return [_write(folder, f"{PLAIN_FOLDER}/{name}", content) for name, content in keys.items()]


def load_keys(folder: Path, how: str, passphrase: str | None) -> Keys:
    """The keys of a backup; none when it has none. Raises ConfigError when they are sealed and do not open."""
    if how == PLAIN:
        return read_keys(folder / PLAIN_FOLDER)
    if how == SEALED:
        if not passphrase:
            raise ConfigError(f"the backup's keys are sealed: set {PASSPHRASE}")
        return unseal((folder / SEALED_FILE).read_bytes(), passphrase)
    return {}


def seal(keys: Keys, passphrase: str) -> bytes:
    """salt | nonce | AES-256-GCM of the keys as JSON, under a key that scrypt makes of the passphrase."""
    salt, nonce = os.urandom(SALT_BYTES), os.urandom(NONCE_BYTES)
    plain = json.dumps({name: content.decode() for name, content in keys.items()}).encode()
    return salt + nonce + AESGCM(_derived(passphrase, salt)).encrypt(nonce, plain, CONTEXT)


def unseal(sealed: bytes, passphrase: str) -> Keys:
    """The inverse of `seal`. Raises ConfigError for another passphrase."""
    salt, nonce, rest = sealed[:SALT_BYTES], sealed[SALT_BYTES:SALT_BYTES + NONCE_BYTES], sealed[SALT_BYTES + NONCE_BYTES:]
    try:
        plain = AESGCM(_derived(passphrase, salt)).decrypt(nonce, rest, CONTEXT)
    except InvalidTag:
        raise ConfigError(f"the backup's keys do not open with this {PASSPHRASE}; nothing was restored") from None
    return {name: content.encode() for name, content in json.loads(plain).items()}


def _derived(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, **WORK).derive(passphrase.encode())


def _write(folder: Path, path: str, content: bytes) -> File:
    writing = Writing(folder, path)
    writing.write(content)
    return writing.done()
