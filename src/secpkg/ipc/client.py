"""The blocking link over the authority's Unix-domain socket."""

from __future__ import annotations

import os
import socket
import time

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.ipc import schema
from secpkg.ipc.callbacks import callbacks_of
from secpkg.ipc.channel import Channel
from secpkg.ipc.errors import ChannelClosed, ChannelError, PeerRefused
from secpkg.ipc.link import authority_error, failure, next_id
from secpkg.ipc.peer import check_server_uid
from secpkg.ipc.rights import OwnedFds
from secpkg.ipc.where import allowed_uids, trusted_address

CONNECT_TIMEOUT = 30.0
"""Seconds that an authority has to take a connection and answer its first message."""

decode_from_authority = msgspec.msgpack.Decoder(schema.FromAuthority).decode


class SocketLink:
    """`secpkg.ipc.link.AuthorityLink` over a connection."""

    in_place = True

    def __init__(self, channel: Channel[schema.ToAuthority, schema.FromAuthority], connected: schema.Connected) -> None:
        self._channel = channel
        self.domain_name = connected.domain_name
        self.clock = time.time
        self.trusted = connected.trusted
        self.call = channel.call
        self.tell = channel.tell
        self.close = channel.close

    @property
    def closed(self) -> bool:
        """Whether every later call is refused."""
        return self._channel.closed

    def open_socket(self, name: str, token: int) -> tuple[schema.PackageOpened, socket.socket]:
        """`OpenPackage`: the reply and the connected socket, which is the caller's."""
        reply, descriptors = self._call_with_fds(schema.OpenPackage(next_id(), name, token))
        with descriptors:
            if not isinstance(reply, schema.PackageOpened) or len(descriptors) != 1:
                raise ChannelClosed("not a reply to OpenPackage")
            return reply, socket.socket(fileno=descriptors.take(0))

    def open_channel(
        self, name: str, token: int
    ) -> tuple[schema.PackageOpened, Channel[schema.ToWorker, schema.FromWorker]]:
        """`OpenPackage`; SecurityError with the status of a `Failed` reply."""
        reply, sock = self.open_socket(name, token)
        try:
            serve = callbacks_of(reply.user_half)
            return reply, Channel(sock, schema.encode, schema.decode_from_worker, serve=serve)
        except BaseException:
            sock.close()
            raise

    def token_descriptor(self, token: int) -> int:
        """`TokenDescriptor`: the descriptor is the caller's to close."""
        reply, descriptors = self._call_with_fds(schema.TokenDescriptor(next_id(), token))
        with descriptors:
            if not isinstance(reply, schema.Done) or len(descriptors) != 1:
                raise ChannelClosed("not a reply to TokenDescriptor")
            return descriptors.take(0)

    def adopt_token(self, descriptor: int) -> schema.TokenOpened:
        """`AdoptToken`: a handle of the token that a descriptor stands for; the descriptor stays the caller's."""
        reply, descriptors = self._call_with_fds(schema.AdoptToken(next_id()), (descriptor,))
        descriptors.close()
        if not isinstance(reply, schema.TokenOpened):
            raise ChannelClosed("not a reply to AdoptToken")
        return reply

    def _call_with_fds(
        self, message: schema.ToAuthority, passing: tuple[int, ...] = ()
    ) -> tuple[schema.FromAuthority, OwnedFds]:
        reply, descriptors = self._channel.call_with_fds(message, 1, passing)
        if isinstance(reply, schema.Failed):
            descriptors.close()
            raise failure(reply.status, reply.substatus, reply.reason)
        return reply, descriptors


def link(address: str, logon_process_name: str | None = None) -> SocketLink:
    """Connect to ``unix:/path``, for a logon process to the trusted socket beside it.

    SEC_E_NO_AUTHENTICATING_AUTHORITY: ``authority_unreachable``, ``authority_foreign_uid``, ``protocol_version``; for a
    logon process that may not open the trusted socket STATUS_PORT_CONNECTION_REFUSED (R84).
    """
    path = (address if logon_process_name is None else trusted_address(address)).partition(":")[2]
    channel = _connect(path, logon_process_name is not None)
    try:
        request = schema.Connect(next_id(), schema.PROTOCOL_VERSION, logon_process_name)
        reply = channel.call(request)
        channel.set_timeout(None)
        if isinstance(reply, schema.Failed):
            raise failure(reply.status, reply.substatus, reply.reason)
        if not isinstance(reply, schema.Connected) or reply.version != schema.PROTOCOL_VERSION:
            raise SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="protocol_version")
        if logon_process_name is not None and not reply.trusted:
            raise SecurityError(Status.STATUS_PORT_CONNECTION_REFUSED, reason="connection_not_trusted")
    except ChannelError as error:
        channel.close()
        raise authority_error(error) from error
    except BaseException:
        channel.close()
        raise
    return SocketLink(channel, reply)


def _connect(path: str, trusted: bool) -> Channel[schema.ToAuthority, schema.FromAuthority]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        sock.settimeout(CONNECT_TIMEOUT)
        sock.connect(os.fsencode(path))
        check_server_uid(sock, allowed_uids())
        return Channel(sock, schema.encode, decode_from_authority, timeout=CONNECT_TIMEOUT)
    except PeerRefused as error:
        sock.close()
        raise SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="authority_foreign_uid") from error
    except PermissionError as error:
        sock.close()
        if trusted:
            raise SecurityError(Status.STATUS_PORT_CONNECTION_REFUSED, reason="trusted_socket_refused") from error
        raise SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="authority_unreachable") from error
    except (OSError, ValueError) as error:
        sock.close()
        raise SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="authority_unreachable") from error
    except BaseException:
        sock.close()
        raise
