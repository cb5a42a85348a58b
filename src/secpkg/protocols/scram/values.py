"""What the two machines share: channel bindings, nonces, and the end of an exchange."""

from binascii import b2a_base64
from enum import Enum
from string import ascii_letters, digits
from typing import Any, ClassVar, Final

import msgspec

from .errors import Fault, Reason, Rejected
from .transitions import State

TLS_SERVER_END_POINT: Final = "tls-server-end-point"
"""RFC 5929 section 4: a hash of the server's certificate."""
TLS_EXPORTER: Final = "tls-exporter"
"""RFC 9266: 32 bytes of exported keying material; the one to use with TLS 1.3."""
TLS_UNIQUE: Final = "tls-unique"
"""RFC 5929 section 3: the first Finished message. Not defined for TLS 1.3 (RFC 9266 section 3)."""

MAX_BINDING_DATA: Final = 1024
MIN_NONCE: Final = 16
MAX_NONCE: Final = 256
_NAME_BYTES: Final = (ascii_letters + digits + ".-").encode()
_PRINTABLE: Final = bytes(range(0x21, 0x7F)).replace(b",", b"")
_EXPORTER_SIZE: Final = 32
_MAX_NAME: Final = 64


class Sealed(msgspec.Struct, frozen=True, eq=False):
    """A value that holds secrets: it does not print them and is not compared by value."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class ChannelBinding(Sealed, frozen=True):
    """A channel binding type and its data (RFC 5802 section 6), which the caller takes from its own channel.

    ``name`` is a registered channel-binding name: letters, digits, ``.`` and ``-``. ``data`` is 1 to 1024 bytes,
    exactly 32 for tls-exporter.
    """

    name: str
    data: bytes

    def __post_init__(self) -> None:
        if not is_binding_name(self.name.encode("utf-8", "replace")):
            raise Rejected(Reason.BAD_ARGUMENT, "RFC 5802 section 7: not a cb-name", Fault.CALLER)
        if not 0 < len(self.data) <= MAX_BINDING_DATA:
            raise Rejected(Reason.BAD_ARGUMENT, "channel binding data is 1 to 1024 bytes", Fault.CALLER)
        if self.name == TLS_EXPORTER and len(self.data) != _EXPORTER_SIZE:
            raise Rejected(Reason.BAD_ARGUMENT, "RFC 9266 section 2: tls-exporter is 32 bytes", Fault.CALLER)


class BindingPolicy(Enum):
    """What an acceptor asks of the channel binding (RFC 5802 section 6)."""

    NEVER = "never"
    """We do not support channel binding: an initiator that uses it is refused, one that could is fine."""
    WHEN_SUPPORTED = "when-supported"
    """Used if the initiator uses it; one that could, and was made to believe that we cannot, is a downgrade."""
    REQUIRE = "require"
    """Nothing but a binding that matches."""


class Done(Sealed, frozen=True):
    """Both sides are proved.

    ``username`` is prepared by SASLprep. ``session_key`` (32 bytes) is equal on both sides; see `mechanism` for what
    it is and is not. ``binding_name`` is the channel binding type that was verified, or None.
    """

    state: ClassVar[State] = State.DONE
    username: str
    session_key: bytes
    binding_name: str | None


def is_binding_name(name: bytes) -> bool:
    """RFC 5802 section 7 ``cb-name``, of at most 64 bytes."""
    return 0 < len(name) <= _MAX_NAME and not name.translate(None, _NAME_BYTES)


def is_printable(nonce: bytes) -> bool:
    """RFC 5802 section 7 ``printable``: visible ASCII without the comma, not empty."""
    return bool(nonce) and not nonce.translate(None, _PRINTABLE)


def printable_nonce(entropy: bytes) -> bytes:
    """A nonce made of `entropy` (12 to 192 bytes; 18 is usual), which the caller draws from a secure source."""
    nonce = b2a_base64(entropy, newline=False)
    check_own_nonce(nonce)
    return nonce


def check_own_nonce(nonce: bytes) -> None:
    if not (MIN_NONCE <= len(nonce) <= MAX_NONCE and is_printable(nonce)):
        raise Rejected(Reason.BAD_ARGUMENT, "a nonce is 16 to 256 bytes of RFC 5802 printable", Fault.CALLER)
