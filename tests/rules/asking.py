"""A package that does in its calls what a test says, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import secpkg
from secpkg.contract import (
    Acquired,
    AuthIdentity,
    Call,
    Capability,
    Complete,
    ContextRequest,
    CredentialUse,
    InterfaceVersion,
    LsaFunctions,
    ModuleTables,
    PackageInfo,
    PackageParameters,
    ProtocolReply,
    SecurityError,
    Status,
    Step,
)
from secpkg.contract.values import SecBuffer
from secpkg.sspi import raw
from secpkg.testing import FrozenClock, LabAuthority

T = TypeVar("T")
Script = Callable[[LsaFunctions, Call, ContextRequest], Awaitable[object]]

TOKEN = 2


class Asker:
    """Runs ``script`` in LsaApCallPackageUntrusted, and in SpAcceptLsaModeContext."""

    def __init__(self, name: str = "Asker") -> None:
        self.info = PackageInfo(name, capabilities=Capability.LOGON | Capability.CONNECTION, max_token=64)
        self.authority: LsaFunctions
        self.script: Script
        self.found: list[object] = []
        self.failed: list[SecurityError] = []
        self.calls: list[Call] = []
        self.at_start: Callable[[LsaFunctions], Awaitable[object]] | None = None

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority
        if self.at_start is not None:
            self.found.append(await self.at_start(authority))

    async def get_info(self) -> PackageInfo:
        return self.info

    async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        await self._run(call, ContextRequest())
        return ProtocolReply(b"")

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        return Acquired(self)

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        await self._run(call, request)
        return Complete({}, b"")

    async def _run(self, call: Call, request: ContextRequest) -> None:
        self.calls.append(call)
        try:
            self.found.append(await self.script(self.authority, call, request))
        except SecurityError as failed:
            self.failed.append(failed)

    async def shutdown(self) -> None:
        self.found.append("shutdown")


class Asking:
    """A lab with an `Asker`, in time that stands."""

    def __init__(self, package: Asker | None = None) -> None:
        self.package = package or Asker()
        self.clock = FrozenClock()
        self.lab = LabAuthority(domain="EXAMPLE", modules=[self._initialize], clock=self.clock)
        self.lab.add_user("alice")

    def _initialize(self, version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V2, (self.package,))

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.close()

    def ask(self, script: Callable[[LsaFunctions], Awaitable[T]]) -> T:
        """What a script returns that runs in a package call; it must not fail."""

        async def run(authority: LsaFunctions, _call: Call, _request: ContextRequest) -> object:
            return await script(authority)

        self.package.script = run
        before = len(self.package.failed)
        with secpkg.lsa.connect(self.lab) as lsa:
            lsa.call_authentication_package(self.package.info.name, b"")
        assert len(self.package.failed) == before, self.package.failed[-1]
        return self.package.found[-1]  # type: ignore[return-value]  # what `run` returned

    def refused(self, script: Callable[[LsaFunctions], Awaitable[object]]) -> Status:
        """The status with which a script fails, that must fail."""

        async def run(authority: LsaFunctions, _call: Call, _request: ContextRequest) -> object:
            return await script(authority)

        self.package.script = run
        before = len(self.package.failed)
        with secpkg.lsa.connect(self.lab) as lsa:
            lsa.call_authentication_package(self.package.info.name, b"")
        assert len(self.package.failed) == before + 1, "it did not fail"
        return self.package.failed[-1].status

    def accept(self, script: Script, *buffers: SecBuffer, authority: object = None) -> object:
        """What a script returns that runs in a leg with these buffers."""
        self.package.script = script
        status, credential, _ = raw.acquire_credentials_handle(
            None,
            self.package.info.name,
            CredentialUse.BOTH,
            auth_data=AuthIdentity("alice"),
            authority=self.lab if authority is None else authority,
        )
        assert status is Status.SEC_E_OK
        found = len(self.package.found)
        status, context, *_ = raw.accept_security_context(credential, None, [SecBuffer(TOKEN, b"bob"), *buffers], 0)
        assert status is Status.SEC_E_OK
        raw.delete_security_context(context)
        raw.free_credentials_handle(credential)
        if len(self.package.found) == found:
            raise self.package.failed[-1]
        return self.package.found[-1]
