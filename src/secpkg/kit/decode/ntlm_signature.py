"""A message that an NTLM session protects: NTLMSSP_MESSAGE_SIGNATURE (MS-NLMP 2.2.2.9) and what it is over.

Nothing but its version says what it is, so it is known as one only by its place. Whether the data are sealed or only
signed nothing says at all.
"""

from __future__ import annotations

from typing import Final

from secpkg.kit.decode.seen import Context, Protected
from secpkg.kit.decode.tree import Node, Span
from secpkg.protocols.ntlm.flags import EXTENDED_SESSIONSECURITY
from secpkg.protocols.ntlm.sealing import SIGNATURE_SIZE

VERSION: Final = b"\x01\0\0\0"


def recognise(data: bytes) -> bool:
    """Whether this may be a protected message."""
    return data.startswith(VERSION) and len(data) >= SIGNATURE_SIZE


def begins(span: Span) -> bool:
    """Whether a protected message begins here, in a place where there may be one; it may be cut off."""
    return recognise(span.rest()) or (span.cut and span.rest().startswith(VERSION))


def signature(context: Context, node: Node, span: Span) -> None:
    """2.2.2.9: with extended session security (2.2.2.9.2), or without (2.2.2.9.1)."""
    part = span.part(node, "NTLMSSP_MESSAGE_SIGNATURE", SIGNATURE_SIZE)
    messages = context.ntlm()
    flags = messages[-1].flags if messages else None
    span.number(part, "Version", 4)
    if flags is not None and isinstance(flags.value, int) and not flags.value & EXTENDED_SESSIONSECURITY:
        span.octets(part, "RandomPad", 4)
        span.octets(part, "Checksum", 4)
    else:
        span.octets(part, "Checksum", 8)
    span.number(part, "SeqNum", 4)


def read(context: Context, node: Node, span: Span) -> None:
    """Show a protected message, which fills `span`."""
    start, end = span.at, span.end
    signature(context, node, span)
    span.octets(node, "Message", span.left())
    context.events.append(Protected("message", span.data, start, end, node, context.sender, context.token))


__all__ = ["VERSION", "begins", "read", "recognise", "signature"]
