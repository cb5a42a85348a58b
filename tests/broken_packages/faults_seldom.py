"""Faults in what few packages have: bindings with flags, tokens that are completed, attributes, metadata."""

from __future__ import annotations

import msgspec
from tests.broken_packages import wire
from tests.broken_packages.modules import Fault, module, provider
from tests.broken_packages.plain import SoundPlain
from tests.broken_packages.sound import Accepting, Credential
from tests.broken_packages.sound_ap import Sound
from tests.broken_packages.sound_seldom import (
    FINAL,
    Met,
    PackingUser,
    SoundCompleting,
    SoundNegotiating,
    SoundPacking,
    SoundSetting,
)
from tests.broken_packages.sound_user import Context

from secpkg import contract as c
from secpkg.contract.channel_bindings import ChannelBindings, unpack
from secpkg.contract.flags_seldom import ChannelBindingsResult
from secpkg.contract.lsa_mode.ssp import MetaData


class AuditBindingsFail(Sound):
    """Knows the flag, and refuses what differs all the same."""

    def bound(self, theirs: bytes, request: c.ContextRequest) -> bool:
        known = unpack(request.channel_bindings or b"")
        if not known.audit_only:
            return super().bound(theirs, request)
        return theirs == wire.digest(ChannelBindings(known.application_data).application_data)


class AuditBindingsSilent(Sound):
    """Tolerates, and tells nobody."""

    async def report(self, context: Accepting, result: ChannelBindingsResult) -> None:
        pass


class ReportsNoVerdict(Sound):
    async def report(self, context: Accepting, result: ChannelBindingsResult) -> None:
        await super().report(context, result & ~ChannelBindingsResult.NOTVALID | ChannelBindingsResult.ABSENT)


class ReportsSupport(Sound):
    """Says of every client that it knows of channel bindings."""

    async def report(self, context: Accepting, result: ChannelBindingsResult) -> None:
        await super().report(context, result | ChannelBindingsResult.CLIENT_SUPPORT)


class ProxyTakesAll(Sound):
    """With PROXY_BINDINGS a client need not be bound to anything."""

    def bound(self, theirs: bytes, request: c.ContextRequest) -> bool:
        return bool(request.requirements & c.AscReq.PROXY_BINDINGS) or super().bound(theirs, request)


class ProxyUnknown(Sound):
    """Knows audit-only bindings, and no channel that ends elsewhere."""

    def bound(self, theirs: bytes, request: c.ContextRequest) -> bool:
        without = request.requirements & ~int(c.AscReq.PROXY_BINDINGS)
        return super().bound(theirs, msgspec.structs.replace(request, requirements=without))


class AuditTakesStrangers(Sound):
    """Looks at no proof where bindings are audit-only."""

    def bound(self, theirs: bytes, request: c.ContextRequest) -> bool:
        return super().bound(theirs, request)

    async def finish(self, call: c.Call, context: Accepting, request: c.ContextRequest) -> c.Step:
        self.lenient = unpack(request.channel_bindings or b"").audit_only
        return await super().finish(call, context, request)

    def proved(self, expected: bytes, received: bytes) -> bool:
        return self.lenient or super().proved(expected, received)


class NobodyCompletes(SoundCompleting):
    """Says COMPLETE_NEEDED, and has no function for it."""

    complete_auth_token = None  # type: ignore[assignment]  # a NULL entry


class CompletesNothing(SoundCompleting):
    """Says COMPLETE_NEEDED of a token that is complete."""

    def uncompleted(self, token: bytes) -> bytes:
        return token


class UncompletedTaken(SoundCompleting):
    """An initiator that takes the last token either way round."""

    def initialize_security_context(
        self, call: c.Call, credential: object, context: object, request: c.ContextRequest
    ) -> c.Step:
        if len(request.token) == FINAL and request.token.endswith(b"4DNS"):
            request = msgspec.structs.replace(request, token=request.token[::-1])
        return super().initialize_security_context(call, credential, context, request)  # type: ignore[arg-type]  # theirs


class CompletingRaises(SoundCompleting):
    def complete_auth_token(self, context: Context, token: bytes) -> bytes:
        assert len(token) == FINAL
        return self.uncompleted(token)


class SetsAnything(SoundSetting):
    """A stub: every attribute can be set, and none is."""

    async def set_context_attributes(self, call: c.Call, context: object, attribute: int, value: bytes) -> None:
        pass


class SetsByAnotherName(SoundSetting):
    async def set_context_attributes(self, call: c.Call, context: object, attribute: int, value: bytes) -> None:
        raise c.SecurityError(c.Status.SEC_E_INVALID_TOKEN, reason="attribute_not_settable")


class SetsPeer(SoundPlain):
    """The application says who its peer is."""

    def set_context_attributes(self, context: Context, attribute: int, value: bytes) -> None:
        if attribute != c.ContextAttribute.NAMES:
            raise c.SecurityError(c.Status.SEC_E_UNSUPPORTED_FUNCTION, reason="attribute_not_settable")
        context.packed = msgspec.structs.replace(context.packed, peer=value.decode("utf-8", "replace"))


class PacksToNothing(PackingUser):
    """No output where none is needed, but an empty one."""

    def marshal_attribute_data(self, attribute_info: int, attribute: int, attribute_data: bytes) -> bytes | None:
        return super().marshal_attribute_data(attribute_info, attribute, attribute_data) or b""


class PackingRefuses(PackingUser):
    def marshal_attribute_data(self, attribute_info: int, attribute: int, attribute_data: bytes) -> bytes | None:
        packed = super().marshal_attribute_data(attribute_info, attribute, attribute_data)
        if packed is None:
            raise c.SecurityError(c.Status.STATUS_NOT_SUPPORTED, reason="nothing_to_pack")
        return packed


class MetadataAlone(SoundNegotiating):
    """Gives metadata, and no context with it."""

    async def query_meta_data(
        self, call: c.Call, credential: Credential, context: Met | None, target: str | None, requirements: int
    ) -> MetaData:
        return MetaData(self.version, context)


class MetadataForgotten(SoundNegotiating):
    """Cannot go on with a context that has seen metadata."""

    async def init_lsa_mode_context(
        self, call: c.Call, credential: Credential, context: object, request: c.ContextRequest
    ) -> c.Step:
        if isinstance(context, Met):
            return c.Refused(c.Status.SEC_E_INVALID_HANDLE, reason="context_is_not_ours")
        return await super().init_lsa_mode_context(call, credential, context, request)  # type: ignore[arg-type]  # theirs


class MetadataNotOurs(SoundNegotiating):
    """Reads another form than it writes."""

    async def exchange_meta_data(
        self,
        call: c.Call,
        credential: Credential,
        context: Met | None,
        target: str | None,
        requirements: int,
        meta_data: bytes,
    ) -> Met:
        said = meta_data.removeprefix(b"v")
        return await super().exchange_meta_data(call, credential, context, target, requirements, said[1:])


def _of(package: type[Sound], rule: str, why: str, *also: str) -> Fault:
    return Fault(package.__name__, lambda: module(package), rule, why, frozenset(also))


def _latest(package: type[Sound], rule: str, why: str, *also: str) -> Fault:
    return Fault(package.__name__, lambda: module(package, max(c.InterfaceVersion)), rule, why, frozenset(also))


def _plain(package: type[SoundPlain], rule: str, why: str, *also: str) -> Fault:
    return Fault(package.__name__, lambda: provider(package), rule, why, frozenset(also))


def _packing(user: type[PackingUser], why: str, *also: str) -> Fault:
    class Package(SoundPacking):
        half = user

    return Fault(user.__name__, lambda: module(Package, max(c.InterfaceVersion)), "R167", why, frozenset(also))


SELDOM: tuple[Fault, ...] = (
    _of(AuditBindingsFail, "R238", "audit-only bindings fail a client that differs"),
    _of(AuditBindingsSilent, "R238", "audit-only bindings report nothing"),
    _of(ReportsNoVerdict, "R236", "bindings are reported without VALID or NOTVALID"),
    _of(ReportsSupport, "R237", "a client that cannot bind is reported with CLIENT_SUPPORT"),
    _of(ProxyTakesAll, "R239", "PROXY_BINDINGS takes clients that are bound to nothing"),
    _of(ProxyUnknown, "R239", "PROXY_BINDINGS is not known"),
    _of(AuditTakesStrangers, "K5", "audit-only bindings spare the proof", "R54", "K2", "K18", "R107"),
    _plain(NobodyCompletes, "R189", "COMPLETE_NEEDED, and no CompleteAuthToken"),
    _plain(CompletesNothing, "K14", "CompleteAuthToken changes nothing"),
    _plain(UncompletedTaken, "R189", "a token is taken before it was completed"),
    _plain(CompletingRaises, "K13", "CompleteAuthToken raises for garbage"),
    _latest(SetsAnything, "R205", "attributes are set that nobody knows", "K14"),
    _latest(SetsByAnotherName, "R205", "what cannot be set is not told as SEC_E_UNSUPPORTED_FUNCTION"),
    _plain(SetsPeer, "K5", "SetContextAttributes changes who the peer is"),
    _packing(PacksToNothing, "an attribute that needs no packing becomes empty"),
    _packing(PackingRefuses, "an attribute that needs no packing is an error"),
    _latest(MetadataAlone, "R168", "SpQueryMetaData makes no context", "K13"),
    _latest(MetadataForgotten, "R168", "a context of SpQueryMetaData is not continued by its first leg"),
    _latest(MetadataNotOurs, "R169", "SpExchangeMetaData refuses what SpQueryMetaData gives"),
)
