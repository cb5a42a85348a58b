"""Who is at the other end of a Unix-domain socket (unix(7): SO_PEERCRED, SO_PEERPIDFD).

The kernel notes the credentials at connect(2) for the server, and at listen(2) for the client; they do not follow the
socket when it is passed on. So they mean something for a connection that this process accepted or made itself, and
nothing for one end of a socketpair: there they name its maker. Both kinds are told apart by their address, and the
second is refused.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Collection
from typing import Final

import msgspec

from .errors import PeerRefused

_UCRED: Final = struct.Struct("iII")
_NOBODY_KNOWN: Final = 2**32 - 1
# asm-generic/socket.h, Linux 6.5; Python's socket module learns it later.
SO_PEERPIDFD: Final[int] = getattr(socket, "SO_PEERPIDFD", 77)
_OTHER_NUMBERS: Final = ("sparc", "parisc")


class PeerCredentials(msgspec.Struct, frozen=True):
    """The process that connected, as it was then. `pid` is 0 where it lives outside this process's pid namespace."""

    pid: int
    uid: int
    gid: int


def peer_credentials(sock: socket.socket) -> PeerCredentials:
    """Who connected to the listener that `sock` was accepted from. PeerRefused for anything that was not accepted."""
    if not sock.getsockname():
        raise PeerRefused("not accepted from a listener: its credentials name the maker of the socket, not the peer")
    return _credentials(sock)


def check_server_uid(sock: socket.socket, allowed: Collection[int]) -> int:
    """The uid that listens where `sock` connected to; PeerRefused unless it is one of `allowed`."""
    if not sock.getpeername():
        raise PeerRefused("not connected to a listener: its credentials name the maker of the socket, not the peer")
    uid = _credentials(sock).uid
    if uid not in allowed:
        raise PeerRefused(f"uid {uid} serves this socket, which is not one of those that may")
    return uid


def pidfd_of(sock: socket.socket) -> int:
    """A pidfd (close-on-exec, owned by the caller) of the process that connected, readable when it has exited.

    With SO_PEERPIDFD the kernel answers. Before Linux 6.5 the pid is opened and held against reuse: the same process,
    of the peer's uid, must bear it before and after. What that cannot see is a pid that went to another process of the
    same uid before this call: call it right after accept. PeerRefused where the process is gone or cannot be named.
    """
    credentials = peer_credentials(sock)
    if not os.uname().machine.startswith(_OTHER_NUMBERS):
        try:
            return sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
        except OSError as error:
            if error.errno not in {errno.ENOPROTOOPT, errno.EINVAL, errno.EOPNOTSUPP}:
                raise PeerRefused("the process that connected is gone") from error
    return open_pidfd(credentials)


def open_pidfd(credentials: PeerCredentials) -> int:
    """`pidfd_of` for a kernel without SO_PEERPIDFD."""
    if credentials.pid <= 0:
        raise PeerRefused("the process that connected is outside this pid namespace")
    try:
        before = _start_time(credentials.pid)
        pidfd = os.pidfd_open(credentials.pid)
    except OSError as error:
        raise PeerRefused("the process that connected is gone") from error
    try:
        same = (
            os.stat(f"/proc/{credentials.pid}").st_uid in {credentials.uid, 0}
            and _start_time(credentials.pid) == before
        )
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not same or poll.poll(0):
            raise PeerRefused("the process that connected is gone")
    except OSError as error:
        os.close(pidfd)
        raise PeerRefused("the process that connected is gone") from error
    except BaseException:
        os.close(pidfd)
        raise
    return pidfd


def _credentials(sock: socket.socket) -> PeerCredentials:
    try:
        pid, uid, gid = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    except OSError as error:
        raise PeerRefused("the kernel does not name the peer of this socket") from error
    if uid == _NOBODY_KNOWN:
        raise PeerRefused("this socket has no peer yet")
    return PeerCredentials(pid, uid, gid)


def _start_time(pid: int) -> bytes:
    with open(f"/proc/{pid}/stat", "rb") as file:
        # The name of the command may hold blanks and brackets; field 22 is counted from behind it (proc(5)).
        return file.read().rpartition(b")")[2].split()[19]
