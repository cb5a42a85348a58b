"""Logon sessions, and the credentials that a package keeps with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secpkg.authority.functions.table import lsa_function
from secpkg.contract.values import StoredCredential

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin


@lsa_function("create_logon_session")
def create_logon_session(authority: LocalSecurityAuthority, origin: Origin, logon_id: int) -> None:
    """CreateLogonSession (R44, R98)."""
    connection = None if origin.connection is None else origin.connection.number
    if origin.connection is not None:
        origin.connection.require_open()
    authority.packages.at_work(origin.package_id)
    authority.sessions.create(logon_id, origin.package_id, authority.clock(), connection)
    origin.scratch.sessions.add(logon_id)


@lsa_function("delete_logon_session")
def delete_logon_session(authority: LocalSecurityAuthority, origin: Origin, logon_id: int) -> None:
    """DeleteLogonSession (R95-R97)."""
    authority.sessions.delete(logon_id, origin.package_id)
    origin.scratch.sessions.discard(logon_id)


@lsa_function("add_credential")
def add_credential(
    authority: LocalSecurityAuthority, origin: Origin, logon_id: int, key: bytes, credentials: bytes
) -> None:
    """AddCredential (R109, R110, R116). Whoever keeps something with a session hears of its end."""
    session = authority.sessions.known_to(logon_id, origin.package_id)
    package = authority.packages.entry(origin.package_id).name
    authority.credentials.add(logon_id, package, key, credentials)
    session.told.add(origin.package_id)


@lsa_function("get_credentials")
def get_credentials(
    authority: LocalSecurityAuthority,
    origin: Origin,
    logon_id: int,
    query_context: int = 0,
    key: bytes | None = None,
) -> StoredCredential:
    """GetCredentials (R111, R112, R114, R116). R113 has no counterpart: there is no key buffer to be too small."""
    authority.sessions.known_to(logon_id, origin.package_id)
    package = authority.packages.entry(origin.package_id).name
    return authority.credentials.get(logon_id, package, query_context, key)


@lsa_function("delete_credential")
def delete_credential(authority: LocalSecurityAuthority, origin: Origin, logon_id: int, key: bytes) -> None:
    """DeleteCredential (R114-R116)."""
    authority.sessions.known_to(logon_id, origin.package_id)
    authority.credentials.delete(logon_id, authority.packages.entry(origin.package_id).name, key)
