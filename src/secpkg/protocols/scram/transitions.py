"""The legal moves of a SCRAM exchange (RFC 5802 section 5) as data.

The table is role-blind: a move is a message that has passed, whichever side sent it. Both machines look up every
message here, sent or received, before they do anything with it; the diagram in the documentation is drawn from it.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from .errors import Reason, Rejected

MAX_MESSAGE: Final = 4096
"""The longest message that is looked at, in bytes. RFC 5802 has no limit of its own."""


class State(StrEnum):
    INITIAL = "initial"
    OPENED = "opened"
    CHALLENGED = "challenged"
    PROVED = "proved"
    DONE = "done"
    FAILED = "failed"


class Message(StrEnum):
    CLIENT_FIRST = "client-first-message"
    SERVER_FIRST = "server-first-message"
    CLIENT_FINAL = "client-final-message"
    SERVER_FINAL = "server-final-message"
    SERVER_ERROR = "server-error"


TABLE: Final = MappingProxyType(
    {
        (State.INITIAL, Message.CLIENT_FIRST): State.OPENED,
        (State.OPENED, Message.SERVER_FIRST): State.CHALLENGED,
        (State.OPENED, Message.SERVER_ERROR): State.FAILED,
        (State.CHALLENGED, Message.CLIENT_FINAL): State.PROVED,
        (State.PROVED, Message.SERVER_FINAL): State.DONE,
        (State.PROVED, Message.SERVER_ERROR): State.FAILED,
    }
)

_BEGINNINGS: Final = {
    b"n,": Message.CLIENT_FIRST,
    b"y,": Message.CLIENT_FIRST,
    b"p=": Message.CLIENT_FIRST,
    b"r=": Message.SERVER_FIRST,
    b"c=": Message.CLIENT_FINAL,
    b"v=": Message.SERVER_FINAL,
    b"e=": Message.SERVER_ERROR,
}


def advance(state: State, message: Message) -> State:
    """The state after `message` has passed in `state`; Rejected(UNEXPECTED_MESSAGE) where there is no such move."""
    try:
        return TABLE[state, message]
    except KeyError:
        raise Rejected(Reason.UNEXPECTED_MESSAGE, "RFC 5802 section 5: not the message due here") from None


def classify(message: bytes) -> Message:
    """Which message this claims to be. The fixed order of attributes (RFC 5802 section 5.1) lets two bytes decide."""
    if len(message) > MAX_MESSAGE:
        raise Rejected(Reason.TOO_LONG, "a message is at most 4096 bytes")
    kind = _BEGINNINGS.get(message[:2])
    if kind is not None:
        return kind
    if message[:2] == b"m=":
        raise Rejected(Reason.MANDATORY_EXTENSION, "RFC 5802 section 5.1: m= fails the authentication")
    raise Rejected(Reason.MALFORMED, "RFC 5802 section 7: the beginning of no message")


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.INITIAL}"]
    lines += [f"    {before} --> {after}: {message}" for (before, message), after in TABLE.items()]
    ends = [s for s in State if all(before is not s for before, _ in TABLE)]
    lines += [f"    {end} --> [*]" for end in ends]
    return "\n".join(lines) + "\n"
