"""Numbers of the directory service that functions of a package speak of: name formats and why a name is not cracked.

They are those of ``DS_NAME_FORMAT`` and ``DS_NAME_ERROR`` (ntdsapi.h); CrackSingleName takes the first and reports the
second.
"""

from __future__ import annotations

from secpkg.contract.flags import NativeEnum


class NameFormat(NativeEnum, prefix="DS_"):
    """DS_NAME_FORMAT: FormatOffered and RequestedFormat of CrackSingleName (R260)."""

    UNKNOWN_NAME = 0
    FQDN_1779_NAME = 1
    NT4_ACCOUNT_NAME = 2
    DISPLAY_NAME = 3
    UNIQUE_ID_NAME = 6
    CANONICAL_NAME = 7
    USER_PRINCIPAL_NAME = 8
    CANONICAL_NAME_EX = 9
    SERVICE_PRINCIPAL_NAME = 10
    SID_OR_SID_HISTORY_NAME = 11
    DNS_DOMAIN_NAME = 12


class CrackError(NativeEnum, prefix="DS_NAME_ERROR_"):
    """DS_NAME_ERROR: the directory's reason when CrackSingleName fails. Its spelling is the error's reason."""

    RESOLVING = 1
    NOT_FOUND = 2
    NOT_UNIQUE = 3
    NO_MAPPING = 4
    DOMAIN_ONLY = 5
    NO_SYNTACTICAL_MAPPING = 6


__all__ = ["CrackError", "NameFormat"]
