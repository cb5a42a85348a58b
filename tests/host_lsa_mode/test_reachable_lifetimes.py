"""The functions that applications reach, while they run and when something else happens meanwhile; and legs of contexts
that are finished or expired.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from tests.host_lsa_mode.everything import Everything
from tests.host_lsa_mode.fakes import CALLER, NOW, PARK, Lab, Plain

from secpkg.contract.flags import Capability
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Complete, Continue
from secpkg.host.lsa_mode.channel import Context, Phase, Role

# --- while a call runs ---------------------------------------------------------------------------------------------


class Waiting(Plain):
    """Its functions wait for the authority."""

    async def apply_control_token(self, call: object, context: object, token: bytes) -> None:
        await self.authority.open_sam_user("alice")
        self.log.append(("control", token))

    async def get_credentials(self, call: object, credential: object) -> bytes:
        await self.authority.open_sam_user("alice")
        return b"kept"


def _waiting() -> tuple[Lab, Callable[[str, object], None], int, Context]:
    lab = Lab(Waiting(), open_sam_user=PARK)
    lab.channel.caller = msgspec.structs.replace(CALLER, has_tcb_privilege=True)
    credential = lab.acquire()
    lab.leg(credential)
    handle = lab.steps.pop()[0]

    def call(function: str, arguments: object) -> None:
        raw = msgspec.Raw(msgspec.msgpack.encode(arguments))
        lab.dispatcher.call_function(lab.channel, function, raw, lab.done, credential_handle=credential, handle=handle)

    return lab, call, credential, lab.channel.contexts[handle]


def test_spec_7_the_calls_of_a_context_run_alone() -> None:
    lab, call, _, context = _waiting()
    call("apply_control_token", (b"one",))
    with pytest.raises(SecurityError, match="context_is_busy"):
        call("apply_control_token", (b"two",))
    with pytest.raises(SecurityError, match="context_is_busy"):
        lab.dispatcher.query(lab.channel, context.handle, 1, lab.done)
    lab.link.resume()
    assert lab.outcomes == [(None, None)]
    assert not context.busy


def test_R192_a_context_deleted_meanwhile_is_deleted_at_the_end_of_the_call() -> None:
    lab, call, _, context = _waiting()
    package = lab.hosted[0]
    call("apply_control_token", (b"one",))
    lab.dispatcher.delete(lab.channel, context.handle, lab.done)
    assert context.handle in lab.channel.contexts
    lab.link.resume()
    assert context.handle not in lab.channel.contexts
    assert package.table["delete_context"].__self__.did("control", "delete") == [  # type: ignore[attr-defined]
        ("control", b"one"),
        ("delete", context.state),
    ]


def test_R193_a_credential_is_freed_after_the_call_that_uses_it() -> None:
    lab, call, credential, context = _waiting()
    package = lab.hosted[0].table["delete_context"].__self__  # type: ignore[attr-defined]
    lab.dispatcher.delete(lab.channel, context.handle, lab.done)
    call("get_credentials", ())
    lab.dispatcher.free(lab.channel, credential, lab.done)
    assert package.did("free") == []
    lab.link.resume()
    assert len(package.did("free")) == 1
    kept = lab.outcomes[-1][0]
    assert isinstance(kept, msgspec.Raw)
    assert msgspec.msgpack.decode(kept) == b"kept"


def test_an_application_that_is_gone_is_told_nothing() -> None:
    lab, call, _, context = _waiting()
    call("apply_control_token", (b"one",))
    lab.dispatcher.close(lab.channel)
    lab.link.resume()
    assert lab.outcomes == []
    assert context.handle not in lab.channel.contexts


# --- legs on a finished context ------------------------------------------------------------------------------------


def _leg(lab: Lab, credential: int, handle: int = 0, token: bytes = b"") -> int:
    lab.leg(credential, handle, token=token)
    return lab.steps[-1][0]


@pytest.mark.parametrize("finished", [False, True])
def test_a_leg_of_a_context_that_expired(finished: bool) -> None:
    """SEC_E_CONTEXT_EXPIRED, and nothing is different after it."""
    package = Everything()
    lab = Lab(package)
    credential = lab.acquire()
    package.expiry = NOW
    handle = _leg(lab, credential, token=b"" if finished else b"more")
    phase = lab.channel.contexts[handle].phase
    with pytest.raises(SecurityError) as refused:
        lab.leg(credential, handle)
    assert (refused.value.status, refused.value.reason) == (Status.SEC_E_CONTEXT_EXPIRED, "context_expired")
    context = lab.channel.contexts[handle]
    assert (context.busy, context.phase) == (False, phase)
    assert len(package.requests) == 1


def test_an_expiry_to_come_lets_a_leg_pass() -> None:
    package = Everything()
    lab = Lab(package)
    credential = lab.acquire()
    package.expiry = NOW + 1
    handle = _leg(lab, credential, token=b"more")
    _leg(lab, credential, handle)
    assert isinstance(lab.steps[-1][1], Complete)


@pytest.mark.parametrize("capability", [Capability.DATAGRAM, Capability.STREAM])
@pytest.mark.breaks("R229", "secpkg.host.lsa_mode.leg:begin_again")
def test_R229_a_datagram_or_stream_context_is_established_again(capability: Capability) -> None:
    package = Everything("Again", capability)
    lab = Lab(package)
    credential = lab.acquire()
    package.expiry = NOW - 1
    handle = _leg(lab, credential)
    package.expiry = NOW + 1
    for _ in range(2):
        _leg(lab, credential, handle, b"more")
        assert isinstance(lab.steps[-1][1], Continue)
        assert (lab.channel.contexts[handle].phase, lab.channel.half_open) == (Phase.PARTIAL, 1)
        _leg(lab, 0, handle)
        assert isinstance(lab.steps[-1][1], Complete)
        assert (lab.channel.contexts[handle].phase, lab.channel.half_open) == (Phase.COMPLETE, 0)
    assert len(package.contexts) == 1
    assert package.contexts[0].words == [b"", b"more", b"", b"more", b""]


def test_a_connection_context_is_not_established_again() -> None:
    lab = Lab(Everything())
    credential = lab.acquire()
    handle = _leg(lab, credential)
    with pytest.raises(SecurityError, match="context_is_complete"):
        lab.leg(credential, handle)


def test_establishing_again_is_refused_like_any_leg(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(Everything("Again", Capability.DATAGRAM))
    credential, other = lab.acquire(), lab.acquire()
    handle = _leg(lab, credential)
    context = lab.channel.contexts[handle]
    with pytest.raises(SecurityError, match="context_is_complete"):
        lab.leg(credential, handle, Role.ACCEPTOR)
    with pytest.raises(SecurityError, match="context_is_complete"):
        lab.leg(other, handle)
    context.busy = True
    with pytest.raises(SecurityError, match="context_is_complete"):
        lab.leg(credential, handle)
    context.busy = False
    monkeypatch.setattr("secpkg.host.lsa_mode.leg.MAX_HALF_OPEN", 0)
    with pytest.raises(SecurityError, match="quota_half_open"):
        lab.leg(credential, handle)
    assert (context.phase, lab.channel.half_open) == (Phase.COMPLETE, 0)


def test_what_is_refused_while_a_context_is_established_again_ends_it() -> None:
    lab = Lab(Everything("Again", Capability.DATAGRAM))
    credential = lab.acquire()
    handle = _leg(lab, credential)
    _leg(lab, credential, handle, b"refuse")
    assert lab.refusal().status is Status.SEC_E_LOGON_DENIED
    assert (lab.channel.contexts[handle].phase, lab.channel.half_open) == (Phase.FAILED, 0)
