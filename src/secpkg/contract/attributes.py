"""The seldom structures of QueryContextAttributes and QueryCredentialsAttributes, and context thunks.

The usual ones (sizes, names, lifespan, session key ...) are in `secpkg.contract.values`. An attribute that has no
structure here travels as ``bytes``, in its documented layout. Times are UTC seconds.
"""

from __future__ import annotations

import struct
from typing import Final

from secpkg.contract.flags import SECPKG_ATTR_THUNK_ALL
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Attribute, PackageInfo


class DceInfo(Attribute, frozen=True):
    """``SecPkgContext_DceInfo`` (SECPKG_ATTR_DCE_INFO): authorization service and PAC for DCE-style callers."""

    authz_svc: int
    pac: bytes


class StreamSizes(Attribute, frozen=True):
    """``SecPkgContext_StreamSizes`` (SECPKG_ATTR_STREAM_SIZES), in bytes; ``buffers`` is their number (R227)."""

    header: int
    trailer: int
    maximum_message: int
    buffers: int = 4
    block_size: int = 1


class KeyInfo(Attribute, frozen=True):
    """``SecPkgContext_KeyInfo`` (SECPKG_ATTR_KEY_INFO); ``key_size`` in bits."""

    signature_algorithm_name: str
    encrypt_algorithm_name: str
    key_size: int
    signature_algorithm: int = 0
    encrypt_algorithm: int = 0


class Authority(Attribute, frozen=True):
    """``SecPkgContext_Authority`` (SECPKG_ATTR_AUTHORITY): who authenticated the peer."""

    authority_name: str


class ProtoInfo(Attribute, frozen=True):
    """``SecPkgContext_ProtoInfo`` (SECPKG_ATTR_PROTO_INFO)."""

    protocol_name: str
    major_version: int
    minor_version: int


class PasswordExpiry(Attribute, frozen=True):
    """``SecPkgContext_PasswordExpiry`` (SECPKG_ATTR_PASSWORD_EXPIRY)."""

    password_expires: float


class UserFlags(Attribute, frozen=True):
    """``SecPkgContext_UserFlags`` (SECPKG_ATTR_USER_FLAGS)."""

    user_flags: int


class NegotiationInfo(Attribute, frozen=True):
    """``SecPkgContext_NegotiationInfo`` (SECPKG_ATTR_NEGOTIATION_INFO): SECPKG_NEGOTIATION_*."""

    package_info: PackageInfo
    negotiation_state: int


class CredentialName(Attribute, frozen=True):
    """``SecPkgContext_CredentialName`` (SECPKG_ATTR_CREDENTIAL_NAME)."""

    credential_type: int
    credential_name: str


class TargetInformation(Attribute, frozen=True):
    """``SecPkgContext_TargetInformation`` (SECPKG_ATTR_TARGET_INFORMATION), marshalled."""

    marshalled_target_info: bytes


class LogoffTime(Attribute, frozen=True):
    """``SecPkgContext_LogoffTime`` (SECPKG_ATTR_LOGOFF_TIME)."""

    logoff_time: float


class NegoKeys(Attribute, frozen=True):
    """``SecPkgContext_NegoKeys`` (SECPKG_ATTR_NEGO_KEYS): the NEGOEX keys of a context."""

    _secrets = ("key_value", "verify_key_value")

    key_type: int
    key_value: bytes
    verify_key_type: int
    verify_key_value: bytes


class CredInfo(Attribute, frozen=True):
    """``SecPkgContext_CredInfo`` (SECPKG_ATTR_PROMPTING_NEEDED): SECPKG_CRED_CLASS, and whether to ask the user."""

    cred_class: int
    is_prompting_needed: bool


class Bindings(Attribute, frozen=True):
    """``SecPkgContext_Bindings`` (SECPKG_ATTR_UNIQUE_BINDINGS and ENDPOINT_BINDINGS): a channel binding token."""

    bindings: bytes


class ClientSpecifiedTarget(Attribute, frozen=True):
    """``SecPkgContext_ClientSpecifiedTarget`` (SECPKG_ATTR_CLIENT_SPECIFIED_TARGET): the SPN that the client gave."""

    target_name: str


class LastClientTokenStatus(Attribute, frozen=True):
    """``SecPkgContext_LastClientTokenStatus`` (SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS): SECPKG_ATTR_LCT_STATUS."""

    last_client_token_status: int


class NegoPackageInfo(Attribute, frozen=True):
    """``SecPkgContext_NegoPackageInfo`` (SECPKG_ATTR_NEGO_PKG_INFO)."""

    package_mask: int


class NegoStatus(Attribute, frozen=True):
    """``SecPkgContext_NegoStatus`` (SECPKG_ATTR_NEGO_STATUS)."""

    last_status: int


class CredentialsNames(Attribute, frozen=True):
    """``SecPkgCredentials_Names`` (SECPKG_CRED_ATTR_NAMES): whose credential it is."""

    user_name: str


class CredentialsSsiProvider(Attribute, frozen=True):
    """``SecPkgCredentials_SSIProvider`` (SECPKG_CRED_ATTR_SSI_PROVIDER)."""

    provider_name: str
    provider_info: bytes = b""


class CredentialsCert(Attribute, frozen=True):
    """``SecPkgCredentials_Cert`` (SECPKG_CRED_ATTR_CERT)."""

    encoded_cert: bytes


CONTEXT_TYPES: Final[dict[int, type[Attribute]]] = {
    0x3: DceInfo,
    0x4: StreamSizes,
    0x5: KeyInfo,
    0x6: Authority,
    0x7: ProtoInfo,
    0x8: PasswordExpiry,
    0xB: UserFlags,
    0xC: NegotiationInfo,
    0x10: CredentialName,
    0x11: TargetInformation,
    0x15: LogoffTime,
    0x16: NegoKeys,
    0x18: CredInfo,
    0x19: Bindings,
    0x1A: Bindings,
    0x1B: ClientSpecifiedTarget,
    0x1E: LastClientTokenStatus,
    0x1F: NegoPackageInfo,
    0x20: NegoStatus,
}
"""By SECPKG_ATTR_*."""

CREDENTIAL_TYPES: Final[dict[int, type[Attribute]]] = {
    1: CredentialsNames,
    2: CredentialsSsiProvider,
    4: CredentialsCert,
}
"""By SECPKG_CRED_ATTR_*."""

MAX_THUNKS: Final = 1024


def pack_context_thunks(*attributes: int) -> bytes:
    """``SECPKG_CONTEXT_THUNKS`` for `get_extended_information`: which SECPKG_ATTR_* go to the LSA half (R164).
    SECPKG_ATTR_THUNK_ALL as the first one means every attribute.
    """
    return struct.pack(f"<I{len(attributes)}I", len(attributes), *attributes)


class ContextThunks:
    """``SECPKG_CONTEXT_THUNKS``, read: ``attribute in thunks`` says whether the LSA half answers it (R164).

    SEC_E_INTERNAL_ERROR (``context_thunks``) for what has not the documented layout.
    """

    __slots__ = ("_all", "_levels")

    def __init__(self, packed: bytes = b"") -> None:
        levels: tuple[int, ...] = ()
        if packed:
            size = len(packed) // 4 - 1
            if len(packed) % 4 or not 0 <= size <= MAX_THUNKS or int.from_bytes(packed[:4], "little") != size:
                raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="context_thunks")
            levels = struct.unpack_from(f"<{size}I", packed, 4)
        self._all = levels[:1] == (SECPKG_ATTR_THUNK_ALL,)
        self._levels = frozenset(levels)

    def __contains__(self, attribute: int) -> bool:
        return self._all or attribute in self._levels
