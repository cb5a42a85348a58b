"""Faults of loading and of tables; and those of plain SSPs and of pure APs."""

from __future__ import annotations

import os
import time

from tests.broken_packages.modules import Fault, Make, module, provider, pure
from tests.broken_packages.plain import Ring, SoundPlain
from tests.broken_packages.pure import SoundPure
from tests.broken_packages.sound import Accepting, Credential, Initiating
from tests.broken_packages.sound_ap import Sound
from tests.broken_packages.sound_user import Context, SoundUser

from secpkg import contract as c


class Misspelt(Sound):
    async def accept_lsa_mode_contexts(
        self, call: c.Call, credential: Credential, context: Accepting | None, request: c.ContextRequest
    ) -> c.Step:
        return await super().accept_lsa_mode_context(call, credential, context, request)


class NotAsync(Sound):
    def delete_context(self, call: c.Call, context: object) -> None:  # type: ignore[override]
        pass


class InitializeFails(Sound):
    async def initialize(self, package_id: int, parameters: c.PackageParameters, authority: c.LsaFunctions) -> None:
        raise c.SecurityError(c.Status.SEC_E_CANNOT_INSTALL, reason="no_card_reader")


class ShutdownFails(Sound):
    async def shutdown(self) -> None:
        raise RuntimeError("was never started")


class TwoNames(Sound):
    async def initialize_package(self, package_id: int, dispatch: c.LsaDispatchTable) -> str:
        return "Sounds"


class TwoLogonFunctions(Sound):
    async def logon_user_ex(self, call: c.Call, request: c.LogonRequest) -> c.LogonResult | c.LogonRefused:
        return await self.logon_user_ex2(call, request)


class InstanceInitFails(SoundUser):
    def instance_init(self, version: c.InterfaceVersion, functions: c.DllFunctions) -> None:
        raise OSError("no such device")


class HalfPair(SoundUser):
    verify_signature = None  # type: ignore[assignment]  # a NULL entry


class WithoutUserHalf(Sound):
    """Announces INTEGRITY and PRIVACY; its messages are nobody's business."""


class PlainClock(SoundPlain):
    def initialize_security_context(
        self, call: c.Call, credential: Ring, context: Initiating | None, request: c.ContextRequest
    ) -> c.Step:
        later = c.Call(call.caller, time.time(), os.urandom)
        return super().initialize_security_context(later, credential, context, request)


class PlainLeak(SoundPlain):
    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[Context] = []

    def accept_security_context(
        self, call: c.Call, credential: Ring, context: Accepting | None, request: c.ContextRequest
    ) -> c.Step:
        step = super().accept_security_context(call, credential, context, request)
        if isinstance(step, c.Complete) and isinstance(step.context, Context):
            self.contexts.append(step.context)
        return step


class PlainRaises(SoundPlain):
    def accept_security_context(
        self, call: c.Call, credential: Ring, context: Accepting | None, request: c.ContextRequest
    ) -> c.Step:
        assert request.token[3] in b"1234"
        return super().accept_security_context(call, credential, context, request)


class PureRaises(SoundPure):
    async def call_package(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        if submit_buffer.decode().split()[0] == "ended":
            return c.ProtocolReply(b"%d" % self.ended)
        return c.ProtocolReply(protocol_status=c.Status.STATUS_INVALID_PARAMETER)


class PureStub(SoundPure):
    async def call_package(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        return c.ProtocolReply()


def _with(user: type[SoundUser]) -> type[Sound]:
    class Package(Sound):
        half = user

    return Package


def _fault(make: Make, name: str, rule: str, why: str, *also: str) -> Fault:
    return Fault(name, make, rule, why, frozenset(also))


def _of(package: type[Sound], rule: str, why: str, *also: str) -> Fault:
    return _fault(lambda: module(package), package.__name__, rule, why, *also)


def _user(user: type[SoundUser], rule: str, why: str, *also: str) -> Fault:
    return _fault(lambda: module(_with(user)), user.__name__, rule, why, *also)


LOADING: tuple[Fault, ...] = (
    _of(Misspelt, "R171", "a documented name is misspelt"),
    _of(NotAsync, "R171", "an LSA-mode function is def"),
    _of(InitializeFails, "R27", "SpInitialize fails"),
    _of(ShutdownFails, "R38", "SpShutdown fails", "K13"),
    _of(TwoNames, "R32", "LsaApInitializePackage and SpGetInfo differ"),
    _of(TwoLogonFunctions, "R40", "two logon functions"),
    _user(InstanceInitFails, "R159", "SpInstanceInit fails", "R163", "K6"),
    _user(HalfPair, "R6", "signs, and cannot verify", "R163", "R171", "K6"),
    _fault(
        lambda: pure(WithoutUserHalf), "WithoutUserHalf", "R6", "announces messages and has no user half", "R163", "K6"
    ),
    _fault(lambda: provider(PlainClock), "PlainClock", "K9", "a plain SSP draws its own time and chance"),
    _fault(lambda: provider(PlainLeak), "PlainLeak", "K12", "a plain SSP keeps its contexts"),
    _fault(lambda: provider(PlainRaises), "PlainRaises", "K13", "a plain SSP raises for garbage"),
    _fault(lambda: pure(PureRaises), "PureRaises", "K13", "a pure AP raises for garbage"),
    _fault(lambda: pure(PureStub), "PureStub", "K14", "a pure AP's services all succeed and do nothing"),
)
