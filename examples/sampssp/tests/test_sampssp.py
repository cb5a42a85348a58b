"""SampSSP between two ends in one process, without a host."""

from __future__ import annotations

import os
import random
from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from secpkg.contract import (
    AscReq,
    AuthIdentity,
    Buffer,
    Call,
    ClientInfo,
    Complete,
    ContextAttribute,
    ContextFlags,
    ContextRequest,
    Continue,
    CredentialUse,
    IscReq,
    IscRet,
    Lifespan,
    Names,
    Refused,
    SecBuffer,
    SecurityError,
    SessionKey,
    Sizes,
    Status,
    Step,
)
from secpkg.contract.channel_bindings import ChannelBindings, pack
from secpkg.contract.flags import SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS, BufferFlag, BufferType
from secpkg.contract.values import NEVER
from secpkg_sampssp import INFO, Context, Credential, Handshake, SampSSP, init_security_interface

SSP = SampSSP()
CALL = Call(ClientInfo(1, 1000, 1000), 5.0, random.Random(3).randbytes)
DATA, TOKEN = BufferType.DATA, BufferType.TOKEN
ISC = IscReq.MUTUAL_AUTH | IscReq.SEQUENCE_DETECT | IscReq.REPLAY_DETECT | IscReq.CONFIDENTIALITY | IscReq.INTEGRITY
ASC = AscReq(ISC & 0xFF) | AscReq.INTEGRITY
ALICE = b64encode(bytes(range(32))).decode()
BOB = b64encode(bytes(range(32, 64))).decode()


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "secpkg" / "sampssp.keys"
    path.parent.mkdir()
    path.write_text(f"# ours\n\nalice:{ALICE}\nbob:{BOB}\n")
    path.chmod(0o600)
    return path


def refusal(what: Callable[..., object], *arguments: object) -> Status:
    with pytest.raises(SecurityError) as raised:
        what(*arguments)
    return raised.value.status


def acquire(use: CredentialUse, principal: str | None = None, data: object = None) -> Credential:
    return cast(Credential, SSP.acquire_credentials_handle(CALL, "SampSSP", principal, use, data).credential)


def client(principal: str | None = None) -> Credential:
    return acquire(CredentialUse.OUTBOUND, principal)


def server(principal: str | None = None) -> Credential:
    return acquire(CredentialUse.INBOUND, principal)


def handshake(
    ours: Credential,
    theirs: Credential,
    *,
    isc: int = ISC,
    asc: int = ASC,
    bindings: tuple[bytes | None, bytes | None] = (None, None),
    changes: Sequence[Callable[[bytes], bytes]] = (bytes,) * 3,
    tokens: list[bytes] | None = None,
) -> tuple[Step | None, Step | None]:
    steps: list[Step | None] = [None, None]
    token = b""
    for leg in range(4):
        end = leg % 2
        last = steps[end]
        context = cast(Handshake, last.context) if isinstance(last, Continue) else None
        request = ContextRequest(token, "host/ä", asc if end else isc, bindings[end])
        step = SSP.accept_security_context if end else SSP.initialize_security_context
        made = step(CALL, theirs if end else ours, context, request)
        steps[end] = made
        token = getattr(made, "token", b"")
        if leg == 3 or not token:
            break
        if tokens is not None:
            tokens.append(token)
        token = changes[leg](token)
    return steps[0], steps[1]


def pair(isc: int = ISC, asc: int = ASC) -> tuple[Context, Context]:
    ends = handshake(client(), server(), isc=isc, asc=asc)
    assert all(isinstance(end, Complete) for end in ends)
    return cast(Context, ends[0].context), cast(Context, ends[1].context)  # type: ignore[union-attr]


# Credentials


def test_who_a_client_is(keys: Path) -> None:
    assert client().name == "alice"
    assert client("bob").name == "bob"
    assert acquire(CredentialUse.OUTBOUND, data=AuthIdentity("bob")).name == "bob"
    for data in (str(keys), str(keys).encode()):
        assert acquire(CredentialUse.OUTBOUND, data=data).name == "alice"
    assert refusal(client, "carol") is Status.SEC_E_NO_CREDENTIALS
    wrong = AuthIdentity("bob", password="secret")
    assert refusal(acquire, CredentialUse.OUTBOUND, None, wrong) is Status.SEC_E_UNKNOWN_CREDENTIALS
    assert refusal(acquire, CredentialUse.OUTBOUND, None, 7) is Status.SEC_E_UNKNOWN_CREDENTIALS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_file_that_others_may_touch_is_refused(keys: Path, mode: int) -> None:
    keys.chmod(mode)
    assert refusal(server) is Status.SEC_E_NOT_OWNER


def test_a_key_file_of_another_user_is_refused(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: keys.stat().st_uid + 1)
    assert refusal(server) is Status.SEC_E_NOT_OWNER


def test_no_file_or_no_regular_one(keys: Path) -> None:
    assert refusal(acquire, CredentialUse.INBOUND, None, str(keys.parent)) is Status.SEC_E_NO_CREDENTIALS
    os.mkfifo(keys.parent / "fifo", 0o600)
    assert refusal(acquire, CredentialUse.INBOUND, None, str(keys.parent / "fifo")) is Status.SEC_E_NOT_OWNER
    assert refusal(acquire, CredentialUse.INBOUND, None, "a\0b") is Status.SEC_E_NO_CREDENTIALS
    keys.unlink()
    assert refusal(server) is Status.SEC_E_NO_CREDENTIALS


@pytest.mark.parametrize(
    "content",
    [
        b"alice", b"alice:", b"alice:!!!!", b":" + ALICE.encode(), b"alice:" + b64encode(bytes(31)),
        b"\xff:" + ALICE.encode(),
        f"alice:{ALICE}\nalice:{BOB}".encode(), b"a" * 256 + b":" + ALICE.encode(), b"#" * 65537,
    ],
)  # fmt: skip
def test_a_malformed_key_file_is_refused_whole(keys: Path, content: bytes) -> None:
    keys.write_bytes(content)
    assert refusal(server) is Status.SEC_E_UNKNOWN_CREDENTIALS


def test_a_freed_credential_holds_no_key(keys: Path) -> None:
    credential = server()
    SSP.free_credentials_handle(credential)
    assert not credential.keys


# Handshake


def test_both_sides_are_proved(keys: Path) -> None:
    tokens: list[bytes] = []
    ours, theirs = handshake(client("bob"), server("host/ä"), tokens=tokens)
    assert isinstance(ours, Complete) and isinstance(theirs, Complete)
    assert [t[:4] for t in tokens] == [b"SSP1", b"SSP2", b"SSP3"]
    a, b = cast(Context, ours.context), cast(Context, theirs.context)
    query = SSP.query_context_attributes
    assert query(a, ContextAttribute.NAMES) == Names("host/ä")
    assert query(b, ContextAttribute.NAMES) == Names("bob")
    assert query(a, ContextAttribute.SESSION_KEY) == query(b, ContextAttribute.SESSION_KEY)
    assert isinstance(query(a, ContextAttribute.SESSION_KEY), SessionKey)
    assert query(a, ContextAttribute.SIZES) == Sizes(INFO.max_token, 28, 1, 28)
    assert query(a, ContextAttribute.LIFESPAN) == Lifespan(5.0, NEVER)
    assert query(a, ContextAttribute.FLAGS) == ContextFlags(ours.attributes) == ContextFlags(ISC)
    assert query(b, ContextAttribute.FLAGS) == ContextFlags(theirs.attributes) == ContextFlags(ASC)
    assert query(a, ContextAttribute.PACKAGE_INFO) is INFO
    assert refusal(query, a, ContextAttribute.DCE_INFO) is Status.SEC_E_UNSUPPORTED_FUNCTION


def test_granted_follows_what_was_asked_R177_R179(keys: Path) -> None:
    a, b = pair(IscReq.REPLAY_DETECT, AscReq.SEQUENCE_DETECT)
    assert a.attributes == IscReq.REPLAY_DETECT | IscReq.INTEGRITY
    assert b.attributes == AscReq.SEQUENCE_DETECT | AscReq.INTEGRITY
    assert pair(ISC | IscReq.NO_INTEGRITY)[0].attributes == IscRet.MUTUAL_AUTH | IscRet.CONFIDENTIALITY


@pytest.mark.parametrize("leg", range(3))
def test_no_token_survives_a_flipped_bit(keys: Path, leg: int) -> None:
    tokens: list[bytes] = []
    ours, theirs = client(), server()
    handshake(ours, theirs, tokens=tokens)
    for position in range(len(tokens[leg])):
        for bit in range(8):

            def flip(token: bytes, position: int = position, bit: int = bit) -> bytes:
                return token[:position] + bytes([token[position] ^ 1 << bit]) + token[position + 1 :]

            changes: list[Callable[[bytes], bytes]] = [bytes] * 3
            changes[leg] = flip
            ends = handshake(ours, theirs, changes=changes)
            assert not isinstance(ends[1], Complete)
            assert any(isinstance(end, Refused) for end in ends)


@pytest.mark.parametrize("token", [b"", b"SSP1", b"SSP2", b"SSP3" + bytes(33), b"x" * 5000, b"SSP1" + b"\xff" * 67])
@pytest.mark.parametrize("leg", range(3))
def test_garbage_is_an_invalid_token(keys: Path, token: bytes, leg: int) -> None:
    changes: list[Callable[[bytes], bytes]] = [bytes] * 3
    changes[leg] = lambda _: token
    ends = handshake(client(), server(), changes=changes)
    refused = ends[(leg + 1) % 2]
    assert isinstance(refused, Refused) and refused.status is Status.SEC_E_INVALID_TOKEN


def test_an_unknown_name_is_answered_like_a_wrong_key(keys: Path) -> None:
    ours, tokens = client(), cast(list[bytes], [])
    keys.write_text(f"bob:{BOB}\n")
    step, _ = handshake(ours, server(), tokens=tokens)
    keys.write_text(f"alice:{BOB}\n")
    other, _ = handshake(ours, server(), tokens=tokens)
    assert step == other == Refused(Status.SEC_E_MUTUAL_AUTH_FAILED, reason="acceptor_proof_mismatch")
    assert len(tokens[1]) == len(tokens[3])


def test_a_wrong_closing_is_denied_and_a_leg_not_tried_twice(keys: Path) -> None:
    first = SSP.initialize_security_context(CALL, client(), None, ContextRequest())
    assert isinstance(first, Continue)
    answer = SSP.accept_security_context(CALL, server(), None, ContextRequest(first.token))
    assert isinstance(answer, Continue)
    context = cast(Handshake, answer.context)
    for status in (Status.SEC_E_LOGON_DENIED, Status.SEC_E_INVALID_HANDLE):
        step = SSP.accept_security_context(CALL, server(), context, ContextRequest(b"SSP3" + bytes(32)))
        assert isinstance(step, Refused) and step.status is status
    mine = cast(Handshake, first.context)
    SSP.delete_security_context(mine)
    step = SSP.initialize_security_context(CALL, client(), mine, ContextRequest(answer.token))
    assert isinstance(step, Refused) and step.status is Status.SEC_E_INVALID_HANDLE


def test_a_client_that_wanted_another_target_is_refused(keys: Path) -> None:
    _, theirs = handshake(client(), server("host/other"))
    assert isinstance(theirs, Refused) and theirs.status is Status.SEC_E_WRONG_PRINCIPAL


def test_credentials_are_for_one_direction(keys: Path) -> None:
    step = SSP.initialize_security_context(CALL, server(), None, ContextRequest())
    assert isinstance(step, Refused) and step.status is Status.SEC_E_NO_CREDENTIALS
    _, theirs = handshake(client(), client())
    assert isinstance(theirs, Refused) and theirs.status is Status.SEC_E_NO_CREDENTIALS
    step = SSP.initialize_security_context(CALL, client(), None, ContextRequest(target="x" * 1025))
    assert isinstance(step, Refused) and step.status is Status.SEC_E_TARGET_UNKNOWN


def test_the_longest_token_fits_max_token_R35(keys: Path) -> None:
    keys.write_text(f"{'n' * 255}:{ALICE}\n")
    step = SSP.initialize_security_context(CALL, client(), None, ContextRequest(target="x" * 1024))
    assert isinstance(step, Continue) and len(step.token) == INFO.max_token


AUDIT_ONLY = pack(ChannelBindings(b"tls:y", SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS))


@pytest.mark.parametrize(
    ("ours", "theirs", "asc", "good"),
    [
        (b"tls:x", b"tls:x", 0, True),
        (b"", None, 0, True),
        (None, bytes(8), 0, True),
        (None, b"tls:x", AscReq.ALLOW_MISSING_BINDINGS, True),  # R234
        (None, b"tls:x", 0, False),
        (b"tls:x", None, 0, False),
        (b"tls:x", b"tls:y", AscReq.ALLOW_MISSING_BINDINGS, False),
        (b"tls:x", b"tls:y", AscReq.PROXY_BINDINGS, True),  # R239
        (b"tls:x", None, AscReq.PROXY_BINDINGS, True),
        (None, b"tls:y", AscReq.PROXY_BINDINGS, False),
        (b"tls:x", AUDIT_ONLY, 0, True),  # R238
        (None, AUDIT_ONLY, 0, True),
        (b"tls:y", AUDIT_ONLY, 0, True),
        (b"tls:y", AUDIT_ONLY[:-6] + b"\x80" + AUDIT_ONLY[-5:], 0, False),
    ],
)
def test_channel_bindings_R233_R235(keys: Path, ours: bytes | None, theirs: bytes | None, asc: int, good: bool) -> None:
    ends = handshake(client(), server(), asc=asc, bindings=(ours, theirs))
    if good:
        assert all(isinstance(end, Complete) for end in ends)
    else:
        assert isinstance(ends[1], Refused) and ends[1].status is Status.SEC_E_BAD_BINDINGS


# Messages


def seal(context: Context, data: bytes, number: int = 0) -> tuple[bytes, bytes]:
    message = [SecBuffer(TOKEN), SecBuffer(DATA, data)]
    SSP.seal_message(context, 0, message, number)
    return bytes(message[0].data), bytes(message[1].data)


def unseal(context: Context, token: Buffer, data: Buffer, number: int = 0) -> bytes:
    message = [SecBuffer(DATA, data), SecBuffer(TOKEN, token)]
    assert SSP.unseal_message(context, message, number) == 0
    return bytes(message[0].data)


def sign(context: Context, data: bytes, number: int = 0) -> bytes:
    message = [SecBuffer(DATA, data), SecBuffer(TOKEN)]
    SSP.make_signature(context, 0, message, number)
    return bytes(message[1].data)


def verify(context: Context, token: Buffer, data: Buffer, number: int = 0) -> None:
    assert SSP.verify_signature(context, [SecBuffer(TOKEN, token), SecBuffer(DATA, data)], number) == 0


def test_messages_both_ways(keys: Path) -> None:
    ends = pair()
    for sender, receiver in (ends, ends[::-1], ends):
        for data in (b"", b"x", b"y" * 70_000):
            assert unseal(receiver, *seal(sender, data)) == data
            verify(receiver, sign(sender, data), data)


def test_any_flipped_bit_is_altered_and_changes_nothing_R218(keys: Path) -> None:
    a, b = pair()
    data = b"attack at dawn"
    token, text = seal(a, data)
    signature = sign(a, data)
    for check, whole, cut in ((unseal, token + text, len(token)), (verify, signature + data, len(signature))):
        for position in range(len(whole)):
            for bit in range(8):
                broken = bytearray(whole)
                broken[position] ^= 1 << bit
                assert refusal(check, b, broken[:cut], broken[cut:]) is Status.SEC_E_MESSAGE_ALTERED
        assert refusal(check, b, whole[: cut - 1], whole[cut:]) is Status.SEC_E_MESSAGE_ALTERED
        check(b, whole[:cut], whole[cut:])


def test_order_replay_and_the_applications_numbers_R216_R217_R218(keys: Path) -> None:
    a, b = pair()
    first, second = seal(a, b"1"), seal(a, b"2", 8)
    assert refusal(unseal, b, *second) is Status.SEC_E_OUT_OF_SEQUENCE
    assert unseal(b, *first) == b"1"
    assert refusal(unseal, b, *first) is Status.SEC_E_OUT_OF_SEQUENCE
    assert refusal(unseal, b, *second, 9) is Status.SEC_E_OUT_OF_SEQUENCE
    assert unseal(b, *second, 8) == b"2"

    a, b = pair(ISC & ~IscReq.SEQUENCE_DETECT, ASC & ~AscReq.SEQUENCE_DETECT)
    first, second = seal(a, b"1", 5), seal(a, b"2")
    assert unseal(b, *second, 77) == b"2"
    assert refusal(unseal, b, *second) is Status.SEC_E_OUT_OF_SEQUENCE
    assert refusal(unseal, b, *first) is Status.SEC_E_OUT_OF_SEQUENCE


def test_own_messages_other_sessions_and_other_kinds_are_altered(keys: Path) -> None:
    a, b = pair()
    assert refusal(unseal, a, *seal(a, b"1")) is Status.SEC_E_MESSAGE_ALTERED
    stranger, _ = pair()
    assert refusal(unseal, b, *seal(stranger, b"1")) is Status.SEC_E_MESSAGE_ALTERED
    a, b = pair()
    assert refusal(verify, b, *seal(a, b"")) is Status.SEC_E_MESSAGE_ALTERED


def test_an_exhausted_counter_refuses(keys: Path) -> None:
    a, b = pair()
    a.outgoing.number = b.incoming.number = 2**64 - 2
    assert unseal(b, *seal(a, b"last")) == b"last"
    assert refusal(seal, a, b"one more") is Status.SEC_E_CONTEXT_EXPIRED


def test_what_was_not_agreed_is_refused_R220(keys: Path) -> None:
    a, _ = pair(0, 0)
    for what in (seal, sign):
        assert refusal(what, a, b"1") is Status.SEC_E_QOP_NOT_SUPPORTED
    for check in (unseal, verify):
        assert refusal(check, a, bytes(28), b"1") is Status.SEC_E_QOP_NOT_SUPPORTED
    a, _ = pair()
    message = [SecBuffer(TOKEN), SecBuffer(DATA, b"1")]
    assert refusal(SSP.seal_message, a, 1, message, 0) is Status.SEC_E_QOP_NOT_SUPPORTED
    assert refusal(SSP.make_signature, a, 1, message, 0) is Status.SEC_E_QOP_NOT_SUPPORTED


def test_the_buffers_that_must_be_there_R215_R219_R221(keys: Path) -> None:
    a, _ = pair()
    token, data = SecBuffer(TOKEN), SecBuffer(DATA, b"1")
    checked, readonly = (
        SecBuffer(DATA | flag, b"x") for flag in (BufferFlag.READONLY_WITH_CHECKSUM, BufferFlag.READONLY)
    )
    for message in ([data], [token, token, data], [token, readonly], [token, data, checked]):
        assert refusal(SSP.make_signature, a, 0, message, 0) is Status.SEC_E_INVALID_TOKEN
    for message in ([token], [token, data, data], [token, data, checked], [token, readonly]):
        assert refusal(SSP.seal_message, a, 0, message, 0) is Status.SEC_E_INVALID_TOKEN
    assert refusal(SSP.seal_message, a, 0, [data], 0) is Status.STATUS_INVALID_PARAMETER
    assert a.outgoing.number == 0
    SSP.seal_message(a, 0, [data, readonly, SecBuffer(BufferType.PADDING), token], 0)
    assert readonly.data == b"x"


def test_a_deleted_context_holds_no_key(keys: Path) -> None:
    a, _ = pair()
    SSP.delete_security_context(a)
    assert not hasattr(a, "session_key") and not hasattr(a, "outgoing")


def test_the_export() -> None:
    assert [info.name for info in init_security_interface().enumerate_security_packages()] == ["SampSSP"]
