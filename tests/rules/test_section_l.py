"""Section L of the rules: channel bindings.

`Bound` is an SSP of two halves' worth of nothing but bindings: a client sends what it bound to, and the server judges
it with `secpkg.contract.channel_bindings` and writes into the audit record what came out.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest
from tests.rules.packages import lab_of, records

from secpkg.contract import (
    Acquired,
    AscReq,
    Call,
    Capability,
    Complete,
    ContextRequest,
    CredentialUse,
    LogonAudit,
    LsaFunctions,
    PackageInfo,
    PackageParameters,
    Refused,
    Status,
    Step,
)
from secpkg.contract.channel_bindings import ChannelBindings, judge, pack, unpack
from secpkg.contract.flags import SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS, BufferType
from secpkg.contract.flags_seldom import ChannelBindingsResult as Result
from secpkg.contract.values import SecBuffer
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

OK, BAD = Status.SEC_E_OK, Status.SEC_E_BAD_BINDINGS
CHANNEL, OTHER = b"tls-server-end-point:" + bytes(range(32)), b"tls-server-end-point:" + bytes(range(1, 33))
MISSING, PROXY = int(AscReq.ALLOW_MISSING_BINDINGS), int(AscReq.PROXY_BINDINGS)
AUDIT = SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS


def digest(data: bytes) -> bytes:
    return sha256(data).digest()


class Bound:
    """Its token is ``k`` and a digest of the bindings, or nothing; or ``o`` for a client that knows of no bindings."""

    info = PackageInfo(name="Bound", capabilities=Capability.CONNECTION, max_token=64)

    def __init__(self) -> None:
        self.requests: list[ContextRequest] = []

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority

    async def get_info(self) -> PackageInfo:
        return self.info

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        return Acquired("credential")

    async def init_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        self.requests.append(request)
        if request.channel_bindings is None:
            return Complete("context", b"o")
        bindings = unpack(request.channel_bindings)
        return Complete("context", b"k" if bindings.absent else b"k" + digest(bindings.application_data))

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        self.requests.append(request)
        if request.channel_bindings is None:
            return Complete("context")
        judgement = judge(
            request.channel_bindings,
            request.token[1:],
            requirements=request.requirements,
            client_support=request.token[:1] == b"k",
            digest=digest,
        )
        result = judgement.result.native
        await self.authority.audit_logon(LogonAudit(judgement.status, "somebody", reason=result))
        return Refused(judgement.status, reason=result) if judgement.status.is_error else Complete("context")


@pytest.fixture
def package() -> Bound:
    return Bound()


@pytest.fixture
def lab(package: Bound) -> Iterator[LabAuthority]:
    with lab_of(package) as made:
        yield made


def bindings(data: bytes, flags: int = 0) -> SecBuffer:
    buffer = SecBuffer(BufferType.CHANNEL_BINDINGS, data)
    if flags:
        assert raw.sspi_set_channel_binding_flags(buffer, flags) is OK
    return buffer


def handshake(
    lab: LabAuthority, theirs: bytes | None, ours: bytes | None, requirements: int = 0, flags: int = 0
) -> Status:
    """What the server answers to a client; None: it was given no CHANNEL_BINDINGS buffer."""
    _, credential, _ = raw.acquire_credentials_handle(None, "Bound", CredentialUse.BOTH, authority=lab)
    given = [] if theirs is None else [bindings(theirs)]
    status, client, output, *_ = raw.initialize_security_context(credential, None, "host", 0, given)
    assert status is OK
    if ours is not None:
        output.append(bindings(ours, flags))
    status, server, *_ = raw.accept_security_context(credential, None, output, requirements)
    for context in (client, server):
        if context is not None:
            raw.delete_security_context(context)
    return status


def audited(lab: LabAuthority) -> Result:
    """The result bits of the last judgement, in the audit record."""
    reason = records(lab, "audit_logon")[-1].claimed["reason"]
    return next(result for result in map(Result, range(0x80)) if result.native == reason)


@pytest.mark.breaks("R233", "secpkg.sspi.raw.contexts:_sorted")
def test_R233_client_and_server_pass_bindings_in_an_input_buffer(lab: LabAuthority, package: Bound) -> None:
    assert handshake(lab, CHANNEL, OTHER, PROXY) is OK
    assert [request.channel_bindings for request in package.requests] == [CHANNEL, OTHER]
    assert handshake(lab, None, None) is OK
    assert [request.channel_bindings for request in package.requests[2:]] == [None, None]


@pytest.mark.breaks("R234", "secpkg.contract.channel_bindings:_compare")
def test_R234_only_a_client_that_knows_no_bindings_is_spared(lab: LabAuthority) -> None:
    """An informed client without a channel sends an empty binding: that is a downgrade where we have one."""
    assert handshake(lab, None, CHANNEL, MISSING) is OK
    assert audited(lab) == Result.ABSENT | Result.VALID_MISSING
    for empty in (b"", bytes(16)):
        assert handshake(lab, empty, CHANNEL, MISSING) is BAD
    assert handshake(lab, None, CHANNEL) is BAD


@pytest.mark.proves("sspi.SspiSetChannelBindingFlags")
@pytest.mark.breaks("R235", "secpkg.contract.channel_bindings:judge")
def test_R235_a_mismatch_is_bad_bindings_unless_they_are_audit_only(lab: LabAuthority) -> None:
    for theirs in (OTHER, b"", None):
        assert handshake(lab, theirs, CHANNEL) is BAD
        assert handshake(lab, theirs, CHANNEL, flags=AUDIT) is OK
    assert handshake(lab, CHANNEL, CHANNEL) is OK
    assert handshake(lab, CHANNEL, b"") is BAD


@pytest.mark.breaks("R236", "secpkg.contract.channel_bindings:_compare")
def test_R236_one_valid_or_notvalid_bit_at_least_and_never_one_of_both() -> None:
    cases = [
        (ours, theirs, requirements, support, flags)
        for ours in (CHANNEL, b"", bytes(8))
        for theirs in (None, b"", bytes(32), digest(CHANNEL), digest(OTHER))
        for requirements in (0, MISSING, PROXY, MISSING | PROXY)
        for support in (False, True)
        for flags in (0, AUDIT)
    ]
    for ours, theirs, requirements, support, flags in cases:
        packed = pack(ChannelBindings(ours, flags))
        got = judge(packed, theirs, requirements=requirements, client_support=support, digest=digest)
        valid, invalid = bool(got.result & Result.VALID), bool(got.result & Result.NOTVALID)
        assert valid is not invalid
        assert got.status is (OK if valid or flags else BAD)


@pytest.mark.breaks("R237", "secpkg.contract.channel_bindings:_compare")
def test_R237_what_is_missing_is_split_by_what_the_client_can(lab: LabAuthority) -> None:
    assert handshake(lab, b"", CHANNEL) is BAD
    assert audited(lab) == Result.CLIENT_SUPPORT | Result.ABSENT | Result.NOTVALID_MISSING
    assert handshake(lab, None, CHANNEL) is BAD
    assert audited(lab) == Result.ABSENT | Result.NOTVALID_MISSING


@pytest.mark.breaks("R238", "secpkg.contract.channel_bindings:judge")
@pytest.mark.parametrize("flags", [0, AUDIT])
def test_R238_audit_only_bindings_report_what_others_report(lab: LabAuthority, flags: int) -> None:
    for theirs, result in (
        (CHANNEL, Result.CLIENT_SUPPORT | Result.VALID_MATCHED),
        (OTHER, Result.CLIENT_SUPPORT | Result.NOTVALID_MISMATCH),
        (None, Result.ABSENT | Result.NOTVALID_MISSING),
    ):
        refused = not flags and bool(result & Result.NOTVALID)
        assert handshake(lab, theirs, CHANNEL, flags=flags) is (BAD if refused else OK)
        assert audited(lab) == result


@pytest.mark.breaks("R239", "secpkg.contract.channel_bindings:judge")
def test_R239_proxy_bindings_take_any_client_that_is_bound(lab: LabAuthority) -> None:
    assert handshake(lab, OTHER, CHANNEL, PROXY) is OK
    assert audited(lab) == Result.CLIENT_SUPPORT | Result.VALID_PROXY
    assert records(lab, "audit_logon")[-1].claimed["status"] == OK.native, "audited like a match"
    assert handshake(lab, CHANNEL, CHANNEL, PROXY) is OK
    assert audited(lab) == Result.CLIENT_SUPPORT | Result.VALID_MATCHED
    for unbound in (b"", None):
        assert handshake(lab, unbound, CHANNEL, PROXY) is BAD


def test_flags_are_set_replaced_and_taken_away() -> None:
    buffer = bindings(CHANNEL, AUDIT)
    assert unpack(bytes(buffer.data)) == ChannelBindings(CHANNEL, AUDIT) and buffer.data != CHANNEL
    assert raw.sspi_set_channel_binding_flags(buffer, AUDIT) is OK
    assert unpack(bytes(buffer.data)) == ChannelBindings(CHANNEL, AUDIT)
    assert raw.sspi_set_channel_binding_flags(buffer, 0) is OK and buffer.data == CHANNEL


def test_wrong_bindings_and_flags_change_nothing() -> None:
    invalid = Status.SEC_E_INVALID_PARAMETER
    marked = pack(ChannelBindings(b"", AUDIT))
    for data, flags in ((CHANNEL, 2), (CHANNEL, -1), (marked[:-1], AUDIT), (marked[:-1] + b"\x80", 0)):
        buffer = SecBuffer(BufferType.CHANNEL_BINDINGS, data)
        assert raw.sspi_set_channel_binding_flags(buffer, flags) is invalid and buffer.data == data
    assert raw.sspi_set_channel_binding_flags(SecBuffer(BufferType.TOKEN, CHANNEL), AUDIT) is invalid
    assert raw.sspi_set_channel_binding_flags(None, AUDIT) is invalid
    assert judge(marked[:-1], None).status is BAD
