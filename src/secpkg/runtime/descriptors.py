"""Access tokens as descriptors, made only when someone asks for one (process-model.md).

A descriptor is one end of a socket pair; the authority keeps the other and, with it, the token. The kernel tells when
the last copy of the end that went out is closed, across dup, fork and passing on; a returned end is known again by its
socket cookie. Any holder could shut the pair down while others still hold it: that is told apart from a close by a byte
that lies unread in the pair - only a real close makes its loss an error - and closes nothing. A pair of which that can
no longer be told (shut down, or the byte was read) is looked up among the kernel's sockets from time to time.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

from secpkg.authority.quotas import Quotas
from secpkg.authority.tokens import AccessToken, Retention, TokenTable
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.poll import Loop, Source

_SO_COOKIE: Final = 57
_COOKIE: Final = struct.Struct("Q")
MAX_DESCRIPTORS: Final = 4096
LOOK: Final = 0.5
"""Seconds between two looks for descriptors whose close the kernel does not tell."""
_SOCKETS: Final = "/proc/net/unix"
_INODE: Final = 6
"""Column of `_SOCKETS` (proc(5))."""


class _Exported:
    __slots__ = ("end", "inode", "retention", "source", "uid")

    def __init__(self, uid: int, end: socket.socket, inode: int, retention: Retention) -> None:
        self.uid = uid
        self.end = end
        self.inode = inode
        self.retention = retention
        self.source: Source | None = None


class TokenDescriptors:
    """The descriptors of one authority."""

    def __init__(self, loop: Loop, tokens: TokenTable, quotas: Quotas) -> None:
        self._loop = loop
        self._tokens = tokens
        self._quotas = quotas
        self._exported: dict[int, _Exported] = {}
        self._unheard: set[int] = set()

    def __len__(self) -> int:
        return len(self._exported)

    def export(self, token: AccessToken, uid: int) -> socket.socket:
        """A descriptor that stands for the token; the caller sends it and closes its own copy. It counts for ``uid``,
        who asked, until its last copy is closed, whoever has it.
        """
        if len(self._exported) >= MAX_DESCRIPTORS:
            raise SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason="quota_token_descriptors")
        self._quotas.take(uid, "token_descriptors")
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError:
            self._quotas.give_back(uid, "token_descriptors")
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="no_descriptors_left") from None
        ours.setblocking(False)
        ours.send(b"T")
        cookie = _cookie(theirs)
        exported = _Exported(uid, ours, os.fstat(theirs.fileno()).st_ino, self._tokens.retain(token))
        exported.source = self._loop.register(ours.fileno(), lambda: self._readable(cookie))
        self._exported[cookie] = exported
        return theirs

    def identify(self, fd: int) -> AccessToken:
        """The token that a descriptor stands for; STATUS_INVALID_HANDLE for any other descriptor."""
        try:
            end = socket.socket(fileno=fd)
        except OSError:
            raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="no_token_descriptor") from None
        try:
            exported = self._exported.get(_cookie(end))
        except OSError:
            exported = None
        finally:
            end.detach()  # the descriptor stays the caller's
        if exported is None:
            raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="no_token_descriptor")
        return exported.retention.token

    def _readable(self, cookie: int) -> None:
        exported = self._exported.get(cookie)
        if exported is None:
            return
        try:
            data = exported.end.recv(4096)
        except BlockingIOError:
            return
        except ConnectionResetError:
            self._drop(cookie)
            return
        if not data and exported.source is not None:
            # Shut down by a holder, perhaps not closed: nobody can end another's copy. It would be readable for ever.
            exported.source.unregister()
            if not self._unheard:
                self._loop.call_at(self._loop.clock() + LOOK, self._look)
            self._unheard.add(cookie)

    def _look(self) -> None:
        """Find out which of the descriptors that cannot be heard of are closed."""
        try:
            with open(_SOCKETS, encoding="ascii", errors="replace") as file:
                alive = {int(columns[_INODE]) for columns in map(str.split, list(file)[1:])}
        except (OSError, ValueError, IndexError):
            alive = {self._exported[cookie].inode for cookie in self._unheard}
        for cookie in [cookie for cookie in self._unheard if self._exported[cookie].inode not in alive]:
            self._drop(cookie)
        if self._unheard:
            self._loop.call_at(self._loop.clock() + LOOK, self._look)

    def _drop(self, cookie: int) -> None:
        exported = self._exported.pop(cookie)
        self._unheard.discard(cookie)
        if exported.source is not None:
            exported.source.unregister()
        exported.end.close()
        exported.retention.release()
        self._quotas.give_back(exported.uid, "token_descriptors")

    def close(self) -> None:
        """Let go of everything."""
        for cookie in list(self._exported):
            self._drop(cookie)


def _cookie(sock: socket.socket) -> int:
    (cookie,) = _COOKIE.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, _COOKIE.size))
    return int(cookie)
