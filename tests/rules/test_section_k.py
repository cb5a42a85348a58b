"""Section K: buffers and message protection."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from tests.rules.recorder import Recorder, recording

import secpkg
from secpkg.contract import AscReq, IscReq, IscRet, SecurityError, Sizes, Status
from secpkg.contract.flags import SECQOP_WRAP_NO_ENCRYPT, BufferFlag, BufferType
from secpkg.contract.values import Buffer, Message, SecBuffer
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

OK, ALTERED, ORDER = Status.SEC_E_OK, Status.SEC_E_MESSAGE_ALTERED, Status.SEC_E_OUT_OF_SEQUENCE
INVALID_TOKEN, INVALID_HANDLE = Status.SEC_E_INVALID_TOKEN, Status.SEC_E_INVALID_HANDLE
BAD, QOP = Status.STATUS_INVALID_PARAMETER, Status.SEC_E_QOP_NOT_SUPPORTED
EMPTY, DATA, TOKEN = int(BufferType.EMPTY), int(BufferType.DATA), int(BufferType.TOKEN)
PADDING = int(BufferType.PADDING)
READONLY, CHECKED = DATA | int(BufferFlag.READONLY), DATA | int(BufferFlag.READONLY_WITH_CHECKSUM)
SEQUENCE = IscReq.SEQUENCE_DETECT
Ends = tuple[raw.ContextHandle, raw.ContextHandle]


@pytest.fixture(scope="module")
def lab() -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=["hello"]) as made:
        made.add_user("alice", password="correct horse battery")
        yield made


def connect(lab: LabAuthority, wanted: int = 0x1C | 0x10000) -> Ends:
    """Both ends of a context of Hello: what is asked for is what is granted."""
    asked = AscReq(wanted & 0xFF) | (AscReq.INTEGRITY if wanted & 0x10000 else 0)
    client = secpkg.Client(
        "Hello", username="alice", password="correct horse battery", target="x", requirements=wanted, authority=lab
    )
    server = secpkg.Server("Hello", requirements=int(asked), authority=lab)
    token = client.step()
    while token is not None:
        answer = server.step(token)
        token = client.step(answer) if answer is not None else None
    assert client._context is not None and server._context is not None
    return client._context, server._context


@pytest.fixture
def ends(lab: LabAuthority) -> Ends:
    return connect(lab)


def buffers(*given: tuple[int, Buffer]) -> Message:
    return [SecBuffer(kind, data) for kind, data in given]


def data_of(message: Message, kind: int = DATA) -> bytes:
    return bytes(next(b.data for b in message if b.type & 0xFFFFFFF == kind))


def sign(context: raw.ContextHandle, data: bytes = b"data", number: int = 0) -> Message:
    message = buffers((DATA, data), (TOKEN, b""))
    assert raw.make_signature(context, 0, message, number) is OK
    return message


@pytest.mark.proves(
    "sspi.EncryptMessage", "sspi.DecryptMessage", "user_mode.SpSealMessage", "user_mode.SpUnsealMessage"
)
@pytest.mark.breaks("R209", "secpkg_hello.user_mode:_sealed")
def test_R209_the_order_of_buffers_does_not_matter_and_their_type_does(ends: Ends) -> None:
    client, server = ends
    parts = [(CHECKED, b"head"), (DATA, b"text"), (TOKEN, b""), (EMPTY, b"")]
    for order in itertools.permutations(parts):
        message = buffers(*order)
        assert raw.encrypt_message(client, 0, message) is OK
        assert data_of(message) != b"text" and len(data_of(message, TOKEN)) == 28
        assert raw.decrypt_message(server, message) == (OK, 0)
        assert [b.data for b in message if b.type == DATA] == [b"text"]


@pytest.mark.breaks("R210", "secpkg_hello.user_mode:_of")
def test_R210_flag_bits_are_no_part_of_the_type(ends: Ends) -> None:
    client, server = ends
    for flag in (BufferFlag.UNMAPPED, BufferFlag.KERNEL_MAP):
        message = buffers((DATA | flag, b"text"), (TOKEN | flag, b""))
        assert raw.encrypt_message(client, 0, message) is OK
        assert data_of(message) != b"text"
        assert raw.decrypt_message(server, message)[0] is OK and data_of(message) == b"text"


@pytest.mark.breaks("R211", "secpkg.host.user_mode.messages:lend")
def test_R211_a_readonly_buffer_is_as_it_was_whatever_the_package_does() -> None:
    def spoil(message: Message) -> None:
        for buffer in message:
            if isinstance(buffer.data, memoryview) and not buffer.data.readonly:
                buffer.data[:] = bytes(len(buffer.data))
            if buffer.type != DATA:
                buffer.data = b"mine"

    for flag in (READONLY, CHECKED):
        head = bytearray(b"head")
        with recording(Recorder(act=spoil)) as context:
            message = buffers((flag, head), (DATA, b"text"), (TOKEN, b""))
            assert raw.encrypt_message(context, 0, message) is OK
            assert message[0].data is head and head == b"head" and message[2].data == b"mine"
            assert raw.encrypt_message(context, 0, buffers((flag, b"x"), (TOKEN, b""))) is INVALID_TOKEN


@pytest.mark.breaks("R212", "secpkg_hello.user_mode:_signed")
def test_R212_readonly_is_left_out_and_with_a_checksum_it_is_covered(ends: Ends) -> None:
    client, server = ends
    for flag, status in ((READONLY, OK), (CHECKED, ALTERED)):
        message = buffers((flag, b"head"), (DATA, b"text"), (TOKEN, b""))
        assert raw.make_signature(client, 0, message) is OK
        message[0].data = b"HEAD"
        assert raw.verify_signature(server, message)[0] is status
        message[0].data = b"head"
        assert raw.verify_signature(server, message)[0] is (OK if status is ALTERED else ORDER)


@pytest.mark.proves("sspi.MakeSignature", "sspi.VerifySignature", "user_mode.SpMakeSignature")
@pytest.mark.proves("user_mode.SpVerifySignature")
@pytest.mark.breaks("R213", "secpkg_hello.user_mode:_joined")
def test_R213_only_contents_travel(ends: Ends) -> None:
    client, server = ends
    message = buffers((DATA, b"con"), (DATA, b"tents"), (TOKEN, b""))
    assert raw.make_signature(client, 0, message) is OK
    assert data_of(message, TOKEN) and [m.data for m in message[:2]] == [b"con", b"tents"]
    spoilt = buffers((TOKEN, message[2].data), (DATA, b"contentS"))
    assert raw.verify_signature(server, spoilt)[0] is ALTERED
    assert raw.verify_signature(server, buffers((TOKEN, message[2].data), (DATA, b"contents"))) == (OK, 0)


@pytest.mark.breaks("R214", "secpkg.host.user_mode.buffers:BufferFunctions._require_signatures")
def test_R214_no_signature_size_no_signatures() -> None:
    recorder = Recorder(sizes=Sizes(64, 0, 1, 4))
    with recording(recorder) as context:
        assert raw.make_signature(context, 0, buffers((DATA, b"x"), (TOKEN, b""))) is Status.SEC_E_UNSUPPORTED_FUNCTION
    assert not recorder.seen


@pytest.mark.breaks("R215", "secpkg.host.user_mode.messages:check_signing")
@pytest.mark.parametrize("given", [[(DATA, b"x")], [(DATA, b"x"), (TOKEN, b"123")], [(TOKEN, b"")], []])
def test_R215_a_signature_needs_its_buffer(given: list[tuple[int, bytes]]) -> None:
    recorder = Recorder()
    with recording(recorder) as context:
        assert raw.make_signature(context, 0, buffers(*given)) is INVALID_TOKEN
        if (TOKEN, b"123") not in given:
            assert raw.verify_signature(context, buffers(*given))[0] is INVALID_TOKEN
    assert not recorder.seen


@pytest.mark.breaks("R216", "secpkg_hello.user_mode:Hello.verify_signature")
def test_R216_number_0_is_none(ends: Ends) -> None:
    client, server = ends
    message = sign(client, number=7)
    assert raw.verify_signature(server, message, 0) == (OK, 0)
    assert raw.verify_signature(server, sign(client), 0) == (OK, 0)
    assert raw.verify_signature(server, buffers((DATA, b"d"), (TOKEN, b"")), 0)[0] is ALTERED


@pytest.mark.breaks("R217", "secpkg_hello.user_mode:_check_order")
def test_R217_a_number_is_bound_where_sequence_detection_was_agreed(lab: LabAuthority, ends: Ends) -> None:
    client, server = ends
    message = sign(client, number=7)
    assert raw.verify_signature(server, message, 8)[0] is ORDER
    assert raw.verify_signature(server, message, 7)[0] is OK
    client, server = connect(lab, 0x10 | 0x10000)
    assert raw.verify_signature(server, sign(client, number=7), 8)[0] is OK


@pytest.mark.breaks("R218", "secpkg_hello.user_mode:_check_order")
def test_R218_altered_is_not_misordered(ends: Ends) -> None:
    client, server = ends
    first, second = sign(client, b"1"), sign(client, b"2")
    assert raw.verify_signature(server, second)[0] is ORDER
    spoilt = buffers((DATA, b"!"), (TOKEN, first[1].data))
    assert raw.verify_signature(server, spoilt)[0] is ALTERED
    assert [raw.verify_signature(server, m)[0] for m in (first, first, second)] == [OK, ORDER, OK]


@pytest.mark.breaks("R219", "secpkg.host.user_mode.messages:check_sealing")
@pytest.mark.parametrize(
    "given", [[(DATA, b"x")], [(DATA, b"x"), (TOKEN, b"123")], [(DATA, b"x"), (DATA, b"y"), (TOKEN, b"")]]
)
def test_R219_one_writable_data_buffer_and_room_for_the_trailer(given: list[tuple[int, bytes]]) -> None:
    recorder = Recorder()
    with recording(recorder) as context:
        assert raw.encrypt_message(context, 0, buffers(*given)) is BAD
    assert not recorder.seen


def test_R219_padding_of_a_block_cipher() -> None:
    recorder = Recorder(sizes=Sizes(64, 4, 8, 4))
    with recording(recorder) as context:
        for padding, status in (
            ([], INVALID_TOKEN),
            ([(PADDING, b"1234567")], Status.SEC_E_BUFFER_TOO_SMALL),
            ([(PADDING, bytes(8))], OK),
        ):
            assert raw.encrypt_message(context, 0, buffers((DATA, b"x"), (TOKEN, b""), *padding)) is status


@pytest.mark.breaks("R220", "secpkg.host.user_mode.contexts:UserContext._bind")
def test_R220_what_was_not_negotiated_is_refused() -> None:
    message = buffers((DATA, b"x"), (TOKEN, b""))
    recorder = Recorder(0)
    with recording(recorder) as context:
        assert raw.make_signature(context, 0, message) is QOP and raw.verify_signature(context, message)[0] is QOP
        assert raw.encrypt_message(context, 0, message) is QOP and raw.decrypt_message(context, message)[0] is QOP
    assert not recorder.seen
    with recording(Recorder(int(IscRet.INTEGRITY))) as context:
        assert raw.encrypt_message(context, 0, message) is QOP
        assert raw.encrypt_message(context, SECQOP_WRAP_NO_ENCRYPT, message) is OK


def test_R220_signed_and_not_encrypted_on_request(lab: LabAuthority, ends: Ends) -> None:
    for client, server in (ends, connect(lab, 0xC | 0x10000)):
        message = buffers((DATA, b"all can read"), (TOKEN, b""))
        assert raw.encrypt_message(client, SECQOP_WRAP_NO_ENCRYPT, message) is OK
        assert message[0].data == b"all can read"
        spoilt = buffers((DATA, b"all can REad"), (TOKEN, message[1].data))
        assert raw.decrypt_message(server, spoilt)[0] is ALTERED
        assert raw.decrypt_message(server, message) == (OK, SECQOP_WRAP_NO_ENCRYPT)
        assert raw.encrypt_message(client, 5, message) in (QOP, Status.STATUS_INVALID_HANDLE)


@pytest.mark.breaks("R221", "secpkg.host.user_mode.messages:check_received")
def test_R221_no_data_buffer() -> None:
    recorder = Recorder()
    with recording(recorder) as context:
        for given in ([], [(TOKEN, b"")], [(READONLY, b"x"), (TOKEN, b"")]):
            assert raw.encrypt_message(context, 0, buffers(*given)) is INVALID_TOKEN
            assert raw.decrypt_message(context, buffers(*given))[0] is INVALID_TOKEN
    assert not recorder.seen


@pytest.mark.breaks("R222", "secpkg.host.user_mode.buffers:BufferFunctions._use")
def test_R222_one_sender_and_one_receiver_at_a_time() -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold(message: Message) -> None:
        if not leave.is_set():
            entered.set()
            assert leave.wait(30)

    def message() -> Message:
        return buffers((DATA, b"x"), (TOKEN, b""))

    recorder = Recorder(act=hold)
    with recording(recorder) as context:
        first = threading.Thread(target=raw.encrypt_message, args=(context, 0, message()))
        first.start()
        try:
            assert entered.wait(30)
            assert raw.encrypt_message(context, 0, message()) is INVALID_HANDLE
            assert raw.make_signature(context, 0, message()) is INVALID_HANDLE
            leave.set()
            assert raw.decrypt_message(context, message())[0] is OK
        finally:
            leave.set()
            first.join(30)
        assert raw.encrypt_message(context, 0, message()) is OK


@pytest.mark.breaks("R223", "secpkg.host.user_mode.messages:opened")
def test_R223_nothing_may_be_what_was_sent(ends: Ends) -> None:
    client, server = ends
    for data in (b"", b"x"):
        message = buffers((DATA, data), (TOKEN, b""))
        assert raw.encrypt_message(client, 0, message) is OK
        assert raw.decrypt_message(server, message)[0] is OK and message[0].data == data


@pytest.mark.breaks("R232", "secpkg_hello.user_mode:_open")
def test_R232_a_token_that_was_accepted_proves_nothing_about_other_traffic(lab: LabAuthority, ends: Ends) -> None:
    other, _ = connect(lab)
    _, server = ends
    assert raw.verify_signature(server, sign(other))[0] is ALTERED


def test_scattered_buffers_are_not_copied_on_their_way() -> None:
    """Sealing copies each byte at most once: the host copies none, so all that is left is the package's own output."""
    given: list[Buffer] = [bytes(1000), bytearray(b"h" * 1000), bytearray(b"d" * 5000), memoryview(bytearray(b"t" * 4))]
    recorder = Recorder()
    with recording(recorder) as context:
        message = buffers((READONLY, given[0]), (CHECKED, given[1]), (DATA, given[2]), (TOKEN, given[3]))
        assert raw.encrypt_message(context, 0, message) is OK
        signed = buffers((DATA, given[2]), (TOKEN, b""))
        assert raw.make_signature(context, 0, signed) is OK
    for had, saw in zip(given, recorder.seen[0], strict=True):
        assert isinstance(had, bytes | bytearray | memoryview)
        owner = had.obj if isinstance(had, memoryview) else had
        seen = recorder.given(saw)
        assert seen is owner
    assert recorder.given(recorder.seen[1][0]) is given[2] and message[2].data is given[2]


def test_a_refused_message_changes_nothing() -> None:
    def half(message: Message) -> None:
        for buffer in message:
            buffer.type, buffer.data = 5, b"half of it"
        raise SecurityError(ALTERED)

    with recording(Recorder(act=half)) as context:
        given = [(DATA, b"data"), (TOKEN, b"four")]
        for call in (raw.verify_signature, raw.decrypt_message):
            message = buffers(*given)
            assert call(context, message)[0] is ALTERED
            assert [(b.type, b.data) for b in message] == given


BROKEN: list[object] = [None, 5, "text", (), [None], [SecBuffer("x")], [SecBuffer(1, "text")], [SecBuffer(1)] * 5000]  # type: ignore[arg-type]


@pytest.mark.parametrize("message", BROKEN)
def test_what_is_no_message(message: Message) -> None:
    recorder = Recorder()
    with recording(recorder) as context:
        assert raw.make_signature(context, 0, message) is INVALID_TOKEN
        assert raw.verify_signature(context, message)[0] is INVALID_TOKEN
        assert raw.encrypt_message(context, 0, message) is INVALID_TOKEN
        assert raw.decrypt_message(context, message)[0] is INVALID_TOKEN
    assert not recorder.seen


@pytest.mark.parametrize("number", [-1, 2**32, "1", None, 1.5])
def test_what_is_no_unsigned_long(number: int) -> None:
    recorder = Recorder()
    with recording(recorder) as context:
        message = buffers((DATA, b"x"), (TOKEN, b""))
        wrong = Status.SEC_E_INVALID_PARAMETER
        assert raw.make_signature(context, number, message) is wrong
        assert raw.make_signature(context, 0, message, number) is wrong
        assert raw.encrypt_message(context, number, message, 0) is wrong
        assert raw.verify_signature(context, message, number)[0] is wrong
        assert raw.decrypt_message(context, message, number)[0] is wrong
        assert raw.delete_security_context(context) is OK
        assert raw.encrypt_message(context, 0, message) is INVALID_HANDLE
    assert not recorder.seen


@pytest.mark.parametrize("spoil", ["longer", "token", "types"])
def test_a_package_that_returns_what_does_not_fit(spoil: str) -> None:
    def act(message: Message) -> None:
        data, token = message
        if spoil == "longer":
            data.data = b"longer than it was"
        elif spoil == "token":
            token.data = b"longer than the trailer"
        else:
            data.type = TOKEN

    with recording(Recorder(act=act)) as context:
        message = buffers((DATA, b"data"), (TOKEN, b""))
        assert raw.encrypt_message(context, 0, message) is Status.SEC_E_INTERNAL_ERROR
        assert [(b.type, b.data) for b in message] == [(DATA, b"data"), (TOKEN, b"")]


def test_an_expired_context_protects_nothing(ends: Ends) -> None:
    """SEC_E_CONTEXT_EXPIRED, by the clock of the authority."""
    client, server = ends
    now = [10.0]
    message = sign(client)
    for context in ends:
        context.mapped().expire(20.0, lambda: now[0])
    assert raw.verify_signature(server, message)[0] is OK
    now[0] = 20.0
    message = buffers((DATA, b"x"), (TOKEN, b""))
    assert raw.make_signature(client, 0, message) is Status.SEC_E_CONTEXT_EXPIRED
    assert raw.encrypt_message(client, 0, message) is Status.SEC_E_CONTEXT_EXPIRED
    assert raw.decrypt_message(server, message)[0] is Status.SEC_E_CONTEXT_EXPIRED
    with pytest.raises(SecurityError, match="context_expired"):
        client.mapped().encrypt(b"x")
