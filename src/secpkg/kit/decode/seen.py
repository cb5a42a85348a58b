"""What readers leave for those who look at the whole conversation: NTLM's messages, and what a session protects.

A flag is odd only beside the flags that it answers, and a proof can be checked only with the challenge. So a reader
that meets such a thing, however deep it is nested, appends it here in the order of the conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from secpkg.kit.decode.tree import Budget, Node, Span
from secpkg.protocols.ntlm.transitions import Message
from secpkg.protocols.ntlm.values import Role

if TYPE_CHECKING:
    from secpkg.contract.decoder import Decoder


@dataclass(frozen=True, slots=True)
class NtlmMessage:
    """One of NTLM's three messages: its bytes, its node and that of its flags (None where they are cut off)."""

    kind: Message
    raw: bytes
    node: Node
    flags: Node | None
    token: int

    def __repr__(self) -> str:
        return f"<{self.kind}>"


@dataclass(frozen=True, slots=True)
class Protected:
    """What the session of the handshake before it protects.

    ``covers`` are the bytes that a bare signature (mechListMIC) is over; None for a signature and what it covers, in
    one. ``data`` is the whole token, and the thing stands at ``start`` to ``end`` of it.
    """

    name: str
    data: bytes
    start: int
    end: int
    node: Node
    sender: Role | None
    token: int
    covers: bytes | None = None
    inside: Callable[[Context, Node, Span], None] | None = None

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass(slots=True)
class Context:
    """What the readers of one conversation share."""

    budget: Budget = field(default_factory=Budget)
    events: list[NtlmMessage | Protected] = field(default_factory=list)
    mech_types: bytes | None = None
    """The DER of the MechTypeList that a mechListMIC covers."""
    package: Decoder | None = None
    package_name: str = ""
    token: int = 0
    """The number of the token that is being read, from 1."""
    sender: Role | None = None
    """Who sent it, where that is known."""

    def ntlm(self) -> list[NtlmMessage]:
        """The NTLM messages, in order."""
        return [event for event in self.events if isinstance(event, NtlmMessage)]


__all__ = ["Context", "NtlmMessage", "Protected"]
