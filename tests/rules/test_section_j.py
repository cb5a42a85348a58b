"""Section J of the rules: SSPI towards the application.

R203, R204 (transfer) and R206 to R208 are kept elsewhere. The packages here reflect: what they grant is what was asked
for, and the token of a leg says how it ends.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.host_lsa_mode.everything import Everything, Held, Module, Talk
from tests.sspi.test_raw_credentials import Plain

import secpkg
from secpkg.contract import (
    AscReq,
    AscRet,
    Call,
    CredentialUse,
    ImpersonationLevel,
    IscReq,
    IscRet,
    LsaFunctions,
    PackageParameters,
    SecBuffer,
    SecurityError,
    Status,
)
from secpkg.contract.flags import BufferType
from secpkg.contract.values import NEVER, Complete, ContextRequest, Continue, Step, filetime
from secpkg.host.user_mode import providers
from secpkg.sspi import operations, raw
from secpkg.testing import LabAuthority

OK = Status.SEC_E_OK
CONTINUE = Status.SEC_I_CONTINUE_NEEDED
TOKEN = BufferType.TOKEN
BOTH_SIDES = (
    "DELEGATE",
    "MUTUAL_AUTH",
    "REPLAY_DETECT",
    "SEQUENCE_DETECT",
    "CONFIDENTIALITY",
    "USE_SESSION_KEY",
    "ALLOCATE_MEMORY",
    "USE_DCE_STYLE",
    "DATAGRAM",
    "CONNECTION",
)
DIFFERENT = ("INTEGRITY", "IDENTIFY", "STREAM", "EXTENDED_ERROR")


@pytest.fixture
def package() -> Everything:
    return Everything()


@pytest.fixture
def lab(package: Everything) -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=[Module(package)]) as made:
        yield made


@pytest.fixture
def credential(lab: LabAuthority) -> raw.CredentialHandle:
    status, handle, _ = raw.acquire_credentials_handle(None, "Everything", CredentialUse.BOTH, authority=lab)
    assert status is OK and handle is not None
    return handle


Leg = tuple[Status, raw.ContextHandle | None, list[tuple[int, bytes]], int]


def initialize(
    credential: raw.CredentialHandle, token: bytes = b"", context: raw.ContextHandle | None = None, wanted: int = 0
) -> Leg:
    given = [SecBuffer(TOKEN, token)]
    status, made, output, granted, _ = raw.initialize_security_context(credential, context, "host", wanted, given)
    return status, made, [(buffer.type, bytes(buffer.data)) for buffer in output], granted


def accept(
    credential: raw.CredentialHandle, token: bytes = b"", context: raw.ContextHandle | None = None, wanted: int = 0
) -> Leg:
    given = [SecBuffer(TOKEN, token)]
    status, made, output, granted, _ = raw.accept_security_context(credential, context, given, wanted)
    return status, made, [(buffer.type, bytes(buffer.data)) for buffer in output], granted


# --- flags ----------------------------------------------------------------------------------------------------------


@pytest.mark.breaks("R173", "secpkg.sspi.party:Party._settle")
def test_R173_what_was_granted_is_the_callers_to_judge_and_the_paved_path_takes_no_less(lab: LabAuthority) -> None:
    _, credential, _ = raw.acquire_credentials_handle(None, "Everything", 2, authority=lab)
    assert credential is not None
    assert initialize(credential, wanted=0)[3] == 0
    with secpkg.Client("Everything", requirements=IscReq.MUTUAL_AUTH, authority=lab) as client:
        assert client.step() == b"done"
        assert client.flags == IscRet.MUTUAL_AUTH

    class Granting(Everything):
        async def init_lsa_mode_context(self, *args: object) -> Step:
            return Complete(object(), attributes=0)

    with (
        LabAuthority(modules=[Module(Granting())]) as other,
        secpkg.Client("Everything", requirements=IscReq.MUTUAL_AUTH, authority=other) as client,
    ):
        with pytest.raises(SecurityError, match="SECURITY_QOS_FAILED"):
            client.step()
        assert not client.complete


@pytest.mark.breaks("R174", "data: the values of IscReq and AscReq in secpkg.contract.flags")
def test_R174_flags_of_one_meaning_differ_between_the_sides(
    credential: raw.CredentialHandle, lab: LabAuthority
) -> None:
    assert all(IscReq[name].value == AscReq[name].value for name in BOTH_SIDES)
    assert all(IscReq[name].value != AscReq[name].value for name in DIFFERENT)
    assert initialize(credential, wanted=IscReq.INTEGRITY)[3] == IscRet.INTEGRITY
    assert accept(credential, b"x", wanted=AscReq.INTEGRITY)[3] == AscRet.INTEGRITY


@pytest.mark.breaks("R175", "data: the values of IscRet and AscRet in secpkg.contract.flags")
def test_R175_what_is_asked_and_what_is_granted_have_one_value_on_a_side() -> None:
    """But for CALL_LEVEL, where the header itself has two."""
    for asked, granted in ((IscReq, IscRet), (AscReq, AscRet)):
        shared = [name for name in asked.__members__ if name in granted.__members__ and name != "CALL_LEVEL"]
        assert len(shared) >= 10
        assert all(asked[name].value == granted[name].value for name in shared)
        assert set(granted.__members__) - set(asked.__members__)


@pytest.mark.breaks("R176", "secpkg.sspi.operations:_effective")
def test_R176_delegation_takes_effect_with_mutual_authentication_only(credential: raw.CredentialHandle) -> None:
    alone = initialize(credential, wanted=IscReq.DELEGATE | IscReq.CONFIDENTIALITY)
    assert alone[3] == IscRet.CONFIDENTIALITY
    assert raw.query_context_attributes(alone[1], 0xE)[1].flags == IscRet.CONFIDENTIALITY  # type: ignore[union-attr]
    both = initialize(credential, wanted=IscReq.DELEGATE | IscReq.MUTUAL_AUTH)
    assert both[3] == IscRet.DELEGATE | IscRet.MUTUAL_AUTH
    assert accept(credential, b"x", wanted=AscReq.DELEGATE)[3] == 0


def _integrity(granted: int, accepting: bool = False) -> bool:
    """Whether a user half may sign with what was granted."""
    return bool(granted & operations._INTEGRITY[accepting])


@pytest.mark.breaks("R177", "data: secpkg.sspi.operations._INTEGRITY")
def test_R177_R178_detection_implies_integrity_and_not_the_reverse() -> None:
    for name in ("REPLAY_DETECT", "SEQUENCE_DETECT", "INTEGRITY"):
        assert _integrity(IscRet[name]) and _integrity(AscRet[name], True)
    for name in ("CONFIDENTIALITY", "MUTUAL_AUTH"):
        assert not _integrity(IscRet[name]) and not _integrity(AscRet[name], True)
    assert not IscRet.INTEGRITY & (IscRet.REPLAY_DETECT | IscRet.SEQUENCE_DETECT)


@pytest.mark.breaks("R178", "secpkg.sspi.raw.contexts:_leg")
def test_R178_integrity_alone_is_granted_alone(credential: raw.CredentialHandle) -> None:
    granted = initialize(credential, wanted=IscReq.INTEGRITY)[3]
    assert not granted & (IscRet.REPLAY_DETECT | IscRet.SEQUENCE_DETECT)


@pytest.mark.breaks("R181", "secpkg.host.lsa_mode.dispatcher:Dispatcher.leg")
def test_R181_dce_style_has_a_third_leg() -> None:
    class Dce(Everything):
        """The initiator has a last word, which the acceptor waits for."""

        async def init_lsa_mode_context(
            self, call: object, credential: object, context: object, request: ContextRequest
        ) -> Step:
            if context is None:
                return Continue(b"1", [request.requirements])
            return Complete(context, b"3" if request.requirements & IscReq.USE_DCE_STYLE else b"", attributes=0x200)

        async def accept_lsa_mode_context(
            self, call: object, credential: object, context: object, request: ContextRequest
        ) -> Step:
            if context is None:
                return Continue(b"2", [request.token])
            return Complete(context, attributes=0x200 if request.token == b"3" else 0)

    with LabAuthority(modules=[Module(Dce())]) as lab:
        _, credential, _ = raw.acquire_credentials_handle(None, "Everything", CredentialUse.BOTH, authority=lab)
        assert credential is not None
        status, client, first, _ = initialize(credential, wanted=IscReq.USE_DCE_STYLE)
        assert status is CONTINUE
        status, server, second, _ = accept(credential, first[0][1], wanted=AscReq.USE_DCE_STYLE)
        assert status is CONTINUE
        status, client, third, _ = initialize(credential, second[0][1], client, IscReq.USE_DCE_STYLE)
        assert (status, third) == (OK, [(TOKEN, b"3")])
        assert accept(credential, third[0][1], server, AscReq.USE_DCE_STYLE)[::3] == (OK, AscRet.USED_DCE_STYLE)


@pytest.mark.breaks("R183", "secpkg.sspi.raw.contexts:_sorted")
def test_R183_supplied_credentials_come_in_their_buffer(credential: raw.CredentialHandle, package: Everything) -> None:
    given = [SecBuffer(BufferType.PKG_PARAMS, b"supplied")]
    raw.initialize_security_context(credential, None, "host", IscReq.USE_SUPPLIED_CREDS, given)
    (request,) = package.requests
    assert request.requirements == IscReq.USE_SUPPLIED_CREDS
    assert [(buffer.type, bytes(buffer.data)) for buffer in request.buffers] == [(BufferType.PKG_PARAMS, b"supplied")]


@pytest.mark.breaks("R184", "secpkg.sspi.raw.contexts:_output")
def test_R184_a_token_is_allocated_whether_that_was_asked_for_or_not(credential: raw.CredentialHandle) -> None:
    for wanted in (IscReq(0), IscReq.ALLOCATE_MEMORY):
        status, _, output, _ = initialize(credential, wanted=wanted)
        assert (status, output) == (OK, [(TOKEN, b"done")])
        assert raw.free_context_buffer(output) is OK


# --- statuses and tokens --------------------------------------------------------------------------------------------


@pytest.mark.breaks("R185", "secpkg.sspi.raw.contexts:_output")
def test_R185_R188_an_error_has_a_token_for_the_peer(credential: raw.CredentialHandle) -> None:
    for leg in (initialize, accept):
        status, context, output, _ = leg(credential, b"refuse")
        assert (status, context, output) == (Status.SEC_E_LOGON_DENIED, None, [(TOKEN, b"why not")])


@pytest.mark.breaks("R188", "secpkg.runtime.applications:stepped")
def test_R188_whatever_the_acceptor_gives_is_for_the_client(credential: raw.CredentialHandle) -> None:
    outputs = [accept(credential, token)[2] for token in (b"refuse", b"more", b"last")]
    assert outputs == [[(TOKEN, b"why not")], [(TOKEN, b"go on")], [(TOKEN, b"done")]]


@pytest.mark.breaks("R186", "secpkg.sspi.party:Party._finished")
@pytest.mark.breaks("R199", "secpkg.sspi.party:Party._finished")
def test_R186_R199_nothing_is_told_of_a_context_before_its_end(lab: LabAuthority, package: Everything) -> None:
    package.expiry = 4e9
    with secpkg.Server("Everything", requirements=0, authority=lab) as server:
        server.step(b"more")
        assert server.flags == 0
        with pytest.raises(SecurityError, match="context_not_complete"):
            _ = server.expiry
        server.step(b"last")
        assert server.expiry == 4e9


@pytest.mark.breaks("R187", "secpkg.sspi.operations:_finish")
def test_R187_a_context_may_be_complete_and_its_last_token_unsent(lab: LabAuthority) -> None:
    with secpkg.Client("Everything", requirements=0, authority=lab) as client:
        assert client.step() == b"done"
        assert client.complete


# --- ends -----------------------------------------------------------------------------------------------------------


@pytest.mark.breaks("R190", "secpkg.sspi.operations:delete")
def test_R190_a_context_that_failed_is_still_to_be_deleted(
    credential: raw.CredentialHandle, package: Everything
) -> None:
    _, context, _, _ = initialize(credential, b"more")
    assert initialize(credential, b"refuse", context)[0] is Status.SEC_E_LOGON_DENIED
    assert package.deleted == []
    assert raw.delete_security_context(context) is OK
    assert package.deleted == package.contexts


@pytest.mark.breaks("R191", "secpkg.sspi.operations:delete")
def test_R191_deleting_again_is_nothing(credential: raw.CredentialHandle, package: Everything) -> None:
    _, context, _, _ = initialize(credential)
    assert [raw.delete_security_context(context) for _ in range(3)] == [OK] * 3
    assert package.deleted == package.contexts


@pytest.mark.breaks("R192", "secpkg.host.user_mode.contexts:busy")
def test_R192_two_threads_do_not_build_or_delete_one_context(
    credential: raw.CredentialHandle, package: Everything
) -> None:
    _, context, _, _ = initialize(credential, b"more")
    assert context is not None
    context.turn.pop()
    assert initialize(credential, b"last", context)[0] is Status.SEC_E_INVALID_HANDLE
    assert raw.delete_security_context(context) is Status.SEC_E_INVALID_HANDLE
    assert (len(package.requests), package.deleted) == (1, [])
    context.turn.append(None)
    assert raw.delete_security_context(context) is OK


@pytest.mark.breaks("R193", "secpkg.host.lsa_mode.dispatcher:Dispatcher._let_go")
def test_R193_the_credential_goes_with_its_last_context(credential: raw.CredentialHandle, package: Everything) -> None:
    _, context, _, _ = initialize(credential)
    assert raw.free_credentials_handle(credential) is OK
    assert package.freed == []
    assert raw.delete_security_context(context) is OK
    assert package.freed == package.credentials


@pytest.mark.breaks("R194", "secpkg.runtime.embedded_port:LocalPort.report_drained")
def test_R194_a_package_is_unloaded_after_its_last_context(lab: LabAuthority) -> None:
    class Ending(Everything):
        stopped = False

        async def shutdown(self) -> None:
            self.stopped = True

    ending = Ending()
    with LabAuthority(modules=[Module(ending)]) as other:
        _, credential, _ = raw.acquire_credentials_handle(None, "Everything", CredentialUse.BOTH, authority=other)
        assert credential is not None
        _, context, _, _ = initialize(credential)
        assert raw.delete_security_package("Everything", authority=other) is OK
        assert raw.query_context_attributes(context, 1)[0] is OK
        assert initialize(credential)[0] is Status.SEC_E_SECPKG_NOT_FOUND
        assert not ending.stopped
        raw.delete_security_context(context)
        assert ending.stopped and ending.deleted == ending.contexts


@pytest.mark.breaks("R195", "secpkg.host.lsa_mode.channel:Channel.room_for_context")
def test_R195_contexts_that_nobody_continues_are_bounded(
    credential: raw.CredentialHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long to wait for a leg is for the server to say; what it forgot cannot fill the authority."""
    monkeypatch.setattr("secpkg.host.lsa_mode.channel.MAX_HALF_OPEN", 2)
    half_open = [accept(credential, b"more")[1] for _ in range(2)]
    assert accept(credential, b"more")[:2] == (Status.SEC_E_INSUFFICIENT_MEMORY, None)
    raw.delete_security_context(half_open[0])
    assert accept(credential, b"more")[0] is CONTINUE


# --- credentials, times, impersonation ------------------------------------------------------------------------------


@pytest.mark.breaks("R196", "secpkg.host.lsa_mode.dispatcher:Dispatcher.acquire")
def test_R196_without_a_principal_it_is_the_caller(lab: LabAuthority, package: Everything) -> None:
    raw.acquire_credentials_handle(None, "Everything", CredentialUse.OUTBOUND, authority=lab)
    raw.acquire_credentials_handle("another", "Everything", CredentialUse.OUTBOUND, authority=lab)
    assert [held.owner for held in package.credentials] == ["session None", "another"]


@pytest.mark.breaks("R197", "secpkg.sspi.operations:leg")
def test_R197_a_handle_is_no_proof_that_its_credentials_work(credential: raw.CredentialHandle) -> None:
    assert initialize(credential, b"refuse")[0] is Status.SEC_E_LOGON_DENIED


@pytest.mark.breaks("R198", "secpkg.contract.values:filetime")
def test_R198_time_stamps_are_filetimes(lab: LabAuthority, package: Everything) -> None:
    """Here they are UTC seconds, and never local time."""
    assert filetime(0.0) == 116_444_736_000_000_000
    assert filetime(-11_644_473_600.0) == 0
    assert filetime(NEVER) == 0x7FFF_FFFF_FFFF_FFFF
    package.expiry = 4e9
    assert raw.acquire_credentials_handle(None, "Everything", 2, authority=lab)[2] == 4e9


@pytest.mark.breaks("R200", "secpkg.sspi.operations:own_token")
def test_R200_without_impersonation_nothing_is_done_for_the_client(
    credential: raw.CredentialHandle, lab: LabAuthority
) -> None:
    before = os.getresuid(), os.getresgid()
    _, context, _, _ = accept(credential, b"last")
    assert raw.impersonate_security_context(context) is Status.SEC_E_NO_IMPERSONATION
    assert (os.getresuid(), os.getresgid()) == before
    with secpkg.Server("Everything", requirements=0, authority=lab) as server:
        server.step(b"last")
        with pytest.raises(SecurityError, match="NO_IMPERSONATION"), server.impersonate():
            pytest.fail("done on behalf of nobody")


class Naming(Everything):
    """It knows its client by the token of a leg; how far its access token goes is what was asked for."""

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority

    async def accept_lsa_mode_context(
        self, call: Call, credential: Held, context: Talk, request: ContextRequest
    ) -> Step:
        identify = request.requirements & AscReq.IDENTIFY
        level = ImpersonationLevel.IDENTIFICATION if identify else ImpersonationLevel.IMPERSONATION
        auth = await self.authority.get_auth_data_for_user(request.token.decode())
        converted = await self.authority.convert_auth_data_to_token(auth, level)
        return Complete(Talk(credential), access_token=converted.token)


@pytest.fixture
def named() -> Iterator[raw.CredentialHandle]:
    with LabAuthority(domain="EXAMPLE", modules=[Module(Naming())]) as lab:
        lab.add_user("alice", posix_uid=65534)
        _, credential, _ = raw.acquire_credentials_handle(None, "Everything", CredentialUse.INBOUND, authority=lab)
        assert credential is not None
        yield credential


@pytest.mark.breaks("R182", "secpkg.sspi.impersonation:_refused")
def test_R182_to_identify_is_not_to_impersonate(named: raw.CredentialHandle) -> None:
    _, context, _, _ = accept(named, b"alice", wanted=AscReq.IDENTIFY)
    status, token = raw.query_security_context_token(context)
    assert status is OK and token is not None
    with token:
        assert (token.account_name, token.impersonation_level) == ("alice", ImpersonationLevel.IDENTIFICATION)
    before = os.getresuid()
    assert raw.impersonate_security_context(context) is Status.SEC_E_NO_IMPERSONATION
    assert os.getresuid() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="impersonation needs the privilege of root")
@pytest.mark.breaks("R201", "secpkg.sspi.impersonation:impersonate")
def test_R201_an_impersonation_ends_with_revert(named: raw.CredentialHandle) -> None:
    before = os.getresuid()
    _, context, _, _ = accept(named, b"alice")
    assert raw.impersonate_security_context(context) is OK
    during = os.geteuid()
    raw.revert_security_context(context)
    assert (during, os.getresuid()) == (65534, before)


@pytest.mark.breaks("R202", "secpkg.sspi.operations:query_token")
def test_R202_whoever_asks_for_the_access_token_closes_it(named: raw.CredentialHandle) -> None:
    _, context, _, _ = accept(named, b"alice")
    tokens = [raw.query_security_context_token(context)[1] for _ in range(2)]
    assert tokens[0] is not None and tokens[1] is not None
    tokens[0].close()
    assert tokens[1].account_name == "alice"
    tokens[1].close()
    assert raw.query_security_context_token(context)[0] is OK


@pytest.mark.breaks("R189", "secpkg.sspi.operations:complete_token")
def test_R189_a_token_is_completed_before_it_is_sent() -> None:
    class Digest(Plain):
        def initialize_security_context(
            self, call: Call, credential: object, context: object, request: ContextRequest
        ) -> Step:
            return Complete("context", b"half", complete_needed=True)

        def complete_auth_token(self, context: object, token: bytes) -> bytes:
            return b"completed " + token

    providers.add("digest", Digest)
    try:
        with secpkg.Client("PlainOne", requirements=0) as client:
            assert client.step() == b"completed half"
        _, credential, _ = raw.acquire_credentials_handle(None, "PlainOne", CredentialUse.OUTBOUND)
        status, context, output, _, _ = raw.initialize_security_context(credential, None, None, 0)
        assert (status, output[0].data) == (Status.SEC_I_COMPLETE_NEEDED, b"half")
        assert raw.complete_auth_token(context, output) is OK
        assert output[0].data == b"completed half"
    finally:
        providers.remove("digest")
