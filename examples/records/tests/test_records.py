"""Records through SSPI: a stream in pieces of any size, in the host as an application has it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import secpkg
from secpkg.contract import AuthIdentity, Status
from secpkg.contract.attributes import StreamSizes
from secpkg.contract.flags import AscReq, BufferType, CredentialUse, IscReq
from secpkg.contract.values import Buffer, SecBuffer
from secpkg.host.user_mode import providers
from secpkg.sspi import raw
from secpkg_records import MAXIMUM, init_security_interface

B = BufferType
OK, MORE, WAIT = Status.SEC_E_OK, Status.SEC_I_CONTINUE_NEEDED, Status.SEC_E_INCOMPLETE_MESSAGE


@pytest.fixture(autouse=True)
def provider() -> Iterator[None]:
    providers.add("records-under-test", init_security_interface)
    yield
    providers.remove("records-under-test")


def credential(secret: str = "a secret that both know") -> raw.CredentialHandle:
    status, handle, _ = raw.acquire_credentials_handle(
        None, "Records", CredentialUse.BOTH, auth_data=AuthIdentity("", "", secret)
    )
    assert status is OK and handle is not None
    return handle


def token(data: Buffer) -> list[SecBuffer]:
    return [SecBuffer(B.TOKEN, data)]


def pair() -> tuple[raw.ContextHandle, raw.ContextHandle]:
    key = credential()
    _, client, first, *_ = raw.initialize_security_context(key, None, None, IscReq.STREAM)
    _, server, second, *_ = raw.accept_security_context(key, None, first, AscReq.STREAM)
    status, client, third, *_ = raw.initialize_security_context(None, client, None, IscReq.STREAM, second)
    assert status is OK and client is not None
    assert raw.accept_security_context(None, server, third, AscReq.STREAM)[0] is OK and server is not None
    return client, server


def seal(context: raw.ContextHandle, data: bytes) -> bytes:
    message = [SecBuffer(B.STREAM_HEADER), SecBuffer(B.DATA, data), SecBuffer(B.STREAM_TRAILER), SecBuffer(B.EMPTY)]
    assert raw.encrypt_message(context, 0, message) is OK
    return b"".join(buffer.data for buffer in message)


def unseal(context: raw.ContextHandle, data: Buffer) -> tuple[Status, dict[int, bytes]]:
    message = [SecBuffer(B.DATA, data), *(SecBuffer(B.EMPTY) for _ in range(4))]
    status, _ = raw.decrypt_message(context, message)
    return status, {buffer.type: bytes(buffer.data) for buffer in message if buffer.type != B.EMPTY}


def test_bytes_as_they_come() -> None:
    """R224, R225, R226: each piece length, several records at once."""
    client, server = pair()
    sent = [b"", b"one", b"two" * 100, bytes(MAXIMUM)]
    for step in (1, 7, 400, 100_000):
        stream, held, got = b"".join(seal(client, data) for data in sent), b"", []
        for at in range(0, len(stream), step):
            held += stream[at : at + step]
            while held:
                status, found = unseal(server, held)
                if status is WAIT:
                    assert found[B.DATA] == held and int.from_bytes(found[B.MISSING], "little") > 0
                    break
                assert status is OK
                got.append(found[B.DATA])
                held = found.get(B.EXTRA, b"")
        assert got == sent and not held


def test_the_handshake_is_a_stream_too() -> None:
    """R226: a leg with too little changes nothing; what follows the last one is EXTRA."""
    key = credential()
    _, client, first, *_ = raw.initialize_security_context(key, None, None, IscReq.STREAM)
    opening = bytes(first[0].data)
    status, nobody, output, *_ = raw.accept_security_context(key, None, token(opening[:5]), AscReq.STREAM)
    assert status is WAIT and nobody is None and output[0].type == B.MISSING
    assert int.from_bytes(output[0].data, "little") == len(opening) - 5
    _, server, second, *_ = raw.accept_security_context(key, None, first, AscReq.STREAM)
    answer = bytes(second[0].data)
    assert raw.initialize_security_context(None, client, None, 0, token(answer[:-1]))[0] is WAIT
    status, client, third, *_ = raw.initialize_security_context(None, client, None, 0, token(answer))
    assert status is OK and client is not None
    early = bytes(third[0].data) + seal(client, b"early")
    status, server, output, *_ = raw.accept_security_context(None, server, token(early), AscReq.STREAM)
    assert status is OK and server is not None and [b.type for b in output] == [B.EXTRA]
    assert unseal(server, output[0].data) == (OK, unsealed(b"early", output[0].data))


def unsealed(data: bytes, record: Buffer) -> dict[int, bytes]:
    record = bytes(record)
    return {B.STREAM_HEADER: record[:3], B.DATA: data, B.STREAM_TRAILER: record[-16:]}


def test_goodbye() -> None:
    """ApplyControlToken and one more leg; the other end sees SEC_I_CONTEXT_EXPIRED."""
    client, server = pair()
    assert raw.apply_control_token(client, token(b"bye")) is OK
    status, _, output, *_ = raw.initialize_security_context(None, client, None, IscReq.STREAM)
    assert status is OK
    assert unseal(server, output[0].data)[0] is Status.SEC_I_CONTEXT_EXPIRED


def test_other_secrets_and_changed_bytes() -> None:
    _, client, first, *_ = raw.initialize_security_context(credential("one of them"), None, None, 0)
    _, server, second, *_ = raw.accept_security_context(credential("another one"), None, first, 0)
    status, *_ = raw.initialize_security_context(None, client, None, 0, second)
    assert status is Status.SEC_E_MUTUAL_AUTH_FAILED
    client, server = pair()
    record = seal(client, b"data")
    for at in range(len(record)):
        spoilt = record[:at] + bytes([record[at] ^ 0x10]) + record[at + 1 :]
        assert unseal(server, spoilt)[0] in (Status.SEC_E_MESSAGE_ALTERED, WAIT)
    assert unseal(server, record)[0] is OK
    assert unseal(server, record)[0] is Status.SEC_E_MESSAGE_ALTERED, "replayed"


def test_sizes() -> None:
    """R227: at most one record's data, and room for header and trailer."""
    client, _ = pair()
    assert raw.query_context_attributes(client, 4) == (OK, StreamSizes(3, 16, MAXIMUM))
    for header, data, trailer, status in (
        (b"", bytes(MAXIMUM + 1), b"", Status.SEC_E_INVALID_PARAMETER),
        (b"12", b"x", b"", Status.SEC_E_BUFFER_TOO_SMALL),
        (b"", b"x", bytes(15), Status.SEC_E_BUFFER_TOO_SMALL),
        (bytes(3), b"x", bytes(16), OK),
    ):
        message = [SecBuffer(B.STREAM_HEADER, header), SecBuffer(B.DATA, data), SecBuffer(B.STREAM_TRAILER, trailer)]
        assert raw.encrypt_message(client, 0, message) is status


@pytest.mark.parametrize("behind", [b"", b"\x17", b"the first record, or its beginning"])
def test_what_stands_behind_the_last_token_is_not_lost(behind: bytes) -> None:
    """R225: the client finishes and sends on at once; both came to the server in one piece."""
    secret = "a secret that both know"
    with (
        secpkg.Client("Records", username="", password=secret, requirements=IscReq.STREAM) as client,
        secpkg.Server(
            "Records",
            requirements=AscReq.STREAM,
            credential=secpkg.Credential("Records", CredentialUse.INBOUND, username="", password=secret),
        ) as server,
    ):
        last = client.step(server.step(client.step()))
        assert last is not None and client.leftover == server.leftover == b""
        assert server.step(last + behind) is None and server.complete
        assert server.leftover == behind
