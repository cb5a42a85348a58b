"""ClientHello and ServerHello (RFC 8446 4.1.2, 4.1.3) with their extensions, for display."""

from __future__ import annotations

from typing import Final

from secpkg.kit.decode.tls_names import CIPHER_SUITES, EXTENSIONS, GROUPS, SIGNATURE_SCHEMES, VERSIONS
from secpkg.kit.decode.tree import Node, Span, Stop, contain, text, trailing

_RETRY: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a HelloRetryRequest (4.1.3)."""
_RESERVED: Final = frozenset(0x0A0A + 0x1010 * n for n in range(16))
"""RFC 8701: values that say nothing, so that nobody chokes on what is not known."""


def client_hello(node: Node, span: Span) -> None:
    """RFC 8446 4.1.2."""
    span.number(node, "legacy_version", 2, VERSIONS, "big")
    span.octets(node, "random", 32)
    _vector(node, span, "legacy_session_id", 1)
    suites = span.window("cipher_suites", _length(node, span, "cipher_suites", 2))
    _numbers(node.add("cipher_suites", suites.at, suites.left()), suites, "CipherSuite", CIPHER_SUITES)
    _vector(node, span, "legacy_compression_methods", 1)
    if span.left():
        _extensions(node, span, client=True)


def server_hello(node: Node, span: Span) -> None:
    """RFC 8446 4.1.3."""
    span.number(node, "legacy_version", 2, VERSIONS, "big")
    random = span.octets(node, "random", 32)
    if random.value == _RETRY:
        node.name = "hello_retry_request"
    _vector(node, span, "legacy_session_id_echo", 1)
    span.number(node, "cipher_suite", 2, CIPHER_SUITES, "big")
    span.number(node, "legacy_compression_method", 1)
    if span.left():
        _extensions(node, span, client=False)


def _length(node: Node, span: Span, name: str, size: int) -> int:
    """The length of a vector, never more than what is there: a longer one is a fault, and the rest is read."""
    at = span.at
    length = int.from_bytes(span.take(f"the length of {name}", size), "big")
    if length > span.left():
        if not span.cut:
            node.fail(at, f"{name} is {length} bytes long, and {span.left()} are left")
        length = span.left()
    return length


def _vector(node: Node, span: Span, name: str, size: int) -> None:
    span.octets(node, name, _length(node, span, name, size))


def _numbers(node: Node, span: Span, name: str, names: dict[int, str]) -> None:
    with contain(node):
        while span.left():
            at = span.at
            value = int.from_bytes(span.take(name, 2), "big")
            node.add(name, at, 2, value, names.get(value, "GREASE" if value in _RESERVED else f"0x{value:04X}"))


def _extensions(node: Node, span: Span, *, client: bool) -> None:
    whole = span.window("extensions", _length(node, span, "extensions", 2))
    part = node.add("extensions", whole.at, whole.left())
    met: set[int] = set()
    with contain(part):
        while whole.left():
            at = whole.at
            number = int.from_bytes(whole.take("extension_type", 2), "big")
            name = EXTENSIONS.get(number, "GREASE" if number in _RESERVED else f"extension {number}")
            one = part.add(name, at, whole.end - at)
            if number in met:
                one.note("twice")
            met.add(number)
            data = whole.window(name, _length(one, whole, name, 2))
            one.length = whole.at - at
            with contain(one):
                _extension(one, number, data, client=client)


def _extension(node: Node, number: int, data: Span, *, client: bool) -> None:
    """The few that say whom somebody wants to reach and what is agreed; the others are bytes."""
    if number == 0 and client and data.left():
        names = data.window("server_name_list", _length(node, data, "server_name_list", 2))
        while names.left():
            names.number(node, "name_type", 1, {0: "host_name"})
            entry = names.window("host_name", _length(node, names, "host_name", 2))
            text(node.add("host_name", entry.at, entry.left()), entry.rest(), "ascii")
    elif number == 16:
        names = data.window("protocol_name_list", _length(node, data, "protocol_name_list", 2))
        while names.left():
            entry = names.window("protocol", _length(node, names, "protocol", 1))
            text(node.add("protocol", entry.at, entry.left()), entry.rest(), "ascii")
    elif number == 43 and client:
        versions = data.window("versions", _length(node, data, "versions", 1))
        _numbers(node, versions, "version", VERSIONS)
    elif number == 43:
        data.number(node, "selected_version", 2, VERSIONS, "big")
    elif number in (10, 13, 50) and client:
        names_of, name = (GROUPS, "NamedGroup") if number == 10 else (SIGNATURE_SCHEMES, "SignatureScheme")
        _numbers(node, data.window(name, _length(node, data, name, 2)), name, names_of)
    else:
        node.value = data.take("extension_data", data.left())
    if node.fault is None:
        trailing(node, data)
    if number == 43 and not client and not node.children:
        raise Stop(data.at, "selected_version is missing")


__all__ = ["client_hello", "server_hello"]
