"""The four messages (RFC 5802 section 7), read strictly.

The order of attributes is fixed, base64 is canonical, ``=2C`` and ``=3D`` are the only escapes, ``m=`` fails the
authentication, and unknown optional extensions are ignored (section 5.1). What is signed is what passed: a message
that was read keeps the slices of it that enter AuthMessage.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from typing import Final

import msgspec

from .errors import Fault, Reason, Rejected
from .saslprep import prepare
from .values import MAX_NONCE, is_binding_name, is_printable

MIN_ITERATIONS: Final = 4096
"""RFC 7677 section 4."""
MAX_ITERATIONS: Final = 1_000_000
MIN_SALT: Final = 8
MAX_SALT: Final = 256
MAX_USERNAME: Final = 1024

SERVER_ERRORS: Final = frozenset(
    {
        b"invalid-encoding",
        b"extensions-not-supported",
        b"invalid-proof",
        b"channel-bindings-dont-match",
        b"server-does-support-channel-binding",
        b"channel-binding-not-supported",
        b"unsupported-channel-binding-type",
        b"unknown-user",
        b"invalid-username-encoding",
        b"no-resources",
        b"other-error",
    }
)
"""RFC 5802 section 7 ``server-error-value``."""

_ASSIGNED: Final = frozenset(b"anmrcsipve")
_MAX_DIGITS: Final = 7
_CLIENT_FIRST_REST: Final = 3
_OTHER_REST: Final = 2


class ClientFirst(msgspec.Struct, frozen=True):
    """``client-first-message``: ``gs2_header`` and ``bare`` are its two halves as they passed.

    ``could_bind`` is the ``y`` flag; ``binding_name`` is that of the ``p=`` flag, else None.
    """

    gs2_header: bytes
    bare: bytes
    could_bind: bool
    binding_name: str | None
    username: str
    nonce: bytes

    @classmethod
    def parse(cls, message: bytes) -> "ClientFirst":
        flag, *rest = message.split(b",")
        if len(rest) < _CLIENT_FIRST_REST:
            raise _malformed("section 7: client-first-message is too short")
        authzid, username, nonce, *extensions = rest
        if authzid:
            if not authzid.startswith(b"a="):
                raise _malformed("section 7: gs2-header")
            raise Rejected(Reason.AUTHORIZATION_IDENTITY, "nobody acts for another user here")
        name = None
        if flag.startswith(b"p="):
            if not is_binding_name(flag[2:]):
                raise _malformed("section 7: cb-name")
            name = flag[2:].decode("ascii")
        elif flag not in (b"n", b"y"):
            raise _malformed("section 7: gs2-cbind-flag")
        raw_name = _value(username, b"n=")
        nonce = _nonce(nonce, MAX_NONCE)
        _check_extensions(extensions)
        header_size = len(flag) + 2
        return cls(message[:header_size], message[header_size:], flag == b"y", name, _unescape(raw_name), nonce)


class ServerFirst(msgspec.Struct, frozen=True):
    """``server-first-message``. ``iterations`` is at least 4096: less is a downgrade (RFC 7677 section 4)."""

    nonce: bytes
    salt: bytes
    iterations: int

    @classmethod
    def parse(cls, message: bytes) -> "ServerFirst":
        nonce, *rest = message.split(b",")
        if len(rest) < _OTHER_REST:
            raise _malformed("section 7: server-first-message is too short")
        salt, iterations, *extensions = rest
        nonce = _nonce(nonce, 2 * MAX_NONCE)
        salt = decode_base64(_value(salt, b"s="))
        count = decode_count(_value(iterations, b"i="))
        _check_extensions(extensions)
        if not MIN_SALT <= len(salt) <= MAX_SALT:
            raise Rejected(Reason.SALT_OUT_OF_RANGE, "a salt is 8 to 256 bytes")
        if count < MIN_ITERATIONS:
            raise Rejected(Reason.DOWNGRADE, "RFC 7677 section 4: fewer than 4096 iterations")
        if count > MAX_ITERATIONS:
            raise Rejected(Reason.ITERATIONS_OUT_OF_RANGE, "at most 1000000 iterations are computed")
        return cls(nonce, salt, count)


class ClientFinal(msgspec.Struct, frozen=True):
    """``client-final-message``; ``without_proof`` is the part of it that is signed, as it passed."""

    without_proof: bytes
    channel_binding: bytes
    nonce: bytes
    proof: bytes

    @classmethod
    def parse(cls, message: bytes, proof_size: int) -> "ClientFinal":
        binding, *rest = message.split(b",")
        if len(rest) < _OTHER_REST:
            raise _malformed("section 7: client-final-message is too short")
        nonce, *extensions, proof = rest
        channel_binding = decode_base64(_value(binding, b"c="))
        nonce = _nonce(nonce, 2 * MAX_NONCE)
        _check_extensions(extensions)
        decoded = decode_base64(_value(proof, b"p="))
        if len(decoded) != proof_size:
            raise _malformed("section 3: the proof has the size of the hash")
        return cls(message[: -len(proof) - 1], channel_binding, nonce, decoded)


def parse_server_final(message: bytes, signature_size: int) -> bytes:
    """The ServerSignature of a ``server-final-message`` that is no error."""
    verifier, *extensions = message.split(b",")
    signature = decode_base64(_value(verifier, b"v="))
    _check_extensions(extensions)
    if len(signature) != signature_size:
        raise _malformed("section 3: the signature has the size of the hash")
    return signature


def server_error(message: bytes) -> Rejected:
    """The rejection that a ``server-error`` stands for; a value that RFC 5802 does not list is ``other-error``."""
    error, *extensions = message.split(b",")
    value = _value(error, b"e=")
    _check_extensions(extensions)
    known = value.decode("ascii") if value in SERVER_ERRORS else "other-error"
    return Rejected(Reason.SERVER_ERROR, "RFC 5802 section 5.1: the acceptor refused", server_error=known)


def escape(username: bytes) -> bytes:
    """RFC 5802 section 7 ``saslname``."""
    return username.replace(b"=", b"=3D").replace(b",", b"=2C")


def encode_base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False)


def decode_base64(text: bytes) -> bytes:
    """Canonical base64 only: no other alphabet, no line ends, whole padding, unused bits zero."""
    try:
        data = a2b_base64(text, strict_mode=True)
    except Base64Error:
        raise _malformed("section 7: base64") from None
    if b2a_base64(data, newline=False) != text:
        raise _malformed("section 7: base64 that is not canonical")
    return data


def decode_count(text: bytes) -> int:
    """``posit-number``: no sign, no leading zero."""
    if not text.isdigit() or text.startswith(b"0"):
        raise _malformed("section 7: posit-number")
    if len(text) > _MAX_DIGITS:
        raise Rejected(Reason.ITERATIONS_OUT_OF_RANGE, "at most 1000000 iterations are computed")
    return int(text)


def _malformed(rule: str) -> Rejected:
    return Rejected(Reason.MALFORMED, "RFC 5802 " + rule)


def _mandatory() -> Rejected:
    return Rejected(Reason.MANDATORY_EXTENSION, "RFC 5802 section 5.1: m= fails the authentication")


def _value(attribute: bytes, name: bytes) -> bytes:
    if attribute.startswith(name):
        return attribute[2:]
    if attribute.startswith(b"m="):
        raise _mandatory()
    raise _malformed("section 5.1: the order of attributes is fixed")


def _nonce(attribute: bytes, limit: int) -> bytes:
    nonce = _value(attribute, b"r=")
    if not is_printable(nonce):
        raise _malformed("section 7: printable")
    if len(nonce) > limit:
        raise Rejected(Reason.TOO_LONG, "each side's nonce is at most 256 bytes")
    return nonce


def _check_extensions(extensions: list[bytes]) -> None:
    for extension in extensions:
        if extension.startswith(b"m="):
            raise _mandatory()
        name, equals, value = extension[:1], extension[1:2], extension[2:]
        if not name.isalpha() or equals != b"=" or not value or b"\0" in value:
            raise _malformed("section 7: attr-val")
        if name[0] in _ASSIGNED:
            raise _malformed("section 5.1: an attribute out of its place")
        _utf8(value)


def _utf8(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise _malformed("section 7: not UTF-8") from None


def _unescape(name: bytes) -> str:
    if b"=" in name:
        head, *escapes = name.split(b"=")
        if any(part[:2] not in (b"2C", b"3D") for part in escapes):
            raise _malformed("section 7: saslname escapes are =2C and =3D")
        name = head + b"".join((b"," if part[:2] == b"2C" else b"=") + part[2:] for part in escapes)
    if len(name) > MAX_USERNAME:
        raise Rejected(Reason.TOO_LONG, "a user name is at most 1024 bytes")
    prepared = prepare(_utf8(name), stored=False, reason=Reason.USERNAME_PROHIBITED, fault=Fault.PEER)
    return prepared.decode()
