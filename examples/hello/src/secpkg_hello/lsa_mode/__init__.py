"""Hello in the authority: an AP that logs users on with a password, and an SSP that speaks SCRAM-SHA-256.

What the account store keeps for Hello is a SCRAM verifier (RFC 5803). The AP half checks a password against it; the SSP
half proves a password to it without sending one (RFC 5802, RFC 7677), both ways, bound to the channel if there is one.
A user who is unknown, or has no verifier, is answered with a decoy: same work, same look, no password fits.
"""

from __future__ import annotations

from secpkg.contract import (
    Capability,
    InterfaceVersion,
    LsaDispatchTable,
    ModuleTables,
    PackageInfo,
)
from secpkg_hello.lsa_mode.ap import LogonHalf
from secpkg_hello.lsa_mode.passwords import PasswordHalf
from secpkg_hello.lsa_mode.ssp import ContextHalf


class Hello(LogonHalf, PasswordHalf, ContextHalf):
    """The LSA half: one object per authority."""

    info = PackageInfo(
        name="Hello",
        comment="An example: password logon, and SCRAM-SHA-256 with channel binding",
        capabilities=Capability.INTEGRITY | Capability.PRIVACY | Capability.CONNECTION | Capability.LOGON
        | Capability.MUTUAL_AUTH | Capability.IMPERSONATION | Capability.EXTENDED_ERROR | Capability.ACCEPT_WIN32_NAME
        | Capability.READONLY_WITH_CHECKSUM,
        max_token=4096,
    )  # fmt: skip

    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        """LsaApInitializePackage."""
        return self.info.name


def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
    """SpLsaModeInitialize."""
    return ModuleTables(InterfaceVersion.V4, (Hello(),))  # that of SpChangeAccountPassword
