"""For tests of packages and of programs that use them.

`LabAuthority` is a whole authority, `Pair` a client and a server in it; `FrozenClock` and `SeededEntropy` fix time and
chance, `record` and `replay` compare a handshake with an earlier one byte by byte, `LabAuthority.fail` and
`LabAuthority.slow` make LSA functions fail or wait. The same as pytest fixtures: `secpkg.testing.pytest_plugin`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secpkg.host.user_mode.trace import UserModeCall, observe_user_mode
    from secpkg.testing.clock import FrozenClock
    from secpkg.testing.datagrams import Datagram, Fate, Network
    from secpkg.testing.entropy import SeededEntropy
    from secpkg.testing.faults import ANY, FaultInjection, LsaCallSeen, Rule, lsa_functions
    from secpkg.testing.lab import LabAuthority
    from secpkg.testing.pair import Pair
    from secpkg.testing.recording import Difference, Recording, record, replay

# A client that only wants to be watched does not bring the authority along.
_WHERE = {
    "ANY": "secpkg.testing.faults",
    "Datagram": "secpkg.testing.datagrams",
    "Difference": "secpkg.testing.recording",
    "Fate": "secpkg.testing.datagrams",
    "FaultInjection": "secpkg.testing.faults",
    "FrozenClock": "secpkg.testing.clock",
    "LabAuthority": "secpkg.testing.lab",
    "LsaCallSeen": "secpkg.testing.faults",
    "Network": "secpkg.testing.datagrams",
    "Pair": "secpkg.testing.pair",
    "Recording": "secpkg.testing.recording",
    "Rule": "secpkg.testing.faults",
    "SeededEntropy": "secpkg.testing.entropy",
    "UserModeCall": "secpkg.host.user_mode.trace",
    "lsa_functions": "secpkg.testing.faults",
    "observe_user_mode": "secpkg.host.user_mode.trace",
    "record": "secpkg.testing.recording",
    "replay": "secpkg.testing.recording",
}

__all__ = [
    "ANY",
    "Datagram",
    "Difference",
    "Fate",
    "FaultInjection",
    "FrozenClock",
    "LabAuthority",
    "LsaCallSeen",
    "Network",
    "Pair",
    "Recording",
    "Rule",
    "SeededEntropy",
    "UserModeCall",
    "lsa_functions",
    "observe_user_mode",
    "record",
    "replay",
]


def __getattr__(name: str) -> object:
    try:
        loaded: object = getattr(import_module(_WHERE[name]), name)
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    globals()[name] = loaded
    return loaded
