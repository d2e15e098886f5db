"""Personal fields: sealed by AES-256-GCM with a key that lives outside the database, matched by a keyed blind index."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import ConfigError

NONCE_BYTES = 12
LENGTH_BYTES = 4
KEY_ID_CHARS = 8
BLOCK_BYTES = 1 << 20  # of a sealed file
SEAL_BYTES = LENGTH_BYTES + NONCE_BYTES + 16  # what sealing adds to a block: its length, the nonce and the tag
MASK = "*"
SHOWN = 4  # at most the last four characters are ever listed (domain notes D.6)


def key_id(field_key: str) -> str:
    """The name of a key, which tells nothing of it."""
    return hashlib.sha256(b"id" + bytes.fromhex(field_key)).hexdigest()[:KEY_ID_CHARS]


class Sealer:
    """Seals values and derives blind indexes. Keys are hex; the key's first hash digits name it, for rotation.

    Everything new is sealed with `field_key`; `old_keys` are still read, until `reseal` has left nothing under them.
    """

    def __init__(self, field_key: str, blind_key: str, old_keys: Sequence[str] = ()) -> None:
        self.key_id = key_id(field_key)
        self._ciphers = {key_id(key): AESGCM(hashlib.sha256(bytes.fromhex(key)).digest()) for key in (field_key, *old_keys)}
        self._cipher = self._ciphers[self.key_id]
        self._blind = bytes.fromhex(blind_key)

    def seal(self, value: Any, context: str) -> str:
        """Encrypt a JSON value; `context` (kind and field) is authenticated with it."""
        nonce = os.urandom(NONCE_BYTES)
        plain = json.dumps(value, ensure_ascii=False, sort_keys=True).encode()
        return f"{self.key_id}:" + base64.b64encode(nonce + self._cipher.encrypt(nonce, plain, context.encode())).decode()

    def unseal(self, sealed: str, context: str) -> Any:
        """The inverse of `seal`. Raises ConfigError when the key that sealed it is not at hand."""
        name, _, text = sealed.partition(":")
        raw = base64.b64decode(text)
        return json.loads(self._of(name).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], context.encode()))

    def _of(self, name: str) -> AESGCM:
        if name not in self._ciphers:
            raise ConfigError(f"a value is sealed under the key {name}, which is neither FIELD_KEY nor among FIELD_KEYS_OLD")
        return self._ciphers[name]

    def sealed_file(self, content: bytes) -> bytes:
        """A file's bytes, sealed block by block, so that it can be read as a stream. The inverse of `opened_file`."""
        blocks = [content[at : at + BLOCK_BYTES] for at in range(0, len(content), BLOCK_BYTES)]
        # The empty last one: a file that was cut off is found out.
        return self.key_id.encode() + b"".join(self.seal_block(n, block) for n, block in enumerate([*blocks, b""]))

    def seal_block(self, n: int, block: bytes) -> bytes:
        """Block `n` of a sealed file, SEAL_BYTES longer than it was; it begins with its length."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, block, f"file/{n}".encode())
        return len(sealed).to_bytes(LENGTH_BYTES, "big") + sealed

    def open_block(self, key: str, n: int, piece: bytes) -> bytes:
        """The inverse of `seal_block`, for what follows the length. Raises ConfigError, or InvalidTag when it is not as it was."""
        return self._of(key).decrypt(piece[:NONCE_BYTES], piece[NONCE_BYTES:], f"file/{n}".encode())

    def opened_file(self, raw: BinaryIO) -> Iterator[bytes]:
        """The blocks of a sealed file. Raises ConfigError, or InvalidTag when a byte of it is not as it was."""
        key, n = raw.read(KEY_ID_CHARS).decode("ascii", "replace"), 0
        while block := self.open_block(key, n, raw.read(int.from_bytes(raw.read(LENGTH_BYTES), "big"))):
            yield block
            n += 1

    def fingerprint(self, content: bytes) -> str:
        """A keyed hash of content that may be personal: equal content is recognised, nothing can be guessed back."""
        return hmac.new(self._blind, content, hashlib.sha256).hexdigest()

    def person_key(self, id_kind: str, id_number: str) -> str:
        """The opaque key of a person: same document, same key; nothing leads back without the blind key."""
        text = f"{id_kind}|{id_number.strip().upper()}".encode()
        return "p_" + hmac.new(self._blind, text, hashlib.sha256).hexdigest()[:32]


def masked(value: Any) -> Any:
    """A personal value as lists show it: the last four characters of a number, the first of a name."""
    if isinstance(value, dict):
        return {key: item if key == "id_kind" else masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    text = str(value)
    if any(c.isdigit() for c in text) and len(text) > SHOWN:
        return MASK * (len(text) - SHOWN) + text[-SHOWN:]
    return text[:1] + MASK * max(len(text) - 1, 1)
