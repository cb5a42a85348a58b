"""A server that knows whom it talks to: ``server.py PACKAGE COUNT`` listens on a port of its choice and prints it.

Each connection is one handshake and one conversation: sealed questions, sealed and signed answers, and one message that
the client spoils on purpose to show that the server refuses it. ``--trace``: see `watch`.
"""

from __future__ import annotations

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


def converse(sock: socket.socket, package: str) -> None:
    """Handshake, then answer until the client has had enough."""
    with secpkg.Server(package) as server:
        while not server.complete:
            reply = server.step(wire.receive(sock))
            if reply is not None:
                wire.send(sock, reply)
        facts: dict[str, object] = {"peer": server.peer, "flags": server.flags.native}
        if package != "SampSSP":  # a plain SSP has no authority, and so no access token
            with server.access_token as token:
                facts |= {"account": token.account_name, "user": token.user, "groups": list(token.groups)}
        say(event="accepted", **facts)
        while True:
            question = server.decrypt(wire.receive(sock))
            if question == b"bye":
                break
            answer = b"you said: " + question
            wire.send(sock, server.encrypt(answer))
            wire.send(sock, server.sign(answer))
        try:
            server.decrypt(wire.receive(sock))
        except SecurityError as refused:
            say(event="refused", status=refused.status.native)


def main() -> None:
    """Serve the number of connections that the command line names."""
    with watch.watching(), socket.create_server(("127.0.0.1", 0)) as listener:
        package, count = sys.argv[1], int(sys.argv[2])
        say(event="listening", port=listener.getsockname()[1])
        for _ in range(count):
            sock, _address = listener.accept()
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    converse(sock, package)
                except SecurityError as refused:
                    say(event="failed", status=refused.status.native)
                except (EOFError, ConnectionError):
                    say(event="gone")


if __name__ == "__main__":
    main()
