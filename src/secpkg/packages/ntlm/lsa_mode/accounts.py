"""What NTLM keeps with an account and with a session, and how an account is found.

The account's entry is its NT hash, made when a password is set (SpAcceptCredentials with PRIMARY_CRED_UPDATE), kept by
the authority under its own key. The session's entry is the same with the names that belong to it: with it a client of
the session proves itself without a password (R246, R247). Who has either can pose as the user: neither leaves this
process but in a proof.

A user who is unknown, is protected or has no NT hash is answered with a decoy: same calls, same work, no password fits.
"""

from __future__ import annotations

import hmac
import struct

from secpkg.contract.lsa_mode.functions import LsaFunctions
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthData, PackageParameters
from secpkg.packages.ntlm.lsa_mode.settings import Settings
from secpkg.protocols.ntlm import Channel, Credential, Rejected, decoy_nt_hash, nt_hash

WRONG_PASSWORD = "wrong_password"
PRIMARY = b"Primary"
"""The key of a session's own credential."""
PROTECTED_USERS = "-525"
"""RID of the domain group Protected Users, whose members have no NTLM."""
_SEED = 16
_ENTRY = 1
_ENTRY_SIZE = 17
_NAMES = struct.Struct("<HH")
ABSENT = (Status.ERROR_GEN_FAILURE, Status.STATUS_NO_SUCH_LOGON_SESSION)
_NOT_HERE = (Status.STATUS_NO_SUCH_USER, Status.STATUS_NO_SUCH_DOMAIN)


class Found:
    """An account as somebody claims it: what to verify with, and what it means if that does not hold."""

    __slots__ = ("auth", "nt_hash", "reason")

    def __init__(self, auth: AuthData | None, nt_hash: bytes, reason: str) -> None:
        self.auth, self.nt_hash, self.reason = auth, nt_hash, reason

    @property
    def usable(self) -> bool:
        """Whether a proof that holds is one. Of a decoy it never is."""
        return self.auth is not None and self.reason is WRONG_PASSWORD


class Accounts:
    """What all parts of the LSA half stand on."""

    authority: LsaFunctions
    parameters: PackageParameters
    settings: Settings
    machine: str
    """The NetBIOS name of this machine, as it was at the start."""
    kept: set[int]
    """Sessions that have a credential of ours."""

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        """SpInitialize: SEC_E_CANNOT_INSTALL for settings that are not understood."""
        self.authority, self.parameters = authority, parameters
        self.settings = Settings.read(parameters.settings)
        if len(parameters.seed) < _SEED:
            raise SecurityError(Status.SEC_E_CANNOT_INSTALL, reason="no_seed_for_decoys")
        domain = parameters.domain_name
        self.machine = self.settings.machine
        self.acceptor = self.settings.acceptor(domain)
        self.channel = Channel(names=frozenset(self.settings.service_names))
        self._ours = frozenset(("", ".", domain.casefold(), self.machine.casefold()))

    def is_ours(self, domain: str) -> bool:
        """Whether a domain's name means the accounts of this authority."""
        return domain.casefold() in self._ours

    async def account(self, user: str, domain: str) -> Found:
        """The account of this authority that a proof claims. One call to the authority."""
        auth, reason = None, "unknown_user"
        try:
            auth = await self.authority.get_auth_data_for_user(user)
            if any(group.endswith(PROTECTED_USERS) for group in auth.token_information.groups):
                reason = "protected_user"
            elif (kept := unpack_entry(auth.supplemental)) is not None:
                return Found(auth, kept, WRONG_PASSWORD)
            else:
                reason = "no_nt_hash"
        except SecurityError as error:
            if error.status not in _NOT_HERE:
                raise
        return Found(auth, decoy_nt_hash(self.parameters.seed, user, domain), reason)

    async def keep(self, logon_id: int, credential: Credential, *, new: bool = False) -> None:
        """Keep a session's own credential, in place of an older one (R109, R115) unless the session is ``new``."""
        if not new:
            await self.forget(logon_id)
        await self.authority.add_credential(logon_id, PRIMARY, pack_credential(credential))
        self.kept.add(logon_id)

    async def forget(self, logon_id: int) -> None:
        """Drop it, where there is one."""
        self.kept.discard(logon_id)
        try:
            await self.authority.delete_credential(logon_id, PRIMARY)
        except SecurityError as error:
            if error.status not in ABSENT:
                raise

    async def own(self, logon_id: int | None) -> Credential:
        """A session's own credential: SEC_E_NO_CREDENTIALS (R142)."""
        if logon_id is None:
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="no_session")
        try:
            stored = await self.authority.get_credentials(logon_id, key=PRIMARY)
        except SecurityError as error:
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="session_without_password") from error
        return unpack_credential(stored.credentials)


def pack_entry(hashed: bytes) -> bytes:
    """What an account keeps."""
    return bytes((_ENTRY,)) + hashed


def unpack_entry(entry: bytes | None) -> bytes | None:
    """The NT hash of an account's entry; None where there is none."""
    if entry is None or len(entry) != _ENTRY_SIZE or entry[0] != _ENTRY:
        return None
    return entry[1:]


def pack_credential(credential: Credential) -> bytes:
    """What a session keeps."""
    user, domain = credential.user.encode("utf-16-le"), credential.domain.encode("utf-16-le")
    return b"".join((credential.nt_hash, _NAMES.pack(len(user), len(domain)), user, domain))


def unpack_credential(data: bytes) -> Credential:
    """What `pack_credential` made."""
    start = 16 + _NAMES.size
    user, _domain = _NAMES.unpack_from(data, 16)
    names = data[start : start + user], data[start + user :]
    return Credential(names[0].decode("utf-16-le"), names[1].decode("utf-16-le"), data[:16])


def credential_of(user: str, domain: str, password: str) -> Credential:
    """An explicit credential: SEC_E_NO_CREDENTIALS for names and passwords that NTLM cannot say."""
    try:
        return Credential(user, domain, nt_hash(password))
    except Rejected as rejected:
        raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason=rejected.reason.value) from None


def same_password(password: str, hashed: bytes) -> bool:
    """Whether it is the password of an NT hash; in constant time. One that cannot be hashed is nobody's."""
    try:
        return hmac.compare_digest(nt_hash(password), hashed)
    except Rejected:
        return False
