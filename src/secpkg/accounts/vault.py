"""Sealing of verifiers at rest (lock 4), and secrets that are derived rather than kept.

A sealed blob is: version (1 byte), key id (4, big-endian), nonce (12, random), AES-256-GCM ciphertext with its tag.
The key is an HKDF-SHA256 subkey of the master key for one purpose (RFC 5869); the associated
data are version, purpose, SID, package and key id, each with its length in front. So a blob that is moved to another
account, to another package's row, or under another key id does not open. A blob of an earlier time put back into its
own row does: against that only the file's permissions help. Random 96-bit nonces allow 2**32 seals under one key id.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from secpkg.contract.status import SecurityError, Status

VERSION: Final = 1
SUPPLEMENTAL: Final = "supplemental credentials"
MASTER_KEY_SIZE: Final = 32
MAX_SECRET: Final = 1 << 20
MAX_DERIVED: Final = 1024
_HEADER: Final = 5
_NONCE: Final = 12
_TAG: Final = 16
_MAX_KEY_ID: Final = 0xFFFF_FFFF


def _framed(*parts: bytes) -> bytes:
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])


def _bytes(part: str | bytes) -> bytes:
    return b"s" + part.encode("utf-8", "surrogatepass") if isinstance(part, str) else b"b" + part


class Vault:
    """Seals and opens secrets under a master key: LsaProtectMemory's idea, for what is written to disk.

    `master_key` is 32 random bytes, or a mapping from key id to such keys with `current` the id that seals; the others
    only open what was sealed before a rotation. The keys are copied in and never shown, pickled or compared.
    """

    __slots__ = ("_aead", "_current", "_keys", "_root")

    def __init__(self, master_key: bytes | Mapping[int, bytes], *, current: int | None = None) -> None:
        keys = {1: bytes(master_key)} if isinstance(master_key, bytes | bytearray | memoryview) else dict(master_key)
        if current is None and len(keys) == 1:
            current = next(iter(keys))
        if current not in keys:
            raise ValueError("the current key id names none of the keys")
        if any(len(key) != MASTER_KEY_SIZE for key in keys.values()):
            raise ValueError(f"a master key has {MASTER_KEY_SIZE} bytes")
        if any(not 0 <= key_id <= _MAX_KEY_ID for key_id in keys):
            raise ValueError("a key id has 32 bits")
        self._keys = keys
        self._current = current
        self._aead: dict[tuple[int, str], AESGCM] = {}
        # Decoys must outlive a rotation, or the salts that change would tell which users are real.
        self._root = self._subkey(min(keys), "derive")

    def __repr__(self) -> str:
        return f"<Vault current={self._current} keys={len(self._keys)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a vault does not leave its process")

    @property
    def current(self) -> int:
        """The key id that seals."""
        return self._current

    def _subkey(self, key_id: int, purpose: str) -> bytes:
        info = _framed(b"secpkg vault", bytes((VERSION,)), purpose.encode())
        return HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(self._keys[key_id])

    def _cipher(self, key_id: int, purpose: str) -> AESGCM:
        cipher = self._aead.get((key_id, purpose))
        if cipher is None:
            cipher = self._aead[key_id, purpose] = AESGCM(self._subkey(key_id, f"seal {purpose}"))
        return cipher

    def seal(self, plaintext: bytes, *, sid: str, package: str, purpose: str = SUPPLEMENTAL) -> bytes:
        """`plaintext` (at most 1 MiB) sealed for that SID and package under the current key."""
        if len(plaintext) > MAX_SECRET:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="secret_too_large")
        key_id, nonce = self._current, os.urandom(_NONCE)
        sealed = self._cipher(key_id, purpose).encrypt(nonce, plaintext, _bound(purpose, sid, package, key_id))
        return b"".join((bytes((VERSION,)), key_id.to_bytes(4, "big"), nonce, sealed))

    def open(self, blob: bytes, *, sid: str, package: str, purpose: str = SUPPLEMENTAL) -> bytes:
        """What was sealed for that SID, package and purpose.

        SecurityError (STATUS_INTERNAL_ERROR): `vault_key_unknown` for a key id that this vault was not given,
        `vault_tampered` for everything else that is not such a blob.
        """
        if not _HEADER + _NONCE + _TAG <= len(blob) <= _HEADER + _NONCE + _TAG + MAX_SECRET or blob[0] != VERSION:
            raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="vault_tampered")
        key_id = int.from_bytes(blob[1:_HEADER], "big")
        if key_id not in self._keys:
            raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="vault_key_unknown")
        nonce, sealed = blob[_HEADER : _HEADER + _NONCE], blob[_HEADER + _NONCE :]
        try:
            cipher = self._aead.get((key_id, purpose)) or self._cipher(key_id, purpose)
            return cipher.decrypt(nonce, sealed, _bound(purpose, sid, package, key_id))
        except InvalidTag:
            raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="vault_tampered") from None

    def is_current(self, blob: bytes) -> bool:
        """Whether the blob names the key that seals now; says nothing about whether it opens."""
        return int.from_bytes(blob[1:_HEADER], "big") == self._current

    def derive(self, purpose: str, *parts: str | bytes, length: int = 32) -> bytes:
        """A secret that is always the same for the same purpose and parts: decoy salts, keys of counters (lock 9).

        It hangs on the vault's lowest key id: a rotation that keeps that key keeps every derived secret.
        `length` is in bytes, 1 to 1024.
        """
        if not 1 <= length <= MAX_DERIVED:
            raise ValueError(f"between 1 and {MAX_DERIVED} bytes can be derived")
        info = _framed(_bytes(purpose), *map(_bytes, parts))
        if length <= hashes.SHA256.digest_size:
            # RFC 5869 2.3: one block of HKDF-Expand is one HMAC, and every logon asks for some.
            return hmac.digest(self._root, info + b"\x01", "sha256")[:length]
        return HKDFExpand(hashes.SHA256(), length, info).derive(self._root)


def _bound(purpose: str, sid: str, package: str, key_id: int) -> bytes:
    return _framed(bytes((VERSION,)), purpose.encode(), sid.encode(), package.encode(), key_id.to_bytes(4, "big"))
