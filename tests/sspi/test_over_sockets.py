"""The links over real sockets, to a small server in a thread of this process."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.sspi.fakes import FakeAuthority, FakeChannel

import secpkg
from secpkg import aio
from secpkg.contract.flags import CredentialUse, LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc import client, connection, packet, peer, schema
from secpkg.ipc.errors import ChannelError

decode_to_authority = msgspec.msgpack.Decoder(schema.ToAuthority).decode


class SocketServer:
    """Serves a `FakeAuthority` on ``lsa.sock`` and ``lsa-trusted.sock``."""

    def __init__(self, folder: Path, authority: FakeAuthority) -> None:
        self.authority = authority
        self.version = schema.PROTOCOL_VERSION
        self.address = f"unix:{folder / 'lsa.sock'}"
        self.open: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        for name, trusted in (("lsa.sock", False), ("lsa-trusted.sock", True)):
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listener.bind(str(folder / name))
            listener.listen()
            self.start(self.accept, listener, trusted)

    def start(self, function: Callable[..., None], sock: socket.socket, *more: object) -> None:
        self.open.append(sock)
        thread = threading.Thread(target=function, args=(sock, *more), daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self, listener: socket.socket, trusted: bool) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.start(self.serve, sock, self.authority.link("x" if trusted else None))

    def serve(self, sock: socket.socket, link: Any) -> None:
        into = packet.buffer()
        try:
            while frame := packet.recv_frame(sock, into):
                message = decode_to_authority(frame)
                if isinstance(message, schema.Connect):
                    reply: Any = schema.Connected(message.id, self.version, link.trusted, "EXAMPLE")
                    packet.send(sock, schema.encode(reply))
                elif isinstance(message, schema.OpenPackage):
                    self.opened(sock, message, link)
                elif isinstance(message, schema.TokenDescriptor):
                    with open(os.devnull, "rb") as file:
                        packet.send(sock, schema.encode(schema.Done(message.id)), [file.fileno()])
                elif message.id:
                    packet.send(sock, schema.encode(link.call(message)))
                else:
                    link.tell(message)
        except (ChannelError, OSError):
            return

    def opened(self, sock: socket.socket, message: schema.OpenPackage, link: Any) -> None:
        try:
            opened, channel = link.open_channel(message.name, message.token)
        except SecurityError as error:
            packet.send(sock, schema.encode(schema.Failed(message.id, error.status)))
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.start(self.work, ours, channel)
        with theirs:
            packet.send(sock, schema.encode(msgspec.structs.replace(opened, id=message.id)), [theirs.fileno()])

    def work(self, sock: socket.socket, channel: FakeChannel) -> None:
        into = packet.buffer()
        try:
            while frame := packet.recv_frame(sock, into):
                message = schema.decode_to_worker(frame)
                if message.id:
                    packet.send(sock, schema.encode(channel.call(message)))
                else:
                    channel.tell(message)
        except (ChannelError, OSError):
            sock.close()

    def close(self) -> None:
        for sock in self.open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()
        for sock in self.open:
            sock.close()


@pytest.fixture
def server(tmp_path: Path, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch) -> Iterator[SocketServer]:
    own = connection.Connections()
    for module in (connection, secpkg.sspi.client, secpkg.sspi.server, secpkg.sspi.credential):
        monkeypatch.setattr(module, "shared", own)
    made = SocketServer(tmp_path, authority)
    try:
        yield made
    finally:
        for each in own._by_address.values():
            each.close()
        made.close()


def shake(one: secpkg.Client, other: secpkg.Server) -> None:
    token = one.step()
    while token is not None:
        reply = other.step(token)
        token = one.step(reply) if reply is not None else None


def test_blocking(server: SocketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECPKG_AUTHORITY", server.address)
    one = secpkg.Client("Tiny", username="alice", password="right")
    other = secpkg.Server("Tiny", authority=server.address)
    shake(one, other)
    assert other.decrypt(one.encrypt(b"x")) == b"x" and other.peer == "alice"
    assert len(server.authority.links) == 1, "one connection for the process"
    with other.access_token as token:
        descriptor = token.fileno()
        assert descriptor == token.fileno() and not os.get_inheritable(descriptor)
    with pytest.raises(OSError):
        os.fstat(descriptor)
    with pytest.raises(SecurityError) as caught:
        secpkg.Client("Nobody")
    assert caught.value.status is Status.SEC_E_SECPKG_NOT_FOUND
    one.close()
    other.close()


def test_asyncio(server: SocketServer) -> None:
    async def main() -> None:
        one = aio.Client("Tiny", username="alice", password="right", authority=server.address)
        other = aio.Server("Tiny", authority=server.address)
        token = await one.step()
        while token is not None:
            reply = await other.step(token)
            token = await one.step(reply) if reply is not None else None
        assert other.decrypt(one.encrypt(b"x")) == b"x" and await other.peer() == "alice"
        async with await other.access_token() as access_token:
            os.close(await access_token.descriptor())
        await one.close()
        await other.close()
        async with await aio.lsa.connect(server.address) as lsa:
            logon = await lsa.logon_user("Tiny", LogonType.NETWORK, username="alice", password="right")
            assert logon.luid == 0xABC
            await logon.close()

    asyncio.run(main())


def test_logon_processes_have_a_socket_of_their_own(server: SocketServer) -> None:
    """R76, R84, lock 2."""
    with secpkg.lsa.register_logon_process("login", server.address) as lsa:
        assert lsa.trusted
    with secpkg.lsa.connect(server.address) as lsa:
        assert not lsa.trusted


def test_an_authority_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    """Section 1: never a fallback."""
    for trusted in (None, "login"):
        with pytest.raises(SecurityError, match="authority_unreachable") as caught:
            client.link(f"unix:{tmp_path / 'nobody.sock'}", trusted)
        assert caught.value.status is Status.SEC_E_NO_AUTHENTICATING_AUTHORITY


def test_the_authoritys_uid_is_checked(server: SocketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock 1."""
    monkeypatch.setattr(client, "allowed_uids", lambda: {os.geteuid() + 1})
    with pytest.raises(SecurityError, match="authority_foreign_uid") as caught:
        client.link(server.address)
    assert caught.value.status is Status.SEC_E_NO_AUTHENTICATING_AUTHORITY
    assert peer.check_server_uid is not None


def test_another_protocol_version_is_refused(server: SocketServer) -> None:
    server.version += 1
    with pytest.raises(SecurityError, match="protocol_version"):
        client.link(server.address)


def _handles(authority: FakeAuthority) -> tuple[set[int], int]:
    """The credentials that legs came with, and how many of those acquired were not freed."""
    used = {message.credential for message in authority.seen if isinstance(message, schema.AcceptContext)}
    acquired = sum(isinstance(message, schema.AcquireCredentials) for message in authority.seen)
    return used, acquired - sum(isinstance(message, schema.FreeCredentials) for message in authority.seen)


def test_contexts_that_begin_at_once_on_a_loop_have_one_credential(server: SocketServer) -> None:
    """All of them find no handle yet, and all but one come too late with theirs: every leg is of one handle."""

    async def main() -> None:
        inbound = aio.Credential("Tiny", CredentialUse.INBOUND, authority=server.address)
        servers = [aio.Server("Tiny", credential=inbound) for _ in range(20)]
        await asyncio.gather(*(one.step(b"1") for one in servers))
        await asyncio.gather(*(one.step(b"3") for one in servers))
        assert all(one.complete for one in servers)
        for one in servers:
            await one.close()
        used, left = _handles(server.authority)
        assert (len(used), left) == (1, 1)
        await inbound.close()

    asyncio.run(main())


def test_contexts_that_begin_at_once_in_threads_have_one_credential(server: SocketServer) -> None:
    inbound = secpkg.Credential("Tiny", CredentialUse.INBOUND, authority=server.address)
    servers = [secpkg.Server("Tiny", credential=inbound) for _ in range(8)]
    together = threading.Barrier(len(servers))

    def begin(one: secpkg.Server) -> None:
        together.wait(30)
        one.step(b"1")

    threads = [threading.Thread(target=begin, args=(one,)) for one in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for one in servers:
        one.step(b"3")
        one.close()
    used, left = _handles(server.authority)
    assert (len(used), left) == (1, 1)
    inbound.close()
