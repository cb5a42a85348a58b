"""A conversation of two ends: what they wish, what passes, and what can be read off the tokens about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from secpkg.protocols.ntlm import Authenticate, AvFlag, Challenge, NegotiateFlag, NtlmV2Response, read_response

USER: Final = "Alice"
DOMAIN: Final = "EXAMPLE"
PASSWORD: Final = "correct horse"
HOST: Final = "server.example.com"
TARGET: Final = f"HTTP/{HOST}"
TLS: Final = b"tls-server-end-point:" + bytes(range(32))
ELSEWHERE: Final = b"tls-server-end-point:" + bytes(32)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What an end is to be and to have. ``password`` None: the stranger has the NT hash, by its accounts file.

    ``bindings`` is the application data of channel bindings, empty for none.
    """

    side: str
    user: str = USER
    domain: str = DOMAIN
    password: str | None = PASSWORD
    target: str = TARGET
    bindings: bytes = b""
    sign: bool = True
    seal: bool = True


class End(Protocol):
    """One end of a conversation. `seal` gives signature and sealed text in one piece, the signature first.

    Any of them raises `Refused` where the end refuses.
    """

    @property
    def complete(self) -> bool: ...
    def step(self, token: bytes | None) -> bytes | None: ...
    def seal(self, data: bytes) -> bytes: ...
    def unseal(self, data: bytes) -> bytes: ...
    def sign(self, data: bytes) -> bytes: ...
    def verify(self, data: bytes, signature: bytes) -> None: ...
    def session_key(self) -> bytes | None:
        """None where this end does not tell it."""
        ...


class Refused(Exception):
    """An end refused. The text is its own: ours says the status or the reason, a stranger what its library says."""


@dataclass(frozen=True)
class Seen:
    """What passed, as the tokens say it."""

    negotiate: bytes
    challenge: bytes
    authenticate: bytes

    @property
    def message(self) -> Authenticate:
        return Authenticate.parse(self.authenticate)

    @property
    def flags(self) -> NegotiateFlag:
        """What both agreed on."""
        return NegotiateFlag(self.message.flags & Challenge.parse(self.challenge).flags)

    @property
    def response(self) -> NtlmV2Response:
        response = read_response(self.message.lm_response, self.message.nt_response)
        assert isinstance(response, NtlmV2Response)
        return response

    @property
    def mic(self) -> bool:
        return bool((self.response.pairs.flags or 0) & AvFlag.MIC)

    @property
    def bound(self) -> bool:
        return any(self.response.pairs.channel_bindings or b"")


def handshake(initiator: End, acceptor: End) -> Seen:
    """The three messages. Refused where either end does; both are complete otherwise."""
    negotiate = initiator.step(None)
    assert negotiate is not None
    challenge = acceptor.step(negotiate)
    assert challenge is not None
    assert not acceptor.complete
    authenticate = initiator.step(challenge)
    assert authenticate is not None
    assert acceptor.step(authenticate) is None
    assert initiator.complete
    assert acceptor.complete
    return Seen(negotiate, challenge, authenticate)


def talk(initiator: End, acceptor: End, *, seals: bool = True, signs: bool = True, empty: bool = True) -> None:
    """Sealed and signed messages, both ways, of several sizes and mixed, as far as both ends have such a thing."""
    for text in (b"one", bytes(range(256)) * 5, *[b""] * empty, b"two"):
        if seals:
            assert acceptor.unseal(initiator.seal(text)) == text
            assert initiator.unseal(acceptor.seal(text)) == text
        if signs:
            acceptor.verify(text, initiator.sign(text))
            initiator.verify(text, acceptor.sign(text))


def same_key(initiator: End, acceptor: End) -> bool:
    """Whether both tell the session key; they must be the same where they do."""
    ours, theirs = initiator.session_key(), acceptor.session_key()
    if ours is None or theirs is None:
        return False
    assert ours == theirs
    return True
