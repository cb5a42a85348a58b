"""Hello's LSA half, driven without a host: the authority is a dict of functions."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TypeVar, cast

import pytest

from secpkg.contract import (
    Acquired,
    AscReq,
    AuthData,
    AuthIdentity,
    Call,
    ClientInfo,
    Complete,
    ContextRequest,
    Continue,
    ConvertedToken,
    CredentialUse,
    InterfaceVersion,
    IscReq,
    LogonAudit,
    LogonRefused,
    LogonRequest,
    LogonResult,
    LogonType,
    LsaFunctions,
    PackageParameters,
    PrimaryCredential,
    PrimaryCredentialFlag,
    Refused,
    SecurityError,
    Status,
    Step,
    StoredCredential,
    TokenInformation,
    TokenReference,
)
from secpkg.contract.requests import Request, run
from secpkg.protocols import scram
from secpkg.protocols.scram import Verifier
from secpkg_hello.lsa_mode import Hello, lsa_mode_initialize
from secpkg_hello.lsa_mode.accounts import ITERATIONS
from secpkg_hello.lsa_mode.ssp import MAX_ITERATIONS, Credential, Handshake
from secpkg_hello.packed_context import PackedContext

T = TypeVar("T")
ALICE = AuthData("alice", "EXAMPLE", "S-1-5-21-1-2-3-1001", TokenInformation("S-1-5-21-1-2-3-1001", expiration=9e9))


class Functions:
    """Every LSA function: awaiting it asks the lab."""

    def __getattr__(self, name: str) -> Callable[..., Request[object]]:
        return lambda *arguments: Request(name, arguments)


class Lab:
    """A Hello that was initialised, and the authority that it calls."""

    def __init__(self, seed: bytes = b"0123456789abcdef") -> None:
        self.hello = Hello()
        self.authority = cast(LsaFunctions, Functions())
        self.sessions: dict[int, list[tuple[bytes, bytes]]] = {}
        self.accounts: dict[str, AuthData] = {}
        self.asked: list[str] = []
        self.audited: list[LogonAudit] = []
        self.broken: set[str] = set()
        self.disabled = False
        self.token = TokenReference(b"token")
        chance = random.Random(7)
        self.call = Call(ClientInfo(1, 1000, 1000), 1e9, chance.randbytes)
        self.run(self.hello.initialize(1, PackageParameters("EXAMPLE", "S-1-5-21-1-2-3", seed=seed), self.authority))
        self.set_password("alice", "pencil")
        self.add("fresh", None)
        self.add("broken", b"SCRAM-SHA-1$x")

    def add(self, name: str, verifier: bytes | None) -> None:
        self.accounts[name] = AuthData(name, "EXAMPLE", ALICE.user_sid, ALICE.token_information, verifier)

    def set_password(self, name: str, password: str) -> None:
        self.add(name, Verifier.derive(password, salt=self.call.entropy(16), iterations=ITERATIONS).encode())

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        return run(coroutine, self.answer)

    def answer(self, request: Request[object]) -> object:
        self.asked.append(request.function)
        if request.function in self.broken:
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES)
        return getattr(self, f"_{request.function}")(*request.arguments)

    def _get_auth_data_for_user(self, name: str) -> AuthData:
        try:
            return self.accounts[name.rpartition("\\")[2].lower()]
        except KeyError:
            raise SecurityError(Status.STATUS_NO_SUCH_USER) from None

    def _create_logon_session(self, logon_id: int) -> None:
        assert logon_id not in self.sessions
        self.sessions[logon_id] = []

    def _delete_logon_session(self, logon_id: int) -> None:
        del self.sessions[logon_id]

    def _credentials(self, logon_id: int) -> list[tuple[bytes, bytes]]:
        if logon_id not in self.sessions:
            raise SecurityError(Status.STATUS_NO_SUCH_LOGON_SESSION)
        return self.sessions[logon_id]

    def _add_credential(self, logon_id: int, key: bytes, credentials: bytes) -> None:
        self._credentials(logon_id).append((key, credentials))

    def _get_credentials(self, logon_id: int, query_context: int = 0) -> StoredCredential:
        entries = self._credentials(logon_id)
        if query_context >= len(entries):
            raise SecurityError(Status.ERROR_GEN_FAILURE)
        return StoredCredential(*entries[query_context], query_context + 1)

    def _delete_credential(self, logon_id: int, key: bytes) -> None:
        entries = self._credentials(logon_id)
        del entries[[k for k, _ in entries].index(key)]

    def _convert_auth_data_to_token(self, auth: AuthData) -> ConvertedToken:
        if self.disabled:
            raise SecurityError(Status.STATUS_ACCOUNT_RESTRICTION, substatus=Status.STATUS_ACCOUNT_DISABLED)
        return ConvertedToken(self.token, 5, auth.account_name)

    def _audit_logon(self, record: LogonAudit) -> None:
        self.audited.append(record)

    def acquire(
        self, use: CredentialUse, *, data: object = None, logon_id: int | None = None, principal: str | None = None
    ) -> Credential:
        acquired = self.run(self.hello.acquire_credentials_handle(self.call, principal, use, logon_id, data))
        return cast(Credential, acquired.credential)

    def password_credential(self, user: str = "alice", password: str = "pencil") -> Credential:
        return self.acquire(CredentialUse.OUTBOUND, data=AuthIdentity(user, "EXAMPLE" * (user == "alice"), password))

    def server(self) -> Credential:
        return self.acquire(CredentialUse.INBOUND)


def handshake(
    lab: Lab,
    client: Credential,
    server: Credential,
    *,
    isc: int = 0,
    asc: int = 0,
    bindings: tuple[bytes | None, bytes | None] = (None, None),
    changes: Sequence[Callable[[bytes], bytes]] = (bytes,) * 4,
    tokens: list[bytes] | None = None,
) -> tuple[Step | None, Step | None]:
    """Both ends, until one has nothing to send: (client's last step, server's last step)."""
    steps: list[Step | None] = [None, None]
    token = b""
    for leg in range(5):
        end = leg % 2
        last = steps[end]
        context = cast(Handshake, last.context) if isinstance(last, Continue) else None
        request = ContextRequest(token, "hello/host", asc if end else isc, bindings[end])
        credential = server if end else client
        step = lab.hello.accept_lsa_mode_context if end else lab.hello.init_lsa_mode_context
        made = lab.run(step(lab.call, credential, context, request))
        steps[end] = made
        token = getattr(made, "token", b"")
        if leg == 4 or not token:
            break
        if tokens is not None:
            tokens.append(token)
        token = changes[leg](token)
    return steps[0], steps[1]


@pytest.fixture
def lab() -> Lab:
    return Lab()


INTERACTIVE = LogonType.INTERACTIVE


def logon(lab: Lab, username: str, password: str | None, kind: LogonType = INTERACTIVE) -> LogonResult | LogonRefused:
    return lab.run(lab.hello.logon_user_ex2(lab.call, LogonRequest(kind, username, "EXAMPLE", password)))


# AP


@pytest.mark.parametrize("kind", [LogonType.INTERACTIVE, LogonType.UNLOCK, LogonType.NETWORK])
def test_a_good_password_makes_a_session_and_says_who_it_is_R44(lab: Lab, kind: LogonType) -> None:
    result = logon(lab, "Alice", "pencil", kind)
    assert isinstance(result, LogonResult)
    assert result.account_name == "alice"
    assert result.token_information is ALICE.token_information
    assert list(lab.sessions) == [result.logon_id]
    primary = result.primary_credentials
    assert primary is not None
    assert (primary.logon_id, primary.downlevel_name, primary.password) == (result.logon_id, "alice", "pencil")
    assert primary.flags is PrimaryCredentialFlag.CLEAR_PASSWORD
    assert len(lab.sessions[result.logon_id]) == (kind is LogonType.INTERACTIVE)


@pytest.mark.parametrize(
    ("username", "password", "account", "reason"),
    [
        ("ALICE", "pen", "alice", "wrong_password"),
        ("alice", "\u0007", "alice", "wrong_password"),
        ("nobody", "pencil", "EXAMPLE\\nobody", "unknown_user"),
        ("fresh", "pencil", "fresh", "no_verifier"),
        ("broken", "pencil", "broken", "verifier_malformed"),
    ],
)
def test_refused_logons_look_alike_R46_R54(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, username: str, password: str, account: str, reason: str
) -> None:
    work = []
    check = scram.check_password

    def counted(verifier: scram.Verifier, password: str) -> bytes:
        work.append(verifier.iterations)
        return check(verifier, password)

    monkeypatch.setattr(scram, "check_password", counted)
    result = logon(lab, username, password)
    assert result == LogonRefused(Status.STATUS_LOGON_FAILURE, account, reason=reason)
    assert work == [ITERATIONS]
    assert not lab.sessions
    assert lab.asked == ["get_auth_data_for_user"]


def test_other_buffers_and_logon_types_are_refused_R56_R57(lab: Lab) -> None:
    def status(request: LogonRequest) -> Status:
        result = lab.run(lab.hello.logon_user_ex2(lab.call, request))
        assert isinstance(result, LogonRefused)
        return result.status

    wrong = Status.STATUS_BAD_VALIDATION_CLASS
    assert status(LogonRequest(INTERACTIVE, "alice")) is wrong
    assert status(LogonRequest(INTERACTIVE, "", password="x")) is wrong
    assert status(LogonRequest(INTERACTIVE, "alice", password="x", authentication_information=b"x")) is wrong
    assert status(LogonRequest(LogonType.BATCH, "alice", password="pencil")) is Status.STATUS_INVALID_LOGON_TYPE
    assert not lab.asked


def test_a_session_made_in_vain_is_deleted_R45(lab: Lab) -> None:
    lab.broken.add("add_credential")
    with pytest.raises(SecurityError) as raised:
        logon(lab, "alice", "pencil")
    assert raised.value.status is Status.STATUS_INSUFFICIENT_RESOURCES
    assert not lab.sessions
    assert lab.asked[-1] == "delete_logon_session"


def test_an_authority_that_fails_is_no_unknown_user(lab: Lab) -> None:
    lab.broken.add("get_auth_data_for_user")
    with pytest.raises(SecurityError) as raised:
        logon(lab, "alice", "pencil")
    assert raised.value.status is Status.STATUS_INSUFFICIENT_RESOURCES


def test_the_verifier_is_made_when_the_password_is_set(lab: Lab) -> None:
    def accept(primary: PrimaryCredential) -> object:
        return lab.run(lab.hello.accept_credentials(lab.call, INTERACTIVE, "alice", primary, None))

    update = PrimaryCredentialFlag.UPDATE | PrimaryCredentialFlag.CLEAR_PASSWORD
    made = [accept(PrimaryCredential(0, "alice", "EXAMPLE", password="new", flags=update)) for _ in range(2)]
    verifiers = [scram.Verifier.decode(m.credentials) for m in made]  # type: ignore[attr-defined]
    assert verifiers[0].salt != verifiers[1].salt
    assert {v.iterations for v in verifiers} == {ITERATIONS}
    scram.check_password(verifiers[0], "new")
    assert accept(PrimaryCredential(0, "alice", "EXAMPLE", flags=update)) is None
    assert accept(PrimaryCredential(5, "alice", "EXAMPLE", password="new", flags=update)) is None
    assert accept(PrimaryCredential(0, "alice", "EXAMPLE", password="new")) is None
    with pytest.raises(SecurityError, match="ILL_FORMED"):
        accept(PrimaryCredential(0, "alice", "EXAMPLE", password="", flags=update))


def test_the_end_of_a_session_takes_its_credentials_R94(lab: Lab) -> None:
    result = logon(lab, "alice", "pencil")
    assert isinstance(result, LogonResult)
    lab.sessions[result.logon_id] *= 2
    lab.run(lab.hello.logon_terminated(result.logon_id))
    assert lab.sessions == {result.logon_id: []}
    lab.broken.add("get_credentials")
    lab.run(lab.hello.logon_terminated(77))
    lab.run(lab.hello.logon_terminated(result.logon_id))
    again = logon(lab, "alice", "pencil")
    assert isinstance(again, LogonResult)
    with pytest.raises(SecurityError):
        lab.run(lab.hello.logon_terminated(again.logon_id))


def test_without_a_seed_there_is_no_hello(lab: Lab) -> None:
    with pytest.raises(SecurityError) as raised:
        Lab(seed=b"short")
    assert raised.value.status is Status.SEC_E_CANNOT_INSTALL


# SSP


def test_a_password_handshake_proves_both_sides(lab: Lab) -> None:
    client, server = handshake(lab, lab.password_credential(), lab.server())
    assert isinstance(client, Complete)
    assert isinstance(server, Complete)
    assert client.packed_context and server.packed_context
    ours, theirs = PackedContext.unpack(client.packed_context), PackedContext.unpack(server.packed_context)
    assert ours.session_key == theirs.session_key
    assert (ours.initiator, theirs.initiator) == (True, False)
    assert (ours.peer, theirs.peer) == ("hello/host", "EXAMPLE\\alice")
    assert client.token == b""
    assert server.access_token == lab.token
    assert client.access_token is None
    assert theirs.expiry == server.expiry == ALICE.token_information.expiration
    # At most two calls to the authority for each leg of the server; Hello needs one.
    assert lab.asked == ["get_auth_data_for_user", "convert_auth_data_to_token"]


@pytest.mark.breaks("R179", "secpkg_hello.lsa_mode.ssp:_complete")
def test_granted_is_what_was_asked_in_the_bits_of_each_side_R174_R177_R179(lab: Lab) -> None:
    def granted(isc: int, asc: int) -> tuple[int, int]:
        client, server = handshake(lab, lab.password_credential(), lab.server(), isc=isc, asc=asc)
        assert isinstance(client, Complete) and isinstance(server, Complete)
        return client.attributes, server.attributes

    everything = (1 << 40) - 1
    isc = IscReq.MUTUAL_AUTH | IscReq.REPLAY_DETECT | IscReq.SEQUENCE_DETECT | IscReq.CONFIDENTIALITY | IscReq.INTEGRITY
    asc = AscReq(isc & 0xFF) | AscReq.INTEGRITY | AscReq.EXTENDED_ERROR
    assert granted(everything & ~IscReq.NO_INTEGRITY, everything) == (isc, asc)
    assert granted(0, 0) == (0, 0)
    assert granted(IscReq.REPLAY_DETECT, AscReq.SEQUENCE_DETECT) == (
        IscReq.REPLAY_DETECT | IscReq.INTEGRITY, AscReq.SEQUENCE_DETECT | AscReq.INTEGRITY,
    )  # fmt: skip
    assert granted(isc | IscReq.NO_INTEGRITY, 0)[0] == IscReq.MUTUAL_AUTH | IscReq.CONFIDENTIALITY


def test_default_credentials_need_no_password_R142(lab: Lab) -> None:
    result = logon(lab, "alice", "pencil")
    assert isinstance(result, LogonResult)
    credential = lab.acquire(CredentialUse.OUTBOUND, logon_id=result.logon_id)
    client, server = handshake(lab, credential, lab.server())
    assert isinstance(client, Complete) and isinstance(server, Complete)

    lab.set_password("alice", "pencil")
    with pytest.raises(SecurityError) as raised:
        handshake(lab, credential, lab.server())
    assert raised.value.status is Status.SEC_E_NO_CREDENTIALS


def test_no_session_or_none_with_a_password_is_no_credentials_R142(lab: Lab) -> None:
    result = logon(lab, "alice", "pencil", LogonType.NETWORK)
    assert isinstance(result, LogonResult)
    for logon_id in (None, 99, result.logon_id):
        with pytest.raises(SecurityError) as raised:
            lab.acquire(CredentialUse.OUTBOUND, logon_id=logon_id)
        assert raised.value.status is Status.SEC_E_NO_CREDENTIALS


def test_default_credentials_of_another_principal_are_not_given_R143(lab: Lab) -> None:
    result = logon(lab, "alice", "pencil")
    assert isinstance(result, LogonResult)
    for mine in ("alice", "Example\\Alice"):
        lab.acquire(CredentialUse.OUTBOUND, logon_id=result.logon_id, principal=mine)
    with pytest.raises(SecurityError) as raised:
        lab.acquire(CredentialUse.OUTBOUND, logon_id=result.logon_id, principal="bob")
    assert raised.value.status is Status.SEC_E_NOT_OWNER


def test_credentials_are_for_one_direction_and_of_one_form(lab: Lab) -> None:
    with pytest.raises(SecurityError) as raised:
        lab.acquire(CredentialUse.OUTBOUND, data=b"alice")
    assert raised.value.status is Status.SEC_E_UNKNOWN_CREDENTIALS
    first = lab.run(lab.hello.init_lsa_mode_context(lab.call, lab.server(), None, ContextRequest()))
    assert isinstance(first, Refused) and first.status is Status.SEC_E_NO_CREDENTIALS
    request = ContextRequest(b"n,,n=alice,r=0123456789abcdef")
    second = lab.run(lab.hello.accept_lsa_mode_context(lab.call, lab.password_credential(), None, request))
    assert isinstance(second, Refused) and second.status is Status.SEC_E_NO_CREDENTIALS


def test_a_key_is_derived_once_for_each_salt_and_forgotten_with_the_handle(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    derived = []
    derive = scram.salted_password

    def counted(password: str, salt: bytes, iterations: int) -> bytes:
        derived.append(salt)
        return derive(password, salt, iterations)

    monkeypatch.setattr(scram, "salted_password", counted)
    credential = lab.password_credential()
    for _ in range(3):
        handshake(lab, credential, lab.server())
    assert len(derived) == 1
    for n in range(20):
        credential.key(bytes([n]) * 16, 4096)
    assert len(credential.keys) == 8
    lab.run(lab.hello.free_credentials_handle(lab.call, credential))
    assert not credential.keys and not credential.password
    with pytest.raises(scram.Rejected):
        credential.key(bytes(16), MAX_ITERATIONS + 1)


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        ("alice", "pen", "wrong_password"),
        ("nobody", "pencil", "unknown_user"),
        ("fresh", "pencil", "no_verifier"),
        ("broken", "pencil", "verifier_malformed"),
    ],
)
def test_refused_proofs_look_alike_and_are_audited_R107(lab: Lab, username: str, password: str, reason: str) -> None:
    tokens: list[bytes] = []
    credential = lab.password_credential(username, password)
    client, server = handshake(lab, credential, lab.server(), asc=AscReq.EXTENDED_ERROR, tokens=tokens)
    assert server == Refused(Status.SEC_E_LOGON_DENIED, b"e=invalid-proof", reason)
    assert isinstance(client, Refused) and client.status is Status.SEC_E_LOGON_DENIED
    assert tokens[1].endswith(b",i=%d" % ITERATIONS)
    assert lab.asked == ["get_auth_data_for_user", "audit_logon"]
    (record,) = lab.audited
    assert record.status is Status.STATUS_LOGON_FAILURE
    assert record.account_name.endswith(username) and record.reason == reason
    assert reason not in str(tokens)


def test_an_unknown_user_has_one_salt_in_every_spelling(lab: Lab) -> None:
    def salt(name: bytes) -> bytes:
        request = ContextRequest(b"n,,n=%b,r=0123456789abcdef" % name)
        step = lab.run(lab.hello.accept_lsa_mode_context(lab.call, lab.server(), None, request))
        assert isinstance(step, Continue)
        return step.token.split(b",")[1]

    assert salt(b"nobody") == salt(b"NoBody") == salt(b"EXAMPLE\\nobody") != salt(b"nobody2")


def test_a_restricted_account_is_told_after_the_proof_R55(lab: Lab) -> None:
    lab.disabled = True
    _, server = handshake(lab, lab.password_credential(), lab.server())
    assert isinstance(server, Refused)
    assert (server.status, server.substatus) == (Status.STATUS_ACCOUNT_RESTRICTION, Status.STATUS_ACCOUNT_DISABLED)
    _, server = handshake(lab, lab.password_credential("alice", "pen"), lab.server())
    assert isinstance(server, Refused) and server.status is Status.SEC_E_LOGON_DENIED


END_POINT = b"tls-server-end-point:" + bytes(range(32))
EXPORTER = b"tls-exporter:" + bytes(range(32))
MISSING_IS_FINE = AscReq.ALLOW_MISSING_BINDINGS


@pytest.mark.parametrize(
    ("client", "server", "asc", "good"),
    [
        (None, None, 0, True),
        (b"", None, 0, True),
        (END_POINT, END_POINT, 0, True),
        (EXPORTER, EXPORTER, 0, True),
        (b"anything", b"anything", 0, True),
        (bytes(32), None, 0, True),
        (None, bytes(32), 0, True),
        (None, b"", 0, True),
        (None, END_POINT, MISSING_IS_FINE, True),
        (None, END_POINT, 0, False),  # R234
        (b"", END_POINT, MISSING_IS_FINE, False),  # could bind, was told that we cannot: a downgrade
        (b"", END_POINT, 0, False),
        (END_POINT, None, 0, False),
        (END_POINT, END_POINT[:-1] + b"x", 0, False),
        (END_POINT, END_POINT[:-1] + b"x", MISSING_IS_FINE, False),
        (END_POINT, EXPORTER, 0, False),
        (b"anything", b"something", 0, False),
    ],
)
def test_channel_bindings_R233_R235(lab: Lab, client: bytes | None, server: bytes | None, asc: int, good: bool) -> None:
    ends = handshake(lab, lab.password_credential(), lab.server(), asc=asc, bindings=(client, server))
    if good:
        assert all(isinstance(end, Complete) for end in ends)
    else:
        assert isinstance(ends[1], Refused) and ends[1].status is Status.SEC_E_BAD_BINDINGS
        assert lab.asked[-1] == "audit_logon"


def test_bindings_that_cannot_be_are_the_callers_fault(lab: Lab) -> None:
    request = ContextRequest(channel_bindings=b"tls-exporter:short")
    step = lab.run(lab.hello.init_lsa_mode_context(lab.call, lab.password_credential(), None, request))
    assert isinstance(step, Refused) and step.status is Status.SEC_E_BAD_BINDINGS


# Enemies


@pytest.mark.parametrize("leg", range(4))
def test_no_token_survives_a_flipped_bit(lab: Lab, leg: int) -> None:
    """A changed token is refused by its receiver or, where it was not signed yet, by the proof that covers it."""
    tokens: list[bytes] = []
    handshake(lab, lab.password_credential(), lab.server(), tokens=tokens, bindings=(END_POINT, END_POINT))
    credential, server = lab.password_credential(), lab.server()
    for position in range(len(tokens[leg])):
        for bit in range(8):

            def flip(token: bytes, position: int = position, bit: int = bit) -> bytes:
                return token[:position] + bytes([token[position] ^ 1 << bit]) + token[position + 1 :]

            changes: list[Callable[[bytes], bytes]] = [bytes] * 4
            changes[leg] = flip
            ends = handshake(lab, credential, server, changes=changes, bindings=(END_POINT, END_POINT))
            assert any(isinstance(end, Refused) for end in ends)
            # What the last message damages, only the client can see.
            assert leg == 3 or not isinstance(ends[1], Complete)
            assert not isinstance(ends[0], Complete)


@pytest.mark.parametrize("token", [b"", b"\0", b"n,,", b"x" * 4097, b"c=biws,r=x,p=AAAA", b"v=AAAA", b"\xff" * 100])
@pytest.mark.parametrize("leg", range(4))
def test_garbage_is_an_invalid_token(lab: Lab, token: bytes, leg: int) -> None:
    changes: list[Callable[[bytes], bytes]] = [bytes] * 4
    changes[leg] = lambda _: token
    ends = handshake(lab, lab.password_credential(), lab.server(), changes=changes)
    refused = ends[1] if leg in (0, 2) else ends[0]
    assert isinstance(refused, Refused) and refused.status is Status.SEC_E_INVALID_TOKEN


def test_a_leg_cannot_be_tried_twice(lab: Lab) -> None:
    """A second proof on the same challenge would be a free guess."""
    credential, server = lab.password_credential(), lab.server()
    first = lab.run(lab.hello.init_lsa_mode_context(lab.call, credential, None, ContextRequest()))
    assert isinstance(first, Continue)
    challenge = lab.run(lab.hello.accept_lsa_mode_context(lab.call, server, None, ContextRequest(first.token)))
    assert isinstance(challenge, Continue)
    context = cast(Handshake, challenge.context)
    for status in (Status.SEC_E_INVALID_TOKEN, Status.SEC_E_INVALID_HANDLE):
        step = lab.run(lab.hello.accept_lsa_mode_context(lab.call, server, context, ContextRequest(b"c=x")))
        assert isinstance(step, Refused) and step.status is status
    mine = cast(Handshake, first.context)
    lab.run(lab.hello.delete_context(lab.call, mine))
    lab.run(lab.hello.delete_context(lab.call, None))
    step = lab.run(lab.hello.init_lsa_mode_context(lab.call, credential, mine, ContextRequest(challenge.token)))
    assert isinstance(step, Refused) and step.status is Status.SEC_E_INVALID_HANDLE


def test_a_server_that_holds_no_verifier_cannot_pose_as_one(lab: Lab) -> None:
    client, _ = handshake(
        lab, lab.password_credential(), lab.server(), changes=[bytes, bytes, bytes, lambda _: b"v=" + b"A" * 43 + b"="]
    )
    assert isinstance(client, Refused) and client.status is Status.SEC_E_MUTUAL_AUTH_FAILED


def test_the_longest_tokens_fit_max_token_R35(lab: Lab) -> None:
    tokens: list[bytes] = []
    bindings = (b"b" * 1024, b"b" * 1024)
    credential = lab.acquire(CredentialUse.OUTBOUND, data=AuthIdentity("=" * 1024, password="x"))
    handshake(lab, credential, lab.server(), tokens=tokens, bindings=bindings, asc=AscReq.EXTENDED_ERROR)
    assert max(map(len, tokens)) <= lab.hello.info.max_token
    step = lab.run(lab.hello.init_lsa_mode_context(
        lab.call, lab.acquire(CredentialUse.OUTBOUND, data=AuthIdentity("=" * 1025)), None, ContextRequest()
    ))  # fmt: skip
    assert isinstance(step, Refused) and step.status is Status.SEC_E_UNKNOWN_CREDENTIALS


def test_secrets_have_no_repr(lab: Lab) -> None:
    credential = lab.password_credential()
    client, _ = handshake(lab, credential, lab.server())
    assert isinstance(client, Complete) and client.packed_context
    unpacked = PackedContext.unpack(client.packed_context)
    assert "pencil" not in repr(credential) and repr(unpacked.session_key) not in repr(unpacked)


def test_rfc_7677_through_the_package(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7677 section 3. Its nonces are no base64 of 18 bytes, so they come from where nonces are printed."""
    path = Path(__file__).parents[3] / "vectors" / "scram" / "rfc7677.json"
    if not path.exists():
        pytest.skip("the vectors are in secpkg's repository")
    (vector,) = json.loads(path.read_text())["vectors"]
    nonces = iter([vector["client_nonce"].encode(), vector["server_nonce"].encode()])
    monkeypatch.setattr(scram, "printable_nonce", lambda _: next(nonces))
    verifier = scram.Verifier.derive(
        vector["password"], salt=bytes.fromhex(vector["salt"]), iterations=vector["iterations"]
    )
    lab.add("user", verifier.encode())
    tokens: list[bytes] = []
    ends = handshake(lab, lab.password_credential("user", vector["password"]), lab.server(), tokens=tokens)
    assert all(isinstance(end, Complete) for end in ends)
    expected = [vector[name] for name in ("client_first", "server_first", "client_final", "server_final")]
    assert [token.decode() for token in tokens] == expected


def test_initialize_and_exports(lab: Lab) -> None:
    tables = lsa_mode_initialize(InterfaceVersion.V11)
    (package,) = tables.packages
    assert package.info.name == lab.run(lab.hello.initialize_package(7, lab.authority)) == "Hello"
    assert isinstance(lab.run(lab.hello.acquire_credentials_handle(lab.call, None, CredentialUse.INBOUND, None, None)),
                      Acquired)  # fmt: skip
