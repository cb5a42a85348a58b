"""Session security (MS-NLMP 3.4): signatures, sealing, sequence numbers.

With extended session security each direction has a signing key, a sealing key and a counter of its own. A signature is
``1, HMAC_MD5(SigningKey, counter || message)[0..7], counter``; where a key was exchanged the eight bytes go through the
RC4 stream that also sealed the message, just before. Without it (which a policy must allow) there is one RC4 stream and
one counter for both directions, which take turns, and the checksum is a CRC: an integrity that is none.

The RC4 stream is what makes order matter: who has drawn from it for a message that did not hold cannot go back. Such a
receiver refuses everything from then on, by name. A wrong counter is seen before anything is drawn.

Connectionless (`Datagram`): every message is protected by a stream of its own, keyed by the counter that the
application gives, so that messages may come in any order. Whether one comes twice is the application's to see.
"""

import hmac
import struct
from collections.abc import Sequence
from typing import Final
from zlib import crc32

from cryptography.hazmat.primitives.ciphers import CipherContext

from .errors import Fault, Reason, Rejected, bad_argument
from .flags import DATAGRAM, EXTENDED_SESSIONSECURITY, KEY_56, KEY_128, KEY_EXCH, LM_KEY, PROTECTION, SEAL
from .hashes import rc4_stream
from .md5 import Mac, md5
from .values import Role, Session

SIGNATURE_SIZE: Final = 16
Buffer = bytes | bytearray | memoryview

_VERSION: Final = b"\x01\0\0\0"
_NO_PAD: Final = bytes(4)
_COUNTER: Final = struct.Struct("<I")
_LAST: Final = 0xFFFFFFFF
_DIRECTIONS: Final = {Role.INITIATOR: b"client-to-server", Role.ACCEPTOR: b"server-to-client"}
_SKIP: Final = bytes(4096)


def sign_key(session: Session, sender: Role) -> bytes | None:
    """SIGNKEY (3.4.5.2) of what `sender` sends; None without extended session security."""
    if not session.flags & EXTENDED_SESSIONSECURITY:
        return None
    return md5(
        session.exported_session_key + b"session key to " + _DIRECTIONS[sender] + b" signing key magic constant\0"
    )


def seal_key(session: Session, sender: Role) -> bytes:
    """SEALKEY (3.4.5.3) of what `sender` sends: 128, 56 or 40 bits of the session key go in."""
    flags, key = session.flags, session.exported_session_key
    if flags & EXTENDED_SESSIONSECURITY:
        part = key if flags & KEY_128 else key[:7] if flags & KEY_56 else key[:5]
        return md5(part + b"session key to " + _DIRECTIONS[sender] + b" sealing key magic constant\0")
    if flags & (LM_KEY | DATAGRAM):
        return key[:7] + b"\xa0" if flags & KEY_56 else key[:5] + b"\xe5\x38\xb0"
    return key


def _mac(session: Session, sender: Role) -> Mac | None:
    key = sign_key(session, sender)
    return None if key is None else Mac(key)


class Half:
    """One direction of a session: its keys, its RC4 stream and its counter. The stream is made when it is needed.

    ``counter`` is the number of the next message, ``position`` how many bytes of the stream are used: together with the
    session they are all that a copy of this direction needs. Only one copy may go on.
    """

    __slots__ = ("_broken", "_exchanged", "_key", "_mac", "_stream", "counter", "position")

    def __init__(self, mac: Mac | None, key: bytes, *, exchanged: bool, counter: int = 0, position: int = 0) -> None:
        if not 0 <= counter <= _LAST + 1 or position < 0:
            raise bad_argument("a counter is 32 bits, a position not negative")
        self._mac = mac
        self._key = key
        self._exchanged = exchanged
        self._stream: CipherContext | None = None
        self._broken = False
        self.counter = counter
        self.position = position

    @classmethod
    def of(cls, session: Session, sender: Role, *, counter: int = 0, position: int = 0) -> "Half":
        """The direction of what `sender` sends."""
        key = seal_key(session, sender)
        exchanged = bool(session.flags & KEY_EXCH)
        return cls(_mac(session, sender), key, exchanged=exchanged, counter=counter, position=position)

    def __repr__(self) -> str:
        return "<Half>"

    def restart_stream(self) -> None:
        """MS-SPNG 3.3.5.1: the stream begins anew after a mechListMIC; the counter goes on."""
        self._stream, self.position = None, 0

    def draw(self, data: Buffer) -> bytes:
        """`data` under the next bytes of the stream."""
        stream = self._stream
        if stream is None:
            stream = self._stream = rc4_stream(self._key)
            skip = self.position
            while skip > 0:
                stream.update(_SKIP[:skip])
                skip -= len(_SKIP)
        self.position += len(data)
        return stream.update(data)

    def protect(self, parts: Sequence[tuple[Buffer, bool]]) -> tuple[list[bytes], bytes]:
        """The sealed parts (those that say so), and the signature over all of them in clear."""
        if self.counter > _LAST:
            raise Rejected(Reason.SEQUENCE_EXHAUSTED, "MS-NLMP 3.4.4: the counter is used up", Fault.CALLER)
        counter = _COUNTER.pack(self.counter)
        self.counter += 1
        sealed = [self.draw(part) for part, seal in parts if seal]
        return sealed, self._signature(counter, [part for part, _ in parts])

    def open(self, parts: Sequence[tuple[Buffer, bool]], signature: Buffer) -> list[bytes]:
        """The sealed parts in clear, where the signature holds for all of them; Rejected otherwise."""
        if self._broken:
            raise Rejected(Reason.STREAM_BROKEN, "MS-NLMP 3.4.3: a message before this one did not hold")
        if len(signature) != SIGNATURE_SIZE or signature[:4] != _VERSION:
            raise Rejected(Reason.SIGNATURE_MISMATCH, "MS-NLMP 2.2.2.9: 16 bytes, version 1")
        if self.counter > _LAST:
            raise Rejected(Reason.SEQUENCE_EXHAUSTED, "MS-NLMP 3.4.4: the counter is used up", Fault.CALLER)
        counter = _COUNTER.pack(self.counter)
        if self._mac is not None and signature[12:] != counter:
            raise Rejected(Reason.OUT_OF_SEQUENCE, "MS-NLMP 3.4.4: not the next message")
        before = self.position
        clear: list[Buffer] = []
        opened: list[bytes] = []
        for part, seal in parts:
            if seal:
                text = self.draw(part)
                opened.append(text)
                clear.append(text)
            else:
                clear.append(part)
        expected = self._signature(counter, clear)
        # Without extended session security bytes 4 to 7 are a pad, which is ignored on receipt (2.2.2.9.1).
        start = 4 if self._mac is not None else 8
        if not hmac.compare_digest(expected[start:], bytes(signature[start:])):
            self._broken = self.position != before
            raise Rejected(Reason.SIGNATURE_MISMATCH, "MS-NLMP 3.4.4: the signature is not that of the message")
        self.counter += 1
        return opened

    def _signature(self, counter: bytes, parts: Sequence[Buffer]) -> bytes:
        """MAC (3.4.4.1, 3.4.4.2)."""
        if self._mac is not None:
            checksum = self._mac.digest(counter, *parts)[:8]
            return _VERSION + (self.draw(checksum) if self._exchanged else checksum) + counter
        crc = 0
        for part in parts:
            crc = crc32(part, crc)
        # Pad, checksum and counter are drawn in this order; the pad's draw is thrown away.
        return _VERSION + _NO_PAD + self.draw(_NO_PAD + _COUNTER.pack(crc) + counter)[4:]


class Protection:
    """The protected messages of a connection-oriented session, as one of its two sides sees them.

    Signing takes SIGN or SEAL, sealing SEAL; what was not negotiated is refused: the all-zero signatures that
    ALWAYS_SIGN alone would make are not made, because they verify nothing.
    """

    __slots__ = ("_incoming", "_outgoing", "_role", "_seals", "_session")

    def __init__(self, session: Session, role: Role) -> None:
        if not session.flags & PROTECTION or session.flags & DATAGRAM:
            raise Rejected(Reason.NOT_NEGOTIATED, "MS-NLMP 3.4: the session protects no messages", Fault.CALLER)
        self._seals = bool(session.flags & SEAL)
        self._session = session
        self._role = role
        self._outgoing: Half | None = None
        self._incoming: Half | None = None

    def __repr__(self) -> str:
        return "<Protection>"

    @property
    def outgoing(self) -> Half:
        """What this side sends; made when it first sends."""
        if self._outgoing is None:
            self._outgoing = Half.of(self._session, self._role)
        return self._outgoing

    @property
    def incoming(self) -> Half:
        """What this side receives. 3.4: without extended session security one stream serves both, in turn."""
        if self._incoming is None:
            shared = not self._session.flags & EXTENDED_SESSIONSECURITY
            self._incoming = self.outgoing if shared else Half.of(self._session, self._role.peer)
        return self._incoming

    def sign(self, message: Buffer) -> bytes:
        """GSS_GetMIC: the signature of `message`, 16 bytes."""
        return self.outgoing.protect(((message, False),))[1]

    def verify(self, message: Buffer, signature: Buffer) -> None:
        """GSS_VerifyMIC: returns nothing, raises Rejected."""
        self.incoming.open(((message, False),), signature)

    def seal(self, message: Buffer) -> tuple[bytes, bytes]:
        """GSS_Wrap: `message` sealed, and its signature."""
        self._need_seal()
        sealed, signature = self.outgoing.protect(((message, True),))
        return sealed[0], signature

    def unseal(self, sealed: Buffer, signature: Buffer) -> bytes:
        """GSS_Unwrap: the message in clear; raises Rejected."""
        self._need_seal()
        return self.incoming.open(((sealed, True),), signature)[0]

    def seal_parts(self, parts: Sequence[tuple[Buffer, bool]]) -> tuple[list[bytes], bytes]:
        """GSS_WrapEx (3.4.6): parts that are sealed (True) or only signed (False). The sealed ones, and a signature."""
        self._need_seal()
        return self.outgoing.protect(parts)

    def unseal_parts(self, parts: Sequence[tuple[Buffer, bool]], signature: Buffer) -> list[bytes]:
        """GSS_UnwrapEx (3.4.7): the sealed parts in clear; raises Rejected."""
        self._need_seal()
        return self.incoming.open(parts, signature)

    def _need_seal(self) -> None:
        if not self._seals:
            raise Rejected(Reason.NOT_NEGOTIATED, "MS-NLMP 3.4.3: sealing is not negotiated", Fault.CALLER)


class Datagram:
    """The protected messages of a connectionless session. `number` is the application's, another for each message."""

    __slots__ = ("_exchanged", "_incoming", "_outgoing", "_seals")

    def __init__(self, session: Session, role: Role) -> None:
        if not session.flags & PROTECTION or not session.flags & DATAGRAM:
            raise Rejected(Reason.NOT_NEGOTIATED, "MS-NLMP 3.4: not a connectionless protected session", Fault.CALLER)
        # 3.4.3: connectionless sealing takes extended session security.
        self._seals = bool(session.flags & SEAL and session.flags & EXTENDED_SESSIONSECURITY)
        self._exchanged = bool(session.flags & KEY_EXCH)
        self._outgoing, self._incoming = (
            (_mac(session, sender), seal_key(session, sender)) for sender in (role, role.peer)
        )

    def __repr__(self) -> str:
        return "<Datagram>"

    def sign(self, message: Buffer, number: int) -> bytes:
        """GSS_GetMIC: the signature of message `number`, 16 bytes."""
        return self._half(self._outgoing, number).protect(((message, False),))[1]

    def verify(self, message: Buffer, signature: Buffer, number: int) -> None:
        """GSS_VerifyMIC: returns nothing, raises Rejected."""
        self._half(self._incoming, number).open(((message, False),), signature)

    def seal(self, message: Buffer, number: int) -> tuple[bytes, bytes]:
        """GSS_Wrap: `message` sealed, and its signature."""
        self._need_seal()
        sealed, signature = self._half(self._outgoing, number).protect(((message, True),))
        return sealed[0], signature

    def unseal(self, sealed: Buffer, signature: Buffer, number: int) -> bytes:
        """GSS_Unwrap: the message in clear; raises Rejected."""
        self._need_seal()
        return self._half(self._incoming, number).open(((sealed, True),), signature)[0]

    def protect(self, parts: Sequence[tuple[Buffer, bool]], number: int) -> tuple[list[bytes], bytes]:
        """GSS_WrapEx (3.4.6) of message `number`: parts that are sealed (True) or only signed (False)."""
        if any(seal for _, seal in parts):
            self._need_seal()
        return self._half(self._outgoing, number).protect(parts)

    def open(self, parts: Sequence[tuple[Buffer, bool]], signature: Buffer, number: int) -> list[bytes]:
        """GSS_UnwrapEx (3.4.7) of message `number`; raises Rejected."""
        if any(seal for _, seal in parts):
            self._need_seal()
        return self._half(self._incoming, number).open(parts, signature)

    def _half(self, keys: tuple[Mac | None, bytes], number: int) -> Half:
        if not 0 <= number <= _LAST:
            raise bad_argument("MS-NLMP 3.4.4: a message's number is 32 bits")
        key = md5(keys[1] + _COUNTER.pack(number))
        return Half(keys[0], key, exchanged=self._exchanged, counter=number)

    def _need_seal(self) -> None:
        if not self._seals:
            raise Rejected(Reason.NOT_NEGOTIATED, "MS-NLMP 3.4.3: sealing is not negotiated", Fault.CALLER)
