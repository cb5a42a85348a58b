"""What a call costs, as a ratio to a bare blocking ping-pong of the same frame between two processes.

Run it by hand: `python tests/ipc/bench_channel.py`. Rounds of both are interleaved; the best of each counts.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable

from ipc_helpers import Message, decode, encode

from secpkg.ipc.channel import Channel
from secpkg.ipc.poll import Loop, Peer
from secpkg.ipc.rights import OwnedFds

CALLS = 4000
ROUNDS = 12
BODY = bytes(250)


class Echo(Peer):
    def on_frame(self, data: bytes, fds: OwnedFds) -> None:
        self.send(data)

    def on_close(self) -> None:
        self.loop.stop()


def bare_echo(sock: socket.socket) -> None:
    while data := sock.recv(4096):
        sock.send(data)


def loop_echo(sock: socket.socket) -> None:
    loop = Loop(lambda where, error: sys.exit(1))
    Echo(loop, sock)
    loop.run()


def server(run: Callable[[socket.socket], None]) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if not os.fork():
        ours.close()
        run(theirs)
        os._exit(0)
    theirs.close()
    return ours


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS


def main() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    for label, use in (("pinned", cpus[:1]), ("free", cpus)):
        os.sched_setaffinity(0, use)
        bare_sock = server(bare_echo)
        near_sock = server(bare_echo)
        near: Channel[Message, Message] = Channel(near_sock, encode, decode, timeout=30.0)
        far_sock = server(loop_echo)
        far: Channel[Message, Message] = Channel(far_sock, encode, decode, timeout=30.0)
        frame = encode(Message(1, BODY))

        def bare(sock: socket.socket = bare_sock, frame: bytes = frame) -> None:
            sock.send(frame)
            sock.recv(4096)

        def call_near(channel: Channel[Message, Message] = near) -> None:
            channel.call(Message(channel.next_id(), BODY))

        def call_far(channel: Channel[Message, Message] = far) -> None:
            channel.call(Message(channel.next_id(), BODY))

        costs: dict[str, Callable[[], object]] = {"bare": bare, "channel": call_near, "channel and loop": call_far}
        best = dict.fromkeys(costs, 1.0)
        for _ in range(ROUNDS):
            for name, call in costs.items():
                best[name] = min(best[name], seconds(call))
        for name, cost in best.items():
            print(f"{label:7} {name:18} {cost * 1e6:6.2f} us  {cost / best['bare']:.2f}")
        bare_sock.close()
        near.close()
        far.close()


if __name__ == "__main__":
    main()
