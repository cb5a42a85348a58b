"""Packages that do nothing, so that what is measured is the way to them and back."""

from __future__ import annotations

from secpkg.contract import Acquired, Call, Capability, Continue, InterfaceVersion, ModuleTables, PackageInfo, Step
from secpkg.contract.lsa_mode.functions import LsaFunctions
from secpkg.contract.values import ContextRequest, PackageParameters

_LOGON_ID = 1 << 48


class Echo:
    """A leg gives back the token that it was given, and goes on for ever."""

    info = PackageInfo(name="BenchEcho", comment="echo", capabilities=Capability(0), max_token=4096)

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: int, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        """SpAcquireCredentialsHandle."""
        return Acquired(self)

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        """SpAcceptLsaModeContext."""
        return Continue(request.token, context or self)


class Asking(Echo):
    """The same with one call to the authority in each leg: a logon session is made in one and deleted in the next."""

    info = PackageInfo(name="BenchAsking", comment="echo, after a question", capabilities=Capability(0), max_token=4096)

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        """SpInitialize."""
        self.authority = authority
        self.made = False

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        """SpAcceptLsaModeContext."""
        made, self.made = self.made, not self.made
        await (self.authority.delete_logon_session if made else self.authority.create_logon_session)(_LOGON_ID)
        return Continue(request.token, context or self)


def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
    """SpLsaModeInitialize."""
    return ModuleTables(InterfaceVersion.V1, (Echo(), Asking()))
