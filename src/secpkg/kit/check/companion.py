"""An authentication package of the kit's own, so that a package that logs nobody on has sessions to work with."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Final

from secpkg.contract.flags import Capability, InterfaceVersion, PrimaryCredentialFlag
from secpkg.contract.lsa_mode.functions import LsaDispatchTable, LsaFunctions
from secpkg.contract.lsa_mode.ssp import ModuleTables
from secpkg.contract.status import Status
from secpkg.contract.subauthentication import SUBAUTH_PACKAGE
from secpkg.contract.values import (
    Call,
    LogonRefused,
    LogonRequest,
    LogonResult,
    PackageInfo,
    PackageParameters,
    PrimaryCredential,
    ProtocolReply,
)
from secpkg.runtime.modules import LsaModeInitialize, ModuleDescription

NAME: Final = "CheckCompanion"
ROUTINE: Final = b"routine:"
DESCRIPTION: Final = ModuleDescription("secpkg-check-companion", "not-installed", "0", b"", "", has_user_half=False)


class Companion:
    """Logs on who has one of these passwords, with primary credentials for every other package."""

    info = PackageInfo(NAME, "Of secpkg check: logs its users on", Capability.LOGON)
    authority: LsaFunctions

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = passwords

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority

    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        return self.info.name

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        known = self._passwords.get(request.username, "")
        if not known or not hmac.compare_digest((request.password or "").encode(), known.encode()):
            return LogonRefused(Status.STATUS_LOGON_FAILURE, request.username, reason="wrong_password")
        auth = await self.authority.get_auth_data_for_user(request.username)
        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)
        primary = PrimaryCredential(
            logon_id,
            auth.account_name,
            auth.domain_name,
            auth.user_sid,
            request.password,
            flags=PrimaryCredentialFlag.CLEAR_PASSWORD,
        )
        return LogonResult(
            logon_id, auth.token_information, auth.account_name, auth.domain_name, primary_credentials=primary
        )

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        """What begins with `ROUTINE` goes to the host of subauthentication, as a package in MSV1_0's place sends it."""
        if submit_buffer.startswith(ROUTINE):
            return await self.authority.call_package(SUBAUTH_PACKAGE, submit_buffer[len(ROUTINE) :])
        return ProtocolReply(submit_buffer)


def initializer(passwords: Mapping[str, str]) -> LsaModeInitialize:
    """SpLsaModeInitialize of the companion."""

    def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(version, (Companion(passwords),))

    return lsa_mode_initialize
