"""The documented structures, as frozen values.

Fields that hold secrets are named in ``_secrets`` of their class and never appear in a repr. Times are UTC seconds
since 1970 as float (``TimeStamp`` of the documents is a FILETIME; `filetime` converts). LUIDs are plain 64-bit ints:
``HighPart << 32 | LowPart``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

import msgspec

from secpkg.contract.flags import (
    SECPKG_ID_NONE,
    SECURITY_NATIVE_DREP,
    BufferType,
    CallAttribute,
    Capability,
    ImpersonationLevel,
    LogonType,
    MachineState,
    PrimaryCredentialFlag,
)
from secpkg.contract.status import Status

Buffer: TypeAlias = bytes | bytearray | memoryview
Setting: TypeAlias = bool | int | float | str | list[str]
"""One value of an operator's settings for a module."""

NEVER = float("inf")
"""Expiry of what does not expire (0x7FFFFFFFFFFFFFFF as FILETIME)."""

MAX_PACKED_CONTEXT = 64 * 1024
"""Bytes in a packed context (spec/README 8)."""

_FILETIME_EPOCH = 11_644_473_600
_FILETIME_NEVER = 0x7FFFFFFFFFFFFFFF


def filetime(seconds: float) -> int:
    """``TimeStamp`` (100 ns since 1601, UTC) of UTC seconds since 1970; `NEVER` gives the documented maximum."""
    return _FILETIME_NEVER if seconds == NEVER else int((seconds + _FILETIME_EPOCH) * 10_000_000)


class Value(msgspec.Struct, frozen=True, array_like=True):
    """Base of the frozen values: a repr that shows no secret, and of byte strings only the length."""

    _secrets: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        shown = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name in self._secrets:
                text = "None" if value is None else "<secret>"
            elif isinstance(value, bytes | bytearray | memoryview):
                text = f"<{len(value)} bytes>"
            else:
                text = repr(value)
            shown.append(f"{name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


class SecBuffer:
    """``SecBuffer``: a type (with its flag bits) and bytes. Message functions *replace* ``data``; a view that was
    passed in is valid for that call only (spec/README 11).

    A plain class, because its attributes are set several times for each message.
    """

    __slots__ = ("data", "type")
    __match_args__ = ("type", "data")
    __hash__ = None  # type: ignore[assignment]  # it changes

    def __init__(self, type: int, data: Buffer = b"") -> None:
        self.type = type
        self.data = data

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecBuffer):
            return NotImplemented
        return self.type == other.type and self.data == other.data

    @property
    def buffer_type(self) -> BufferType:
        """The type without its flag bits (R210)."""
        return BufferType(self.type & 0x0FFFFFFF)

    def __repr__(self) -> str:
        return f"SecBuffer({self.type:#x}, <{len(self.data)} bytes>)"


Message: TypeAlias = list[SecBuffer]
"""``SecBufferDesc`` of a message function."""


class PackageInfo(Value, frozen=True):
    """``SecPkgInfo``, what SpGetInfo fills in. ``max_token`` bounds every token that the package makes (R35)."""

    name: str
    comment: str = ""
    capabilities: Capability = Capability(0)
    max_token: int = 0
    version: int = 1
    rpc_id: int = SECPKG_ID_NONE


class PackageParameters(Value, frozen=True):
    """``SECPKG_PARAMETERS`` (R36), and a per-package secret that stays the same over restarts.

    ``seed`` has no counterpart in the documents: a package derives from it what an unknown user is shown (a salt), so
    that unknown and known users look alike (lock 9 of the design). ``settings`` is what the operator wrote for the
    module, the counterpart of its key under Lsa; what it does not understand, a package refuses (docs/adr/0022).
    """

    _secrets = ("seed",)

    domain_name: str
    domain_sid: str
    dns_domain_name: str = ""
    machine_state: MachineState = MachineState(0)
    seed: bytes = b""
    settings: dict[str, Setting] = {}


class ClientInfo(Value, frozen=True):
    """``SECPKG_CLIENT_INFO`` (GetClientInfo, R140): who is calling, as the authority learnt it from the socket."""

    process_id: int
    uid: int
    gid: int
    has_tcb_privilege: bool = False
    logon_id: int | None = None
    """LUID of the session whose access token the connection presented, else None (lock 3)."""
    thread_id: int = 0
    impersonating: bool = False
    restricted: bool = False


class Call(Value, frozen=True):
    """One call into a package (``SECPKG_CALL_INFO`` plus the client's ``SECPKG_CLIENT_INFO``).

    A package draws time and chance from here and nowhere else, so that a handshake replays byte for byte.
    """

    caller: ClientInfo
    now: float
    """UTC seconds since 1970 at the start of the call."""
    entropy: Callable[[int], bytes]
    """``entropy(n)`` gives n random bytes."""
    deadline: float = NEVER
    """Monotonic seconds after which the host gives the call up."""
    attributes: CallAttribute = CallAttribute(0)
    client_buffer_base: int = 0
    """ClientBufferBase of LsaApLogonUser and LsaApCallPackage: where the submit buffer is in the client, for
    CopyFromClientBuffer. 0 when nothing was sent, and in every other call.
    """

    def allocate_locally_unique_id(self) -> int:
        """AllocateLocallyUniqueId: a LUID for a new logon session (R44); nonzero, 62 bits of chance."""
        return int.from_bytes(self.entropy(8), "little") >> 2 | 1 << 12


class ContextRequest(Value, frozen=True):
    """Inputs of SpInitLsaModeContext and SpAcceptLsaModeContext but for the handles.

    ``requirements`` are ISC_REQ_* for an initiator and ASC_REQ_* for an acceptor; their bits differ (R174).
    ``channel_bindings`` is the application data of SECBUFFER_CHANNEL_BINDINGS; None when there is no such buffer
    (R233). They may carry flags (SspiSetChannelBindingFlags): `secpkg.contract.channel_bindings` takes them apart.
    """

    token: bytes = b""
    target: str | None = None
    requirements: int = 0
    channel_bindings: bytes | None = None
    data_representation: int = SECURITY_NATIVE_DREP
    buffers: tuple[SecBuffer, ...] = ()
    """Input buffers of other types, as they came."""


class TokenReference(Value, frozen=True):
    """Names an access token to the authority. It is no handle and no capability: the authority redeems it only on the
    connection for which it was made (lock 5).
    """

    _secrets = ("value",)

    value: bytes


class Continue(Value, frozen=True):
    """SEC_I_CONTINUE_NEEDED: send ``token``, expect an answer. ``context`` is given back on the next leg.

    With ``complete_needed`` it is SEC_I_COMPLETE_AND_CONTINUE (R189).
    """

    token: bytes
    context: object
    attributes: int = 0
    expiry: float = NEVER
    complete_needed: bool = False


class Complete(Value, frozen=True):
    """SEC_E_OK: the context stands; ``token``, when not empty, still has to be sent (R187).

    ``packed_context`` is ContextData: present, it makes MappedContext true and goes to the user half (R154, R156).
    With ``complete_needed`` it is SEC_I_COMPLETE_NEEDED. ``leftover`` counts input bytes not consumed
    (SECBUFFER_EXTRA).
    """

    _secrets = ("packed_context",)

    context: object = None
    token: bytes = b""
    packed_context: bytes | None = None
    attributes: int = 0
    expiry: float = NEVER
    access_token: TokenReference | None = None
    complete_needed: bool = False
    leftover: int = 0


class NeedMore(Value, frozen=True):
    """SEC_E_INCOMPLETE_MESSAGE: nothing was consumed and the context is as before (R226)."""

    missing: int = 0
    """Bytes wanted (SECBUFFER_MISSING); 0 when unknown."""


class Refused(Value, frozen=True):
    """An error. ``token``, when not empty, is an error reply for the peer (R185). ``reason`` names the rule that was
    broken, for the audit record and the trace; the peer never learns it.
    """

    status: Status
    token: bytes = b""
    reason: str = ""
    substatus: Status = Status.STATUS_SUCCESS


Step: TypeAlias = Continue | Complete | NeedMore | Refused


class AuthIdentity(Value, frozen=True):
    """``SEC_WINNT_AUTH_IDENTITY``: explicit credentials of AcquireCredentialsHandle (pAuthData).

    A sealed one (SspiEncryptAuthIdentityEx) has no ``password``: ``encrypted`` has it, and ``flags`` say for whom. A
    package never meets one. ``package_list`` is that of the _EX form: comma-separated, ``!`` excludes.
    """

    _secrets = ("password",)

    user: str
    domain: str = ""
    password: str = ""
    package_list: str = ""
    flags: int = 0
    encrypted: bytes = b""


class Acquired(Value, frozen=True):
    """Result of SpAcquireCredentialsHandle: the package's own credential object and when it ceases to be usable."""

    credential: object
    expiry: float = NEVER


class TokenInformation(Value, frozen=True):
    """``LSA_TOKEN_INFORMATION_V1``: what the authority builds an access token from. SIDs in S-1-… form."""

    user: str
    groups: tuple[str, ...] = ()
    primary_group: str = ""
    privileges: tuple[str, ...] = ()
    expiration: float = NEVER


class AuthData(Value, frozen=True):
    """Authorization data of an account (GetUserAuthData, GetAuthDataForUser): the account and what this package keeps
    with it (its own supplemental credential, never another's).

    It proves nothing: the restrictions of the account (disabled, locked, expired) are applied by the authority when it
    is turned into a token, which is after the proof (lock 9).
    """

    _secrets = ("supplemental",)

    account_name: str
    domain_name: str
    user_sid: str
    token_information: TokenInformation
    supplemental: bytes | None = None
    upn: str = ""


class SamUser(Value, frozen=True):
    """What OpenSamUser gives: an account handle of this call, closed with CloseSamUser or at the end of the call."""

    handle: int
    account_name: str
    user_sid: str


class ConvertedToken(Value, frozen=True):
    """Result of ConvertAuthDataToToken (R105): the token's reference, the session made for it, and the account."""

    token: TokenReference
    logon_id: int
    account_name: str


class PrimaryCredential(Value, frozen=True):
    """``SECPKG_PRIMARY_CRED`` (R60, R73). Members may be empty; ``flags`` says what is inside.

    ``password`` reaches only modules to which the operator granted ``primary_credentials`` (lock 4).
    """

    _secrets = ("password", "old_password")

    logon_id: int
    downlevel_name: str
    domain_name: str
    user_sid: str = ""
    password: str | None = None
    old_password: str | None = None
    flags: PrimaryCredentialFlag = PrimaryCredentialFlag(0)
    dns_domain_name: str = ""
    upn: str = ""
    logon_server: str = ""


class SupplementalCredential(Value, frozen=True):
    """``SECPKG_SUPPLEMENTAL_CRED``: bytes addressed to one package by name."""

    _secrets = ("credentials",)

    package_name: str
    credentials: bytes


class StoredCredential(Value, frozen=True):
    """One entry that GetCredentials returns (R111), and the cursor for the next call."""

    _secrets = ("credentials",)

    key: bytes
    credentials: bytes
    query_context: int


class TokenSource(Value, frozen=True):
    """``TOKEN_SOURCE`` (winnt): who asked for an access token, at most eight bytes, and a LUID of its own making."""

    source_name: str
    source_identifier: int = 0


class QuotaLimits(Value, frozen=True):
    """``QUOTA_LIMITS`` (winnt): limits of a user's processes, in bytes; ``time_limit`` in seconds, 0 is none."""

    paged_pool_limit: int = 0
    non_paged_pool_limit: int = 0
    minimum_working_set_size: int = 0
    maximum_working_set_size: int = 0
    pagefile_limit: int = 0
    time_limit: float = 0.0


class LogonRequest(Value, frozen=True):
    """Inputs of LsaApLogonUser and its newer forms.

    ``authentication_information`` is package-defined (ProtocolSubmitBuffer). The usual interactive form travels as
    ``username``, ``domain``, ``password``, ``workstation``; a package takes whichever it understands and answers
    STATUS_BAD_VALIDATION_CLASS to the other (R56).
    """

    _secrets = ("password", "authentication_information")

    logon_type: LogonType
    username: str = ""
    domain: str = ""
    password: str | None = None
    workstation: str = ""
    authentication_information: bytes = b""
    origin_name: str = ""
    local_groups: tuple[str, ...] = ()
    """LocalGroups of LsaLogonUser, SIDs for the authority to add (R66); no package is shown them."""
    token_source: TokenSource | None = None
    """SourceContext of LsaLogonUser, for the authority as well."""


class LogonResult(Value, frozen=True, tag=True):
    """A logon accepted by the package: it has created the session ``logon_id`` (R44); the authority builds the token
    (R61), applies the account's restrictions, and deletes the session again if they refuse (R45).
    """

    _secrets = ("profile",)

    logon_id: int
    token_information: TokenInformation
    account_name: str
    authenticating_authority: str = ""
    machine_name: str = ""
    profile: bytes = b""
    primary_credentials: PrimaryCredential | None = None
    supplemental_credentials: tuple[SupplementalCredential, ...] = ()
    client_buffer: int = 0
    """In place of ``profile``: the address of a buffer from AllocateClientBuffer, whose contents the application gets
    (R50). The buffer is released with that, and also when the logon fails after all (R51).
    """


class LogonRefused(Value, frozen=True, tag=True):
    """A logon refused by the package. ``account_name`` is given whatever the outcome, for the audit record (R46);
    ``reason`` goes there and to the trace, never to the caller (R54).
    """

    status: Status
    account_name: str = ""
    substatus: Status = Status.STATUS_SUCCESS
    reason: str = ""


class ProtocolReply(Value, frozen=True):
    """Outputs of LsaApCallPackage: the reply buffer and ProtocolStatus, which is the service's own result (R77)."""

    _secrets = ("data",)

    data: bytes = b""
    protocol_status: Status = Status.STATUS_SUCCESS
    client_buffer: int = 0
    """In place of ``data``: the address of a buffer from AllocateClientBuffer (R79); it is released with the reply."""


class LogonAudit(Value, frozen=True):
    """Inputs of AuditLogon (R107). The authority adds who is calling and marks the rest as claimed (lock 10)."""

    status: Status
    account_name: str
    substatus: Status = Status.STATUS_SUCCESS
    authenticating_authority: str = ""
    workstation: str = ""
    user_sid: str = ""
    logon_type: LogonType = LogonType.NETWORK
    logon_id: int | None = None
    reason: str = ""


class Sizes(Value, frozen=True):
    """``SecPkgContext_Sizes`` (SECPKG_ATTR_SIZES), in bytes."""

    max_token: int
    max_signature: int
    block_size: int
    security_trailer: int


class Names(Value, frozen=True):
    """``SecPkgContext_Names`` (SECPKG_ATTR_NAMES): the peer that this context authenticated."""

    user_name: str


class NativeNames(Value, frozen=True):
    """``SecPkgContext_NativeNames`` (SECPKG_ATTR_NATIVE_NAMES)."""

    client_name: str
    server_name: str


class Lifespan(Value, frozen=True):
    """``SecPkgContext_Lifespan`` (SECPKG_ATTR_LIFESPAN), UTC seconds."""

    start: float
    expiry: float


class SessionKey(Value, frozen=True):
    """``SecPkgContext_SessionKey`` (SECPKG_ATTR_SESSION_KEY)."""

    _secrets = ("session_key",)

    session_key: bytes


class ContextFlags(Value, frozen=True):
    """``SecPkgContext_Flags`` (SECPKG_ATTR_FLAGS): the attributes granted."""

    flags: int


class Attribute(Value, frozen=True):
    """Base of the seldom structures of QueryContextAttributes and its kind (`secpkg.contract.attributes`)."""


ContextAttributes: TypeAlias = (
    Sizes | Names | NativeNames | Lifespan | SessionKey | ContextFlags | PackageInfo | Attribute | bytes
)
"""What QueryContextAttributes returns, by attribute; ``bytes``, in the documented layout, where there is no structure.
"""

__all__ = [
    "MAX_PACKED_CONTEXT",
    "NEVER",
    "Acquired",
    "Attribute",
    "AuthData",
    "AuthIdentity",
    "Buffer",
    "Call",
    "ClientInfo",
    "Complete",
    "ContextAttributes",
    "ContextFlags",
    "ContextRequest",
    "Continue",
    "ConvertedToken",
    "ImpersonationLevel",
    "Lifespan",
    "LogonAudit",
    "LogonRefused",
    "LogonRequest",
    "LogonResult",
    "Message",
    "Names",
    "NativeNames",
    "NeedMore",
    "PackageInfo",
    "PackageParameters",
    "PrimaryCredential",
    "ProtocolReply",
    "QuotaLimits",
    "Refused",
    "SamUser",
    "SecBuffer",
    "SessionKey",
    "Setting",
    "Sizes",
    "Step",
    "StoredCredential",
    "SupplementalCredential",
    "TokenInformation",
    "TokenReference",
    "TokenSource",
    "Value",
    "filetime",
]
