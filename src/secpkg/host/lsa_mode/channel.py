"""What one application has open in one worker: its credential handles and its contexts.

Handles are numbers of one channel, never used twice: a stale handle finds nothing, and one of another process reaches
nothing of that process.
A context moves through `Phase` by the table below; a boolean beside it says only whether a call is under way.
"""

from __future__ import annotations

import enum
from typing import Final

from secpkg.contract.flags import CallAttribute
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, ClientInfo
from secpkg.host.lsa_mode.load import HostedPackage

MAX_CREDENTIALS: Final = 4096
MAX_CONTEXTS: Final = 65_536
MAX_HALF_OPEN: Final = 16_384
"""Limits of one channel (lock 9)."""


_NO_ATTRIBUTES: Final = CallAttribute(0)


class Phase(enum.Enum):
    """Where a context is."""

    __hash__ = object.__hash__  # that of Enum is a Python function, and these are looked up in every leg

    NEW = "new"
    PARTIAL = "partial"
    COMPLETE = "complete"
    FAILED = "failed"


class Event(enum.Enum):
    """What a leg came to."""

    __hash__ = object.__hash__

    CONTINUED = "continued"
    COMPLETED = "completed"
    WANTED_MORE = "wanted more"
    REFUSED = "refused"


TRANSITIONS: Final[dict[tuple[Phase, Event], Phase]] = {
    (Phase.NEW, Event.CONTINUED): Phase.PARTIAL,
    (Phase.NEW, Event.COMPLETED): Phase.COMPLETE,
    (Phase.NEW, Event.WANTED_MORE): Phase.NEW,
    (Phase.NEW, Event.REFUSED): Phase.FAILED,
    (Phase.PARTIAL, Event.CONTINUED): Phase.PARTIAL,
    (Phase.PARTIAL, Event.COMPLETED): Phase.COMPLETE,
    (Phase.PARTIAL, Event.WANTED_MORE): Phase.PARTIAL,
    (Phase.PARTIAL, Event.REFUSED): Phase.FAILED,
}
"""Legs are legal in NEW and PARTIAL only: a finished or failed context refuses every further one."""


class Role(enum.Enum):
    """Which side of a conversation a context is."""

    __hash__ = object.__hash__

    INITIATOR = "initiator"
    ACCEPTOR = "acceptor"


class Credential:
    """A credential handle: the package's object, held by its handle and by the contexts made from it (R193)."""

    __slots__ = ("closed", "contexts", "expiry", "package", "state")

    def __init__(self, package: HostedPackage, state: object, expiry: float) -> None:
        self.package = package
        self.state = state
        self.expiry = expiry
        self.contexts = 0
        self.closed = False


class Context:
    """A context handle: the package's object and where the context is. One that was made from metadata has no role
    before its first leg (R168).
    """

    __slots__ = ("busy", "credential", "doomed", "expiry", "handle", "package", "phase", "role", "state")

    def __init__(self, handle: int, package: HostedPackage, credential: Credential, role: Role | None) -> None:
        self.handle = handle
        self.package = package
        self.credential = credential
        self.role = role
        self.state: object = None
        self.expiry: float = NEVER
        self.phase = Phase.NEW
        self.busy = False
        self.doomed = False


class Channel:
    """One application's channel and who is at its other end, as the authority said (lock 1)."""

    __slots__ = ("acquiring", "caller", "closed", "contexts", "credentials", "half_open", "next_handle", "number")

    def __init__(self, number: int, caller: ClientInfo) -> None:
        self.number = number
        self.caller = caller
        self.credentials: dict[int, Credential] = {}
        self.contexts: dict[int, Context] = {}
        self.half_open = 0
        self.acquiring = 0
        self.next_handle = 1
        self.closed = False

    @property
    def attributes(self) -> CallAttribute:
        """The call attributes of what the host does with its handles: cleanup once the application is gone (R141)."""
        return CallAttribute.CLEANUP if self.closed else _NO_ATTRIBUTES

    def new_handle(self) -> int:
        """A number that this channel has not used yet."""
        handle = self.next_handle
        self.next_handle = handle + 1
        return handle

    def credential(self, handle: int) -> Credential:
        """The credential of a handle: SEC_E_INVALID_HANDLE when there is none."""
        try:
            return self.credentials[handle]
        except KeyError:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="credential_handle_unknown") from None

    def context(self, handle: int) -> Context:
        """The context of a handle: SEC_E_INVALID_HANDLE when there is none."""
        try:
            return self.contexts[handle]
        except KeyError:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_handle_unknown") from None

    def room_for_credential(self) -> None:
        """Refuse a credential beyond the limit; those under way count."""
        if len(self.credentials) + self.acquiring >= MAX_CREDENTIALS:
            raise SecurityError(Status.SEC_E_INSUFFICIENT_MEMORY, reason="quota_credentials")

    def room_for_context(self) -> None:
        """Refuse a context beyond the limits."""
        if len(self.contexts) >= MAX_CONTEXTS:
            raise SecurityError(Status.SEC_E_INSUFFICIENT_MEMORY, reason="quota_contexts")
        if self.half_open >= MAX_HALF_OPEN:
            raise SecurityError(Status.SEC_E_INSUFFICIENT_MEMORY, reason="quota_half_open")

    def __repr__(self) -> str:
        return f"<Channel {self.number} pid {self.caller.process_id}>"
