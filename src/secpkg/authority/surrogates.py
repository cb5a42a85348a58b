"""Packages that take part in the logons of others, and those that are told of them (docs/adr/0010).

Before the logon package, each surrogate is asked in turn and may add entries to what the logon carries; afterwards each
that let it pass hears the outcome, once, in the reverse order. A surrogate can refuse before the logon and change
nothing after it. What it sees of the logon is what its module may see (lock 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.authority.directory import PackageEntry
from secpkg.authority.fanout import visible_to
from secpkg.authority.targets import PackageTarget
from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode.ap import PostLogonUserInfo, SurrogateLogon
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonRefused, LogonRequest, LogonResult

if TYPE_CHECKING:
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.sessions import LogonSession

MAX_ENTRIES: Final = 64
MAX_ENTRY: Final = 64 * 1024
"""Bytes of data in an entry."""
GUID_SIZE: Final = 16
_LUID_BITS: Final = 62
_BEFORE: Final = "pre_logon_user_surrogate"
_AFTER: Final = "post_logon_user_surrogate"


class Surrogates:
    """The surrogate packages of one logon: what they share, and who was asked."""

    def __init__(self, authority: LocalSecurityAuthority, connection: Connection, request: LogonRequest) -> None:
        self._authority = authority
        self._connection = connection
        self._request = msgspec.structs.replace(request, local_groups=(), token_source=None)
        self._asked: list[PackageEntry] = []
        having = authority.packages.having
        taking = {e.package_id: e for e in (*having(_BEFORE), *having(_AFTER))}
        self._packages = tuple(taking[package_id] for package_id in sorted(taking))
        # Its id is drawn only for those who look at it.
        luid = int.from_bytes(authority.entropy(8), "big") >> (64 - _LUID_BITS) if taking else 0
        self.shared = SurrogateLogon(luid)

    @implements("lsa_mode", "LsaApPreLogonUserSurrogate")
    async def before(self) -> None:
        """LsaApPreLogonUserSurrogate in each, until one refuses: its status, with its reason on the audit record.

        STATUS_INTERNAL_ERROR (``surrogate_entries_invalid``) for one that changes what others added.
        """
        for entry in self._packages:
            if _BEFORE in entry.functions:
                await self._ask(entry)
            if _AFTER in entry.functions:
                self._asked.append(entry)

    async def _ask(self, entry: PackageEntry) -> None:
        arguments = (_visible(entry, self._request), self.shared)
        target = PackageTarget.of(entry.package_id, self._connection.caller, self._connection)
        try:
            answer = await Request[object](_BEFORE, arguments, target)
        finally:
            self._authority.end_call(target.origin, discard_sessions=True)
        self.shared = _extended(self.shared, answer)

    @implements("lsa_mode", "LsaApPostLogonUserSurrogate")
    async def after(self, outcome: LogonResult | LogonRefused) -> None:
        """LsaApPostLogonUserSurrogate in each that let the logon pass, the last one first. A failure is recorded."""
        while self._asked:
            entry = self._asked.pop()
            arguments = (_visible(entry, self._request), self.shared, _outcome_for(entry, outcome))
            target = PackageTarget.of(entry.package_id, self._connection.caller, self._connection)
            try:
                await Request[object](_AFTER, arguments, target)
            except SecurityError as failed:
                self._authority.record_quietly(_AFTER, failed, entry.name)
            finally:
                self._authority.end_call(target.origin, discard_sessions=True)


@implements("lsa_mode", "LsaApPostLogonUser")
async def post_logon_user(authority: LocalSecurityAuthority, connection: Connection, session: LogonSession) -> None:
    """LsaApPostLogonUser in every package that has it, after its credentials were handed on. A failure is recorded and
    changes nothing.
    """
    for entry in authority.packages.having("post_logon_user"):
        target = PackageTarget.of(entry.package_id, connection.caller, connection)
        session.told.add(entry.package_id)  # who knows of its beginning hears of its end (R93)
        try:
            await Request[object]("post_logon_user", (PostLogonUserInfo(0, session.logon_id, 0),), target)
        except SecurityError as failed:
            authority.record_quietly("post_logon_user", failed, entry.name, logon_id=session.logon_id)
        finally:
            authority.end_call(target.origin)


def _extended(before: SurrogateLogon, answer: object) -> SurrogateLogon:
    """What a surrogate returned, when it added entries and changed nothing."""
    if (
        not isinstance(answer, SurrogateLogon)
        or answer.surrogate_logon_id != before.surrogate_logon_id
        or answer.entries[: len(before.entries)] != before.entries
        or len(answer.entries) > MAX_ENTRIES
        or any(len(kind) != GUID_SIZE or len(data) > MAX_ENTRY for kind, data in answer.entries)
    ):
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="surrogate_entries_invalid")
    return answer


def _visible(entry: PackageEntry, request: LogonRequest) -> LogonRequest:
    if entry.primary_credentials:
        return request
    return msgspec.structs.replace(request, password=None, authentication_information=b"")


def _outcome_for(entry: PackageEntry, outcome: LogonResult | LogonRefused) -> LogonResult | LogonRefused:
    if isinstance(outcome, LogonRefused):
        return outcome
    primary = outcome.primary_credentials
    own = tuple(s for s in outcome.supplemental_credentials if s.package_name.casefold() == entry.name.casefold())
    return msgspec.structs.replace(
        outcome,
        primary_credentials=None if primary is None else visible_to(entry, primary),
        supplemental_credentials=own,
    )
