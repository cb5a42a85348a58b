"""A client: ``client.py PACKAGE PORT password USER`` reads a password from standard input and uses it;
``client.py PACKAGE PORT session FD`` uses the default credentials of the logon session whose access token it was handed
as a descriptor; ``client.py SampSSP PORT key NAME`` uses the pre-shared key of that name. ``--trace``: see `watch`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys

import watch
import wire

import secpkg
from secpkg import SecurityError


def say(**facts: object) -> None:
    """One line for whoever started this process."""
    print(json.dumps(facts), flush=True)


def converse(sock: socket.socket, client: secpkg.Client) -> None:
    """Handshake, check the peer, talk."""
    token = client.step()
    while token is not None:
        wire.send(sock, token)
        if client.complete:
            break
        token = client.step(wire.receive(sock))
    say(event="connected", peer=client.peer, flags=client.flags.native)
    for question in (b"who am I?", b"x" * 20_000):
        wire.send(sock, client.encrypt(question))
        answer = client.decrypt(wire.receive(sock))
        client.verify(answer, wire.receive(sock))
        if answer != b"you said: " + question:
            raise SystemExit("the answer is not the server's")
    say(event="talked", sealed=2, signed=2)
    wire.send(sock, client.encrypt(b"bye"))
    spoiled = bytearray(client.encrypt(b"one bit of this is flipped on the way"))
    spoiled[-1] ^= 1
    wire.send(sock, bytes(spoiled))


def main() -> None:
    """One conversation."""
    with watch.watching(), contextlib.ExitStack() as stack:
        package, port, how, what = sys.argv[1:]
        try:
            if how == "session":
                lsa = stack.enter_context(secpkg.lsa.connect())
                token = stack.enter_context(lsa.adopt(int(what)))
                stack.enter_context(token.session())
                client = secpkg.Client(package, target="demo/server")
            elif how == "password":
                password = sys.stdin.readline().rstrip("\n")
                client = secpkg.Client(package, username=what, password=password, target="demo/server")
            else:
                client = secpkg.Client(package, username=what, target="server")
            stack.enter_context(client)
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", int(port))))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            converse(sock, client)
        except SecurityError as refused:
            say(event="failed", status=refused.status.native)
            raise SystemExit(1) from None
        except (EOFError, ConnectionError):
            say(event="failed", reason="connection_closed")
            raise SystemExit(1) from None


if __name__ == "__main__":
    main()
