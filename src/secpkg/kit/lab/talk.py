"""What two ends of a finished handshake say to each other: messages, records of a stream, or datagrams.

Tokens and messages cross the peers' socket with their length before them. A stream is cut where the reader likes; a
datagram is a signature and its text.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

from secpkg.contract.attributes import StreamSizes
from secpkg.contract.flags import BufferType, Capability, ContextAttribute
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import SecBuffer
from secpkg.sspi import raw
from secpkg.sspi.client import Client
from secpkg.sspi.server import Server

_LENGTH: Final = struct.Struct(">I")
_MAX_TOKEN: Final = 1024 * 1024
_SEALED, _REPLAY = 0x10, 0xC
"""CONFIDENTIALITY; REPLAY_DETECT and SEQUENCE_DETECT: of both kinds of attributes."""
_PIECE: Final = 7
"""Bytes that are read of a stream at a time, so that records come in pieces."""
_ROUNDS: Final = 2
"""How often the peers establish a datagram context (R229)."""


class PeerLeft(Exception):
    """The other end is gone; what it said before is the reason."""


def send(channel: socket.socket, data: bytes) -> None:
    """One token or message."""
    channel.sendall(_LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket) -> bytes:
    """The next one; `PeerLeft`."""
    (size,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size))
    if size > _MAX_TOKEN:
        raise PeerLeft
    return _exactly(channel, size)


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = channel.recv(size - len(data))
        if not more:
            raise PeerLeft
        data += more
    return data


def talk(capabilities: int, end: Client | Server, channel: socket.socket) -> str:
    """A conversation, protected as far as was granted: what it was. SecurityError, ValueError, `PeerLeft`."""
    if capabilities & Capability.STREAM:
        sizes = _stream_sizes(end)
        if sizes is not None:
            return _records(end, channel, sizes)
    return _messages(end, channel)


def _texts(end: Client | Server) -> tuple[bytes, bytes]:
    """Ours and the other end's."""
    texts = b"from the client", b"from the server"
    return texts if isinstance(end, Client) else texts[::-1]


def _turns(end: Client | Server) -> tuple[bool, bool]:
    """Whether it is our turn to send: the client begins."""
    return (True, False) if isinstance(end, Client) else (False, True)


def _signed(end: Client | Server) -> bool:
    return bool(int(end.flags) & (0x10000 if isinstance(end, Client) else 0x20000))


def _messages(end: Client | Server, channel: socket.socket) -> str:
    ours, theirs = _texts(end)
    sealed = bool(int(end.flags) & _SEALED)
    for turn in _turns(end):
        if sealed:
            if turn:
                send(channel, end.encrypt(ours))
            elif end.decrypt(receive(channel)) != theirs:
                raise ValueError("what was decrypted is not what was encrypted")
        elif _signed(end):
            if turn:
                send(channel, end.sign(ours))
            else:
                end.verify(theirs, receive(channel))
    return "sealed messages both ways" if sealed else "signed messages both ways" if _signed(end) else "mute"


# --- a stream ---------------------------------------------------------------------------------------------------------


def _stream_sizes(end: Client | Server) -> StreamSizes | None:
    status, sizes = raw.query_context_attributes(end._finished(), ContextAttribute.STREAM_SIZES)
    return sizes if status is Status.SEC_E_OK and isinstance(sizes, StreamSizes) else None


def _records(end: Client | Server, channel: socket.socket, sizes: StreamSizes) -> str:
    """Records of several lengths each way, joined by the sender and cut by the reader (R224 to R226)."""
    ours, theirs = ([text, b"", text * 100, b"the last"] for text in _texts(end))
    short = [text[: sizes.maximum_message] for text in ours], [text[: sizes.maximum_message] for text in theirs]
    pieces = 0
    for turn in _turns(end):
        if turn:
            channel.sendall(b"".join(_sealed(end, text) for text in short[0]))
        else:
            pieces = _read(end, channel, short[1])
    return f"{len(ours)} records each way, read in {pieces} pieces"


def _sealed(end: Client | Server, text: bytes) -> bytes:
    kinds = BufferType.STREAM_HEADER, BufferType.DATA, BufferType.STREAM_TRAILER, BufferType.EMPTY
    message = [SecBuffer(kind, text if kind is BufferType.DATA else b"") for kind in kinds]
    _good(raw.encrypt_message(end._finished(), 0, message))
    return b"".join(bytes(buffer.data) for buffer in message)


def _read(end: Client | Server, channel: socket.socket, expected: list[bytes]) -> int:
    held, got, pieces = b"", 0, 0
    while got < len(expected):
        more = channel.recv(_PIECE * (pieces % 5 + 1))
        if not more:
            raise PeerLeft
        held, pieces = held + more, pieces + 1
        while held:
            message = [SecBuffer(BufferType.DATA, held), *(SecBuffer(BufferType.EMPTY) for _ in range(4))]
            status, _ = raw.decrypt_message(end._finished(), message)
            if status is Status.SEC_E_INCOMPLETE_MESSAGE:
                break
            _good(status)
            if got == len(expected) or _of(message, BufferType.DATA) != expected[got]:
                raise ValueError("a record is not what was sealed")
            held, got = _of(message, BufferType.EXTRA), got + 1
    return pieces


def _of(message: list[SecBuffer], kind: BufferType) -> bytes:
    return next((bytes(buffer.data) for buffer in message if buffer.type == kind), b"")


def _good(status: Status) -> None:
    if status is not Status.SEC_E_OK:
        raise SecurityError(status, reason="record_refused")


# --- datagrams --------------------------------------------------------------------------------------------------------


def datagrams_of_client(client: Client, channel: socket.socket) -> str:
    """A client that may sign already: its first datagram, the answer to the challenge, and datagrams (R228, R229)."""
    ours, theirs = _texts(client)
    for _ in range(_ROUNDS):
        send(channel, client.sign(ours))
        while answer := client.step(receive(channel)):
            send(channel, answer)
            if receive(channel) == _ESTABLISHED:
                break
        for number in range(3):  # the second is lost on the way
            send(channel, client.sign(b"%b %d" % (ours, number)))
        client.verify(theirs, receive(channel))
    return _said(client)


def datagrams_of_server(server: Server, channel: socket.socket) -> str:
    """A server that challenges whoever it does not know, twice; one datagram is lost, and one comes again."""
    ours, theirs = _texts(server)
    for _ in range(_ROUNDS):
        challenge = server.step(receive(channel))
        while challenge:
            send(channel, challenge)
            challenge = server.step(receive(channel))
            send(channel, b"" if challenge else _ESTABLISHED)
        signatures = [receive(channel) for _ in range(3)]
        for number in (0, 2):
            server.verify(b"%b %d" % (theirs, number), signatures[number])
        if int(server.flags) & _REPLAY:
            _refused(server, b"%b 0" % theirs, signatures[0])
        send(channel, server.sign(ours))
    return _said(server)


_ESTABLISHED: Final = b"established"


def _said(end: Client | Server) -> str:
    again = ", one that came again was refused" if int(end.flags) & _REPLAY and isinstance(end, Server) else ""
    return f"signed datagrams both ways, established {_ROUNDS} times; one was lost{again}"


def _refused(server: Server, text: bytes, signature: bytes) -> None:
    try:
        server.verify(text, signature)
    except SecurityError:
        return
    raise ValueError("REPLAY_DETECT was granted, and a datagram is taken twice")
