"""The messages of applications, as data: two conversations over SOCK_SEQPACKET, one frame a message, in MessagePack.

- application and worker, on the channel that the authority made: `ToWorker` and `FromWorker`;
- application and authority, on the authority's socket: `ToAuthority` and `FromAuthority`.

What authority and worker say to each other is in `secpkg.ipc.control`, which no application loads.

Every request carries an ``id`` that its reply repeats. One of `ENDS` may carry 0: whoever is done with something need
not wait to hear so, and gets no reply, not even `Failed`. Handles are nonzero integers of one channel; 0 stands for
NULL. Decoding is typed: a frame gives a valid message or is refused before anyone looks at it.
"""

from __future__ import annotations

import msgspec

from secpkg.contract.values import AuthIdentity, LogonRequest, PackageInfo, QuotaLimits, TokenInformation

PROTOCOL_VERSION = 1
MAX_TOKEN = 128 * 1024
"""Bytes in one token from outside; larger ones are refused before the package sees them."""
MAX_NAME = 1024
"""Characters in a name from outside."""
MAX_SUBMIT_BUFFER = 64 * 1024
"""Bytes in a ProtocolSubmitBuffer or AuthenticationInformation."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of all messages; tags are the class names but for those of the hot path, which are one letter."""


# --- application and worker --------------------------------------------------------------------------------------


class AcquireCredentials(Message, frozen=True, tag="a"):
    """AcquireCredentialsHandle. ``logon_id`` names a session explicitly (SeTcbPrivilege, R144)."""

    id: int
    package: int
    use: int
    principal: str | None = None
    identity: AuthIdentity | None = None
    data: bytes = b""
    logon_id: int | None = None


class FreeCredentials(Message, frozen=True, tag="f"):
    """FreeCredentialsHandle."""

    id: int
    credential: int


class InitializeContext(Message, frozen=True, tag="i"):
    """InitializeSecurityContext: one leg. ``channel_bindings`` None: no such buffer was given."""

    id: int
    credential: int
    context: int
    token: bytes
    target: str | None = None
    requirements: int = 0
    channel_bindings: bytes | None = None
    data_representation: int = 0x10
    buffers: tuple[tuple[int, bytes], ...] = ()


class AcceptContext(Message, frozen=True, tag="s"):
    """AcceptSecurityContext: one leg."""

    id: int
    credential: int
    context: int
    token: bytes
    requirements: int = 0
    channel_bindings: bytes | None = None
    data_representation: int = 0x10
    buffers: tuple[tuple[int, bytes], ...] = ()


class DeleteContext(Message, frozen=True, tag="d"):
    """DeleteSecurityContext: the user half is gone already (spec/README 9)."""

    id: int
    context: int


class QueryContext(Message, frozen=True, tag="q"):
    """QueryContextAttributes of the LSA half."""

    id: int
    context: int
    attribute: int


class CallFunction(Message, frozen=True, tag="c"):
    """Any other function of a package that applications reach (`secpkg.host.lsa_mode.reachable`), by its Python name;
    ``arguments`` are those of the contract's signature but for ``call`` and the objects behind the handles. The reply
    is `Answered`, or `Done` where the signature returns nothing; a function that may make a context answers
    ``[context, result]``.
    """

    id: int
    function: str
    arguments: msgspec.Raw
    package: int = 0
    credential: int = 0
    context: int = 0


class CallbackReturned(Message, frozen=True):
    """Answer to `ClientCallback`; ``status`` is an error when the function failed or is not registered."""

    id: int
    status: int
    data: bytes = b""


ToWorker = (
    AcquireCredentials
    | FreeCredentials
    | InitializeContext
    | AcceptContext
    | DeleteContext
    | QueryContext
    | CallFunction
    | CallbackReturned
)


class CredentialsAcquired(Message, frozen=True, tag="A"):
    """Reply to `AcquireCredentials`."""

    id: int
    credential: int
    expiry: float


class Done(Message, frozen=True, tag="D"):
    """Reply without results."""

    id: int


class Stepped(Message, frozen=True, tag="S"):
    """Reply to a leg. ``context`` is 0 when none exists (then ``status`` is an error). ``packed_context`` present makes
    MappedContext true; ``access_token`` is a reference to redeem at the authority.
    """

    id: int
    status: int
    context: int
    token: bytes = b""
    attributes: int = 0
    expiry: float = float("inf")
    packed_context: bytes | None = None
    access_token: bytes | None = None
    leftover: int = 0
    missing: int = 0


class Failed(Message, frozen=True, tag="F"):
    """A call failed. ``reason`` is the host's own named reason (a dead worker, a stale handle) and never a package's:
    those go to the audit record and the trace.
    """

    id: int
    status: int
    substatus: int = 0
    reason: str = ""


class Answered(Message, frozen=True, tag="V"):
    """Reply with a value whose type the request implies."""

    id: int
    value: msgspec.Raw


class ClientCallback(Message, frozen=True):
    """No reply but a request, while the application waits for a reply: run a function that the user half registered
    (R165). Its ``id`` is negative, which no call's is. `CallbackReturned` answers it.
    """

    id: int
    callback: int
    argument1: int
    argument2: int
    data: bytes


FromWorker = CredentialsAcquired | Done | Stepped | Failed | Answered | ClientCallback


# --- application and authority -----------------------------------------------------------------------------------


class UserHalf(msgspec.Struct, frozen=True, array_like=True):
    """Which user half belongs to a package, by the authority's registry and never by a worker's word: entry point
    ``name`` of group ``secpkg.user_mode``, and the distribution's name, version and digest of its files.
    """

    entry_point: str
    distribution: str
    version: str
    digest: bytes


class Connect(Message, frozen=True):
    """First message of a connection: LsaConnectUntrusted, or LsaRegisterLogonProcess when a name is given."""

    id: int
    version: int
    logon_process_name: str | None = None


class Connected(Message, frozen=True):
    """Reply to `Connect`."""

    id: int
    version: int
    trusted: bool
    domain_name: str


class OpenPackage(Message, frozen=True):
    """Ask for a channel to the worker of a package. ``token`` is a handle of the access token to present, else 0."""

    id: int
    name: str
    token: int = 0


class PackageOpened(Message, frozen=True):
    """Reply to `OpenPackage`; the channel's descriptor comes with it. Packages of one module share a channel."""

    id: int
    package: int
    module: str
    info: PackageInfo
    user_half: UserHalf | None
    thunks: bytes = b""
    """``SECPKG_CONTEXT_THUNKS``: the attributes that the LSA half answers (R164)."""


class ListPackages(Message, frozen=True):
    """EnumerateSecurityPackages."""

    id: int


class PackageList(Message, frozen=True):
    """Reply to `ListPackages`: the authority's packages, and the operator's list of plain SSPs by entry point, which
    an application loads from its own environment.
    """

    id: int
    packages: tuple[PackageInfo, ...]
    security_providers: tuple[str, ...] = ()


class LookupPackage(Message, frozen=True):
    """LsaLookupAuthenticationPackage."""

    id: int
    name: str


class PackageNumber(Message, frozen=True):
    """Reply to `LookupPackage`."""

    id: int
    package: int


class LookupProvider(Message, frozen=True):
    """The package that stands for a LOGON32_PROVIDER_* of LogonUser: `PackageNumber`."""

    id: int
    provider: int


class LogonUser(Message, frozen=True):
    """LsaLogonUser. ``token`` is a handle of the caller's own access token, 0 for none (NewCredentials clones it).
    With ``keep``, here and below, what is returned stays charged to the caller until `FreeBuffer`.
    """

    id: int
    package: int
    request: LogonRequest
    token: int = 0
    keep: bool = False


class LoggedOn(Message, frozen=True):
    """Reply to `LogonUser`: the session, a handle of its access token, and the package's profile buffer; quotas when
    the token is a primary one (R65). ``buffer`` names what is kept, 0 for nothing.
    """

    id: int
    logon_id: int
    token: int
    profile: bytes
    account_name: str
    quotas: QuotaLimits | None = None
    buffer: int = 0


class CallPackage(Message, frozen=True):
    """LsaCallAuthenticationPackage. With ``domain`` it is passed through to that domain's authority, for the package
    called ``name`` there; without a name, as the package of this number is called here.
    """

    id: int
    package: int
    submit_buffer: bytes
    domain: str = ""
    name: str = ""
    keep: bool = False


class PackageAnswered(Message, frozen=True):
    """Reply to `CallPackage`: the return buffer and ProtocolStatus."""

    id: int
    data: bytes
    protocol_status: int
    buffer: int = 0


class FreeBuffer(Message, frozen=True):
    """LsaFreeReturnBuffer: STATUS_INVALID_PARAMETER for what is not kept, and so the second time."""

    id: int
    buffer: int


class RedeemToken(Message, frozen=True):
    """Turn a reference, made for a context of this connection's channels, into a handle (lock 5)."""

    id: int
    reference: bytes


class TokenOpened(Message, frozen=True):
    """A handle of an access token, and what the token says."""

    id: int
    token: int
    logon_id: int
    account_name: str
    domain_name: str
    information: TokenInformation
    impersonation_level: int
    primary: bool
    posix_uid: int | None = None
    source_name: str = ""
    source_identifier: int = 0


class ReleaseReference(Message, frozen=True):
    """The context of a reference that was never redeemed is gone."""

    id: int
    reference: bytes


class CloseToken(Message, frozen=True):
    """CloseHandle of an access token."""

    id: int
    token: int


class DuplicateToken(Message, frozen=True):
    """Another handle of the same token."""

    id: int
    token: int


class TokenDescriptor(Message, frozen=True):
    """Ask for a descriptor that stands for the token, to pass to another process; it comes with `Done`."""

    id: int
    token: int


class AdoptToken(Message, frozen=True):
    """Present a token's descriptor (it comes with the message) for a handle of this connection: `TokenOpened`."""

    id: int


class LogonKey(Message, frozen=True):
    """Ask for the key that every process of a logon session has (SspiEncryptAuthIdentityEx, SAME_LOGON): `Answered`
    with bytes. ``token`` is a handle of the session's access token; 0 asks for the key of the caller's uid.
    """

    id: int
    token: int = 0


class DepositContextKey(Message, frozen=True):
    """ExportSecurityContext: keep the key of a sealed context until somebody imports it. ``digest`` is the SHA-256 of
    what was sealed.
    """

    id: int
    digest: bytes
    key: bytes


class RedeemContextKey(Message, frozen=True):
    """ImportSecurityContext: the key of a sealed context, `Answered` with bytes, once."""

    id: int
    digest: bytes


class ListSessions(Message, frozen=True):
    """LsaEnumerateLogonSessions."""

    id: int
    keep: bool = False


class SessionList(Message, frozen=True):
    """Reply to `ListSessions`."""

    id: int
    logon_ids: tuple[int, ...]
    buffer: int = 0


class GetSession(Message, frozen=True):
    """LsaGetLogonSessionData: the session's owner and trusted callers only (R101)."""

    id: int
    logon_id: int
    keep: bool = False


class SessionData(Message, frozen=True):
    """``SECURITY_LOGON_SESSION_DATA``; times in UTC seconds, 0.0 where nothing is known, `NEVER` for never. There is
    one terminal session, 0. Accounts here have no script, profile path or home drive, and when a user last logged on
    is not kept: those members are empty.
    """

    id: int
    logon_id: int
    user_name: str
    logon_domain: str
    authentication_package: str
    logon_type: int
    sid: str
    logon_time: float
    logon_server: str
    upn: str
    session: int = 0
    dns_domain_name: str = ""
    user_flags: int = 0
    last_successful_logon: float = 0.0
    last_failed_logon: float = 0.0
    failed_attempt_count_since_last_successful_logon: int = 0
    logon_script: str = ""
    profile_path: str = ""
    home_directory: str = ""
    home_directory_drive: str = ""
    logoff_time: float = 0.0
    kick_off_time: float = 0.0
    password_last_set: float = 0.0
    password_can_change: float = 0.0
    password_must_change: float = 0.0
    buffer: int = 0


class QueryDomainPolicy(Message, frozen=True):
    """LsaQueryDomainInformationPolicy: `Answered` with a structure of `secpkg.contract.domain_policy`."""

    id: int
    information_class: int


class SetDomainPolicy(Message, frozen=True):
    """LsaSetDomainInformationPolicy: such a structure, or nil."""

    id: int
    information_class: int
    information: msgspec.Raw


class QueryForestTrust(Message, frozen=True):
    """LsaQueryForestTrustInformation: `Answered` with an array of ``ForestTrustRecord``."""

    id: int
    trusted_domain_name: str


class SetForestTrust(Message, frozen=True):
    """LsaSetForestTrustInformation: such an array; `Answered` with one of ``ForestTrustCollision``."""

    id: int
    trusted_domain_name: str
    records: msgspec.Raw
    check_only: bool


class Manage(Message, frozen=True):
    """An operator's call (packages, accounts, trace, stop): trusted connections only, each use is audited. The
    arguments are JSON-like values by name.
    """

    id: int
    operation: str
    arguments: msgspec.Raw


ToAuthority = (
    Connect
    | OpenPackage
    | ListPackages
    | LookupPackage
    | LookupProvider
    | LogonUser
    | CallPackage
    | FreeBuffer
    | RedeemToken
    | ReleaseReference
    | CloseToken
    | DuplicateToken
    | TokenDescriptor
    | AdoptToken
    | LogonKey
    | DepositContextKey
    | RedeemContextKey
    | ListSessions
    | GetSession
    | QueryDomainPolicy
    | SetDomainPolicy
    | QueryForestTrust
    | SetForestTrust
    | Manage
)
FromAuthority = (
    Connected
    | PackageOpened
    | PackageList
    | PackageNumber
    | LoggedOn
    | PackageAnswered
    | TokenOpened
    | SessionList
    | SessionData
    | Done
    | Failed
    | Answered
)


ENDS = (DeleteContext, FreeCredentials, ReleaseReference, CloseToken, FreeBuffer)
"""What ends something, and may have the id 0."""
End = DeleteContext | FreeCredentials | ReleaseReference | CloseToken | FreeBuffer

encode = msgspec.msgpack.Encoder().encode
"""Any message to its frame."""

decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode
