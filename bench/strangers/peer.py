"""One library in a process of its own: ``peer.py MODULE DOMAIN USER PASSWORD``, of which `Contexts` is a class.

Lines of ``handshake TIMES`` and ``seal SIZE TIMES`` on stdin, seconds for each time on stdout. Nothing of ours is
imported here: gss-ntlmssp is measured under Debian's python.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Any


def handshake(contexts: Any, times: int) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        client, server = contexts.pair()
        contexts.end(client, server)
    return (time.perf_counter() - begun) / times


def seal(contexts: Any, size: int, times: int) -> float:
    client, server = contexts.pair()
    sealed, data = contexts.sealing(client), bytes(size)
    begun = time.perf_counter()
    for _ in range(times):
        sealed(data)
    each = (time.perf_counter() - begun) / times
    contexts.end(client, server)
    return each


def main() -> None:
    contexts = import_module(f"{sys.argv[1]}_contexts").Contexts(*sys.argv[2:])
    for line in sys.stdin:
        what, *numbers = line.split()
        print(globals()[what](contexts, *map(int, numbers)), flush=True)


main()
