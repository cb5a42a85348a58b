"""The account store's door: the SAM of the documents, as the authority uses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, Unpack

from secpkg.accounts.model import Account, AccountChanges, Group
from secpkg.accounts.sid import (
    BUILTIN_ADMINISTRATORS,
    BUILTIN_GUESTS,
    BUILTIN_USERS,
    RID_ADMINISTRATOR,
    RID_GUEST,
    RID_PROTECTED_USERS,
    Sid,
)
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.accounts.credentials import Credential

MAX_PACKAGE_NAME: Final = 127
"""Bytes of a package name (R87)."""
MAX_PACKAGES: Final = 64
MAX_SUPPLEMENTAL: Final = 64 * 1024
"""Bytes of one package's verifier."""

BUILTIN_GROUPS: Final = (
    Group("Administrators", BUILTIN_ADMINISTRATORS),
    Group("Users", BUILTIN_USERS),
    Group("Guests", BUILTIN_GUESTS),
)
"""Groups that every store has from its first day and never loses."""

RESERVED_RIDS: Final = {"administrator": RID_ADMINISTRATOR, "guest": RID_GUEST}
"""Names (as keys) whose accounts get their well-known RID, and so cannot be deleted: a RID is never used twice."""

RESERVED_GROUP_RIDS: Final = {"protected users": RID_PROTECTED_USERS}
"""The same for groups: who makes one of that name gets the group that is meant by it, and keeps it."""


class AccountStore(Protocol):
    """Accounts, groups, verifiers and failures of one account domain.

    Synchronous, safe from several threads. Names are matched by `names.name_key`; a lookup by what cannot be a name
    finds nothing, a change by it is STATUS_INVALID_PARAMETER. Errors are SecurityError: STATUS_NO_SUCH_USER,
    STATUS_OBJECT_NAME_NOT_FOUND (a group), STATUS_INVALID_PARAMETER (with the rule as reason; `name_taken` for a name
    that a user or group has), STATUS_ACCESS_DENIED (a built-in one), STATUS_INTERNAL_ERROR (storage or vault).
    Verifiers go in and out clear and are sealed in between. Times are Unix seconds, given by the caller.
    """

    @property
    def domain_name(self) -> str:
        """The flat name of the account domain."""
        ...

    @property
    def domain_sid(self) -> Sid:
        """The domain's SID: made at random once in the store's life."""
        ...

    def find(self, name: str) -> Account | None:
        """The account with that name: OpenSamUser with SecNameSamCompatible."""
        ...

    def find_by_sid(self, sid: Sid) -> Account | None:
        """The account with that SID: LsaLookupSids."""
        ...

    def find_by_upn(self, upn: str) -> Account | None:
        """The account with that user principal name."""
        ...

    def accounts(self) -> tuple[Account, ...]:
        """All accounts, by RID."""
        ...

    def groups(self) -> tuple[Group, ...]:
        """All groups, by SID text."""
        ...

    def create_user(
        self,
        name: str,
        *,
        full_name: str = "",
        groups: Sequence[str] = (),
        posix_uid: int | None = None,
        upn: str | None = None,
        supplementals: Mapping[str, bytes] | None = None,
        now: float,
    ) -> Account:
        """Make an account (NetUserAdd); with `supplementals`, account and password appear in the same instant."""
        ...

    def delete_user(self, name: str) -> None:
        """Remove the account with its memberships and verifiers (NetUserDel). Its RID is never given again."""
        ...

    def update(self, name: str, **changes: Unpack[AccountChanges]) -> Account:
        """Change what is named and nothing else (NetUserSetInfo); the account as it is then."""
        ...

    def create_group(self, name: str) -> Group:
        """Make a group (NetLocalGroupAdd)."""
        ...

    def delete_group(self, name: str) -> None:
        """Remove the group and everybody's membership in it (NetLocalGroupDel)."""
        ...

    def supplemental(self, sid: Sid, package: str) -> bytes | None:
        """The package's verifier for that account, or None when either is absent."""
        ...

    def set_supplementals(
        self, sid: Sid, supplementals: Mapping[str, bytes], *, password_set_at: float | None, must_change: bool
    ) -> None:
        """Replace the verifiers of all packages at once: they are forms of one password.

        Packages that are absent from the mapping lose theirs, which are of the old password.
        """
        ...

    def parameters(self, sid: Sid) -> str:
        """Parameters of USER_ALL_INFORMATION: text that subauthentication packages keep with an account, empty at
        first.
        """
        ...

    def set_parameters(self, sid: Sid, parameters: str) -> None:
        """Replace it (R266); STATUS_NO_SUCH_USER."""
        ...

    def auth_record(self, name: str, package: str) -> tuple[Account | None, bytes | None]:
        """Account and the package's verifier in one step; the same work whether they exist or not (lock 9)."""
        ...

    def credentials(self, sid: Sid) -> tuple[Credential, ...]:
        """What the account's user has stored for other machines, by target and type; nothing without account."""
        ...

    def put_credential(self, sid: Sid, credential: Credential) -> None:
        """Store a credential (CrediWrite), in place of the one with the same target and type. STATUS_QUOTA_EXCEEDED."""
        ...

    def reseal(self) -> int:
        """Seal everything anew that is not under the vault's current key; how many blobs that were."""
        ...

    def lockout(self, account: str, origin: str, now: float) -> float:
        """Seconds that this account has to wait at this origin; 0.0 is free. `account` may be anything sent."""
        ...

    def record_failure(self, account: str, origin: str, now: float) -> None:
        """Count a wrong proof."""
        ...

    def record_success(self, account: str, origin: str) -> None:
        """Forget the pair's failures, after a correct proof."""
        ...

    def close(self) -> None:
        """Release what the store holds; it is not used afterwards. Closing twice does nothing."""
        ...


def checked_supplementals(supplementals: Mapping[str, bytes]) -> dict[str, bytes]:
    """A copy of the mapping whose names and sizes are within the limits."""
    if len(supplementals) > MAX_PACKAGES:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="supplementals_too_many")
    for package, data in supplementals.items():
        if not package or not package.isprintable() or len(package.encode()) > MAX_PACKAGE_NAME:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="package_name_invalid")
        if not isinstance(data, bytes) or len(data) > MAX_SUPPLEMENTAL:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="supplemental_too_large")
    return dict(supplementals)


def no_such_user() -> SecurityError:
    """The refusal of a change to an account that is not there."""
    return SecurityError(Status.STATUS_NO_SUCH_USER, reason="no_such_user")


def no_such_group() -> SecurityError:
    """The refusal of a group that is not there."""
    return SecurityError(Status.STATUS_OBJECT_NAME_NOT_FOUND, reason="no_such_group")


def invalid(reason: str) -> SecurityError:
    """The refusal of an argument, with the rule that it breaks."""
    return SecurityError(Status.STATUS_INVALID_PARAMETER, reason=reason)


def builtin(reason: str) -> SecurityError:
    """The refusal to remove what every store has."""
    return SecurityError(Status.STATUS_ACCESS_DENIED, reason=reason)
