"""Sound packages with functions that few have: tokens that are completed, metadata, attributes, subauthentication."""

from __future__ import annotations

import hmac

from tests.broken_packages import wire
from tests.broken_packages.plain import Ring, SoundPlain
from tests.broken_packages.pure import SoundPure
from tests.broken_packages.sound import Accepting, Credential, Initiating
from tests.broken_packages.sound_ap import Sound
from tests.broken_packages.sound_user import Context, SoundUser

from secpkg import contract as c
from secpkg.contract.lsa_mode.ssp import MetaData
from secpkg.contract.subauthentication import (
    LogonInfoClass,
    LogonInformation,
    NetworkInfo,
    SubAuthFlag,
    SubAuthResult,
    SubAuthResultEx,
    UserAllInformation,
    ValidationInfo,
)

FINAL = len(wire.final(bytes(wire.HASH)))


class SoundCompleting(SoundPlain):
    """Its last token is the other way round until it is completed (R189)."""

    def accept_security_context(
        self, call: c.Call, credential: Ring, context: Accepting | None, request: c.ContextRequest
    ) -> c.Step:
        step = super().accept_security_context(call, credential, context, request)
        if not isinstance(step, c.Complete):
            return step
        return c.Complete(step.context, self.uncompleted(step.token), None, step.attributes, complete_needed=True)

    def uncompleted(self, token: bytes) -> bytes:
        return token[::-1]

    def complete_auth_token(self, context: Context, token: bytes) -> bytes:
        if len(token) != FINAL:
            raise c.SecurityError(c.Status.SEC_E_INVALID_TOKEN, reason="not_the_last_token")
        return self.uncompleted(token)


class Met:
    """A context that has seen metadata and no token."""


class SoundNegotiating(Sound):
    """Says its version to its peer before the first token (R168, R169)."""

    version = b"Sound 1"

    async def query_meta_data(
        self, call: c.Call, credential: Credential, context: Met | None, target: str | None, requirements: int
    ) -> MetaData:
        return MetaData(self.version, context or Met())

    async def exchange_meta_data(
        self,
        call: c.Call,
        credential: Credential,
        context: Met | None,
        target: str | None,
        requirements: int,
        meta_data: bytes,
    ) -> Met:
        if meta_data != self.version:
            raise c.SecurityError(c.Status.SEC_E_INVALID_TOKEN, reason="another_version")
        return context or Met()

    async def init_lsa_mode_context(
        self, call: c.Call, credential: Credential, context: Initiating | Met | None, request: c.ContextRequest
    ) -> c.Step:
        state = None if isinstance(context, Met) else context
        return await super().init_lsa_mode_context(call, credential, state, request)

    async def accept_lsa_mode_context(
        self, call: c.Call, credential: Credential, context: Accepting | Met | None, request: c.ContextRequest
    ) -> c.Step:
        state = None if isinstance(context, Met) else context
        return await super().accept_lsa_mode_context(call, credential, state, request)

    async def delete_context(self, call: c.Call, context: Initiating | Accepting | Met | None) -> None:
        if not isinstance(context, Met):
            await super().delete_context(call, context)


class SoundSetting(Sound):
    """Refuses by itself what nobody can set (R205)."""

    async def set_context_attributes(self, call: c.Call, context: object, attribute: int, value: bytes) -> None:
        raise c.SecurityError(c.Status.SEC_E_UNSUPPORTED_FUNCTION, reason="attribute_not_settable")


class PackingUser(SoundUser):
    """Packs the attribute of names, which needs it (R167)."""

    def marshal_attribute_data(self, attribute_info: int, attribute: int, attribute_data: bytes) -> bytes | None:
        return attribute_data + b"\0" if attribute == c.ContextAttribute.NAMES else None


class SoundPacking(Sound):
    half = PackingUser


class SoundCard(SoundPure):
    """A subauthentication package: a card answers a challenge with the key of its user."""

    def key(self, user: str) -> bytes:
        return hmac.digest(b"of the issuer", user.casefold().encode("utf-8", "surrogatepass"), "sha256")

    async def initialize(self, package_id: int, parameters: c.PackageParameters, authority: c.LsaFunctions) -> None:
        self.authority = authority

    def proved(self, information: LogonInformation, user_all: UserAllInformation) -> c.Status:
        if not isinstance(information, NetworkInfo):
            return c.Status.STATUS_INVALID_INFO_CLASS
        expected = hmac.digest(self.key(user_all.user_name), information.lm_challenge, "sha256")
        right = hmac.compare_digest(expected, information.nt_challenge_response)
        return c.Status.STATUS_SUCCESS if right else c.Status.STATUS_WRONG_PASSWORD

    async def msv1_0_sub_authentication_routine(
        self,
        call: c.Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
    ) -> SubAuthResult:
        return SubAuthResult(self.proved(logon_information, user_all))

    async def msv1_0_sub_authentication_routine_ex(
        self,
        call: c.Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
        user_handle: int,
        validation_info: ValidationInfo,
    ) -> SubAuthResultEx:
        return SubAuthResultEx(self.proved(logon_information, user_all), validation_info)

    async def msv1_0_sub_authentication_routine_generic(self, call: c.Call, submit_buffer: bytes) -> bytes:
        if len(submit_buffer) != 1:
            raise c.SecurityError(c.Status.STATUS_INVALID_PARAMETER, reason="one_byte_is_meant")
        return b"%d" % submit_buffer[0]

    async def msv1_0_sub_authentication_filter(
        self,
        call: c.Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
    ) -> SubAuthResult:
        return SubAuthResult(kickoff_time=call.now + 3600.0)
