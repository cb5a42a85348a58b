"""Security identifiers, the counterpart of the SID structure (winnt) and of ConvertSidToStringSid (sddl).

One text per SID: what `Sid` accepts is the canonical form only (MS-DTYP 2.4.2.1), so that equality of SIDs is equality
of strings and a SID can be a key anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Self

from secpkg.contract.status import SecurityError, Status

_NUMBER: Final = r"(?:0|[1-9][0-9]{0,9})"
_TEXT: Final = re.compile(rf"S-1-({_NUMBER}|0x[0-9A-F]{{12}})((?:-{_NUMBER}){{1,15}})", re.ASCII)
_MAX_SUB_AUTHORITY: Final = 0xFFFF_FFFF
_MAX_SUB_AUTHORITIES: Final = 15
_MAX_TEXT: Final = 190
_HEADER: Final = 8
_DOMAIN_ENTROPY: Final = 12
_DOMAIN_PREFIX: Final = "S-1-5-21-"


def _invalid() -> SecurityError:
    return SecurityError(Status.STATUS_INVALID_PARAMETER, reason="sid_malformed")


class Sid(str):
    """A valid SID in its canonical S-1-… form; SecurityError (STATUS_INVALID_PARAMETER, `sid_malformed`) otherwise."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        match = _TEXT.fullmatch(text) if len(text) <= _MAX_TEXT else None
        if match is None:
            raise _invalid()
        authority, rest = match.groups()
        # MS-DTYP 2.4.2.1: an authority is hexadecimal exactly when it does not fit in 32 bits.
        if authority.startswith("0x") == (int(authority, 0) <= _MAX_SUB_AUTHORITY):
            raise _invalid()
        if any(int(part) > _MAX_SUB_AUTHORITY for part in rest[1:].split("-")):
            raise _invalid()
        return super().__new__(cls, text)

    @classmethod
    def of(cls, authority: int, sub_authorities: Sequence[int]) -> Self:
        """The SID of an identifier authority (48 bits) and 1 to 15 subauthorities (32 bits each)."""
        head = str(authority) if authority <= _MAX_SUB_AUTHORITY else f"0x{authority:012X}"
        return cls("-".join(("S-1", head, *map(str, sub_authorities))))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The SID of its packed form (MS-DTYP 2.4.2.2); `data` is that SID and nothing else."""
        if len(data) < _HEADER or data[0] != 1 or len(data) != _HEADER + 4 * data[1]:
            raise _invalid()
        if not 1 <= data[1] <= _MAX_SUB_AUTHORITIES:
            raise _invalid()
        subs = [int.from_bytes(data[at : at + 4], "little") for at in range(_HEADER, len(data), 4)]
        return cls.of(int.from_bytes(data[2:_HEADER], "big"), subs)

    def to_bytes(self) -> bytes:
        """The packed form (MS-DTYP 2.4.2.2): revision, count, authority big-endian, subauthorities little-endian."""
        subs = self.sub_authorities
        head = bytes((1, len(subs))) + self.authority.to_bytes(6, "big")
        return head + b"".join(sub.to_bytes(4, "little") for sub in subs)

    @property
    def authority(self) -> int:
        """The identifier authority, as GetSidIdentifierAuthority gives it."""
        return int(self.split("-")[2], 0)

    @property
    def sub_authorities(self) -> tuple[int, ...]:
        """The subauthorities, as GetSidSubAuthority gives them."""
        return tuple(map(int, self.split("-")[3:]))

    @property
    def rid(self) -> int:
        """The last subauthority: the relative identifier."""
        return int(self.rpartition("-")[2])

    def child(self, rid: int) -> Sid:
        """This SID with `rid` added, as a domain makes the SIDs of its accounts."""
        return Sid(f"{self}-{rid}")

    def is_child_of(self, domain: Sid) -> bool:
        """Whether this SID is `domain` with one RID more (EqualPrefixSid against a domain)."""
        return self.rpartition("-")[0] == domain


@lru_cache(maxsize=4096)
def sid_of(text: str) -> Sid:
    """`Sid` of a text: the same principals come again and again."""
    return Sid(text)


def domain_sid(a: int, b: int, c: int) -> Sid:
    """The SID of an account domain, S-1-5-21-a-b-c."""
    return Sid(f"{_DOMAIN_PREFIX}{a}-{b}-{c}")


def random_domain_sid(entropy: bytes) -> Sid:
    """A domain SID from 12 bytes of chance; a store calls it once in its life."""
    if len(entropy) != _DOMAIN_ENTROPY:
        raise ValueError("a domain SID is made of 12 bytes")
    return domain_sid(*(int.from_bytes(entropy[at : at + 4], "little") for at in (0, 4, 8)))


EVERYONE: Final = Sid("S-1-1-0")
NETWORK: Final = Sid("S-1-5-2")
BATCH: Final = Sid("S-1-5-3")
INTERACTIVE: Final = Sid("S-1-5-4")
SERVICE: Final = Sid("S-1-5-6")
ANONYMOUS: Final = Sid("S-1-5-7")
AUTHENTICATED_USERS: Final = Sid("S-1-5-11")
LOCAL_SYSTEM: Final = Sid("S-1-5-18")
BUILTIN_ADMINISTRATORS: Final = Sid("S-1-5-32-544")
BUILTIN_USERS: Final = Sid("S-1-5-32-545")
BUILTIN_GUESTS: Final = Sid("S-1-5-32-546")

RID_ADMINISTRATOR: Final = 500
RID_GUEST: Final = 501
RID_PROTECTED_USERS: Final = 525
"""The domain group whose members' passwords are derived to nothing weak (NTLM, RC4)."""
FIRST_RID: Final = 1000
LAST_RID: Final = 0x3FFF_FFFF
