"""CredSSP (MS-CSSP 2.2.1) for display: TSRequest of versions 2 to 6, and the credentials that it carries sealed.

authInfo and pubKeyAuth are messages of the session that negoTokens made; with the secret of that session they are shown
in clear, authInfo as the TSCredentials that it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.status import Status
from secpkg.kit.decode import der, ntlm_signature
from secpkg.kit.decode.der import INTEGER, OCTETS, Kind, Tlv, sequence, sequence_of
from secpkg.kit.decode.seen import Context, Protected
from secpkg.kit.decode.tree import Node, Span, Stop, contain, text, trailing
from secpkg.protocols.ntlm.values import Role

_NONCE: Final = 32
_VERSIONS: Final = range(2, 7)
_TYPES: Final = {1: "TSPasswordCreds", 2: "TSSmartCardCreds", 6: "TSRemoteGuardCreds"}
_STATUSES: Final = {int(status): status.native for status in Status}


def recognise(data: bytes) -> bool:
    """Whether this begins as a TSRequest: a SEQUENCE whose first field is [0] INTEGER, the version."""
    if data[:1] != b"\x30" or len(data) < 2:
        return False
    size = data[1] & 0x7F if data[1] & 0x80 else 0
    inner = data[2 + size : 7 + size]
    return size <= 4 and inner[:4] in (b"", b"\xa0", b"\xa0\x03", b"\xa0\x03\x02", b"\xa0\x03\x02\x01")


def _inner(context: Context, node: Node, span: Span) -> None:
    from secpkg.kit.decode.formats import nested

    nested(context, node, span)


def _sealed(inside: Callable[[Context, Node, Span], None] | None) -> Kind:
    """An OCTET STRING with a message of the session; an NTLM session's is shown as one."""

    def read(context: Context, node: Node, tlv: Tlv) -> None:
        span = tlv.content
        start, end = span.at, span.end
        if not ntlm_signature.begins(span):
            node.value = span.rest()
            return
        ntlm_signature.signature(context, node, span)
        span.octets(node, "Message", span.left())
        # Only the initiator has credentials to send (3.1.5); who sent a pubKeyAuth alone does not show.
        sender = Role.INITIATOR if node.name == "authInfo" else context.sender
        context.events.append(Protected(node.name, span.data, start, end, node, sender, context.token, inside=inside))

    return Kind(0x04, read)


def _error_code(context: Context, node: Node, tlv: Tlv) -> None:
    INTEGER.read(context, node, tlv)
    if isinstance(node.value, int):
        unsigned = node.value & 0xFFFFFFFF
        node.meaning = f"0x{unsigned:08X} {_STATUSES.get(unsigned, '')}".rstrip()


def _utf16(context: Context, node: Node, tlv: Tlv) -> None:
    text(node, tlv.content.rest(), "utf-16-le")


_UTF16: Final = Kind(0x04, _utf16)
_PASSWORD: Final = sequence({0: ("domainName", _UTF16), 1: ("userName", _UTF16), 2: ("password", _UTF16)}, (0, 1, 2))
_SMART_CARD: Final = sequence(
    {
        0: ("pin", _UTF16),
        1: (
            "cspData",
            sequence(
                {
                    0: ("keySpec", INTEGER),
                    1: ("cardName", _UTF16),
                    2: ("readerName", _UTF16),
                    3: ("containerName", _UTF16),
                    4: ("cspName", _UTF16),
                }
            ),
        ),
        2: ("userHint", _UTF16),
        3: ("domainHint", _UTF16),
    }
)
_GUARD: Final = sequence({0: ("packageName", _UTF16), 1: ("credBuffer", OCTETS)})
_REMOTE_GUARD: Final = sequence({0: ("logonCred", _GUARD), 1: ("supplementalCreds", sequence_of("credential", _GUARD))})
_CREDENTIALS: Final = {1: _PASSWORD, 2: _SMART_CARD, 6: _REMOTE_GUARD}


def credentials(context: Context, node: Node, span: Span) -> None:
    """TSCredentials (2.2.1.2), which authInfo is in clear."""
    kind = 0

    def credential_type(context: Context, node: Node, tlv: Tlv) -> None:
        nonlocal kind
        der.named(_TYPES, closed=True).read(context, node, tlv)
        kind = node.value if isinstance(node.value, int) else 0

    def content(context: Context, node: Node, inner: Span) -> None:
        der.one(context, node, inner, _CREDENTIALS.get(kind, der.ANYTHING))

    node.name = "TSCredentials"
    table = sequence({0: ("credType", Kind(0x02, credential_type)), 1: ("credentials", der.nested(content))}, (0, 1))
    with contain(node):
        der.one(context, node, span, table)


_REQUEST: Final = sequence(
    {
        0: ("version", INTEGER),
        1: ("negoTokens", sequence_of("NegoData", sequence({0: ("negoToken", der.nested(_inner))}, (0,)))),
        2: ("authInfo", _sealed(credentials)),
        3: ("pubKeyAuth", _sealed(None)),
        4: ("errorCode", Kind(0x02, _error_code)),
        5: ("clientNonce", OCTETS),
    },
    (0,),
)


def read(context: Context, node: Node, span: Span) -> None:
    """Show a TSRequest."""
    node.name = "TSRequest"
    request = der.element(span)
    if request.identifier != der.SEQUENCE:
        raise Stop(request.at, "a TSRequest is a SEQUENCE")
    try:
        der.show(context, node, request, _REQUEST)
    finally:
        _judge(node)
    trailing(node, span)


def _judge(node: Node) -> None:
    """What a version does not know, and what it misses."""
    parts = {child.name: child for child in node.children}
    version = parts["version"].value if "version" in parts else None
    if not isinstance(version, int):
        return
    if version not in _VERSIONS:
        parts["version"].note("versions 2 to 6 are documented")
    nonce, error = parts.get("clientNonce"), parts.get("errorCode")
    if nonce is not None:
        if version < 5:
            nonce.note("version 5 and later have a nonce")
        if nonce.fault is None and isinstance(nonce.value, bytes) and len(nonce.value) != _NONCE:
            nonce.note(f"a nonce is {_NONCE} bytes")
    elif version >= 5 and "pubKeyAuth" in parts and "negoTokens" in parts:
        node.note("clientNonce is missing, which version 5 and later send with the first pubKeyAuth")
    if error is not None and version < 3:
        error.note("version 3 and later have an errorCode")


__all__ = ["credentials", "read", "recognise"]
