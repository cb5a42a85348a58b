"""Decoders of packages: found by name when asked for, and their trees fitted into ours.

The decoder is code of an installed distribution, run in this process because the user named it; it is trusted no more
than that. What it answers is looked at: places outside the token, too deep a tree or an exception are its fault, are
said to be, and leave the rest of the tree as it is.
"""

from __future__ import annotations

from importlib import metadata
from typing import cast

from secpkg.contract.decoder import GROUP, Decoder, Fault, Field
from secpkg.kit.decode.seen import Context
from secpkg.kit.decode.tree import Node, Span, Stop

BUILT_IN = frozenset({"ntlm", "msv1_0", "negotiate", "spnego", "negoex", "kerberos", "credssp", "tls", "schannel"})
"""Names that no package's decoder can take."""


class NoDecoder(Exception):
    """There is no decoder of this name: ``wrong`` says why, ``following`` what to do next."""

    def __init__(self, wrong: str, following: str) -> None:
        super().__init__(wrong)
        self.following = following


def offered() -> list[str]:
    """Names of packages for which some distribution offers a decoder. Nothing is loaded."""
    return sorted({entry.name for entry in metadata.entry_points(group=GROUP)})


def load(name: str) -> Decoder:
    """The decoder that is offered for the package `name`; `NoDecoder` where that is not exactly one."""
    if name.casefold() in BUILT_IN:
        raise NoDecoder(f"{name} is built in, and is read without --package", "leave --package out")
    entries = list(metadata.entry_points(group=GROUP, name=name))
    if not entries:
        others = ", ".join(offered()) or "none"
        raise NoDecoder(f"no installed distribution offers a decoder for {name}", f"decoders are offered for: {others}")
    if len(entries) > 1:
        raise NoDecoder(f"several distributions offer a decoder for {name}", "uninstall all but one of them")
    try:
        decoder = entries[0].load()
    except Exception as error:
        raise NoDecoder(
            f"the decoder of {name} could not be loaded: {type(error).__name__}", f"import {entries[0].value} shows why"
        ) from error
    if not callable(getattr(decoder, "decode", None)):
        raise NoDecoder(f"the decoder of {name} has no decode(token)", "secpkg.contract.decoder says what a decoder is")
    return cast(Decoder, decoder)


def ask(context: Context, node: Node, span: Span) -> None:
    """Let the package's decoder read a token, and put its tree into `node`."""
    assert context.package is not None
    size, base, name = span.left(), span.at, context.package_name
    try:
        answer = context.package.decode(span.rest())
    except Exception as error:
        raise Stop(base, f"the decoder of {name} failed: {type(error).__name__}") from None
    span.at = span.end
    _put(node, answer, base, size, name)


def _put(node: Node, field: Field, base: int, size: int, package: str) -> None:
    """Copy a field into `node`, its offsets moved by `base`."""
    wrong = Stop(base, f"the decoder of {package} answered with what is no field of the token")
    if not isinstance(field, Field) or not isinstance(field.offset, int) or not isinstance(field.length, int):
        raise wrong
    if field.offset < 0 or field.length < 0 or field.offset + field.length > size:
        raise wrong
    if not isinstance(field.value, str | int | bytes | None) or not isinstance(field.fields, tuple):
        raise wrong
    node.name, node.offset, node.length = str(field.name), base + field.offset, field.length
    node.value, node.meaning = field.value, str(field.meaning)
    for note in field.notes:
        node.note(str(note))
    if isinstance(field.fault, Fault):
        node.fail(base + min(max(0, int(field.fault.offset)), size), str(field.fault.what))
    for part in field.fields:
        _put(node.add("", base, 0), part, base, size, package)


__all__ = ["BUILT_IN", "NoDecoder", "ask", "load", "offered"]
