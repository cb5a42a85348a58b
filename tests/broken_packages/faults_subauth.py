"""Faults of subauthentication packages: who gets in, what an outcome says, what a filter asks for."""

from __future__ import annotations

from tests.broken_packages.modules import Fault, pure
from tests.broken_packages.sound_seldom import SoundCard

from secpkg import contract as c
from secpkg.contract.subauthentication import (
    LogonInfoClass,
    LogonInformation,
    NetworkInfo,
    SubAuthFlag,
    SubAuthResult,
    UserAllField,
    UserAllInformation,
)


class CardWithoutResponse(SoundCard):
    """No response is no wrong response."""

    def proved(self, information: LogonInformation, user_all: UserAllInformation) -> c.Status:
        if isinstance(information, NetworkInfo) and not information.nt_challenge_response:
            return c.Status.STATUS_SUCCESS
        return super().proved(information, user_all)


class CardOfAnyLevel(SoundCard):
    """What is no network logon has no challenge, and passes."""

    def proved(self, information: LogonInformation, user_all: UserAllInformation) -> c.Status:
        known = isinstance(information, NetworkInfo)
        return super().proved(information, user_all) if known else c.Status.STATUS_SUCCESS


class Overridden(SoundCard):
    def outcome(self, status: c.Status) -> SubAuthResult:
        return SubAuthResult(status)

    async def msv1_0_sub_authentication_routine(
        self,
        call: c.Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
    ) -> SubAuthResult:
        return self.outcome(self.proved(logon_information, user_all))


class AuthoritativeUnset(Overridden):
    def outcome(self, status: c.Status) -> SubAuthResult:
        return SubAuthResult(status, None)  # type: ignore[arg-type]  # the fault


class WritesOnRefusal(Overridden):
    def outcome(self, status: c.Status) -> SubAuthResult:
        return SubAuthResult(status, which_fields=UserAllField.PARAMETERS, parameters="tried")


class WritesMore(Overridden):
    def outcome(self, status: c.Status) -> SubAuthResult:
        return SubAuthResult(status, which_fields=0x1, parameters="a full name")


class AnotherClock(Overridden):
    """Never, in the units of another system."""

    def outcome(self, status: c.Status) -> SubAuthResult:
        return SubAuthResult(status, logoff_time=float(0x7FFFFFFFFFFFFFFF))


class CardRaises(SoundCard):
    def proved(self, information: LogonInformation, user_all: UserAllInformation) -> c.Status:
        assert isinstance(information, NetworkInfo)
        return super().proved(information, user_all)


class FilterLooksUp(SoundCard):
    async def msv1_0_sub_authentication_filter(
        self,
        call: c.Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
    ) -> SubAuthResult:
        try:
            await self.authority.get_auth_data_for_user(user_all.user_name)
        except c.SecurityError:
            return SubAuthResult(c.Status.STATUS_INVALID_LOGON_HOURS)
        return SubAuthResult()


def _of(package: type[SoundCard], rule: str, why: str, *also: str) -> Fault:
    return Fault(package.__name__, lambda: pure(package), rule, why, frozenset(also))


SUBAUTH: tuple[Fault, ...] = (
    _of(CardWithoutResponse, "R263", "a logon without a response gets in"),
    _of(CardOfAnyLevel, "R263", "a logon of a level without a challenge gets in"),
    _of(AuthoritativeUnset, "R265", "Authoritative is not set"),
    _of(WritesOnRefusal, "R266", "Parameters are written back on a refusal"),
    _of(WritesMore, "R266", "another field than Parameters is written back"),
    _of(AnotherClock, "R268", "a time is not in UTC seconds"),
    _of(CardRaises, "K13", "a level that is not expected raises AssertionError"),
    _of(FilterLooksUp, "R271", "the filter looks accounts up"),
)
