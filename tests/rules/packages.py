"""Authentication packages for a lab, and what the tests of this folder do with them."""

from __future__ import annotations

from collections.abc import Callable

import secpkg
from secpkg.authority.audit import Record, derive_key, read
from secpkg.contract import (
    Call,
    Capability,
    InterfaceVersion,
    LogonRefused,
    LogonRequest,
    LogonResult,
    LogonType,
    LsaDispatchTable,
    LsaFunctions,
    ModuleTables,
    PackageInfo,
    PackageParameters,
    ProtocolReply,
    Status,
)
from secpkg.contract.lsa_mode.ssp import LsaModePackage
from secpkg.testing import LabAuthority

Initialize = Callable[[InterfaceVersion], ModuleTables]


class Badge:
    """An AP that knows a user by bytes: whoever shows ``<secret>:<user>`` is logged on. It keeps what it is given."""

    def __init__(self, name: str = "Badge", secret: bytes = b"badge", **result: object) -> None:
        self.info = PackageInfo(name=name, capabilities=Capability.LOGON)
        self.secret = secret
        self.result = result
        self.calls: list[str] = []
        self.requests: list[LogonRequest] = []
        self.parameters: PackageParameters | None = None

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.calls.append("initialize")
        self.authority = authority
        self.parameters = parameters

    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        self.calls.append("initialize_package")
        return self.info.name

    async def get_info(self) -> PackageInfo:
        self.calls.append("get_info")
        return self.info

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        self.calls.append("logon_user_ex2")
        self.requests.append(request)
        secret, _, user = request.authentication_information.partition(b":")
        if secret != self.secret:
            return LogonRefused(Status.STATUS_LOGON_FAILURE, "?", reason="wrong_badge")
        auth = await self.authority.get_auth_data_for_user(user.decode())
        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)
        return LogonResult(logon_id, auth.token_information, auth.account_name, **self.result)  # type: ignore[arg-type]

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        self.calls.append("call_package")
        return ProtocolReply(submit_buffer)

    async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        self.calls.append("call_package_untrusted")
        return ProtocolReply(submit_buffer)


def module(*packages: LsaModePackage) -> Initialize:
    """SpLsaModeInitialize of a module with these packages."""

    def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V2, packages)

    lsa_mode_initialize.__qualname__ = f"module_{packages[0].info.name}_{id(packages)}"
    return lsa_mode_initialize


def lab_of(*packages: LsaModePackage, user: str = "alice") -> LabAuthority:
    """A lab with one module for each package, and a user."""
    lab = LabAuthority(domain="EXAMPLE", modules=[module(package) for package in packages])
    lab.add_user(user)
    return lab


def badge(
    lab: LabAuthority, shown: bytes = b"badge:alice", package: str = "Badge", kind: LogonType = LogonType.INTERACTIVE
) -> secpkg.lsa.Logon:
    """Log on by badge, over an untrusted connection that lives as long as the lab."""
    return secpkg.lsa.connect(lab).logon_user(package, kind, authentication_information=shown)


def records(lab: LabAuthority, event: str) -> list[Record]:
    """The lab's audit records of one kind."""
    authority = lab.embedded.machine.authority
    return [r for r in read(authority.audit.lines(), derive_key(authority.vault)) if r.event == event]


def handshake(client: secpkg.Client, server: secpkg.Server) -> int:
    """Exchange tokens until there are none: how many there were."""
    tokens = 0
    token = client.step()
    while token is not None:
        tokens += 1
        reply = server.step(token)
        tokens += reply is not None
        token = client.step(reply) if reply is not None else None
    return tokens
