"""Our two ends, as conversations with strangers want them: the one place that knows through which door they come."""

from __future__ import annotations

import os
import time
from typing import Final

from tests.strangers.talk import DOMAIN, PASSWORD, TARGET, USER, Refused, Wish

from secpkg.protocols.ntlm import (
    Acceptor,
    AcceptorPolicy,
    BindingPolicy,
    Challenged,
    Channel,
    ChannelBindings,
    Credential,
    Initiator,
    MicPolicy,
    NegotiateSent,
    Presented,
    Protection,
    Rejected,
    Role,
    Session,
    Target,
    TargetInfo,
    filetime,
)

HASH: Final = Credential.from_password(USER, DOMAIN, PASSWORD).nt_hash
INFO: Final = TargetInfo("SERVER", DOMAIN, "server.example.com", "example.com", "example.com")


def now() -> int:
    return filetime(time.time())


class _Ours:
    def __init__(self, role: Role) -> None:
        self._session: Session | None = None
        self._role = role
        self._protection: Protection | None = None

    @property
    def complete(self) -> bool:
        return self._session is not None

    def _protected(self) -> Protection:
        assert self._session is not None
        if self._protection is None:
            self._protection = Protection(self._session, self._role)
        return self._protection

    def seal(self, data: bytes) -> bytes:
        sealed, signature = self._protected().seal(data)
        return signature + sealed

    def unseal(self, data: bytes) -> bytes:
        try:
            return self._protected().unseal(data[16:], data[:16])
        except Rejected as rejected:
            raise Refused(rejected.reason) from rejected

    def sign(self, data: bytes) -> bytes:
        return self._protected().sign(data)

    def verify(self, data: bytes, signature: bytes) -> None:
        try:
            self._protected().verify(data, signature)
        except Rejected as rejected:
            raise Refused(rejected.reason) from rejected

    def session_key(self) -> bytes | None:
        return None if self._session is None else self._session.exported_session_key


class OurInitiator(_Ours):
    def __init__(self, wish: Wish) -> None:
        super().__init__(Role.INITIATOR)
        assert wish.password is not None
        self._credential = Credential.from_password(wish.user, wish.domain, wish.password)
        self._bindings = ChannelBindings(wish.bindings).hash() if wish.bindings else None
        self._target = Target(wish.target)
        self._sent: NegotiateSent | None = None

    def step(self, token: bytes | None) -> bytes | None:
        if token is None:
            self._sent, negotiate = Initiator(workstation="CLIENT").start()
            return negotiate
        assert self._sent is not None
        try:
            done, authenticate = self._sent.receive(
                token, self._credential, entropy=os.urandom(24), now=now(), target=self._target, bindings=self._bindings
            )
        except Rejected as rejected:
            raise Refused(rejected.reason) from rejected
        self._session = done.session
        return authenticate


class OurAcceptor(_Ours):
    def __init__(self, wish: Wish, *, require_bindings: bool, promised_mic: bool) -> None:
        super().__init__(Role.ACCEPTOR)
        bindings = BindingPolicy.REQUIRE if require_bindings else BindingPolicy.WHEN_SUPPORTED
        mic = MicPolicy.WHEN_PROMISED if promised_mic else MicPolicy.WHEN_ABLE
        self._acceptor = Acceptor(target=INFO, policy=AcceptorPolicy(bindings=bindings, mic=mic))
        hashes = (ChannelBindings(wish.bindings).hash(),) if wish.bindings else ()
        self._channel = Channel(hashes, frozenset({TARGET, "host/server.example.com"}))
        self._challenged: Challenged | None = None

    def step(self, token: bytes | None) -> bytes | None:
        assert token is not None
        try:
            if self._challenged is None:
                self._challenged, challenge = self._acceptor.start(token, server_challenge=os.urandom(8), now=now())
                return challenge
            presented = self._challenged.receive(token)
            assert isinstance(presented, Presented)
            known = (presented.user.casefold(), presented.domain) == (USER.casefold(), DOMAIN)
            done = presented.verify(HASH if known else bytes(16), now=now(), channel=self._channel)
        except Rejected as rejected:
            raise Refused(rejected.reason) from rejected
        self._session = done.session
        return None


def initiator(wish: Wish) -> OurInitiator:
    """Our initiating end."""
    return OurInitiator(wish)


def acceptor(wish: Wish, *, require_bindings: bool = False, promised_mic: bool = False) -> OurAcceptor:
    """Our accepting end, which knows Alice. It takes bindings where they are sent, or requires them.

    With `promised_mic` it asks for a MIC only where one is promised, else of everybody who seems able to make one.
    """
    return OurAcceptor(wish, require_bindings=require_bindings, promised_mic=promised_mic)
