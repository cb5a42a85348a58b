"""Another SSP of the house."""

from __future__ import annotations

from secpkg.contract import (
    Call,
    InterfaceVersion,
    LogonType,
    LsaFunctions,
    ModuleTables,
    PackageInfo,
    PackageParameters,
    PrimaryCredential,
    SupplementalCredential,
)


class Listener:
    """An SSP that remembers what it hears of logons."""

    info = PackageInfo("Listener")

    def __init__(self) -> None:
        self.heard: list[PrimaryCredential] = []

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority

    async def accept_credentials(
        self,
        call: Call,
        logon_type: LogonType,
        account_name: str,
        primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> None:
        if primary.logon_id:
            self.heard.append(primary)

    def module(self, version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V1, (self,))
