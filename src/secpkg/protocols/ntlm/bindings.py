"""Channel bindings in NTLM (MS-NLMP 2.2.2.1 MsvAvChannelBindings): an MD5 of RFC 2744's gss_channel_bindings_struct.

Sixteen zero bytes say that the initiator has none: for every purpose here that is the same as no pair at all.
"""

import hmac
import struct
from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec

from .errors import Reason, Rejected, bad_argument
from .md5 import md5

HASH_SIZE: Final = 16
NO_BINDINGS: Final = bytes(HASH_SIZE)
MAX_APPLICATION_DATA: Final = 4096
_FIELD: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")
_ADDRESSES: Final = 255


class BindingPolicy(Enum):
    """What an acceptor asks of channel bindings."""

    NEVER = "never"
    """They are not looked at: for an acceptor that cannot know its channel (TLS ends before it)."""
    WHEN_SUPPORTED = "when-supported"
    """An initiator that binds must be bound to our channel; one that does not is accepted."""
    REQUIRE = "require"
    """Nothing but a binding to our channel."""


class ChannelBindings(msgspec.Struct, frozen=True):
    """RFC 2744 section 3.11 gss_channel_bindings_struct, SEC_CHANNEL_BINDINGS of SSPI.

    ``application_data`` is what TLS bindings use: ``b"tls-server-end-point:"`` and a hash of the certificate (RFC
    5929), or ``b"tls-unique:"`` and the first Finished message. Addresses are at most 255 bytes, usually none.
    """

    application_data: bytes
    initiator_address_type: int = 0
    initiator_address: bytes = b""
    acceptor_address_type: int = 0
    acceptor_address: bytes = b""

    def __post_init__(self) -> None:
        if len(self.application_data) > MAX_APPLICATION_DATA:
            raise bad_argument("the application data of a channel binding is at most 4096 bytes")
        for kind, address in (
            (self.initiator_address_type, self.initiator_address),
            (self.acceptor_address_type, self.acceptor_address),
        ):
            if len(address) > _ADDRESSES or not 0 <= kind <= 0xFFFFFFFF:
                raise bad_argument("an address of a channel binding is at most 255 bytes, of a 32-bit type")

    def hash(self) -> bytes:
        """The value of MsvAvChannelBindings, 16 bytes: RFC 4121 section 4.1.1.2's serialisation under MD5."""
        return md5(
            b"".join(
                (
                    _FIELD.pack(self.initiator_address_type, len(self.initiator_address)),
                    self.initiator_address,
                    _FIELD.pack(self.acceptor_address_type, len(self.acceptor_address)),
                    self.acceptor_address,
                    _LENGTH.pack(len(self.application_data)),
                    self.application_data,
                )
            )
        )


def check_bindings(policy: BindingPolicy, sent: bytes | None, expected: Sequence[bytes]) -> bool:
    """Whether the initiator is bound to our channel; Rejected where `policy` does not allow what it did.

    `expected` are the hashes of our own channel's bindings, one for each type; none where it has none.
    """
    if policy is BindingPolicy.NEVER:
        return False
    if sent is None or hmac.compare_digest(sent, NO_BINDINGS):
        if policy is BindingPolicy.REQUIRE:
            raise Rejected(Reason.BINDING_REQUIRED, "this acceptor requires channel bindings")
        return False
    if not expected:
        raise Rejected(Reason.BINDING_UNSUPPORTED, "the initiator is bound to a channel, and ours has no binding")
    # All are compared: which of them matched is nobody's business.
    if not any([hmac.compare_digest(sent, one) for one in expected]):
        raise Rejected(Reason.BINDING_MISMATCH, "MS-NLMP 3.2.5.1.2: MsvAvChannelBindings is not that of our channel")
    return True
