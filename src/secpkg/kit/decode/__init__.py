"""``secpkg decode``: tokens as trees, for people.

`decode` reads a conversation: one token or many, in the order in which they passed. Bad bytes give a tree up to the
fault. Nothing here decides anything, and nothing here is on the way of a logon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from secpkg.contract.decoder import Decoder, Fault, Field
from secpkg.kit.decode.compare import compare
from secpkg.kit.decode.formats import top
from secpkg.kit.decode.given import MAX_TOKENS, MAX_TOTAL, Given, Unreadable
from secpkg.kit.decode.seen import Context
from secpkg.kit.decode.tree import Node, Span, Stop
from secpkg.kit.decode.verify import Check, verify


class Decoded(msgspec.Struct, frozen=True):
    """A token: where it came from, who sent it where that is known, its format (empty: none is known), its tree."""

    number: int
    source: str
    sender: str
    format: str
    tree: Field


class Report(msgspec.Struct, frozen=True):
    """A conversation: its tokens, and what was checked where there was a secret to check with."""

    tokens: tuple[Decoded, ...]
    checks: tuple[Check, ...] = ()

    @property
    def faults(self) -> list[tuple[int, Fault]]:
        """Where the reading of something ended, with the number of its token."""
        return [(token.number, fault) for token in self.tokens for fault in faults(token.tree)]


def faults(field: Field) -> Iterator[Fault]:
    """The faults of a tree, from its front."""
    if field.fault is not None:
        yield field.fault
    for part in field.fields:
        yield from faults(part)


def decode(
    tokens: Iterable[Given],
    *,
    nt_hash: bytes | None = None,
    package: Decoder | None = None,
    package_name: str = "",
) -> Report:
    """The trees of a conversation. With `nt_hash` (16 bytes) proofs are checked and protected messages opened.

    `package` reads what no built-in format knows. `Unreadable` for more than 256 tokens or 4 MiB.
    """
    context = Context(package=package, package_name=package_name)
    read: list[tuple[Given, Node, str, str]] = []
    total = 0
    for number, given in enumerate(tokens, 1):
        total += len(given.data)
        if number > MAX_TOKENS or total > MAX_TOTAL:
            raise Unreadable(f"more than {MAX_TOKENS} tokens or {MAX_TOTAL} bytes")
        context.token, context.sender = number, given.sender
        try:
            node = Node(context.budget, "token", 0, len(given.data))
        except Stop as stop:
            raise Unreadable(f"{given.source}: {stop.what}") from None
        name = top(context, node, Span(given.data))
        if given.scheme.casefold() == "negotiate" and name == "NTLM":
            node.note("NTLM without SPNEGO around it, under the scheme Negotiate")
        read.append((given, node, name, context.sender.value if context.sender else ""))
    compare(context)
    checks = [] if nt_hash is None else verify(context, nt_hash)
    decoded = [
        Decoded(number, given.source, sender, name, node.freeze())
        for number, (given, node, name, sender) in enumerate(read, 1)
    ]
    return Report(tuple(decoded), tuple(checks))


__all__ = ["Decoded", "Report", "decode", "faults"]
