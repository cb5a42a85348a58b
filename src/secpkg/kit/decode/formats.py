"""Which format a token has, and what reads it: a table, in the order in which it is asked.

A format is known by how its bytes begin, at the top and wherever one token lies in another. The built-in formats are
asked first and never shadowed: a package's decoder gets what none of them knows (ADR 21).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from secpkg.kit.decode import credssp, der, kerberos, negoex, ntlm, ntlm_signature, spnego, tls
from secpkg.kit.decode.package import ask
from secpkg.kit.decode.seen import Context
from secpkg.kit.decode.tree import Node, Span, contain


class Format(NamedTuple):
    """A built-in format."""

    name: str
    recognise: Callable[[bytes], bool]
    read: Callable[[Context, Node, Span], None]


FORMATS: Final = (
    Format("NTLM", ntlm.recognise, ntlm.read),
    Format("NegoEx", negoex.recognise, negoex.read),
    Format("TLS", tls.recognise, tls.read),
    Format("CredSSP", credssp.recognise, credssp.read),
    Format("Kerberos", kerberos.recognise, kerberos.read),
    Format("Kerberos message", kerberos.recognise_protected, kerberos.read_protected),
    Format("SPNEGO", spnego.recognise, spnego.read),
    Format("GSS-API", spnego.recognise_framed, spnego.read),
    Format("NTLM protected message", ntlm_signature.recognise, ntlm_signature.read),
)
_UNKNOWN: Final = "no known format begins like this"


def known(data: bytes) -> Format | None:
    """The built-in format of a token."""
    return next((one for one in FORMATS if one.recognise(data)), None)


def top(context: Context, node: Node, span: Span) -> str:
    """Read a whole token into `node`; the name of its format, which is empty where nothing knows it."""
    name = ""
    with contain(node):
        found = known(span.rest())
        if found is not None:
            name = node.name = found.name
            found.read(context, node, span)
        elif context.package is not None:
            name = context.package_name
            ask(context, node, span)
        else:
            node.fail(span.at, "the token is empty" if not span.left() else _UNKNOWN)
            _unknown(context, node, span)
    return name


def _unknown(context: Context, node: Node, span: Span) -> None:
    """Bytes; or, where they are one whole element of DER, what can be seen of it without knowing what it means."""
    with contain(Node(context.budget, "", span.at, 0)):
        whole = der.element(Span(span.data, span.at, span.end))
        if whole.identifier & der.CONSTRUCTED and whole.content.end == span.end and not whole.missing:
            part = node.add(whole.label, whole.at, whole.length)
            der.place(part, whole)
            with contain(part):
                der.dump(context, part, whole)
            return
    node.value = span.rest()


def nested(context: Context, node: Node, span: Span) -> None:
    """Read a token inside another; one of no known format is bytes, and no fault."""
    found = known(span.rest())
    if found is None and context.package is None:
        node.value = span.rest()
        return
    inner = node.add(found.name if found else context.package_name, span.at, span.left())
    with contain(inner):
        if found is not None:
            found.read(context, inner, span)
        else:
            ask(context, inner, span)


__all__ = ["FORMATS", "Format", "known", "nested", "top"]
