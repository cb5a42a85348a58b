"""Frames over TCP: four bytes of length, then that many bytes. What a real protocol would have anyway."""

from __future__ import annotations

import socket

LIMIT = 1 << 20


def send(sock: socket.socket, data: bytes) -> None:
    """Send one frame."""
    sock.sendall(len(data).to_bytes(4, "big") + data)


def receive(sock: socket.socket) -> bytes:
    """Receive one frame; EOFError when the peer has closed, ValueError when it sends more than is sensible."""
    length = int.from_bytes(_exactly(sock, 4), "big")
    if length > LIMIT:
        raise ValueError(f"a frame of {length} bytes")
    return _exactly(sock, length)


def _exactly(sock: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = sock.recv(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
