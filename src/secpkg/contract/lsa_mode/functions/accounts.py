"""The account database, and the credential manager of its users."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from secpkg.contract.flags import (
    NameType,
)
from secpkg.contract.values import (
    AuthData,
    SamUser,
    Value,
)


class CrackedName(Value, frozen=True):
    """Result of CrackSingleName."""

    name: str
    dns_domain_name: str


class ServiceAccountPassword(Value, frozen=True):
    """Result of GetServiceAccountPassword."""

    _secrets = ("current_password", "previous_password")

    current_password: str
    previous_password: str
    expiry: float


class EncryptedCredential(Value, frozen=True):
    """``ENCRYPTED_CREDENTIALW``: a credential manager entry."""

    _secrets = ("credential_blob",)

    target_name: str
    type: int
    user_name: str
    credential_blob: bytes


class DecodedString(Value, frozen=True):
    """Result of CrediUnmarshalandDecodeString."""

    _secrets = ("blob",)

    blob: bytes
    is_failure_fatal: bool


class Accounts(Protocol):
    """The account database."""

    def open_sam_user(
        self, name: str, name_type: NameType = NameType.SAM_COMPATIBLE, prefix: str = "", allow_guest: bool = False
    ) -> Awaitable[SamUser]:
        """OpenSamUser: STATUS_NO_SUCH_USER; STATUS_INVALID_PARAMETER for an alternate id without prefix (R256); with
        ``allow_guest`` an unknown name falls back to an enabled Guest (R257).
        Page: ntsecpkg/nc-ntsecpkg-lsa_open_sam_user.
        """
        ...

    def get_user_auth_data(self, user_handle: int) -> Awaitable[AuthData]:
        """GetUserAuthData of an account opened in this call. Page: ntsecpkg/nc-ntsecpkg-lsa_get_user_auth_data."""
        ...

    def close_sam_user(self, user_handle: int) -> Awaitable[None]:
        """CloseSamUser: STATUS_INVALID_HANDLE. Page: ntsecpkg/nc-ntsecpkg-lsa_close_sam_user."""
        ...

    def get_auth_data_for_user(
        self, name: str, name_type: NameType = NameType.SAM_COMPATIBLE, prefix: str = ""
    ) -> Awaitable[AuthData]:
        """GetAuthDataForUser: OpenSamUser, GetUserAuthData and CloseSamUser in one call to the authority (R258).
        Page: ntsecpkg/nc-ntsecpkg-lsa_get_auth_data_for_user.
        """
        ...

    def get_user_credentials(self, user_handle: int) -> Awaitable[bytes]:
        """GetUserCredentials: documented as not implemented (R118). Header NTSecPKG.h."""
        ...

    def expand_auth_data_for_domain(self, auth_data: AuthData) -> Awaitable[AuthData]:
        """ExpandAuthDataForDomain: the groups of this domain in which the account is are added (R259).
        STATUS_NO_SUCH_USER for a SID of this domain without account.
        Page: ntsecpkg/nc-ntsecpkg-lsa_expand_auth_data_for_domain.
        """
        ...

    def crack_single_name(
        self, format_offered: int, name: str, requested_format: int, prefix: str = "", perform_at_gc: bool = False
    ) -> Awaitable[CrackedName]:
        """CrackSingleName: the formats are `secpkg.contract.directory.NameFormat`, of which an account store knows
        account name, display name, user principal name, SID and domain. STATUS_UNSUCCESSFUL, with the directory's code
        (`directory.CrackError`) as the reason and the nearest status as substatus; the SID is no format to ask for
        (R260). ``perform_at_gc`` and ``prefix`` change nothing: the store is all the directory there is.
        Page: ntsecpkg/nc-ntsecpkg-lsa_crack_single_name.
        """
        ...

    def get_service_account_password(
        self, account_name: str, domain_name: str = "", cred_fetch: int = 0
    ) -> Awaitable[ServiceAccountPassword]:
        """GetServiceAccountPassword. Header NTSecPKG.h."""
        ...


class CredentialManager(Protocol):
    """Stored credentials of a session's user, or of the session where its user has no account here.

    ``cred_flags`` are CREDP_FLAGS_* (`secpkg.contract.flags.CredpFlag`); ``flags`` is reserved and must be 0 (R122).
    The session is one of which this package was told, or the client's own, and carries credentials at all (lock 3).
    The blob of an entry is for the package that wrote it and for modules with ``primary_credentials`` (lock 4), others
    get it empty; that of a domain credential also needs CREDP_FLAGS_IN_PROCESS: it stays inside the LSA (R120).
    Errors of all: STATUS_NO_SUCH_LOGON_SESSION, STATUS_BAD_LOGON_SESSION_STATE, STATUS_INVALID_PARAMETER.
    """

    def credi_read(
        self, logon_id: int, cred_flags: int, target_name: str, type: int, flags: int = 0
    ) -> Awaitable[EncryptedCredential]:
        """CrediRead: the entry with that target and type (CRED_TYPE_*); STATUS_OBJECT_NAME_NOT_FOUND.
        Page: ntsecpkg/nc-ntsecpkg-credreadfn.
        """
        ...

    def credi_read_domain_credentials(
        self, logon_id: int, cred_flags: int, target: str, flags: int = 0
    ) -> Awaitable[tuple[EncryptedCredential, ...]]:
        """CrediReadDomainCredentials: the domain credentials that fit a machine's name, the best first: that name
        itself, ``*.suffix``, ``*``. STATUS_OBJECT_NAME_NOT_FOUND when none does.
        Page: ntsecpkg/nc-ntsecpkg-credreaddomaincredentialsfn.
        """
        ...

    def credi_free_credentials(self, credentials: tuple[EncryptedCredential, ...]) -> Awaitable[None]:
        """CrediFreeCredentials: what one call returned, once (R122).
        Page: ntsecpkg/nc-ntsecpkg-credfreecredentialsfn.
        """
        ...

    def credi_write(
        self, logon_id: int, cred_flags: int, credential: EncryptedCredential, flags: int = 0
    ) -> Awaitable[None]:
        """CrediWrite: in place of the entry with the same target and type. STATUS_ACCESS_DENIED for another package's
        entry without ``primary_credentials``; STATUS_QUOTA_EXCEEDED; STATUS_INVALID_PARAMETER for an illegal entry and
        for CREDP_FLAGS_USER_ENCRYPTED_PASSWORD, which nothing here could decrypt.
        Page: ntsecpkg/nc-ntsecpkg-credwritefn.
        """
        ...

    def credi_unmarshaland_decode_string(self, marshaled_string: str) -> Awaitable[DecodedString]:
        """CrediUnmarshalandDecodeString: the bytes of a string from CredMarshalCredential: a certificate's hash, a
        user name in UTF-16, or a blob. STATUS_INVALID_PARAMETER for what is no such string; the failure is fatal
        (IsFailureFatal) when the string says that it is one, and then the substatus is STATUS_INVALID_PARAMETER too.
        Page: ntsecpkg/nc-ntsecpkg-crediunmarshalanddecodestringfn.
        """
        ...
