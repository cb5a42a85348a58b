"""Names in their several forms, and authorization data of accounts of elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.accounts.sid import Sid
from secpkg.accounts.store import AccountStore
from secpkg.authority.functions.table import lsa_function
from secpkg.contract.directory import CrackError, NameFormat
from secpkg.contract.lsa_mode.functions import CrackedName
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthData

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin

MAX_NAME: Final = 1024
"""Characters of a name in any form."""
_BUILTIN: Final = "BUILTIN"
_BUILTIN_SIDS: Final = "S-1-5-32-"
_SUBSTATUS: Final = {
    CrackError.NOT_FOUND: Status.STATUS_OBJECT_NAME_NOT_FOUND,
    CrackError.NOT_UNIQUE: Status.STATUS_OBJECT_NAME_NOT_FOUND,
    CrackError.NO_MAPPING: Status.STATUS_NOT_SUPPORTED,
    CrackError.NO_SYNTACTICAL_MAPPING: Status.STATUS_NOT_SUPPORTED,
}


class _Named(msgspec.Struct, frozen=True):
    """A user, a group or the domain itself, with those of its names that it has."""

    account_name: str
    sid: str
    display_name: str = ""
    upn: str = ""
    is_domain: bool = False


@lsa_function("crack_single_name")
def crack_single_name(
    authority: LocalSecurityAuthority,
    origin: Origin,
    format_offered: int,
    name: str,
    requested_format: int,
    prefix: str = "",
    perform_at_gc: bool = False,
) -> CrackedName:
    """CrackSingleName (R260)."""
    if len(name) > MAX_NAME or len(prefix) > MAX_NAME:
        raise _failed(CrackError.NOT_FOUND)
    offered, requested = _format(format_offered), _format(requested_format)
    if requested in (NameFormat.SID_OR_SID_HISTORY_NAME, NameFormat.UNKNOWN_NAME):
        raise _failed(CrackError.NO_SYNTACTICAL_MAPPING)
    found = tuple(dict.fromkeys(_found(authority.store, offered, name)))
    if len(found) != 1:
        raise _failed(CrackError.NOT_UNIQUE if found else CrackError.NOT_FOUND)
    text = {
        NameFormat.NT4_ACCOUNT_NAME: found[0].account_name,
        NameFormat.DISPLAY_NAME: found[0].display_name,
        NameFormat.USER_PRINCIPAL_NAME: found[0].upn,
        NameFormat.DNS_DOMAIN_NAME: authority.store.domain_name if found[0].is_domain else "",
    }.get(requested, "")
    if not text:
        raise _failed(CrackError.NO_MAPPING)
    return CrackedName(text, "")  # the account domain has a flat name only


def _format(number: int) -> NameFormat:
    try:
        return NameFormat(number)
    except ValueError:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="name_format_unknown") from None


def _failed(error: CrackError) -> SecurityError:
    return SecurityError(Status.STATUS_UNSUCCESSFUL, substatus=_SUBSTATUS[error], reason=error.native.lower())


def _found(store: AccountStore, offered: NameFormat, name: str) -> Iterator[_Named]:
    any_form = offered is NameFormat.UNKNOWN_NAME
    if any_form or offered is NameFormat.NT4_ACCOUNT_NAME:
        yield from _by_account_name(store, name)
    if any_form or offered is NameFormat.USER_PRINCIPAL_NAME:
        account = store.find_by_upn(name)
        if account is not None:
            yield _user(store, account.name)
    if any_form or offered is NameFormat.SID_OR_SID_HISTORY_NAME:
        yield from _by_sid(store, name)
    if any_form or offered is NameFormat.DISPLAY_NAME:
        for account in store.accounts() if name else ():
            if account.full_name == name:
                yield _user(store, account.name)
    if offered is NameFormat.DNS_DOMAIN_NAME and name.casefold() == store.domain_name.casefold():
        yield _domain(store)


def _by_account_name(store: AccountStore, name: str) -> Iterator[_Named]:
    domain, backslash, bare = name.partition("\\")
    ours = domain.casefold() in (store.domain_name.casefold(), ".") if backslash else True
    if not backslash:
        bare = name
    if backslash and ours and not bare:
        yield _domain(store)
    elif ours and store.find(bare) is not None:
        yield _user(store, bare)
    for group in store.groups():
        builtin = group.sid.startswith(_BUILTIN_SIDS)
        here = not backslash or (domain.casefold() == _BUILTIN.casefold() if builtin else ours)
        if here and group.name.casefold() == bare.casefold():
            yield _group(store, group.name, group.sid)


def _by_sid(store: AccountStore, text: str) -> Iterator[_Named]:
    try:
        sid = Sid(text)
    except SecurityError:
        return
    if sid == store.domain_sid:
        yield _domain(store)
    account = store.find_by_sid(sid)
    if account is not None:
        yield _user(store, account.name)
    for group in store.groups():
        if group.sid == sid:
            yield _group(store, group.name, group.sid)


def _user(store: AccountStore, name: str) -> _Named:
    account = store.find(name)
    assert account is not None
    return _Named(
        f"{store.domain_name}\\{account.name}", str(account.sid), account.full_name or account.name, account.upn or ""
    )


def _group(store: AccountStore, name: str, sid: Sid) -> _Named:
    domain = _BUILTIN if sid.startswith(_BUILTIN_SIDS) else store.domain_name
    return _Named(f"{domain}\\{name}", str(sid), name)


def _domain(store: AccountStore) -> _Named:
    return _Named(f"{store.domain_name}\\", str(store.domain_sid), is_domain=True)


@lsa_function("expand_auth_data_for_domain")
def expand_auth_data_for_domain(authority: LocalSecurityAuthority, origin: Origin, auth_data: AuthData) -> AuthData:
    """ExpandAuthDataForDomain (R259). As all authorization data the result proves nothing: what a token gets is asked
    of the store when it is made.
    """
    store, sid = authority.store, Sid(auth_data.user_sid)
    account = store.find_by_sid(sid)
    if account is None:
        if sid.is_child_of(store.domain_sid):
            raise SecurityError(Status.STATUS_NO_SUCH_USER, reason="no_such_user")
        return auth_data
    had = auth_data.token_information
    groups = tuple(dict.fromkeys((*had.groups, *(str(group.sid) for group in account.groups))))
    return msgspec.structs.replace(auth_data, token_information=msgspec.structs.replace(had, groups=groups))
