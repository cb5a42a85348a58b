"""Section K: streams and datagrams, with the packages in examples/ that have them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.rules.recorder import Recorder, recording

import secpkg_datagrams
import secpkg_records
from secpkg.contract import AscReq, AuthIdentity, Capability, IscReq, SecurityError, Status
from secpkg.contract.attributes import StreamSizes
from secpkg.contract.flags import BufferType, CredentialUse
from secpkg.contract.values import Buffer, Message, SecBuffer
from secpkg.host.user_mode import providers
from secpkg.sspi import raw

OK, WAIT = Status.SEC_E_OK, Status.SEC_E_INCOMPLETE_MESSAGE
INVALID_TOKEN = Status.SEC_E_INVALID_TOKEN
EMPTY, DATA, TOKEN = int(BufferType.EMPTY), int(BufferType.DATA), int(BufferType.TOKEN)
HEADER, TRAILER = int(BufferType.STREAM_HEADER), int(BufferType.STREAM_TRAILER)
EXTRA, MISSING = int(BufferType.EXTRA), int(BufferType.MISSING)


@pytest.fixture(autouse=True)
def packages() -> Iterator[None]:
    providers.add("rules-records", secpkg_records.init_security_interface)
    providers.add("rules-datagrams", secpkg_datagrams.init_security_interface)
    yield
    providers.remove("rules-records")
    providers.remove("rules-datagrams")


def credential(package: str) -> raw.CredentialHandle:
    identity = AuthIdentity("", "", "a secret that both know")
    _, handle, _ = raw.acquire_credentials_handle(None, package, CredentialUse.BOTH, auth_data=identity)
    assert handle is not None
    return handle


@pytest.fixture
def ends() -> tuple[raw.ContextHandle, raw.ContextHandle]:
    key = credential("Records")
    _, client, first, *_ = raw.initialize_security_context(key, None, None, IscReq.STREAM)
    _, server, second, *_ = raw.accept_security_context(key, None, first, AscReq.STREAM)
    _, client, third, *_ = raw.initialize_security_context(None, client, None, IscReq.STREAM, second)
    assert raw.accept_security_context(None, server, third, AscReq.STREAM)[0] is OK
    assert client is not None and server is not None
    return client, server


Ends = tuple[raw.ContextHandle, raw.ContextHandle]


def record(context: raw.ContextHandle, data: bytes) -> bytes:
    message = [SecBuffer(HEADER), SecBuffer(DATA, data), SecBuffer(TRAILER), SecBuffer(EMPTY)]
    assert raw.encrypt_message(context, 0, message) is OK
    return b"".join(buffer.data for buffer in message)


def received(data: Buffer) -> Message:
    return [SecBuffer(DATA, data), *(SecBuffer(EMPTY) for _ in range(4))]


def shape(message: Message) -> list[tuple[int, bytes]]:
    return [(buffer.type, bytes(buffer.data)) for buffer in message]


@pytest.mark.breaks("R224", "secpkg.host.user_mode.messages:received")
def test_R224_data_and_empty_become_header_data_trailer(ends: Ends) -> None:
    client, server = ends
    whole = record(client, b"text")
    message = received(whole)
    assert raw.decrypt_message(server, message) == (OK, 0)
    assert shape(message) == [(HEADER, whole[:3]), (DATA, b"text"), (TRAILER, whole[-16:]), (EMPTY, b""), (EMPTY, b"")]
    assert raw.decrypt_message(server, received(record(client, b"more"))[:3])[0] is INVALID_TOKEN


@pytest.mark.breaks("R225", "secpkg.host.user_mode.messages:received")
def test_R225_what_follows_is_extra_and_untouched(ends: Ends) -> None:
    client, server = ends
    first, second = record(client, b"first"), record(client, b"second")
    message = received(first + second[:9])
    assert raw.decrypt_message(server, message)[0] is OK
    assert shape(message)[3] == (EXTRA, second[:9])
    message = received(second)
    assert raw.decrypt_message(server, message)[0] is OK and message[1].data == b"second"

    def made_up(message: Message) -> None:
        message[3].type, message[3].data = EXTRA, b"made up"

    with recording(Recorder(act=made_up)) as context:
        message = received(b"given")
        before = shape(message)
        assert raw.decrypt_message(context, message)[0] is Status.SEC_E_INTERNAL_ERROR and shape(message) == before


@pytest.mark.breaks("R226", "secpkg.host.user_mode.messages:missing")
def test_R226_an_incomplete_message_asks_for_more_and_changes_nothing(ends: Ends) -> None:
    client, server = ends
    whole = record(client, b"some text")
    for length in range(3, len(whole)):
        message = received(whole[:length])
        assert raw.decrypt_message(server, message)[0] is WAIT
        told = {kind: data for kind, data in shape(message) if kind != EMPTY}
        assert told == {DATA: whole[:length], MISSING: (len(whole) - length).to_bytes(4, "little")}
    message = received(whole)
    assert raw.decrypt_message(server, message)[0] is OK and message[1].data == b"some text"


@pytest.mark.breaks("R227", "secpkg.host.user_mode.messages:check_stream")
def test_R227_senders_supply_buffers_of_the_stream_sizes(ends: Ends) -> None:
    client, server = ends
    status, sizes = raw.query_context_attributes(client, 4)
    assert status is OK and isinstance(sizes, StreamSizes)
    message: Message = []
    for header, data, trailer, wanted in (
        (sizes.header - 1, 1, sizes.trailer, Status.SEC_E_BUFFER_TOO_SMALL),
        (sizes.header, 1, sizes.trailer - 1, Status.SEC_E_BUFFER_TOO_SMALL),
        (sizes.header, sizes.maximum_message + 1, sizes.trailer, Status.SEC_E_INVALID_PARAMETER),
        (sizes.header, sizes.maximum_message, sizes.trailer, OK),
    ):
        message = [SecBuffer(HEADER, bytes(header)), SecBuffer(DATA, bytes(data)), SecBuffer(TRAILER, bytes(trailer))]
        assert raw.encrypt_message(client, 0, message) is wanted
    assert raw.decrypt_message(server, received(b"".join(b.data for b in message)))[0] is OK


@pytest.mark.breaks("R209", "secpkg.host.user_mode.messages:check_stream")
@pytest.mark.parametrize("kinds", [(DATA, HEADER, TRAILER), (HEADER, TRAILER, DATA), (HEADER, DATA), (TRAILER,),
                                   (HEADER, DATA, TRAILER, DATA), (HEADER, DATA, TOKEN)])  # fmt: skip
def test_R209_buffers_of_a_stream_have_an_order(ends: Ends, kinds: tuple[int, ...]) -> None:
    client, server = ends
    assert raw.encrypt_message(client, 0, [SecBuffer(kind) for kind in kinds]) is INVALID_TOKEN
    assert raw.decrypt_message(server, received(record(client, b"first")))[0] is OK, "no number was used"


def test_a_package_without_streams_takes_no_buffers_of_streams() -> None:
    recorder = Recorder()
    with recording(recorder) as context:
        message = [SecBuffer(HEADER), SecBuffer(DATA, b"x"), SecBuffer(TRAILER)]
        assert raw.encrypt_message(context, 0, message) is Status.SEC_E_UNSUPPORTED_FUNCTION
    assert not recorder.seen


def test_what_a_package_says_beside_success_comes_with_its_buffers(ends: Ends) -> None:
    """SEC_I_RENEGOTIATE and its kind are no failures: what was received counts."""

    def tell(message: Message) -> None:
        message[1].type, message[1].data = DATA, b"last words"
        raise SecurityError(Status.SEC_I_RENEGOTIATE)

    with recording(Recorder(act=tell)) as context:
        message = received(b"given")
        assert raw.decrypt_message(context, message)[0] is Status.SEC_I_RENEGOTIATE
        assert message[1].data == b"last words"


# --- datagrams -------------------------------------------------------------------------------------------------------


def signed(context: raw.ContextHandle, data: bytes, number: int = 0) -> Message:
    message = [SecBuffer(DATA, data), SecBuffer(TOKEN)]
    assert raw.make_signature(context, 0, message, number) is OK
    return message


def established(client: raw.ContextHandle) -> raw.ContextHandle:
    opening = signed(client, b"hello")[1:]
    _, server, challenge, *_ = raw.accept_security_context(credential("Datagrams"), None, opening, AscReq.DATAGRAM)
    status, _, answer, *_ = raw.initialize_security_context(None, client, None, IscReq.DATAGRAM, challenge)
    assert status is OK
    assert raw.accept_security_context(None, server, answer, AscReq.DATAGRAM)[0] is OK and server is not None
    return server


@pytest.mark.breaks("R228", "secpkg_datagrams:Datagrams.initialize_security_context")
def test_R228_a_datagram_context_signs_before_there_is_a_token() -> None:
    status, client, output, *_ = raw.initialize_security_context(credential("Datagrams"), None, None, IscReq.DATAGRAM)
    assert status is OK and output == [] and client is not None
    first = signed(client, b"first")
    assert raw.verify_signature(established(client), first) == (OK, 0)


@pytest.mark.breaks("R229", "secpkg_datagrams:Context.establish")
def test_R229_it_is_established_as_often_as_wanted() -> None:
    _, client, *_ = raw.initialize_security_context(credential("Datagrams"), None, None, IscReq.DATAGRAM)
    assert client is not None
    gone = None
    for _ in range(3):
        server = established(client)
        if gone is not None:
            assert raw.verify_signature(server, gone)[0] is Status.SEC_E_MESSAGE_ALTERED
        gone = signed(client, b"to the next")
        assert raw.verify_signature(server, signed(client, b"x"))[0] is OK
        assert raw.verify_signature(client, signed(server, b"y"))[0] is OK


@pytest.mark.breaks("R230", "secpkg_datagrams:Datagrams.verify_signature")
def test_R230_the_callers_number_is_carried_beside_the_packages() -> None:
    _, client, *_ = raw.initialize_security_context(credential("Datagrams"), None, None, IscReq.DATAGRAM)
    assert client is not None
    server = established(client)
    message = signed(client, b"x", 77)
    assert bytes(message[1].data[:4]) == (77).to_bytes(4, "big")
    assert raw.verify_signature(server, message, 78)[0] is Status.SEC_E_OUT_OF_SEQUENCE
    assert raw.verify_signature(server, message, 77)[0] is OK
    assert raw.verify_signature(server, message, 77)[0] is Status.SEC_E_OUT_OF_SEQUENCE, "its own number"


@pytest.mark.breaks("R231", "secpkg.sspi.operations:ContextHandle.require_leg")
def test_R231_a_package_announces_its_semantics() -> None:
    for package, flag in (("Records", Capability.STREAM), ("Datagrams", Capability.DATAGRAM)):
        status, info = raw.query_security_package_info(package)
        assert status is OK and info is not None and info.capabilities & flag
    recorder = Recorder()
    with recording(recorder) as context:
        _, info = raw.query_security_package_info("Recorder")
        assert info is not None and info.capabilities & Capability.CONNECTION
        status, *_ = raw.initialize_security_context(None, context, None, 0)
        assert status is Status.SEC_E_INVALID_HANDLE, "a connection is made once"
        assert raw.encrypt_message(context, 0, [SecBuffer(DATA, b"x"), SecBuffer(TOKEN)]) is OK
