"""What is odd in NTLM's messages beside each other: flags that nobody asked for, and pairs that are not those sent."""

from __future__ import annotations

from typing import Final

from secpkg.kit.decode.seen import Context, NtlmMessage
from secpkg.kit.decode.tree import Node
from secpkg.protocols.ntlm.flags import (
    ANONYMOUS,
    KEY_EXCH,
    NTLM,
    OEM_DOMAIN_SUPPLIED,
    OEM_WORKSTATION_SUPPLIED,
    REQUEST_TARGET,
    TARGET_INFO,
    TARGET_TYPE_DOMAIN,
    TARGET_TYPE_SERVER,
    VERSION,
    AvId,
    NegotiateFlag,
)
from secpkg.protocols.ntlm.transitions import Message

_OURS: Final = {
    # What a message says of itself is not an answer to the one before it.
    Message.CHALLENGE: TARGET_INFO | TARGET_TYPE_DOMAIN | TARGET_TYPE_SERVER | VERSION | REQUEST_TARGET | NTLM,
    Message.AUTHENTICATE: OEM_DOMAIN_SUPPLIED | OEM_WORKSTATION_SUPPLIED | VERSION | ANONYMOUS | NTLM | REQUEST_TARGET,
}
_ECHOED: Final = frozenset(AvId) - {AvId.EOL, AvId.FLAGS, AvId.SINGLE_HOST, AvId.TARGET_NAME, AvId.CHANNEL_BINDINGS}


def compare(context: Context) -> None:
    """Note on the nodes what does not fit the message before it."""
    before: NtlmMessage | None = None
    for message in context.ntlm():
        due = {Message.CHALLENGE: Message.NEGOTIATE, Message.AUTHENTICATE: Message.CHALLENGE}.get(message.kind)
        if before is not None and before.kind is due:
            _flags(before, message)
            if message.kind is Message.AUTHENTICATE:
                _echo(before.node, message.node)
        before = message


def _flags(before: NtlmMessage, message: NtlmMessage) -> None:
    if before.flags is None or message.flags is None:
        return
    asked, given = before.flags.value, message.flags.value
    if not isinstance(asked, int) or not isinstance(given, int):
        return
    for part in message.flags.children:
        if isinstance(part.value, int) and part.value & ~asked & ~_OURS[message.kind]:
            part.note(f"nobody asked for it in the {before.kind}")
    if message.kind is Message.AUTHENTICATE and asked & ~given & KEY_EXCH:
        message.flags.note(f"{NegotiateFlag.KEY_EXCH.native} was agreed, and is not here")


def _below(node: Node, name: str) -> Node | None:
    """The first node of this name, from the top."""
    todo = [node]
    while todo:
        one = todo.pop(0)
        if one.name == name:
            return one
        todo += one.children
    return None


def _echo(challenge: Node, answer: Node) -> None:
    """MS-NLMP 3.1.5.1.2: the initiator answers with the acceptor's pairs as they came."""
    pairs, asked = _below(answer, "AvPairs"), _below(challenge, "TargetInfo")
    if pairs is None:
        return
    sent = {} if asked is None else {child.name: child for child in asked.children}
    answered = {child.name: child for child in pairs.children}
    for name in (one.native for one in sorted(_ECHOED)):
        theirs, ours = sent.get(name), answered.get(name)
        if ours is not None and theirs is None:
            ours.note("the challenge has no such pair")
        elif theirs is not None and ours is None:
            pairs.note(f"{name} of the challenge is not answered")
        elif theirs is not None and ours is not None and theirs.value != ours.value:
            ours.note("not the value that the challenge has")


__all__ = ["compare"]
