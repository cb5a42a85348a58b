"""Who a name or a SID is, by the account store's word and never by a package's.

Names are looked up with the same work whether they exist or not (lock 9): a name of another domain, or of no account,
goes through the same calls of the store with a name that nobody can have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.accounts.model import Account, restriction
from secpkg.accounts.sid import RID_PROTECTED_USERS, Sid, sid_of
from secpkg.accounts.store import AccountStore
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, AuthData, ClientInfo, TokenInformation

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority

NOBODY: Final = ""
"""Not a name: the store finds nothing, after the usual work."""
MAX_PRINCIPAL_NAME: Final = 1024
"""Characters of a name with its domain."""
_DOMAIN_SIDS: Final = "S-1-5-21-"


class Principal(msgspec.Struct, frozen=True):
    """What an access token is made from. ``account`` is None for a foreign principal."""

    account: Account | None
    name: str
    domain: str
    sid: str
    groups: tuple[str, ...]
    upn: str = ""
    posix_uid: int | None = None
    expires: float = NEVER

    @property
    def lockout_name(self) -> str:
        """The name under which its failures are counted."""
        return self.name if self.account is not None else f"{self.domain}\\{self.name}"


def local_name(store: AccountStore, name: str) -> str:
    """The account name that ``DOMAIN\\user``, ``user@domain`` or ``user`` means in this domain, or `NOBODY`."""
    if len(name) > MAX_PRINCIPAL_NAME:
        return NOBODY
    ours = store.domain_name.casefold()
    domain, backslash, user = name.partition("\\")
    if backslash:
        return user if domain.casefold() in (ours, ".") else NOBODY
    user, at, suffix = name.rpartition("@")
    if not at:
        return name
    owner = store.find_by_upn(name)
    if owner is not None:
        return owner.name
    return user if suffix.casefold() == ours else NOBODY


def counted_name(store: AccountStore, name: str) -> str:
    """The name under which failures of what somebody typed are counted: all spellings of an account are one."""
    account = store.find(local_name(store, name))
    return name if account is None else account.name


def origin_of(caller: ClientInfo, origin_name: str) -> str:
    """The origin of an attempt (lock 9). Only a trusted caller can name where it comes from: whoever could choose
    freely would never be delayed.
    """
    return f"uid:{caller.uid}/{origin_name}" if caller.has_tcb_privilege and origin_name else f"uid:{caller.uid}"


def auth_data(store: AccountStore, name: str, package: str, *, allow_guest: bool = False) -> AuthData:
    """The authorization data of a name, with what ``package`` keeps for it. STATUS_NO_SUCH_USER."""
    account, verifier = store.auth_record(local_name(store, name), package)
    if allow_guest:  # R257; the same work for everybody who asks for it
        guest, guest_verifier = store.auth_record("Guest", package)
        if account is None and guest is not None and guest.enabled:
            account, verifier = guest, guest_verifier
    if account is None:
        raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="no_such_user")
    principal = _local(store.domain_name, account)
    return AuthData(
        account_name=principal.name,
        domain_name=principal.domain,
        user_sid=principal.sid,
        token_information=TokenInformation(principal.sid, principal.groups, expiration=principal.expires),
        supplemental=verifier,
        upn=principal.upn,
    )


@lru_cache(maxsize=1024)
def _local(domain: str, account: Account) -> Principal:
    return Principal(
        account,
        account.name,
        domain,
        str(account.sid),
        tuple(str(group.sid) for group in account.groups),
        account.upn or "",
        account.posix_uid,
        NEVER if account.expires_at is None else account.expires_at,
    )


def by_sid(
    authority: LocalSecurityAuthority, information: TokenInformation, name: str = "", domain: str = ""
) -> Principal:
    """The principal of token information that a package returned: its account as the store has it now.

    Groups and privileges that the package names for an account count for nothing. A user without account is refused
    (STATUS_NO_SUCH_USER) unless the policy allows foreign principals; those have no SID of ours. One of a domain that
    can be reached (`Passthrough`) has a SID of that domain, and groups of that domain; one of no such domain has none
    of theirs. STATUS_TRUSTED_RELATIONSHIP_FAILURE (``domain_sid_unknown``, ``sid_of_another_domain``) otherwise.
    """
    store = authority.store
    sid = sid_of(information.user)
    account = store.find_by_sid(sid)
    if account is not None:
        return _local(store.domain_name, account)
    if not authority.policy.allow_foreign_principals:
        raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="not_an_account")
    if not _foreign(sid, store.domain_sid) or domain.casefold() in ("", store.domain_name.casefold()):
        raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="foreign_principal_of_this_domain")
    belongs = _filter(authority, domain)
    if not belongs(sid):
        raise SecurityError(Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE, reason="sid_of_another_domain")
    groups = tuple(str(g) for g in map(Sid, information.groups) if _foreign(g, store.domain_sid) and belongs(g))
    return Principal(None, name, domain, str(sid), groups)


def _filter(authority: LocalSecurityAuthority, domain: str) -> Callable[[Sid], bool]:
    """Whether somebody of ``domain`` may have a SID: an authority speaks for its own domain, and nobody else does."""
    known = authority.passthrough.sids if authority.passthrough is not None else {}
    if domain.casefold() not in known:
        theirs = tuple(f"{sid}-" for sid in known.values() if sid is not None)
        return lambda sid: not f"{sid}-".startswith(theirs)
    its = known[domain.casefold()]
    if its is None:
        raise SecurityError(Status.STATUS_TRUSTED_RELATIONSHIP_FAILURE, reason="domain_sid_unknown")
    return lambda sid: sid.rpartition("-")[0] == its


def is_protected(sid: Sid | str, groups: Iterable[Sid | str]) -> bool:
    """Whether a user is a member of Protected Users of its own domain."""
    return f"{sid.rpartition('-')[0]}-{RID_PROTECTED_USERS}" in groups


def _foreign(sid: Sid, ours: Sid) -> bool:
    return sid.startswith(_DOMAIN_SIDS) and sid != ours and not sid.startswith(f"{ours}-")


def admit(authority: LocalSecurityAuthority, principal: Principal, origin: str, workstation: str) -> None:
    """What can refuse a principal after its proof (lock 9): a running delay, then a rule of its account.

    STATUS_LOGON_FAILURE (``lockout_delay``), STATUS_ACCOUNT_RESTRICTION with its substatus (R53, R55).
    """
    now = authority.clock()
    if authority.store.lockout(principal.lockout_name, origin, now) > 0:
        raise SecurityError(Status.STATUS_LOGON_FAILURE, reason="lockout_delay")
    if principal.account is None:
        return
    rule = restriction(principal.account, now, workstation or None, max_password_age=authority.policy.max_password_age)
    if rule is not None:
        raise SecurityError(Status.STATUS_ACCOUNT_RESTRICTION, substatus=rule, reason=rule.native.lower())
