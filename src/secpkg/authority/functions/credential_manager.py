"""The credential manager, as packages see it: what a user has stored for other machines (R119, R120, R122)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.accounts.credentials import DOMAIN_TYPES, Credential, target_key
from secpkg.authority import marshaled
from secpkg.authority.functions.table import lsa_function
from secpkg.authority.sessions import LogonSession
from secpkg.contract.flags import CredpFlag
from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode.functions import DecodedString, EncryptedCredential
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin

_KNOWN_FLAGS: Final = 0x7F
_encode: Final = msgspec.msgpack.Encoder().encode


def _session(
    authority: LocalSecurityAuthority, origin: Origin, logon_id: int, cred_flags: int, flags: int
) -> LogonSession:
    if flags or not 0 <= cred_flags <= _KNOWN_FLAGS:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="reserved_flags")
    session = authority.sessions.get(logon_id)
    if session.state != "live" or not (origin.package_id in session.told or origin.call.logon_id == logon_id):
        raise SecurityError(Status.STATUS_NO_SUCH_LOGON_SESSION, reason="not_its_session")
    if not session.outbound:
        raise SecurityError(Status.STATUS_BAD_LOGON_SESSION_STATE, reason="session_not_outbound")
    return session


def _shown(
    authority: LocalSecurityAuthority, origin: Origin, entries: tuple[Credential, ...], cred_flags: int
) -> tuple[EncryptedCredential, ...]:
    """The entries as this package may see them, lent to it."""
    if not entries:
        raise SecurityError(Status.STATUS_OBJECT_NAME_NOT_FOUND, reason="no_such_credential")
    package = authority.packages.entry(origin.package_id)
    inside = bool(cred_flags & CredpFlag.IN_PROCESS)

    def blob(entry: Credential) -> bytes:
        may = package.primary_credentials or entry.writer == package.name
        return entry.blob if may and (inside or entry.type not in DOMAIN_TYPES) else b""

    shown = tuple(EncryptedCredential(e.target_name, e.type, e.user_name, blob(e)) for e in entries)
    origin.scratch.lend(_digest(shown))
    return shown


def _digest(credentials: tuple[EncryptedCredential, ...]) -> bytes:
    return hashlib.blake2b(_encode(credentials), digest_size=16, person=b"credentials").digest()


@lsa_function("credi_read")
def credi_read(
    authority: LocalSecurityAuthority,
    origin: Origin,
    logon_id: int,
    cred_flags: int,
    target_name: str,
    type: int,
    flags: int = 0,
) -> EncryptedCredential:
    """CrediRead (R120, R122)."""
    session = _session(authority, origin, logon_id, cred_flags, flags)
    key = target_key(target_name), type
    found = tuple(entry for entry in authority.stored_credentials.all(session) if entry.key == key)
    return _shown(authority, origin, found, cred_flags)[0]


@lsa_function("credi_read_domain_credentials")
def credi_read_domain_credentials(
    authority: LocalSecurityAuthority, origin: Origin, logon_id: int, cred_flags: int, target: str, flags: int = 0
) -> tuple[EncryptedCredential, ...]:
    """CrediReadDomainCredentials (R120, R122)."""
    session = _session(authority, origin, logon_id, cred_flags, flags)
    fitting = [
        (entry.fits(target), entry)
        for entry in authority.stored_credentials.all(session)
        if entry.type in DOMAIN_TYPES and entry.fits(target)
    ]
    best_first = sorted(fitting, key=lambda pair: -pair[0])
    return _shown(authority, origin, tuple(entry for _, entry in best_first), cred_flags)


@implements(
    "lsa_secpkg",
    "CrediFreeCredentials",
    "duty",
    "credentials are Python's to release; that they are freed once is checked",
)
@lsa_function("credi_free_credentials")
def credi_free_credentials(
    authority: LocalSecurityAuthority, origin: Origin, credentials: tuple[EncryptedCredential, ...]
) -> None:
    """CrediFreeCredentials (R122): what one reading of this call returned, once; else STATUS_INVALID_PARAMETER."""
    if not origin.scratch.free(_digest(credentials)):
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="credentials_unknown")


@lsa_function("credi_write")
def credi_write(
    authority: LocalSecurityAuthority,
    origin: Origin,
    logon_id: int,
    cred_flags: int,
    credential: EncryptedCredential,
    flags: int = 0,
) -> None:
    """CrediWrite (R122), on the record before it is kept."""
    session = _session(authority, origin, logon_id, cred_flags, flags)
    if cred_flags & CredpFlag.USER_ENCRYPTED_PASSWORD:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="encrypted_for_the_user")
    package = authority.packages.entry(origin.package_id)
    entry = Credential(
        credential.target_name, credential.type, credential.user_name, credential.credential_blob, package.name
    )
    known = next((other for other in authority.stored_credentials.all(session) if other.key == entry.key), None)
    if known is not None and known.writer != package.name and not package.primary_credentials:
        raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="credential_of_another_package")
    authority.audit.append(
        "credi_write",
        caller=origin.call,
        package=package.name,
        facts={"logon_id": logon_id, "account_name": session.account_name, "type": entry.type},
        claimed={"target_name": entry.target_name[:200]},
    )
    authority.stored_credentials.put(session, entry)


@lsa_function("credi_unmarshaland_decode_string")
def credi_unmarshaland_decode_string(
    authority: LocalSecurityAuthority, origin: Origin, marshaled_string: str
) -> DecodedString:
    """CrediUnmarshalandDecodeString. A string that does not begin as such a one is a plain name: no fatal failure."""
    blob = marshaled.unmarshal(marshaled_string)
    if blob is None:
        fatal = marshaled.is_marshaled(marshaled_string)
        raise SecurityError(
            Status.STATUS_INVALID_PARAMETER,
            substatus=Status.STATUS_INVALID_PARAMETER if fatal else Status.STATUS_SUCCESS,
            reason="marshaled_string_malformed" if fatal else "not_marshaled",
        )
    return DecodedString(blob, False)
