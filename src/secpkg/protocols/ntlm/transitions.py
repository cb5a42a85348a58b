"""The legal moves of an NTLM exchange (MS-NLMP 3.1.5 and 3.2.5) as data.

The tables are role-blind: a move is a message that has passed, whichever side sent it. Connectionless exchanges begin
with the challenge (3.2.5.2). Both machines look up every message here before they do anything with it; the
diagram in the documentation is drawn from the first table.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from .errors import Reason, Rejected


class State(StrEnum):
    INITIAL = "initial"
    NEGOTIATED = "negotiated"
    CHALLENGED = "challenged"
    DONE = "done"


class Message(StrEnum):
    NEGOTIATE = "NEGOTIATE_MESSAGE"
    CHALLENGE = "CHALLENGE_MESSAGE"
    AUTHENTICATE = "AUTHENTICATE_MESSAGE"


Table = Mapping[tuple[State, Message], State]

CONNECTION: Final[Table] = MappingProxyType(
    {
        (State.INITIAL, Message.NEGOTIATE): State.NEGOTIATED,
        (State.NEGOTIATED, Message.CHALLENGE): State.CHALLENGED,
        (State.CHALLENGED, Message.AUTHENTICATE): State.DONE,
    }
)
"""Connection-oriented NTLM."""

DATAGRAM: Final[Table] = MappingProxyType(
    {
        (State.INITIAL, Message.CHALLENGE): State.CHALLENGED,
        (State.CHALLENGED, Message.AUTHENTICATE): State.DONE,
    }
)
"""Connectionless NTLM: there is no NEGOTIATE_MESSAGE."""


def advance(table: Table, state: State, message: Message) -> State:
    """The state after `message` has passed in `state`; Rejected(UNEXPECTED_MESSAGE) where there is no such move."""
    try:
        return table[state, message]
    except KeyError:
        raise Rejected(Reason.UNEXPECTED_MESSAGE, "MS-NLMP 1.3.1: not the message due here") from None


def diagram(table: Table = CONNECTION) -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.INITIAL}"]
    lines += [f"    {before} --> {after}: {message}" for (before, message), after in table.items()]
    return "\n".join([*lines, f"    {State.DONE} --> [*]"]) + "\n"
