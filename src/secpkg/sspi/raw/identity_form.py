"""The flat form of an identity: ``SEC_WINNT_AUTH_IDENTITY_EX2`` (sspi.h), self-relative, little-endian.

    Version 0x201 · cbHeaderLength 48 · cbStructureLength · (offset, length) of user, domain, packed credentials ·
    Flags · (offset, length) of the package list · then the four, in that order and with nothing between

Texts are UTF-16LE, lengths are bytes. A sealed identity has its sealed bytes where the packed credentials are, and its
flags say so. There is one form for each identity: whatever else claims to be one is refused (docs/adr/0006).
"""

from __future__ import annotations

import struct
from typing import Final

from secpkg.contract.flags import SEC_WINNT_AUTH_IDENTITY_VERSION_2
from secpkg.contract.flags_seldom import AuthIdentityFlag
from secpkg.contract.floor import floor
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity
from secpkg.sspi.protection import SEALED
from secpkg.sspi.raw.identities import require_identity

_HEADER: Final = struct.Struct("<IH2xIIH2xIH2xIH2xIIH2x")
_FLAT: Final = int(AuthIdentityFlag.UNICODE | AuthIdentityFlag.MARSHALLED)
_KEPT: Final = 0xFFFFFFFF & ~_FLAT
MAX_MEMBER: Final = 0xFFFF
"""Bytes; the documented lengths have 16 bits."""


@floor("sspi", "SspiMarshalAuthIdentity")
def sspi_marshal_auth_identity(identity: AuthIdentity | None) -> tuple[Status, bytes]:
    """SspiMarshalAuthIdentity: the flat form, whose length is the bytes' own. The secret of an identity that is not
    sealed is in it as it is. SEC_E_INVALID_PARAMETER. Page: sspi/nf-sspi-sspimarshalauthidentity.
    """
    try:
        return Status.SEC_E_OK, _flat(require_identity(identity))
    except (UnicodeEncodeError, struct.error):
        return Status.SEC_E_INVALID_PARAMETER, b""


@floor("sspi", "SspiUnmarshalAuthIdentity")
def sspi_unmarshal_auth_identity(auth_identity_byte_array: bytes) -> tuple[Status, AuthIdentity | None]:
    """SspiUnmarshalAuthIdentity: SEC_E_INVALID_PARAMETER for anything but what `sspi_marshal_auth_identity` made. Page:
    sspi/nf-sspi-sspiunmarshalauthidentity.
    """
    data = auth_identity_byte_array
    if not _HEADER.size <= len(data) <= _HEADER.size + 4 * MAX_MEMBER:
        return Status.SEC_E_INVALID_PARAMETER, None
    version, header, length, *places = _HEADER.unpack_from(data)
    flags = places.pop(6)
    if (version, header, length) != (SEC_WINNT_AUTH_IDENTITY_VERSION_2, _HEADER.size, len(data)):
        return Status.SEC_E_INVALID_PARAMETER, None
    user, domain, credentials, packages = (
        data[offset : offset + size] for offset, size in zip(places[::2], places[1::2], strict=True)
    )
    sealed = bool(flags & SEALED)
    try:
        identity = AuthIdentity(
            user.decode("utf-16-le"),
            domain.decode("utf-16-le"),
            "" if sealed else credentials.decode("utf-16-le"),
            packages.decode("utf-16-le"),
            flags & _KEPT,
            credentials if sealed else b"",
        )
    except UnicodeDecodeError:
        return Status.SEC_E_INVALID_PARAMETER, None
    status, again = sspi_marshal_auth_identity(identity)
    if status.is_error or again != data:
        return Status.SEC_E_INVALID_PARAMETER, None
    return Status.SEC_E_OK, identity


def _flat(identity: AuthIdentity) -> bytes:
    credentials = identity.encrypted or identity.password.encode("utf-16-le")
    members = (
        identity.user.encode("utf-16-le"),
        identity.domain.encode("utf-16-le"),
        credentials,
        identity.package_list.encode("utf-16-le"),
    )
    places: list[int] = []
    offset = _HEADER.size
    for member in members:
        places += (offset, len(member))
        offset += len(member)
    places.insert(6, identity.flags | _FLAT)
    header = _HEADER.pack(SEC_WINNT_AUTH_IDENTITY_VERSION_2, _HEADER.size, offset, *places)
    return b"".join((header, *members))
