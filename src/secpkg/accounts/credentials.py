"""Credentials that a user has stored for other machines: the credential manager's part of the account store.

An entry is known by what it is for, its *target*, and its type; there is one for each. It is sealed whole, names and
secret in one blob that opens in its own row only (lock 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.accounts.vault import Vault

MAX_CREDENTIALS: Final = 128
"""Entries of one account, or of one session without account."""
MAX_BLOB: Final = 5 * 512
"""Bytes of a secret (CRED_MAX_CREDENTIAL_BLOB_SIZE of wincred)."""
MAX_USER_NAME: Final = 513
"""Characters (CRED_MAX_USERNAME_LENGTH)."""
MAX_GENERIC_TARGET: Final = 32_767
"""Characters (CRED_MAX_GENERIC_TARGET_NAME_LENGTH)."""
MAX_DOMAIN_TARGET: Final = 337
"""Characters (CRED_MAX_DOMAIN_TARGET_NAME_LENGTH)."""

GENERIC_TYPES: Final = frozenset({1, 5})
"""CRED_TYPE_GENERIC, CRED_TYPE_GENERIC_CERTIFICATE: an application's own, of which the system knows nothing."""
DOMAIN_TYPES: Final = frozenset({2, 3, 4, 6})
"""CRED_TYPE_DOMAIN_PASSWORD, _CERTIFICATE, _VISIBLE_PASSWORD, _EXTENDED: for security packages."""

_PURPOSE: Final = "stored credential"
Key = tuple[str, int]


class Credential(msgspec.Struct, frozen=True):
    """One entry (CREDENTIAL of wincred). ``writer`` is the package that wrote it.

    SecurityError (STATUS_INVALID_PARAMETER) for an illegal one: ``credential_type``, ``target_name_invalid``,
    ``user_name_invalid``, ``credential_too_large``.
    """

    target_name: str
    type: int
    user_name: str
    blob: bytes
    writer: str

    def __post_init__(self) -> None:
        _require(self.type in GENERIC_TYPES or self.type in DOMAIN_TYPES, "credential_type")
        longest = MAX_DOMAIN_TARGET if self.type in DOMAIN_TYPES else MAX_GENERIC_TARGET
        _require(0 < len(self.target_name) <= longest and self.target_name.isprintable(), "target_name_invalid")
        _require(len(self.user_name) <= MAX_USER_NAME and self.user_name.isprintable(), "user_name_invalid")
        _require(bool(self.user_name) or self.type in GENERIC_TYPES, "user_name_invalid")
        _require(len(self.blob) <= MAX_BLOB, "credential_too_large")

    def __repr__(self) -> str:
        return f"Credential(target_name={self.target_name!r}, type={self.type}, user_name={self.user_name!r})"

    @property
    def key(self) -> Key:
        """By what it is found."""
        return target_key(self.target_name), self.type

    def fits(self, target: str) -> int:
        """How well a domain credential fits a machine's name: 0 not at all, the more the better. ``*.suffix`` fits what
        ends so, ``*`` fits all.
        """
        key, wanted = target_key(self.target_name), target_key(target)
        if key == wanted:
            return MAX_GENERIC_TARGET + 1
        if key == "*":
            return 1
        return len(key) if key.startswith("*.") and wanted.endswith(key[1:]) else 0


def target_key(target_name: str) -> str:
    """The form in which targets are compared."""
    return target_name.casefold()


def seal(vault: Vault, owner: str, credential: Credential) -> bytes:
    """The entry sealed for its owner (a SID, or a session) and its own key."""
    return vault.seal(msgspec.msgpack.encode(credential), sid=owner, package=_row(credential.key), purpose=_PURPOSE)


def unseal(vault: Vault, owner: str, key: Key, blob: bytes) -> Credential:
    """The entry of a sealed blob; STATUS_INTERNAL_ERROR as `Vault.open`."""
    clear = vault.open(blob, sid=owner, package=_row(key), purpose=_PURPOSE)
    return msgspec.msgpack.decode(clear, type=Credential)


def require_room(held: int) -> None:
    """STATUS_QUOTA_EXCEEDED (``quota_credentials``) when ``held`` entries leave no room for another."""
    if held >= MAX_CREDENTIALS:
        raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="quota_credentials")


def _row(key: Key) -> str:
    return f"{key[1]}:{key[0]}"


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=reason)
