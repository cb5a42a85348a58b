"""Sealing of identities (SspiEncryptAuthIdentityEx), once as coroutines for everyone who needs it.

The secret of an identity is sealed with ChaCha20-Poly1305; user, domain and package list stay readable and are bound to
it, so that nobody can give the secret another name. The key is derived from what those who may open it have in common,
and from nothing else:

- SAME_PROCESS: a secret of this process. The child of a fork is another process and gets another.
- SAME_LOGON: the key that the authority gives for the logon session whose access token is presented (lock 3), or for
  our uid when none is.
- Both: both, so that only this process can open it, and only while it acts for that session.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256
from typing import Final

import msgspec

from secpkg.contract.flags_seldom import AuthIdentityEncryption, AuthIdentityFlag
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthIdentity
from secpkg.ipc import fork, schema
from secpkg.ipc.connection import Connection, Connections, shared
from secpkg.ipc.link import next_id
from secpkg.ipc.session import current

FLAGS: Final = {
    AuthIdentityEncryption.SAME_LOGON: AuthIdentityFlag.USER_PROTECTED,
    AuthIdentityEncryption.SAME_PROCESS: AuthIdentityFlag.PROCESS_ENCRYPTED,
}
"""The mark that each option leaves in an identity."""

SEALED: Final = int(AuthIdentityFlag.USER_PROTECTED | AuthIdentityFlag.PROCESS_ENCRYPTED)
_OPTIONS: Final = int(AuthIdentityEncryption.SAME_LOGON | AuthIdentityEncryption.SAME_PROCESS)
_NONCE: Final = 12
_KEY: Final = 32
_LABEL: Final = b"secpkg identity 1"


class _ProcessSecret:
    """Drawn when it is first wanted, lost at a fork."""

    def __init__(self) -> None:
        self._secret = b""
        fork.guard(self)

    def get(self) -> bytes:
        """The secret of this process."""
        if not self._secret:
            self._secret = os.urandom(_KEY)
        return self._secret

    def forked(self) -> None:
        self._secret = b""
        fork.guard(self)


_process = _ProcessSecret()


class Asker:
    """Whom to ask for the key of a logon session: what a call knows of the authority."""

    def __init__(
        self, authority: object = None, connections: Connections = shared, connection: Connection | None = None
    ) -> None:
        self._authority = authority
        self._connections = connections
        self._connection = connection

    async def logon_key(self) -> bytes:
        """The key of the session that this thread presents, else of our uid."""
        session = current.get()
        if session is not None and session.applies_to(self._authority):
            asked = self._connection or self._connections
            if session.connection.asynchronous and not asked.asynchronous:
                raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="logon_session_of_event_loop")
            connection, token = session.connection, session.token
        else:
            connection = self._connection or await self._connections.shared(self._authority)
            token = 0
        reply = await connection.ask(schema.LogonKey(next_id(), token))
        if not isinstance(reply, schema.Answered):
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="unexpected_reply")
        key = msgspec.msgpack.decode(reply.value, type=bytes)
        if len(key) != _KEY:
            raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="logon_key_size")
        return key


def options_of(identity: AuthIdentity) -> int:
    """The options under which an identity is sealed; 0: it is not."""
    return sum(int(option) for option, flag in FLAGS.items() if identity.flags & flag)


async def _cipher(options: int, asker: Asker) -> object:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    secret = b""
    if options & AuthIdentityEncryption.SAME_PROCESS:
        secret += _process.get()
    if options & AuthIdentityEncryption.SAME_LOGON:
        secret += await asker.logon_key()
    return ChaCha20Poly1305(hmac.digest(secret, _LABEL + bytes([options]), sha256))


def _bound(identity: AuthIdentity) -> bytes:
    return msgspec.msgpack.encode((identity.user, identity.domain, identity.package_list))


async def sealed(identity: AuthIdentity, options: int, asker: Asker) -> AuthIdentity:
    """The identity, sealed. One that is sealed already is opened first. SEC_E_INVALID_PARAMETER for options that are
    not one or both of SAME_LOGON and SAME_PROCESS.
    """
    if not options or options & ~_OPTIONS:
        raise SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="encryption_options")
    clear = await opened(identity, asker)
    cipher = await _cipher(options, asker)
    nonce = os.urandom(_NONCE)
    secret = nonce + cipher.encrypt(nonce, clear.password.encode(), _bound(clear))  # type: ignore[attr-defined]  # the cipher, imported late
    flags = clear.flags | sum(int(flag) for option, flag in FLAGS.items() if options & option)
    return msgspec.structs.replace(clear, password="", encrypted=secret, flags=flags)


async def opened(identity: AuthIdentity, asker: Asker) -> AuthIdentity:
    """The identity with its secret in the clear; always another object. SEC_E_DECRYPT_FAILURE where this process, or
    the session that it acts for, is not the one for which it was sealed, and for one that was changed.
    """
    options = options_of(identity)
    if not options:
        return msgspec.structs.replace(identity)
    from cryptography.exceptions import InvalidTag

    cipher = await _cipher(options, asker)
    nonce, secret = identity.encrypted[:_NONCE], identity.encrypted[_NONCE:]
    try:
        password = cipher.decrypt(nonce, secret, _bound(identity)).decode()  # type: ignore[attr-defined]  # the cipher, imported late
    except (InvalidTag, ValueError):
        raise SecurityError(Status.SEC_E_DECRYPT_FAILURE, reason="identity_sealed_for_others") from None
    return msgspec.structs.replace(identity, password=password, encrypted=b"", flags=identity.flags & ~SEALED)
