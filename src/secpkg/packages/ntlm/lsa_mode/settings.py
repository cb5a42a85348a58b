"""The operator's word on NTLM: ``[settings.ntlm]`` of ``authority.toml``, the counterpart of the key Lsa\\MSV1_0.

What is not understood refuses the load: a policy that is misspelt is none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.protocols.ntlm import (
    Acceptor,
    AcceptorPolicy,
    BindingPolicy,
    MicPolicy,
    Strength,
    TargetInfo,
    TargetNamePolicy,
    Version,
)

_NETBIOS = 15
_LOCAL = "LOCALHOST"
VERSION = Version(10, 0, 20348)
"""What NTLM_VERSION says of us: for debugging only (MS-NLMP 2.2.2.10)."""


class Bindings(StrEnum):
    """Who decides over channel bindings. In all of them sixteen zero bytes are the same as none."""

    APPLICATION = "application"
    """The service: by the bindings that it gives, and ASC_REQ_ALLOW_MISSING_BINDINGS (R234)."""
    NEVER = "never"
    """They are not looked at."""
    WHEN_SUPPORTED = "when-supported"
    """A client that binds must be bound to the service's channel; one that does not is accepted. Where the service
    gives no bindings there is nothing to compare with.
    """
    REQUIRE = "require"
    """Nothing but a binding to the service's channel, also where the service gives none."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them, with their defaults. ``max_skew`` in seconds, -1 for not to look; ``cached_logons`` is
    CachedLogonsCount, kept in memory only; ``service_names`` are SPNs that mean this machine.
    """

    computer_name: str = ""
    dns_computer_name: str = ""
    dns_domain_name: str = ""
    nt_hashes: bool = True
    """Whether passwords are derived to NT hashes at all. Without one an account cannot use NTLM."""
    mic: MicPolicy = MicPolicy.WHEN_ABLE
    channel_bindings: Bindings = Bindings.APPLICATION
    target_name: TargetNamePolicy = TargetNamePolicy.WHEN_SUPPLIED
    service_names: tuple[str, ...] = ()
    max_skew: int = 1800
    key_128: bool = True
    require_integrity: bool = False
    require_confidentiality: bool = False
    ntlm_v1: bool = False
    """Allow NTLMv1 with extended session security. LM and plain NTLMv1 are refused whatever is said here."""
    anonymous: bool = False
    cached_logons: int = 0

    def __post_init__(self) -> None:
        if not -1 <= self.max_skew <= 1 << 31 or not 0 <= self.cached_logons <= 50:
            raise ValueError("max_skew is -1 or more, cached_logons 0 to 50")

    @classmethod
    def read(cls, given: Mapping[str, object]) -> Settings:
        """SEC_E_CANNOT_INSTALL, with what is wrong."""
        try:
            return msgspec.convert(dict(given), cls)
        except (msgspec.ValidationError, ValueError) as error:
            raise SecurityError(Status.SEC_E_CANNOT_INSTALL, reason=f"settings: {error}") from None

    @property
    def machine(self) -> str:
        """The NetBIOS name of this machine."""
        name = self.computer_name or os.uname().nodename.partition(".")[0]
        return "".join(c for c in name if c.isalnum() or c == "-")[:_NETBIOS].upper() or _LOCAL

    def acceptor(self, domain: str) -> Acceptor:
        """The acceptor's side under these settings. The names of its channel are judged by the package (`accept`)."""
        return _acceptor(self, domain)


@lru_cache(maxsize=8)
def _acceptor(settings: Settings, domain: str) -> Acceptor:
    strength = Strength(
        integrity=settings.require_integrity,
        confidentiality=settings.require_confidentiality,
        key_128=settings.key_128,
    )
    policy = AcceptorPolicy(
        strength=strength,
        mic=settings.mic,
        bindings=BindingPolicy.NEVER,
        target_name=settings.target_name,
        max_skew=None if settings.max_skew < 0 else settings.max_skew,
        ntlm_v1=settings.ntlm_v1,
        anonymous=settings.anonymous,
    )
    target = TargetInfo(settings.machine, domain, settings.dns_computer_name, settings.dns_domain_name)
    return Acceptor(target=target, policy=policy, version=VERSION)
