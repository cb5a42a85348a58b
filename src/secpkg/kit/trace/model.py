"""One observed call."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.contract.status import Status

if TYPE_CHECKING:
    from secpkg.host.user_mode.trace import UserModeCall

AUTHORITY: Final = "authority"
"""`Event.kind` of what an application asks of the authority (LsaLogonUser and its like)."""
PACKAGE: Final = "package"
"""A function of a package's LSA half."""
LSA: Final = "lsa"
"""An LSA function that a package awaits."""
CALLBACK: Final = "callback"
"""A notification or a thread of a package, called for no client."""
USER: Final = "user"
"""A function of a user half, in the application."""
_ERROR: Final = 0x8000_0000


class Event(msgspec.Struct, frozen=True):
    """One call: ``time`` in Unix seconds, ``seconds`` how long it took, ``process`` in which it ran, ``received`` and
    ``sent`` token bytes, ``status`` with the named ``reason`` of a refusal. ``call`` is the number of the call into the
    package, which the LSA functions that it awaits have as well; ``application`` and ``uid`` are for whom it was, as
    the authority knows it (0 and -1: for nobody), ``account`` who was logged on by it.
    """

    time: float
    seconds: float
    process: int
    kind: str
    function: str
    package: str
    channel: int
    handle: int
    status: int
    reason: str
    received: int
    sent: int
    monotonic: float = 0.0
    call: int = 0
    application: int = 0
    uid: int = -1
    account: str = ""

    @property
    def failed(self) -> bool:
        """Whether it answered an error."""
        known = Status.known(self.status)
        return bool(self.status & _ERROR) if known is None else known.is_error

    @property
    def status_name(self) -> str:
        """The documented name of the status, or its number."""
        return status_name(self.status)

    @property
    def ended(self) -> float:
        """When it was over, in Unix seconds."""
        return self.time + self.seconds


class Events(msgspec.Struct, frozen=True):
    """Answer of trace.read: what happened after the cursor that was given, and the cursor to give next; ``lost`` calls
    were gone before they were read.
    """

    cursor: int
    events: tuple[Event, ...]
    lost: int = 0


class Started(msgspec.Struct, frozen=True):
    """Answer of trace.start: where what happens from now on begins."""

    cursor: int


def status_name(number: int) -> str:
    """The documented name of a status, or its number."""
    known = Status.known(number)
    return f"0x{number:08X}" if known is None else known.native


def plain(event: Event) -> dict[str, object]:
    """A call for machines: its fields, and the status by name."""
    return {**msgspec.structs.asdict(event), "status_name": event.status_name, "failed": event.failed}


def of_user_half(call: UserModeCall, process: int, uid: int, epoch: float) -> Event:
    """What a user half did in this process; ``epoch`` is the Unix time of the monotonic clock's zero."""
    return Event(
        time=call.start + epoch,
        seconds=call.seconds,
        process=process,
        kind=USER,
        function=call.function,
        package=call.package,
        channel=0,
        handle=0,
        status=call.status,
        reason="",
        received=call.received,
        sent=call.sent,
        monotonic=call.start,
        application=process,
        uid=uid,
    )


@lru_cache(maxsize=256)
def user_name(uid: int) -> str:
    """The name of a uid on this machine, or its number; "" for nobody's."""
    if uid < 0:
        return ""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def instant(event: Event) -> str:
    """When it began: UTC, milliseconds."""
    return time.strftime("%H:%M:%S", time.gmtime(event.time)) + f".{int(event.time % 1 * 1000):03}"
