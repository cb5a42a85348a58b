"""The part of the Policy object that LsaQueryDomainInformationPolicy and the forest trust functions reach.

It is one value: read whole, replaced whole, and written before it counts. In a file it is sealed by the vault, so that
damage and tampering are told apart from a policy: STATUS_INTERNAL_DB_CORRUPTION, for every query, until it is set anew.
A setting needs a trusted connection (POLICY_SERVER_ADMIN of the pages) and is on the audit record before it is made.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.authority.forest_trusts import MAX_RECORDS, collisions, require_record
from secpkg.contract.domain_policy import (
    POLICY_DOMAIN_EFS_INFORMATION,
    POLICY_DOMAIN_KERBEROS_TICKET_INFORMATION,
    POLICY_KERBEROS_VALIDATE_CLIENT,
    DomainInformation,
    EfsInfo,
    ForestTrustCollision,
    ForestTrustRecord,
    KerberosTicketInfo,
)
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.accounts.vault import Vault
    from secpkg.authority.audit import Fact
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority

MAX_EFS_BLOB: Final = 64 * 1024
MAX_FILE: Final = 1024 * 1024
_PURPOSE: Final = "domain policy"
_SECONDS_A_CENTURY: Final = 100 * 366 * 86_400.0
_STRUCTURES: Final[dict[int, type]] = {
    POLICY_DOMAIN_EFS_INFORMATION: EfsInfo,
    POLICY_DOMAIN_KERBEROS_TICKET_INFORMATION: KerberosTicketInfo,
}
"""The classes that the pages name; the others are STATUS_INVALID_PARAMETER."""


class _State(msgspec.Struct, frozen=True):
    kerberos: KerberosTicketInfo
    efs: EfsInfo | None = None
    forests: dict[str, tuple[ForestTrustRecord, ...]] = {}


class DomainPolicy:
    """The policy of one authority: in memory, or from `keep_in` on in a file."""

    def __init__(self, vault: Vault, skew: float) -> None:
        self._vault = vault
        self._state: _State | None = _State(KerberosTicketInfo(max_clock_skew=skew))
        self._path: Path | None = None
        self._current = True

    def keep_in(self, path: Path) -> None:
        """Read the file, where it is there, and write every setting to it."""
        self._path = path
        try:
            with path.open("rb") as file:
                blob = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            return
        except OSError:
            self._state = None
            return
        self._current = self._vault.is_current(blob)
        try:
            opened = self._vault.open(blob, sid="", package="", purpose=_PURPOSE)
            self._state = msgspec.msgpack.decode(opened, type=_State)
        except (SecurityError, msgspec.MsgspecError):
            self._state = None

    def reseal(self) -> int:
        """Write the file anew where it is not under the vault's current key; how many that were. A damaged one stays.
        STATUS_INTERNAL_ERROR (``domain_policy_unwritable``).
        """
        if self._path is None or self._state is None or self._current:
            return 0
        self.write(self._state)
        return 1

    @property
    def state(self) -> _State:
        """What is set. STATUS_INTERNAL_DB_CORRUPTION when the file says nothing that we wrote."""
        if self._state is None:
            raise SecurityError(Status.STATUS_INTERNAL_DB_CORRUPTION, reason="domain_policy_damaged")
        return self._state

    @property
    def clock_skew(self) -> float:
        """MaxClockSkew in seconds: what protocols with time stamps put up with."""
        return self.state.kerberos.max_clock_skew

    def write(self, state: _State) -> None:
        """Replace the whole; STATUS_INTERNAL_ERROR (``domain_policy_unwritable``), and then nothing has changed."""
        if self._path is not None:
            blob = self._vault.seal(msgspec.msgpack.encode(state), sid="", package="", purpose=_PURPOSE)
            temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            try:
                with contextlib.suppress(FileNotFoundError):
                    temporary.unlink()
                fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with open(fd, "wb") as file:
                    file.write(blob)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self._path)
                self._current = True
            except OSError:
                raise SecurityError(Status.STATUS_INTERNAL_ERROR, reason="domain_policy_unwritable") from None
        self._state = state

    def fresh(self) -> _State:
        """What a setting starts from: after damage, the defaults."""
        return self._state if self._state is not None else _State(KerberosTicketInfo())


def query(authority: LocalSecurityAuthority, connection: Connection, information_class: int) -> DomainInformation:
    """LsaQueryDomainInformationPolicy: open to every connection (POLICY_VIEW_LOCAL_INFORMATION).

    STATUS_INVALID_PARAMETER for another class, STATUS_OBJECT_NAME_NOT_FOUND where nothing was set,
    STATUS_INTERNAL_DB_CORRUPTION.
    """
    connection.require_open()
    if information_class not in _STRUCTURES:
        raise _invalid("information_class")
    state = authority.domain_policy.state
    if information_class == POLICY_DOMAIN_KERBEROS_TICKET_INFORMATION:
        return state.kerberos
    if state.efs is None:
        raise SecurityError(Status.STATUS_OBJECT_NAME_NOT_FOUND, reason="no_efs_policy")
    return state.efs


def change(
    authority: LocalSecurityAuthority, connection: Connection, information_class: int, information: object
) -> None:
    """LsaSetDomainInformationPolicy; None takes the EFS policy away. STATUS_ACCESS_DENIED without a trusted connection,
    STATUS_INVALID_PARAMETER for another class or a structure of another class.
    """
    facts: dict[str, Fact] = {"information_class": information_class if 0 <= information_class < 1 << 31 else -1}
    with _audited(authority, connection, "set_domain_information_policy", facts):
        state = authority.domain_policy.fresh()
        if information_class == POLICY_DOMAIN_EFS_INFORMATION and information is None:
            state = msgspec.structs.replace(state, efs=None)
        elif information_class == POLICY_DOMAIN_EFS_INFORMATION and isinstance(information, EfsInfo):
            if not 0 < len(information.efs_blob) <= MAX_EFS_BLOB:
                raise _invalid("efs_blob")
            state = msgspec.structs.replace(state, efs=information)
        elif information_class == POLICY_DOMAIN_KERBEROS_TICKET_INFORMATION and isinstance(
            information, KerberosTicketInfo
        ):
            state = msgspec.structs.replace(state, kerberos=_checked(information))
        else:
            raise _invalid("information_class")
    authority.domain_policy.write(state)


def _checked(information: KerberosTicketInfo) -> KerberosTicketInfo:
    ages = (
        information.max_service_ticket_age,
        information.max_ticket_age,
        information.max_renew_age,
        information.max_clock_skew,
    )
    if not all(math.isfinite(age) and 0 < age <= _SECONDS_A_CENTURY for age in ages):
        raise _invalid("kerberos_ages")
    # MS-LSAD 2.2.4.19: every other bit is ignored upon receipt.
    options = information.authentication_options & POLICY_KERBEROS_VALIDATE_CLIENT
    return msgspec.structs.replace(information, authentication_options=options)


def query_forest_trust(
    authority: LocalSecurityAuthority, connection: Connection, name: str
) -> tuple[ForestTrustRecord, ...]:
    """LsaQueryForestTrustInformation: STATUS_INVALID_DOMAIN_STATE where there are no trusts, STATUS_NO_SUCH_DOMAIN for
    a domain that is not trusted, STATUS_NOT_FOUND where nothing was set.
    """
    connection.require_open()
    key = _trusted(authority, name)
    records = authority.domain_policy.state.forests.get(key)
    if records is None:
        raise SecurityError(Status.STATUS_NOT_FOUND, reason="no_forest_trust_information")
    return records


def change_forest_trust(
    authority: LocalSecurityAuthority,
    connection: Connection,
    name: str,
    records: tuple[ForestTrustRecord, ...],
    *,
    check_only: bool,
) -> tuple[ForestTrustCollision, ...]:
    """LsaSetForestTrustInformation: the collisions, whose records are kept out of force; with ``check_only`` nothing
    is kept. Failures as `query_forest_trust`, and STATUS_ACCESS_DENIED without a trusted connection,
    STATUS_INVALID_PARAMETER for records that are none.
    """
    facts: dict[str, Fact] = {"records": len(records), "check_only": check_only}
    with _audited(authority, connection, "set_forest_trust_information", facts, {"trusted_domain": name[:1024]}):
        key = _trusted(authority, name)
        if len(records) > MAX_RECORDS:
            raise _invalid("forest_trust_records_too_many")
        for record in records:
            require_record(record)
        state = authority.domain_policy.fresh()
        others = {domain: known for domain, known in state.forests.items() if domain != key}
        found = collisions(records, authority.store.domain_name, str(authority.store.domain_sid), others)
    if not check_only:
        disabled = {collision.index: collision.flags for collision in found}
        now = authority.clock()
        kept = tuple(
            msgspec.structs.replace(record, flags=disabled.get(index, 0), time=now)
            for index, record in enumerate(records)
        )
        authority.domain_policy.write(msgspec.structs.replace(state, forests={**state.forests, key: kept}))
    return found


def _trusted(authority: LocalSecurityAuthority, name: str) -> str:
    """The key of a TrustedDomain object."""
    trusted = {domain.casefold() for domain in authority.policy.trusted_domains}
    if not trusted:
        raise SecurityError(Status.STATUS_INVALID_DOMAIN_STATE, reason="no_root_of_a_forest")
    key = name.casefold()
    if key not in trusted:
        raise SecurityError(Status.STATUS_NO_SUCH_DOMAIN, reason="domain_not_trusted")
    return key


@contextlib.contextmanager
def _audited(
    authority: LocalSecurityAuthority,
    connection: Connection,
    event: str,
    facts: dict[str, Fact],
    claimed: dict[str, Fact] | None = None,
) -> Iterator[None]:
    """Run the checks of a setting: it is recorded whether they pass or refuse (lock 2), and made only after that."""
    connection.require_open()
    try:
        if not connection.trusted:
            raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="trusted_connection_needed")
        yield
    except SecurityError as refused:
        authority.audit.append(
            event,
            caller=connection.caller,
            status=refused.status,
            facts={**facts, "reason": refused.reason},
            claimed=claimed,
        )
        raise
    authority.audit.append(event, caller=connection.caller, facts=facts, claimed=claimed)


def _invalid(reason: str) -> SecurityError:
    return SecurityError(Status.STATUS_INVALID_PARAMETER, reason=reason)
