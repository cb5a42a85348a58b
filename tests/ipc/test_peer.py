"""Who is at the other end."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from secpkg.ipc import peer
from secpkg.ipc.errors import PeerRefused

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Pair]:
    """(the client's end, the accepted end)"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(str(tmp_path / "s"))
            accepted, _ = listener.accept()
            with accepted:
                yield client, accepted


def test_an_accepted_connection_names_its_peer(connection: Pair) -> None:
    assert peer.peer_credentials(connection[1]) == peer.PeerCredentials(os.getpid(), os.geteuid(), os.getegid())


def test_a_socketpair_names_nobody(pair: Pair) -> None:
    for ask in (peer.peer_credentials, peer.pidfd_of, lambda sock: peer.check_server_uid(sock, {os.geteuid()})):
        with pytest.raises(PeerRefused):
            ask(pair[0])


def test_only_an_allowed_uid_may_serve(connection: Pair) -> None:
    assert peer.check_server_uid(connection[0], {os.geteuid()}) == os.geteuid()
    for allowed in (set(), {os.geteuid() + 1}):
        with pytest.raises(PeerRefused):
            peer.check_server_uid(connection[0], allowed)


@pytest.mark.parametrize("kernel_knows", [True, False])
def test_the_pidfd_is_of_the_process_that_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel_knows: bool
) -> None:
    if not kernel_knows:
        monkeypatch.setattr(peer, "SO_PEERPIDFD", 9999)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        go, told = os.pipe()
        child = os.fork()
        if not child:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
                client.connect(str(tmp_path / "s"))
                os.close(told)
                os.read(go, 1)
            os._exit(0)
        os.close(go)
        accepted, _ = listener.accept()
        with accepted:
            pidfd = peer.pidfd_of(accepted)
            assert not os.get_inheritable(pidfd)
            assert not select.select([pidfd], [], [], 0)[0]
            os.close(told)
            assert select.select([pidfd], [], [], 20)[0] == [pidfd], "readable when it has exited"
            os.close(pidfd)
            # Exited and not yet waited for: the fallback must not hand out a corpse.
            if not kernel_knows:
                with pytest.raises(PeerRefused):
                    peer.pidfd_of(accepted)
            os.waitpid(child, 0)
            if not kernel_knows:
                with pytest.raises(PeerRefused):
                    peer.pidfd_of(accepted)


def test_a_pid_that_changed_hands_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([b"100", b"200"])
    monkeypatch.setattr(peer, "_start_time", lambda pid: next(times))
    with pytest.raises(PeerRefused):
        peer.open_pidfd(peer.PeerCredentials(os.getpid(), os.geteuid(), os.getegid()))


@pytest.mark.parametrize("pid", [0, -1])
def test_a_pid_of_another_namespace_is_refused(pid: int) -> None:
    with pytest.raises(PeerRefused):
        peer.open_pidfd(peer.PeerCredentials(pid, 0, 0))


def test_a_command_named_to_confuse_is_read_right() -> None:
    name = struct.pack("16s", b") R 1 2 (x y")
    before = Path("/proc/self/comm").read_bytes()
    plain = peer._start_time(os.getpid())
    try:
        Path("/proc/self/comm").write_bytes(name.rstrip(b"\0"))
        assert peer._start_time(os.getpid()) == plain
    finally:
        Path("/proc/self/comm").write_bytes(before)
