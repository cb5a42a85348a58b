"""The three messages of NTLM: what is written is read back; what is read is as it came, and not copied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.ntlm_pair import exchange, recorded

from secpkg.protocols.ntlm import (
    DEFAULT_REQUEST,
    MAX_MESSAGE,
    Acceptor,
    AcceptorPolicy,
    Authenticate,
    AvFlag,
    AvId,
    AvPairs,
    Challenge,
    ChannelBindings,
    Credential,
    Datagram,
    Fault,
    Half,
    Initiator,
    Negotiate,
    NegotiateFlag,
    Reason,
    Rejected,
    Role,
    Session,
    SingleHost,
    TargetInfo,
    Version,
    classify,
    decoy_nt_hash,
    filetime,
)
from secpkg.protocols.ntlm import flags as f
from secpkg.protocols.ntlm.authenticate import build, with_mic
from secpkg.protocols.ntlm.av_pairs import encode_pairs
from secpkg.protocols.ntlm.transitions import Message

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
OEM_NAMES = st.text("ABCdef019-.äÉ░ ", max_size=20)
VERSIONS = st.none() | st.builds(Version, st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535))
FLAGS = st.integers(0, 0xFFFFFFFF)


def with_set(flags: int, unicode: bool) -> int:
    return flags | f.UNICODE if unicode else flags & ~f.UNICODE | f.OEM


@given(FLAGS, OEM_NAMES, OEM_NAMES, VERSIONS)
def test_negotiate_round_trip(flags: int, domain: str, workstation: str, version: Version | None) -> None:
    message = Negotiate(flags, domain, workstation, version)
    read = Negotiate.parse(message.build())
    announced = f.OEM_DOMAIN_SUPPLIED | f.OEM_WORKSTATION_SUPPLIED | f.VERSION
    assert read.flags & ~announced == flags & ~announced
    assert (read.domain, read.workstation, read.version) == (domain, workstation, version)
    assert read.build() == message.build()


@given(FLAGS, st.booleans(), st.binary(min_size=8, max_size=8), st.data(), VERSIONS)
def test_challenge_round_trip(
    flags: int, unicode: bool, nonce: bytes, data: st.DataObject, version: Version | None
) -> None:
    name = data.draw(NAMES if unicode else OEM_NAMES)
    message = Challenge(with_set(flags, unicode), nonce, name, TargetInfo("S", "D", "s.d").encode(5), version)
    read = Challenge.parse(message.build())
    assert (read.server_challenge, read.target_name, read.version) == (nonce, name, version)
    assert read.target_info is not None
    assert message.target_info is not None
    assert read.target_info.raw == message.target_info.raw
    assert read.target_info.texts == {
        AvId.NB_COMPUTER_NAME: "S",
        AvId.NB_DOMAIN_NAME: "D",
        AvId.DNS_COMPUTER_NAME: "s.d",
    }
    assert read.build() == message.build()


@given(FLAGS, st.booleans(), st.data(), st.binary(max_size=99), st.binary(max_size=99), st.booleans(), VERSIONS)
def test_authenticate_round_trip(
    flags: int, unicode: bool, data: st.DataObject, lm: bytes, nt: bytes, mic: bool, version: Version | None
) -> None:
    domain, user, workstation = (data.draw(NAMES if unicode else OEM_NAMES) for _ in range(3))
    token = build(
        with_set(flags, unicode),
        domain=domain,
        user=user,
        workstation=workstation,
        lm_response=lm,
        nt_response=nt,
        encrypted_session_key=bytes(16),
        version=version,
        mic=mic,
    )
    read = Authenticate.parse(token)
    assert (read.domain, read.user, read.workstation, read.version) == (domain, user, workstation, version)
    assert [bytes(v) for v in (read.lm_response, read.nt_response, read.encrypted_session_key)] == [lm, nt, bytes(16)]
    assert read.mic == (bytes(16) if mic else None)
    if mic:
        signed = Authenticate.parse(with_mic(token, bytes(range(16))))
        assert signed.raw[72:88] == bytes(range(16))
        assert signed.without_mic() == token


PAIRS = st.dictionaries(
    st.integers(0, 0xFFFF).filter(lambda number: number not in set(AvId)), st.binary(max_size=40), max_size=10
)


@given(PAIRS, NAMES, st.integers(0, 2**63), st.binary(max_size=9))
def test_av_pairs_round_trip(others: dict[int, bytes], name: str, time: int, behind: bytes) -> None:
    """Unknown pairs are kept; the list ends where it ends, and its bytes are those that came."""
    host = SingleHost(bytes(range(32)), 3)
    pairs = [
        *others.items(),
        (int(AvId.TARGET_NAME), name.encode("utf-16-le")),
        (int(AvId.TIMESTAMP), time.to_bytes(8, "little")),
        (int(AvId.FLAGS), b"\2\0\0\0"),
        (int(AvId.SINGLE_HOST), host.encode()),
        (int(AvId.CHANNEL_BINDINGS), bytes(16)),
    ]
    raw = bytes(AvPairs.build(pairs).raw)
    read = AvPairs.parse(raw + behind)
    assert read.raw == raw
    assert [(number, bytes(value)) for number, value in read.items] == pairs
    assert (read.target_name, read.timestamp, read.flags) == (name, time, AvFlag.MIC)
    assert (read.single_host, read.channel_bindings) == (host, bytes(16))


@given(PAIRS, st.binary(max_size=40), st.integers(0, 3))
def test_av_pairs_that_are_known_are_read_the_same(others: dict[int, bytes], behind: bytes, cut: int) -> None:
    """Where a list begins with one that is known the answer, or the refusal, is that of reading it whole."""
    known = TargetInfo("S", "D", "s.d").encode(5)
    ours = bytes(known.raw)
    for data in (ours + behind, ours[:-4] + encode_pairs(others.items()), ours[: -4 - cut] + behind, ours[:-4] + ours):
        answers = []
        for prefix in (known, None):
            try:
                read = AvPairs.parse(data, prefix)
                answers.append((bytes(read.raw), [(n, bytes(v)) for n, v in read.items], read.texts, read.timestamp))
            except Rejected as rejected:
                answers.append((rejected.reason,))  # type: ignore[arg-type]
        assert answers[0] == answers[1]


def test_nothing_is_copied() -> None:
    """Responses, key and MIC are views of the token."""
    token = bytearray(recorded()["authenticate"])
    read = Authenticate.parse(memoryview(token))
    before = bytes(read.nt_response)
    token[-20] ^= 0xFF
    assert bytes(read.nt_response) != before
    for view in (read.lm_response, read.nt_response, read.encrypted_session_key, read.mic):
        assert view is not None
        assert view.obj is token


@pytest.mark.parametrize(("optional", "version", "mic"), [(0, 0, 0), (8, 1, 0), (16, 0, 1), (24, 1, 1), (30, 1, 1)])
def test_where_the_mic_is(optional: int, version: int, mic: int) -> None:
    """The payload's place says what stands before it: nothing, a version, a MIC, both, and both with room behind."""
    token = build(
        f.UNICODE,
        domain="D",
        user="U",
        workstation="",
        lm_response=b"",
        nt_response=bytes(48),
        version=Version(6, 1, 7601),
    )
    moved = bytearray(token[:64])
    for field in range(6):
        at = 16 + 8 * field
        moved[at : at + 4] = (int.from_bytes(token[at : at + 4], "little") - 8 + optional).to_bytes(4, "little")
    filler = (b"\6\1\xb1\x1d\0\0\0\x0f" if version else b"") + bytes(16 * mic)
    read = Authenticate.parse(bytes(moved) + filler.ljust(optional, b"\0") + token[72:])
    assert (read.user, read.domain) == ("U", "D")
    assert (read.version == Version(6, 1, 7601)) is bool(version)
    assert (read.mic is not None) is bool(mic)
    if mic:
        assert read.mic_at == 64 + 8 * version


def test_a_message_without_payload() -> None:
    """Where no field has any byte the end of the message is where the payload begins."""
    options = {"domain": "", "user": "", "workstation": "", "lm_response": b"", "nt_response": b""}
    assert Authenticate.parse(build(f.UNICODE, **options)).mic is None  # type: ignore[arg-type]
    assert Authenticate.parse(build(f.UNICODE, **options, mic=True)).mic_at == 72  # type: ignore[arg-type]


def test_fields_of_length_zero_have_no_place() -> None:
    token = bytearray(recorded()["negotiate"])
    token[12:16] = (f.UNICODE | f.OEM_DOMAIN_SUPPLIED | f.OEM_WORKSTATION_SUPPLIED).to_bytes(4, "little")
    token[20:24] = token[28:32] = b"\xff\xff\xff\xff"
    assert Negotiate.parse(bytes(token)).domain == ""
    token[16] = 1
    with pytest.raises(Rejected) as caught:
        Negotiate.parse(bytes(token))
    assert caught.value.reason is Reason.FIELD_OUT_OF_RANGE


def test_limits() -> None:
    padding = bytes(MAX_MESSAGE + 1)
    messages = recorded()
    for name, kind in (("negotiate", Negotiate), ("challenge", Challenge), ("authenticate", Authenticate)):
        kind.parse((messages[name] + padding)[:MAX_MESSAGE])
        with pytest.raises(Rejected) as caught:
            kind.parse((messages[name] + padding)[: MAX_MESSAGE + 1])
        assert caught.value.reason is Reason.TOO_LONG
    many = [(1000 + number, b"") for number in range(65)]
    assert len(AvPairs.build(many[:64]).items) == 64
    with pytest.raises(Rejected) as caught:
        AvPairs.build(many)
    assert caught.value.fault is Fault.CALLER


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Negotiate(0, "a\0b").build(),
        lambda: Negotiate(0, "☃").build(),
        lambda: Negotiate(-1).build(),
        lambda: Negotiate(0, "x" * 513).build(),
        lambda: Challenge(f.UNICODE, bytes(7)),
        lambda: Challenge(1 << 32, bytes(8)),
        lambda: Version(256, 0, 0),
        lambda: SingleHost(bytes(31)),
        lambda: SingleHost(bytes(32), 1 << 32),
        lambda: TargetInfo("", "D"),
        lambda: TargetInfo("S", "D\n"),
        lambda: TargetInfo("S", "D").encode(-1),
        lambda: ChannelBindings(bytes(5000)),
        lambda: ChannelBindings(b"", initiator_address=bytes(256)),
        lambda: Session(0, bytes(15)),
        lambda: AvPairs.build([(1, b"odd")]),
        lambda: Negotiate.parse(memoryview(bytes(64)).cast("I")),
        lambda: Credential("", "D", bytes(16)),
        lambda: Credential("U\ud800", "D", bytes(16)),
        lambda: Credential("U", "D\x85", bytes(16)),
        lambda: Credential("U", "D", bytes(15)),
        lambda: Credential.from_password("U", "D", "x" * 1025),
        lambda: Credential.from_password("U", "D", "\udc00"),
        lambda: Initiator(workstation="W\n"),
        lambda: Initiator(oem="no such code page"),
        lambda: Initiator(request=f.DATAGRAM | DEFAULT_REQUEST),
        lambda: Acceptor(target=TargetInfo("S", "D"), oem="base64"),
        lambda: Acceptor(target=TargetInfo("S", "D")).start_datagram(server_challenge=bytes(7), now=0),
        lambda: AcceptorPolicy(max_skew=-1),
        lambda: decoy_nt_hash(bytes(15), "U", "D"),
        lambda: exchange(entropy=bytes(23)),
        lambda: exchange(bindings=bytes(15)),
        lambda: exchange(client_now=-1),
        lambda: Half.of(Session(0, bytes(16)), Role.ACCEPTOR, position=-1),
        lambda: Datagram(Session(f.DATAGRAM | f.SIGN, bytes(16)), Role.ACCEPTOR).sign(b"", 1 << 32),
        lambda: Datagram(Session(f.DATAGRAM | f.SEAL, bytes(16)), Role.ACCEPTOR).seal(b"", 0),
    ],
)
def test_what_cannot_be_is_the_callers_fault(wrong: object) -> None:
    with pytest.raises(Rejected) as caught:
        wrong()  # type: ignore[operator]
    assert caught.value.fault is Fault.CALLER


def test_bindings_are_the_hash_of_the_structure() -> None:
    """RFC 4121 section 4.1.1.2 and RFC 5929; against hashlib over the structure written out."""
    import hashlib

    data = b"tls-server-end-point:" + bytes(range(32))
    assert ChannelBindings(data).hash() == hashlib.md5(bytes(16) + b"\x35\0\0\0" + data).digest()
    full = ChannelBindings(b"app", 2, b"\x7f\0\0\1", 2, b"\x0a\0\0\1")
    written = b"\2\0\0\0\4\0\0\0\x7f\0\0\1\2\0\0\0\4\0\0\0\x0a\0\0\1\3\0\0\0app"
    assert full.hash() == hashlib.md5(written).digest()


def test_documented_spellings() -> None:
    assert NegotiateFlag.KEY_56.native == "NTLMSSP_NEGOTIATE_56"
    assert NegotiateFlag.OEM.native == "NTLM_NEGOTIATE_OEM"
    assert NegotiateFlag(f.SIGN | f.SEAL | 0x8).native == "NTLMSSP_NEGOTIATE_SIGN | NTLMSSP_NEGOTIATE_SEAL | 0x00000008"
    assert [flag.letter for flag in (NegotiateFlag.UNICODE, NegotiateFlag.ANONYMOUS, NegotiateFlag.KEY_56)] == [*"AJW"]
    assert AvId.NB_COMPUTER_NAME.native == "MsvAvNbComputerName"
    assert AvId.CHANNEL_BINDINGS.native == "MsvAvChannelBindings"
    assert AvId.EOL.native == "MsvAvEOL"
    assert {classify(token) for token in recorded().values()} == set(Message)
    assert filetime(0) == 116_444_736_000_000_000
