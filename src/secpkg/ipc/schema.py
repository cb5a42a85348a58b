"""The messages, as data. Three conversations, each over SOCK_SEQPACKET, one frame a message, MessagePack arrays.

- application and worker, on the channel that the authority made: `ToWorker` and `FromWorker`;
- application and authority, on the authority's socket: `ToAuthority` and `FromAuthority`;
- authority and worker, on the worker's control channel: `Control` (authority to worker) and `Report` (worker to
  authority).

Every request carries an ``id`` that its reply repeats. Handles are nonzero integers of one channel; 0 stands for NULL.
Decoding is typed: a frame gives a valid message or is refused before anyone looks at it.
"""

from __future__ import annotations

import msgspec

from secpkg.contract.values import AuthIdentity, LogonRequest, PackageInfo, TokenInformation

PROTOCOL_VERSION = 1
MAX_TOKEN = 128 * 1024
"""Bytes in one token from outside; larger ones are refused before the package sees them."""
MAX_NAME = 1024
"""Characters in a name from outside."""
MAX_SUBMIT_BUFFER = 64 * 1024
"""Bytes in a ProtocolSubmitBuffer or AuthenticationInformation."""


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of all messages; tags are the class names but for those of the hot path, which are one letter."""


# --- application and worker --------------------------------------------------------------------------------------


class AcquireCredentials(_Message, frozen=True, tag="a"):
    """AcquireCredentialsHandle. ``logon_id`` names a session explicitly (SeTcbPrivilege, R144)."""

    id: int
    package: int
    use: int
    principal: str | None = None
    identity: AuthIdentity | None = None
    data: bytes = b""
    logon_id: int | None = None


class FreeCredentials(_Message, frozen=True, tag="f"):
    """FreeCredentialsHandle."""

    id: int
    credential: int


class InitializeContext(_Message, frozen=True, tag="i"):
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


class AcceptContext(_Message, frozen=True, tag="s"):
    """AcceptSecurityContext: one leg."""

    id: int
    credential: int
    context: int
    token: bytes
    requirements: int = 0
    channel_bindings: bytes | None = None
    data_representation: int = 0x10
    buffers: tuple[tuple[int, bytes], ...] = ()


class DeleteContext(_Message, frozen=True, tag="d"):
    """DeleteSecurityContext: the user half is gone already (spec/README 9)."""

    id: int
    context: int


class QueryContext(_Message, frozen=True, tag="q"):
    """QueryContextAttributes of the LSA half."""

    id: int
    context: int
    attribute: int


ToWorker = AcquireCredentials | FreeCredentials | InitializeContext | AcceptContext | DeleteContext | QueryContext


class CredentialsAcquired(_Message, frozen=True, tag="A"):
    """Reply to `AcquireCredentials`."""

    id: int
    credential: int
    expiry: float


class Done(_Message, frozen=True, tag="D"):
    """Reply without results."""

    id: int


class Stepped(_Message, frozen=True, tag="S"):
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


class Failed(_Message, frozen=True, tag="F"):
    """A call failed. ``reason`` is the host's own named reason (a dead worker, a stale handle) and never a package's:
    those go to the audit record and the trace.
    """

    id: int
    status: int
    substatus: int = 0
    reason: str = ""


class Answered(_Message, frozen=True, tag="V"):
    """Reply with a value whose type the request implies."""

    id: int
    value: msgspec.Raw


FromWorker = CredentialsAcquired | Done | Stepped | Failed | Answered


# --- application and authority -----------------------------------------------------------------------------------


class UserHalf(msgspec.Struct, frozen=True, array_like=True):
    """Which user half belongs to a package, by the authority's registry and never by a worker's word: entry point
    ``name`` of group ``secpkg.user_mode``, and the distribution's name, version and digest of its files.
    """

    entry_point: str
    distribution: str
    version: str
    digest: bytes


class Connect(_Message, frozen=True):
    """First message of a connection: LsaConnectUntrusted, or LsaRegisterLogonProcess when a name is given."""

    id: int
    version: int
    logon_process_name: str | None = None


class Connected(_Message, frozen=True):
    """Reply to `Connect`."""

    id: int
    version: int
    trusted: bool
    domain_name: str


class OpenPackage(_Message, frozen=True):
    """Ask for a channel to the worker of a package. ``token`` is a handle of the access token to present, else 0."""

    id: int
    name: str
    token: int = 0


class PackageOpened(_Message, frozen=True):
    """Reply to `OpenPackage`; the channel's descriptor comes with it. Packages of one module share a channel."""

    id: int
    package: int
    module: str
    info: PackageInfo
    user_half: UserHalf | None


class ListPackages(_Message, frozen=True):
    """EnumerateSecurityPackages."""

    id: int


class PackageList(_Message, frozen=True):
    """Reply to `ListPackages`: the authority's packages, and the operator's list of plain SSPs by entry point, which
    an application loads from its own environment.
    """

    id: int
    packages: tuple[PackageInfo, ...]
    security_providers: tuple[str, ...] = ()


class LookupPackage(_Message, frozen=True):
    """LsaLookupAuthenticationPackage."""

    id: int
    name: str


class PackageNumber(_Message, frozen=True):
    """Reply to `LookupPackage`."""

    id: int
    package: int


class LogonUser(_Message, frozen=True):
    """LsaLogonUser."""

    id: int
    package: int
    request: LogonRequest


class LoggedOn(_Message, frozen=True):
    """Reply to `LogonUser`: the session, a handle of its access token, and the package's profile buffer."""

    id: int
    logon_id: int
    token: int
    profile: bytes
    account_name: str


class CallPackage(_Message, frozen=True):
    """LsaCallAuthenticationPackage."""

    id: int
    package: int
    submit_buffer: bytes


class PackageAnswered(_Message, frozen=True):
    """Reply to `CallPackage`: the return buffer and ProtocolStatus."""

    id: int
    data: bytes
    protocol_status: int


class RedeemToken(_Message, frozen=True):
    """Turn a reference, made for a context of this connection's channels, into a handle (lock 5)."""

    id: int
    reference: bytes


class TokenOpened(_Message, frozen=True):
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


class ReleaseReference(_Message, frozen=True):
    """The context of a reference that was never redeemed is gone."""

    id: int
    reference: bytes


class CloseToken(_Message, frozen=True):
    """CloseHandle of an access token."""

    id: int
    token: int


class DuplicateToken(_Message, frozen=True):
    """Another handle of the same token."""

    id: int
    token: int


class TokenDescriptor(_Message, frozen=True):
    """Ask for a descriptor that stands for the token, to pass to another process; it comes with `Done`."""

    id: int
    token: int


class AdoptToken(_Message, frozen=True):
    """Present a token's descriptor (it comes with the message) for a handle of this connection: `TokenOpened`."""

    id: int


class ListSessions(_Message, frozen=True):
    """LsaEnumerateLogonSessions."""

    id: int


class SessionList(_Message, frozen=True):
    """Reply to `ListSessions`."""

    id: int
    logon_ids: tuple[int, ...]


class GetSession(_Message, frozen=True):
    """LsaGetLogonSessionData: the session's owner and trusted callers only (R101)."""

    id: int
    logon_id: int


class SessionData(_Message, frozen=True):
    """``SECURITY_LOGON_SESSION_DATA``, as far as there is a counterpart here; times in UTC seconds."""

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


class Manage(_Message, frozen=True):
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
    | LogonUser
    | CallPackage
    | RedeemToken
    | ReleaseReference
    | CloseToken
    | DuplicateToken
    | TokenDescriptor
    | AdoptToken
    | ListSessions
    | GetSession
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


# --- authority and worker ----------------------------------------------------------------------------------------


class LoadModule(_Message, frozen=True):
    """First message to a worker: which module to load (a `ModuleDescription`), with what. Package ids follow each other
    from ``first_package_id``. The descriptor of the watchdog's page comes along.
    """

    name: str
    distribution: str
    version: str
    digest: bytes
    target: str
    path: str
    first_package_id: int
    domain_name: str
    domain_sid: str
    machine_state: int
    seed: bytes
    trace: bool
    memory_limit: int
    descriptor_limit: int
    timeout: float


class Adopt(_Message, frozen=True):
    """A new application channel (its descriptor comes along) and who is at its other end (lock 1)."""

    channel: int
    process_id: int
    uid: int
    gid: int
    has_tcb_privilege: bool
    logon_id: int | None


class Abandon(_Message, frozen=True):
    """The application behind a channel is gone or no longer welcome: run its handles down."""

    channel: int


class PackageCall(_Message, frozen=True):
    """Call a function of a package (LsaAp*, SpAcceptCredentials ...); arguments as an array, typed by its signature.
    ``caller`` repeats an `Adopt` without a channel, for logons.
    """

    id: int
    package: int
    function: str
    arguments: msgspec.Raw
    caller: tuple[int, int, int, bool, int | None]
    timeout: float


class LsaResult(_Message, frozen=True):
    """Answer to `LsaCall`; the value is typed by the function's signature."""

    id: int
    value: msgspec.Raw


class LsaFailed(_Message, frozen=True):
    """`LsaCall` failed with its documented status."""

    id: int
    status: int
    substatus: int = 0
    reason: str = ""


class SetTrace(_Message, frozen=True):
    """Begin or stop to report every call."""

    on: bool


class Drain(_Message, frozen=True):
    """Refuse new contexts and credentials of a package from now on; existing ones live (the deadline is the
    authority's to keep). `Drained` follows when none is left.
    """

    package: int


class Stop(_Message, frozen=True):
    """SpShutdown of every package in reverse order, then leave."""


Control = LoadModule | Adopt | Abandon | PackageCall | LsaResult | LsaFailed | SetTrace | Drain | Stop


class LoadedPackage(msgspec.Struct, frozen=True, array_like=True):
    """One package of a module, or why it is broken. ``functions`` are the entries of its tables."""

    package: int
    info: PackageInfo
    functions: tuple[str, ...]
    broken: str = ""


class Loaded(_Message, frozen=True):
    """The module is loaded; packages that failed are listed with the reason (spec/README 1)."""

    packages: tuple[LoadedPackage, ...]


class LoadFailed(_Message, frozen=True):
    """The module could not be loaded: what is wrong, in one line."""

    reason: str


class LsaCall(_Message, frozen=True):
    """A package calls an LSA function. ``channel`` is the application channel whose call it works for and ``call`` that
    call's number in this worker; without a channel, ``call`` is the `PackageCall` that it works for, 0 for none.
    """

    id: int
    package: int
    channel: int
    call: int
    function: str
    arguments: msgspec.Raw


class PackageResult(_Message, frozen=True):
    """Answer to `PackageCall`."""

    id: int
    value: msgspec.Raw


class PackageFailed(_Message, frozen=True):
    """`PackageCall` failed; here the reason may be the package's own, since it goes to the audit record."""

    id: int
    status: int
    substatus: int = 0
    reason: str = ""


class ChannelClosed(_Message, frozen=True):
    """An application closed its channel; its handles are run down, and the number is never used again."""

    channel: int


class Drained(_Message, frozen=True):
    """A draining package has no handles left."""

    package: int


class Unload(_Message, frozen=True):
    """A package called UnloadPackage: take it out of service (R39)."""

    package: int


class Traced(_Message, frozen=True):
    """One finished call, for whoever looks: monotonic start, seconds, kind, function, package, channel, handle, status,
    bytes in and out, and the named reason.
    """

    start: float
    seconds: float
    kind: str
    function: str
    package: str
    channel: int
    handle: int
    status: int
    received: int
    sent: int
    reason: str


Report = Loaded | LoadFailed | LsaCall | PackageResult | PackageFailed | ChannelClosed | Drained | Unload | Traced


encode = msgspec.msgpack.Encoder().encode
"""Any message to its frame."""

decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode
