"""Faults of AP halves: logons, what is kept for a session, services."""

from __future__ import annotations

import contextlib

from tests.broken_packages.modules import Fault, module
from tests.broken_packages.sound import KEY
from tests.broken_packages.sound_ap import Sound

from secpkg import contract as c


class UnknownTold(Sound):
    def refused(self, reason: str, name: str) -> c.LogonRefused:
        status = c.Status.STATUS_NO_SUCH_USER if reason == "unknown_user" else c.Status.STATUS_LOGON_FAILURE
        return c.LogonRefused(status, name, reason=reason)


class WrongToldAsRestriction(Sound):
    """STATUS_ACCOUNT_RESTRICTION without a right password."""

    def refused(self, reason: str, name: str) -> c.LogonRefused:
        return c.LogonRefused(c.Status.STATUS_ACCOUNT_RESTRICTION, name, reason=reason)


class SubstatusTells(Sound):
    """The sub-status has what the status hides."""

    def refused(self, reason: str, name: str) -> c.LogonRefused:
        why = c.Status.STATUS_NO_SUCH_USER if reason == "unknown_user" else c.Status.STATUS_WRONG_PASSWORD
        return c.LogonRefused(c.Status.STATUS_LOGON_FAILURE, name, why, reason)


class UnnamedRefusal(Sound):
    def refused(self, reason: str, name: str) -> c.LogonRefused:
        return super().refused(reason, "")


class LogonTypeStatus(Sound):
    """A logon type that it does not offer is not told as such."""

    async def logon_user_ex2(self, call: c.Call, request: c.LogonRequest) -> c.LogonResult | c.LogonRefused:
        result = await super().logon_user_ex2(call, request)
        if isinstance(result, c.LogonRefused) and result.status is c.Status.STATUS_INVALID_LOGON_TYPE:
            return c.LogonRefused(c.Status.STATUS_LOGON_FAILURE, result.account_name, reason=result.reason)
        return result


class SubmitBufferStatus(Sound):
    """A submit buffer of an unknown type is not told as such."""

    async def logon_user_ex2(self, call: c.Call, request: c.LogonRequest) -> c.LogonResult | c.LogonRefused:
        if request.authentication_information:
            return c.LogonRefused(c.Status.STATUS_NO_LOGON_SERVERS, request.username, reason="no_such_form")
        return await super().logon_user_ex2(call, request)


class AnyPassword(Sound):
    async def logon_user_ex2(self, call: c.Call, request: c.LogonRequest) -> c.LogonResult | c.LogonRefused:
        auth, key = await self.account(request.username)
        if auth is None or request.logon_type not in (c.LogonType.INTERACTIVE, c.LogonType.NETWORK):
            return await super().logon_user_ex2(call, request)
        return await self.log_on(call, request, auth, key)


class SessionForFailed(Sound):
    """Makes the session, then looks at the password."""

    async def logon_user_ex2(self, call: c.Call, request: c.LogonRequest) -> c.LogonResult | c.LogonRefused:
        early = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(early)
        result = await super().logon_user_ex2(call, request)
        if isinstance(result, c.LogonResult):
            await self.authority.delete_logon_session(early)
        return result


class SessionAfterError(Sound):
    """When the credential cannot be kept the session stays."""

    async def log_on(
        self, call: c.Call, request: c.LogonRequest, auth: c.AuthData, key: bytes
    ) -> c.LogonResult | c.LogonRefused:
        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)
        await self.keep(logon_id, key, auth.account_name)
        return c.LogonResult(logon_id, auth.token_information, auth.account_name, auth.domain_name)


class KeepErrorSwallowed(Sound):
    """Logs on although nothing could be kept for the session."""

    async def keep(self, logon_id: int, key: bytes, name: str) -> None:
        with contextlib.suppress(c.SecurityError):
            await super().keep(logon_id, key, name)


class NoSession(Sound):
    """Returns a LUID and leaves the session to others."""

    async def log_on(
        self, call: c.Call, request: c.LogonRequest, auth: c.AuthData, key: bytes
    ) -> c.LogonResult | c.LogonRefused:
        logon_id = call.allocate_locally_unique_id()
        return c.LogonResult(logon_id, auth.token_information, auth.account_name, auth.domain_name)


class OneLuid(Sound):
    """Every session has one LUID."""

    async def log_on(
        self, call: c.Call, request: c.LogonRequest, auth: c.AuthData, key: bytes
    ) -> c.LogonResult | c.LogonRefused:
        same = c.Call(call.caller, call.now, lambda size: b"\x42" * size, call.deadline, call.attributes)
        return await super().log_on(same, request, auth, key)


class AnotherUsersLogon(Sound):
    """Everybody is whoever came first."""

    first: c.AuthData | None = None

    async def log_on(
        self, call: c.Call, request: c.LogonRequest, auth: c.AuthData, key: bytes
    ) -> c.LogonResult | c.LogonRefused:
        self.first = self.first or auth
        return await super().log_on(call, request, self.first, key)


class AnotherSessionsCredential(Sound):
    """The primary credentials name another session than the one made."""

    async def log_on(
        self, call: c.Call, request: c.LogonRequest, auth: c.AuthData, key: bytes
    ) -> c.LogonResult | c.LogonRefused:
        made = await super().log_on(call, request, auth, key)
        if not isinstance(made, c.LogonResult):
            return made
        primary = c.PrimaryCredential(made.logon_id + 1, auth.account_name, auth.domain_name, auth.user_sid)
        return c.LogonResult(
            made.logon_id, made.token_information, made.account_name, made.authenticating_authority,
            primary_credentials=primary,
        )  # fmt: skip


class TerminatedIgnored(Sound):
    """The session's key stays with the authority."""

    async def logon_terminated(self, logon_id: int) -> None:
        pass


class TerminatedKept(Sound):
    """Keeps keys by session itself, and keeps them."""

    def __init__(self) -> None:
        self.kept: dict[int, bytes] = {}

    async def keep(self, logon_id: int, key: bytes, name: str) -> None:
        self.kept[logon_id] = key
        await super().keep(logon_id, key, name)


class TerminatedRaises(Sound):
    async def logon_terminated(self, logon_id: int) -> None:
        await self.authority.delete_credential(logon_id, KEY)


class OpenToAll(Sound):
    """What is for trusted callers is for everybody: sessions, made without a proof."""

    async def call_package_untrusted(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)
        return c.ProtocolReply(b"%d" % logon_id)


class ServiceRaises(Sound):
    async def call_package_untrusted(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        return c.ProtocolReply(b"%d" % (1 // len(submit_buffer.decode())))


class ServiceStub(Sound):
    """Every request succeeds, and nothing is done."""

    async def call_package(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        return c.ProtocolReply()

    async def call_package_untrusted(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        return c.ProtocolReply()


class EmptyPrimaryRaises(Sound):
    """Takes it for granted that primary credentials are whole."""

    async def accept_credentials(
        self, call: c.Call, logon_type: c.LogonType, account_name: str, primary: c.PrimaryCredential,
        supplemental: c.SupplementalCredential | None,
    ) -> c.SupplementalCredential | None:  # fmt: skip
        assert primary.password is not None
        assert primary.downlevel_name
        return await super().accept_credentials(call, logon_type, account_name, primary, supplemental)


def _of(package: type[Sound], rule: str, why: str, *also: str) -> Fault:
    return Fault(package.__name__, lambda: module(package), rule, why, frozenset(also))


LOGON: tuple[Fault, ...] = (
    _of(UnknownTold, "R54", "unknown users have a status of their own"),
    _of(WrongToldAsRestriction, "R55", "a restriction is told without a right password", "R54"),
    _of(SubstatusTells, "R53", "the sub-status tells unknown users apart", "R54"),
    _of(UnnamedRefusal, "R46", "a refusal has no AccountName"),
    _of(LogonTypeStatus, "R57", "an unknown logon type is a wrong password"),
    _of(SubmitBufferStatus, "R56", "an unknown submit buffer is a missing controller"),
    _of(AnyPassword, "K5", "any password will do", "R54", "R55", "K11"),
    _of(SessionForFailed, "R45", "a failed logon leaves a session"),
    _of(SessionAfterError, "R45", "a logon that an LSA function ended leaves a session", "K11"),
    _of(KeepErrorSwallowed, "K11", "a logon succeeds although an LSA function failed"),
    _of(NoSession, "R44", "a LUID without a session"),
    _of(OneLuid, "R44", "every session has one LUID", "R57"),
    _of(AnotherUsersLogon, "K5", "everybody is whoever came first"),
    _of(AnotherSessionsCredential, "R60", "primary credentials of another session"),
    _of(TerminatedIgnored, "R117", "LsaApLogonTerminated does nothing", "R94"),
    _of(TerminatedKept, "K12", "LsaApLogonTerminated forgets what the package keeps itself", "R94"),
    _of(TerminatedRaises, "R94", "LsaApLogonTerminated fails where nothing was kept", "R117"),
    _of(OpenToAll, "R80", "anybody's package call makes sessions", "R75", "K14"),
    _of(ServiceRaises, "K13", "a package call raises for garbage"),
    _of(ServiceStub, "K14", "package calls all succeed and do nothing", "R77"),
    _of(EmptyPrimaryRaises, "R70", "primary credentials with empty members are an AssertionError", "K13"),
)
