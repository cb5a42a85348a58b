"""What each side insists on. Policies are data; the machines ask them, and nothing is decided anywhere else."""

from enum import Enum
from typing import Final

import msgspec

from .bindings import BindingPolicy
from .errors import Reason, Rejected, bad_argument
from .flags import DATAGRAM, EXTENDED_SESSIONSECURITY, KEY_128, KEY_EXCH, LM_KEY, NTLM, PROTECTION, SEAL

TICKS: Final = 10_000_000
"""FILETIME units in a second."""
EPOCH: Final = 11_644_473_600
"""Seconds from 1601-01-01 to 1970-01-01."""


def filetime(unix_seconds: float) -> int:
    """A POSIX time as a FILETIME: units of 100 ns since 1601-01-01 UTC."""
    return int(unix_seconds * TICKS) + EPOCH * TICKS


class MicPolicy(Enum):
    """When an acceptor insists on the MIC over the three messages. One that is promised is always checked."""

    WHEN_PROMISED = "when-promised"
    """Only where MsvAvFlags says that there is one; without it the flags of the messages are unprotected."""
    WHEN_ABLE = "when-able"
    """Also where the proved response shows an initiator that knows of it: MsvAvTargetName, MsvAvSingleHost, MsvAvFlags
    or a true channel binding came with the same revision of the protocol as the MIC."""
    REQUIRE = "require"
    """Always."""


class TargetNamePolicy(Enum):
    """What an acceptor asks of MsvAvTargetName, the SPN that the initiator meant to reach."""

    NEVER = "never"
    WHEN_SUPPLIED = "when-supplied"
    """A name must be one of ours; none, or one that the initiator itself does not trust, is accepted."""
    REQUIRE = "require"


class Strength(msgspec.Struct, frozen=True, kw_only=True):
    """The least that a session must have; the same question for both sides (3.1.5.1.2, 3.2.5.1.1, 3.2.5.1.2).

    128-bit keys and extended session security are asked where the session protects messages; where it does not, none
    of them is used. ``key_128`` is ClientRequire128bitEncryption and ServerRequire128bitEncryption.
    """

    integrity: bool = False
    confidentiality: bool = False
    key_128: bool = True
    extended_session_security: bool = True

    def check(self, flags: int) -> None:
        """Rejected where the negotiated `flags` are less."""
        if not flags & NTLM:
            raise Rejected(Reason.NTLM_MISSING, "MS-NLMP 2.2.2.5 H: NTLM authentication is not negotiated")
        if self.integrity and not flags & PROTECTION:
            raise Rejected(Reason.INTEGRITY_MISSING, "signing is required and not negotiated")
        if self.confidentiality and not flags & SEAL:
            raise Rejected(Reason.CONFIDENTIALITY_MISSING, "sealing is required and not negotiated")
        if flags & DATAGRAM and not flags & KEY_EXCH:
            raise Rejected(Reason.KEY_EXCHANGE_MISSING, "MS-NLMP 3.2.5.2.1: connectionless NTLM exchanges a key")
        if not flags & PROTECTION:
            return
        if not flags & EXTENDED_SESSIONSECURITY:
            if self.extended_session_security:
                raise Rejected(Reason.EXTENDED_SESSION_SECURITY_MISSING, "extended session security is required")
            if flags & LM_KEY:
                raise Rejected(Reason.LM_SESSION_KEY, "a key made of the LM hash is refused")
        if self.key_128 and not flags & KEY_128:
            raise Rejected(Reason.KEY_TOO_SHORT, "128-bit keys are required and not negotiated")


class AcceptorPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """An acceptor's policy. ``max_skew`` is in seconds, None to not look at the initiator's clock.

    ``echo`` insists on all of our AV pairs in the response: without it a man in the middle can talk an initiator out of
    its MIC. ``empty_domain_in_proof`` accepts initiators that leave the domain out of the response key (3.2.5.1.2).
    ``loopback`` accepts an initiator that runs on this machine, where MsvAvSingleHost says so.
    """

    strength: Strength = Strength()
    mic: MicPolicy = MicPolicy.WHEN_ABLE
    bindings: BindingPolicy = BindingPolicy.WHEN_SUPPORTED
    target_name: TargetNamePolicy = TargetNamePolicy.WHEN_SUPPLIED
    max_skew: int | None = 1800
    ntlm_v1: bool = False
    anonymous: bool = False
    echo: bool = True
    empty_domain_in_proof: bool = True
    loopback: bool = True

    def __post_init__(self) -> None:
        if self.max_skew is not None and self.max_skew < 0:
            raise bad_argument("a clock skew is not negative")

    def check_skew(self, theirs: int, ours: int) -> None:
        """Rejected(CLOCK_SKEW) where two FILETIMEs are further apart than ``max_skew``."""
        if self.max_skew is not None and abs(theirs - ours) > self.max_skew * TICKS:
            raise Rejected(Reason.CLOCK_SKEW, "MS-NLMP 3.1.1.1 MaxLifetime: the response is of another time")
