"""What a lab tells: `Began`; for each round `Loaded`, `Called` and `Outcome`; and `Changed` before the next one."""

from __future__ import annotations

from typing import Literal

import msgspec

from secpkg.kit.trace.model import Event

Kind = Literal["handshake", "logon", "load"]


class Fault(msgspec.Struct, frozen=True):
    """A mistake in the author's source: where, what was raised, and the line itself."""

    file: str
    line: int
    error: str
    source: str = ""


class Began(msgspec.Struct, frozen=True, tag="began"):
    """The authority serves. ``password`` is the lab's own, for clients that the author starts by hand."""

    authority: str
    user: str
    password: str
    watched: tuple[str, ...]


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """A module is loaded, or is not; ``worker`` is the process that has its LSA half, 0 for none."""

    module: str
    packages: tuple[str, ...]
    state: str
    reason: str
    worker: int


class Called(msgspec.Struct, frozen=True, tag="called"):
    """A call, as `secpkg trace` shows it."""

    event: Event


class Outcome(msgspec.Struct, frozen=True, tag="outcome"):
    """One thing that was tried with one package. ``status`` is the documented name of what ``who`` got, ``reason`` the
    named reason behind it, ``said`` what went over the context, ``faults`` what is wrong in the source.
    """

    round: int
    module: str
    package: str
    kind: Kind
    passed: bool
    seconds: float
    who: str = ""
    status: str = "SEC_E_OK"
    reason: str = ""
    said: str = ""
    faults: tuple[Fault, ...] = ()


class Changed(msgspec.Struct, frozen=True, tag="changed"):
    """Source files were written, or have come or gone."""

    files: tuple[str, ...]


LabEvent = Began | Loaded | Called | Outcome | Changed


# --- between the lab and its processes --------------------------------------------------------------------------------


class Spec(msgspec.Struct, frozen=True):
    """What a process of a round is to do; it comes on its standard input, never as an argument."""

    module: str
    package: str
    kind: Kind
    provider: bool
    address: str
    user: str
    password: str
    place: str
    capabilities: int = 0
    logon: str = ""
    """A package that logs users on, for one that takes a session and no password."""
    path: str = ""
    roots: tuple[str, ...] = ()


class UserCall(msgspec.Struct, frozen=True, tag="user_call"):
    """A function of a user half was called."""

    event: Event


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """One end is done. ``status`` is SEC_E_OK, or what it failed with."""

    who: str
    status: str
    reason: str = ""
    said: str = ""
    faults: tuple[Fault, ...] = ()


FromPeer = UserCall | Ended
