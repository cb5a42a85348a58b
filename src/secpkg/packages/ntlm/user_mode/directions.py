"""Both directions of a context: their streams and counters, of a connection and of datagrams.

A connection has one RC4 stream and one counter a direction. A datagram has a stream of its own, keyed by its number: a
number that served twice would give two messages one stream. So a sender's numbers only grow, whether the application
gives them (R216, R230) or leaves that to us with 0; a receiver takes the number from the signature, in any order, and
with REPLAY_DETECT each one once, within a window of the last 64.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final

from secpkg.contract.flags import AscRet, IscRet
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Buffer
from secpkg.packages.ntlm.packed_context import PackedContext
from secpkg.protocols import ntlm
from secpkg.protocols.ntlm import NegotiateFlag, Reason, Rejected, Role

Parts = Sequence[tuple[Buffer, bool]]

_DATAGRAM: Final = int(NegotiateFlag.DATAGRAM)
_EXTENDED: Final = int(NegotiateFlag.EXTENDED_SESSIONSECURITY)
_PROTECTION: Final = int(NegotiateFlag.SIGN | NegotiateFlag.SEAL)
_COUNTERS: Final = struct.Struct("<BQQQQ")
_VERSION: Final = 1
_WINDOW: Final = 64
_LAST: Final = 0xFFFF_FFFF
_SIGNATURE: Final = 16


class Directions(ABC):
    """What a context does with its messages."""

    COUNTERS: ClassVar[int] = _COUNTERS.size

    @abstractmethod
    def protect(self, parts: Parts, number: int) -> tuple[list[bytes], bytes]:
        """The sealed parts, and the signature over all."""

    @abstractmethod
    def open(self, parts: Parts, signature: Buffer, number: int) -> list[bytes]:
        """The sealed parts in clear, where the signature holds."""

    @abstractmethod
    def numbers(self) -> tuple[int, int, int, int]:
        """All that changes with a message."""

    @property
    def used(self) -> bool:
        """Whether a message has passed."""
        return any(self.numbers())

    def counters(self) -> bytes:
        """For export: `directions_of` takes them."""
        return _COUNTERS.pack(_VERSION, *self.numbers())


class ConnectionDirections(Directions):
    """MS-NLMP 3.4, connection-oriented."""

    __slots__ = ("_begin", "_incoming", "_outgoing", "_role", "_session")

    def __init__(self, session: ntlm.Session, role: Role, numbers: tuple[int, int, int, int]) -> None:
        self._session, self._role, self._begin = session, role, numbers
        self._outgoing: ntlm.Half | None = None
        self._incoming: ntlm.Half | None = None
        if not session.flags & _EXTENDED:  # both directions share one
            self._incoming = self._out()

    def _out(self) -> ntlm.Half:
        """Keys and counter of what is sent, made at the first message; a direction that is not used costs nothing."""
        counter, position, _, _ = self._begin
        self._outgoing = ntlm.Half.of(self._session, self._role, counter=counter, position=position)
        return self._outgoing

    def _in(self) -> ntlm.Half:
        _, _, counter, position = self._begin
        self._incoming = ntlm.Half.of(self._session, self._role.peer, counter=counter, position=position)
        return self._incoming

    def protect(self, parts: Parts, number: int) -> tuple[list[bytes], bytes]:
        """The counter is NTLM's own."""
        return (self._outgoing or self._out()).protect(parts)

    def open(self, parts: Parts, signature: Buffer, number: int) -> list[bytes]:
        """In the order in which they were sent."""
        return (self._incoming or self._in()).open(parts, signature)

    def numbers(self) -> tuple[int, int, int, int]:
        """Counters and positions of the streams."""
        out, into = self._outgoing, self._incoming
        sent = self._begin[:2] if out is None else (out.counter, out.position)
        received = self._begin[2:] if into is None else (into.counter, into.position)
        return (*sent, *received)


class DatagramDirections(Directions):
    """MS-NLMP 3.4, connectionless."""

    __slots__ = ("_datagram", "_next", "_replay", "_seen", "_top")

    def __init__(self, session: ntlm.Session, role: Role, numbers: tuple[int, int, int, int], *, replay: bool) -> None:
        self._datagram = ntlm.Datagram(session, role)
        self._next, self._top, self._seen, _ = numbers
        """The next own number; one above the highest that was received; a bit for each of the 64 below that."""
        self._replay = replay

    def protect(self, parts: Parts, number: int) -> tuple[list[bytes], bytes]:
        """Under the application's number, or our next one."""
        if number and number < self._next:
            raise SecurityError(Status.SEC_E_OUT_OF_SEQUENCE, reason="number_used_before")
        number = number or self._next
        if number > _LAST:
            raise Rejected(Reason.SEQUENCE_EXHAUSTED, "MS-NLMP 2.2.2.9: a datagram's number is 32 bits")
        made = self._datagram.protect(parts, number)
        self._next = number + 1
        return made

    def open(self, parts: Parts, signature: Buffer, number: int) -> list[bytes]:
        """Under the number in the signature, which must be the application's where it gives one."""
        if len(signature) != _SIGNATURE:
            raise Rejected(Reason.SIGNATURE_MISMATCH, "MS-NLMP 2.2.2.9: 16 bytes")
        sent = int.from_bytes(signature[12:], "little")
        opened = self._datagram.open(parts, signature, sent)
        if number and number != sent:
            raise Rejected(Reason.OUT_OF_SEQUENCE, "MS-NLMP 3.4.4: not the message that was expected")
        self._note(sent)
        return opened

    def _note(self, number: int) -> None:
        ahead = number + 1 - self._top
        if ahead > 0:
            # A number far ahead is the sender's to choose: what is shifted is never longer than the window.
            self._seen = (self._seen << ahead | 1) & ((1 << _WINDOW) - 1) if ahead < _WINDOW else 1
            self._top = number + 1
            return
        bit = 1 << -ahead
        if self._replay and (-ahead >= _WINDOW or self._seen & bit):
            raise Rejected(Reason.OUT_OF_SEQUENCE, "a datagram that came before, or too late to tell")
        self._seen |= bit & ((1 << _WINDOW) - 1)

    def numbers(self) -> tuple[int, int, int, int]:
        """The next own number and the window of received ones."""
        return self._next, self._top, self._seen, 0


class NoDirections(Directions):
    """A session that protects nothing: `Context` never gets here with a message."""

    def protect(self, parts: Parts, number: int) -> tuple[list[bytes], bytes]:
        """Refused."""
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="not_negotiated")

    def open(self, parts: Parts, signature: Buffer, number: int) -> list[bytes]:
        """Refused."""
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="not_negotiated")

    def numbers(self) -> tuple[int, int, int, int]:
        """None."""
        return 0, 0, 0, 0


def directions_of(packed: PackedContext, counters: bytes = b"") -> Directions:
    """The directions of a context, at its beginning or where ``counters`` say. SEC_E_UNKNOWN_CREDENTIALS for others."""
    numbers = (0, 0, 0, 0)
    if counters:
        version, *rest = _COUNTERS.unpack(counters)
        if version != _VERSION:
            raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="exported_context_malformed")
        numbers = (rest[0], rest[1], rest[2], rest[3])
    session = ntlm.Session(packed.negotiated, packed.exported_session_key)
    role = Role.INITIATOR if packed.initiator else Role.ACCEPTOR
    if not packed.negotiated & _PROTECTION:
        return NoDirections()
    if packed.negotiated & _DATAGRAM:
        flags: type[IscRet | AscRet] = IscRet if packed.initiator else AscRet
        return DatagramDirections(session, role, numbers, replay=bool(packed.attributes & flags.REPLAY_DETECT))
    return ConnectionDirections(session, role, numbers)
