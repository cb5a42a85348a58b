"""A lab whose one package logs on by name and password, for the tests of this folder."""

from __future__ import annotations

import os

import secpkg
from secpkg.authority.policy import Policy
from secpkg.contract import (
    Call,
    Capability,
    InterfaceVersion,
    LogonRefused,
    LogonRequest,
    LogonResult,
    LogonType,
    LsaFunctions,
    ModuleTables,
    PackageInfo,
    PackageParameters,
    PrimaryCredential,
    PrimaryCredentialFlag,
    ProtocolReply,
    SecurityError,
    Status,
    SupplementalCredential,
    TokenInformation,
)
from secpkg.testing import LabAuthority

PASSWORD = "right"
PROFILE = b"home=/home/alice"


class Passwords:
    """Who says `PASSWORD` is logged on. New credentials are taken as they are: they are for other machines."""

    def __init__(self, name: str = "Passwords") -> None:
        self.info = PackageInfo(name=name, capabilities=Capability.LOGON)
        self.requests: list[LogonRequest] = []
        self.accepted: list[PrimaryCredential] = []
        self.profile = PROFILE

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority

    async def get_info(self) -> PackageInfo:
        return self.info

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        self.requests.append(request)
        flags = PrimaryCredentialFlag.CLEAR_PASSWORD
        primary = PrimaryCredential(
            0, request.username, request.domain, password=request.password, flags=flags, dns_domain_name="example.test"
        )
        logon_id = call.allocate_locally_unique_id()
        if request.logon_type == LogonType.NEW_CREDENTIALS:
            await self.authority.create_logon_session(logon_id)
            elsewhere = TokenInformation("S-1-5-21-9-9-9-1000", ("S-1-5-32-544",))
            return LogonResult(logon_id, elsewhere, request.username, primary_credentials=primary)
        try:
            auth = await self.authority.get_auth_data_for_user(request.username)
        except SecurityError:
            return LogonRefused(Status.STATUS_LOGON_FAILURE, request.username)
        if request.password != PASSWORD:
            return LogonRefused(Status.STATUS_LOGON_FAILURE, auth.account_name)
        await self.authority.create_logon_session(logon_id)
        return LogonResult(
            logon_id,
            auth.token_information,
            auth.account_name,
            "EXAMPLE",
            profile=self.profile,
            primary_credentials=primary,
        )

    async def accept_credentials(
        self,
        call: Call,
        logon_type: LogonType,
        account_name: str,
        primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> SupplementalCredential | None:
        self.accepted.append(primary)
        return None

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        return ProtocolReply(b"trusted " + submit_buffer, Status.STATUS_MORE_ENTRIES)

    async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        return ProtocolReply(b"untrusted " + submit_buffer)


def passwords_lab(*packages: Passwords, policy: Policy | None = None) -> LabAuthority:
    """A lab with these packages, one module, and a user."""

    def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V2, packages)

    lab = LabAuthority(domain="EXAMPLE", modules=[lsa_mode_initialize], policy=policy)
    lab.add_user("alice", groups=["staff"])
    return lab


def charged(lab: LabAuthority) -> int:
    """Bytes that the authority counts as ours."""
    return lab.embedded.machine.authority.quotas.taken(os.getuid(), "bytes")


def connected(lab: LabAuthority) -> secpkg.lsa.Lsa:
    """An untrusted connection."""
    return secpkg.lsa.connect(lab)
