"""Setting a password: every package makes its own verifier of it, and the account gets them all in one instant.

The way in is SpAcceptCredentials with PRIMARY_CRED_UPDATE and LUID 0 (`AcceptCredentials.accept_credentials`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.accounts.model import restriction
from secpkg.authority.audit import Fact
from secpkg.authority.fanout import MAX_SUPPLEMENTAL, visible_to
from secpkg.authority.principals import counted_name, is_protected, origin_of
from secpkg.authority.targets import PackageTarget
from secpkg.contract.flags import LogonType, PrimaryCredentialFlag
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo, PrimaryCredential, SupplementalCredential

if TYPE_CHECKING:
    from secpkg.authority.directory import PackageEntry
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin


_SET: Final = PrimaryCredentialFlag.UPDATE | PrimaryCredentialFlag.CLEAR_PASSWORD


def require_password(authority: LocalSecurityAuthority, name: str, password: str) -> None:
    """The policy for new passwords: STATUS_PASSWORD_RESTRICTION, STATUS_ILL_FORMED_PASSWORD."""
    policy = authority.policy
    try:
        password.encode()
    except UnicodeEncodeError:
        raise SecurityError(Status.STATUS_ILL_FORMED_PASSWORD, reason="password_not_unicode") from None
    if "\0" in password:
        raise SecurityError(Status.STATUS_ILL_FORMED_PASSWORD, reason="password_has_nul")
    if len(password) < policy.min_password_length:
        raise SecurityError(Status.STATUS_PASSWORD_RESTRICTION, reason="password_too_short")
    if len(password) > policy.max_password_length:
        raise SecurityError(Status.STATUS_PASSWORD_RESTRICTION, reason="password_too_long")
    if password.casefold() == name.casefold():
        raise SecurityError(Status.STATUS_PASSWORD_RESTRICTION, reason="password_is_name")


async def verifiers(
    authority: LocalSecurityAuthority,
    by: ClientInfo,
    name: str,
    password: str,
    sid: str = "",
    upn: str = "",
    *,
    protected: bool = False,
) -> dict[str, bytes]:
    """What the packages keep instead of this password, by package name. ``protected``: of a member of Protected Users,
    as PRIMARY_CRED_PROTECTED_USER tells them; what is weak they do not keep then.

    SecurityError when one of them fails (its status), answers for another package (STATUS_INTERNAL_ERROR,
    ``verifier_of_another_package``), or when none keeps anything, for then nobody could log on
    (STATUS_NO_SUCH_PACKAGE, ``no_package_keeps_a_verifier``).
    """
    require_password(authority, name, password)
    found: dict[str, bytes] = {}
    primary = PrimaryCredential(
        0,
        name,
        authority.store.domain_name,
        sid,
        password=password,
        flags=_SET | PrimaryCredentialFlag.PROTECTED_USER if protected else _SET,
        upn=upn,
    )
    for entry in authority.packages.having("accept_credentials"):
        target = PackageTarget.of(entry.package_id, by)
        arguments = (LogonType.UNDEFINED_LOGON_TYPE, name, visible_to(entry, primary), None)
        answered = False
        try:
            answer = await Request[object]("accept_credentials", arguments, target)
            answered = True
            kept = _checked(entry, answer)
        except SecurityError as failed:
            authority.record_quietly("set_password", failed, entry.name, claimed=not answered, account_name=name)
            raise
        finally:
            authority.end_call(target.origin, discard_sessions=True)
        if kept is not None:
            found[entry.name] = kept
    if not found:
        raise SecurityError(Status.STATUS_NO_SUCH_PACKAGE, reason="no_package_keeps_a_verifier")
    return found


def _checked(entry: PackageEntry, answer: object) -> bytes | None:
    if answer is None:
        return None
    if not isinstance(answer, SupplementalCredential):
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="verifier_invalid")
    if answer.package_name.casefold() != entry.name.casefold():
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="verifier_of_another_package")
    if len(answer.credentials) > MAX_SUPPLEMENTAL:
        raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="verifier_too_large")
    return bytes(answer.credentials)


async def set_password(
    authority: LocalSecurityAuthority, by: ClientInfo, name: str, password: str, *, must_change: bool = False
) -> None:
    """Set an account's password, whole or not at all; recorded before anything changes.

    STATUS_NO_SUCH_USER, the errors of `verifiers`, those of the store. Whether ``by`` may do it is the caller's to say.
    """
    account = authority.store.find(name)
    if account is None:
        raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="no_such_user")
    protected = is_protected(account.sid, [group.sid for group in account.groups])
    sid, upn = str(account.sid), account.upn or ""
    kept = await verifiers(authority, by, account.name, password, sid, upn, protected=protected)
    facts: dict[str, Fact] = {"account_name": account.name, "sid": sid, "must_change": must_change}
    authority.audit.append("set_password", caller=by, facts=facts)
    authority.store.set_supplementals(account.sid, kept, password_set_at=authority.clock(), must_change=must_change)


async def change_password(authority: LocalSecurityAuthority, origin: Origin, primary: PrimaryCredential) -> None:
    """A package that was shown the old password gives the account a new one: UpdateCredentials with LUID 0 and
    PRIMARY_CRED_CLEAR_PASSWORD (docs/adr/0018). Everything else is as `set_password`.

    STATUS_PRIVILEGE_NOT_HELD for a module to which the operator granted no clear passwords (lock 4),
    STATUS_NO_SUCH_DOMAIN for another domain's account, STATUS_INVALID_PARAMETER without a password. While a delay runs
    a right proof is as good as a wrong one (lock 9): STATUS_WRONG_PASSWORD; after it STATUS_ACCOUNT_RESTRICTION for an
    account that nobody may use. A password that must be changed is no restriction here.
    """
    entry = authority.packages.entry(origin.package_id)
    if not entry.primary_credentials:
        raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason="primary_credentials_not_granted")
    if primary.password is None:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="no_clear_password")
    if primary.domain_name.casefold() not in ("", authority.store.domain_name.casefold()):
        raise SecurityError(Status.STATUS_NO_SUCH_DOMAIN, reason="account_of_another_domain")
    facts: dict[str, Fact] = {"account_name": primary.downlevel_name, "logon_id": 0}
    authority.audit.append("update_credentials", caller=origin.call, package=entry.name, facts=facts)
    where = origin_of(origin.call, "")
    name = counted_name(authority.store, primary.downlevel_name)
    try:
        _require_usable(authority, name, where)
    except SecurityError as failed:
        authority.record_quietly("set_password", failed, entry.name, claimed=False, account_name=name)
        raise
    await set_password(authority, origin.call, name, primary.password)
    authority.store.record_success(name, where)


def _require_usable(authority: LocalSecurityAuthority, name: str, where: str) -> None:
    now = authority.clock()
    if authority.store.lockout(name, where, now) > 0:
        raise SecurityError(Status.STATUS_WRONG_PASSWORD, reason="lockout_delay")
    account = authority.store.find(name)
    if account is None:
        raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="no_such_user")
    anywhere = msgspec.structs.replace(account, must_change=False, logon_hours=None, workstations=())
    rule = restriction(anywhere, now)
    if rule is not None:
        raise SecurityError(Status.STATUS_ACCOUNT_RESTRICTION, substatus=rule, reason=rule.native.lower())
