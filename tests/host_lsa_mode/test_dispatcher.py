"""Handles, legs and their checks: what holds for every package whatever it does."""

from __future__ import annotations

import itertools

import pytest
from tests.host_lsa_mode.bench import INVALID, Bench, raises_at_once, refused_with, void
from tests.host_lsa_mode.fakes import CALLER, PARK, Lab, Plain, Token, asks_first, asks_then_continues

from secpkg.contract.flags import CallAttribute
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    Acquired,
    Complete,
    Continue,
    LogonAudit,
    NeedMore,
    Refused,
    Sizes,
    Step,
)
from secpkg.host.lsa_mode import channel as channels
from secpkg.host.lsa_mode.channel import TRANSITIONS, Channel, Event, Phase, Role
from secpkg.host.lsa_mode.dispatcher import (
    MAX_REQUEST_TOKEN,
)
from secpkg.host.lsa_mode.steps import step_status

CLEANUP = CallAttribute.CLEANUP
ACCEPTOR = Role.ACCEPTOR


# --- handles and order of legs ----------------------------------------------------------------------------------------


@pytest.mark.breaks("R151", "secpkg.host.lsa_mode.dispatcher:Dispatcher.leg")
def test_r151_both_handles_null() -> None:
    with refused_with(INVALID, "both_handles_null"):
        Bench().leg(0)


def test_stale_and_foreign_handles_find_nothing() -> None:
    lab = Bench()
    handle = lab.play(Continue(b"", Token("context")))
    with refused_with(INVALID, "credential_handle_unknown"):
        lab.leg(handle)  # a context's number
    with refused_with(INVALID, "context_handle_unknown"):
        lab.leg(0, lab.credential)  # a credential's number
    with refused_with(INVALID, "context_handle_unknown"):
        lab.dispatcher.query(lab.channel, 999, 1, lab.done)
    with refused_with(INVALID, "credential_handle_unknown"):
        lab.dispatcher.free(lab.channel, -1, lab.done)
    mine, lab.channel = lab.channel, Channel(4, CALLER)
    for door in (lambda: lab.leg(0, handle), lambda: lab.dispatcher.delete(lab.channel, handle, lab.done)):
        with refused_with(INVALID, "context_handle_unknown"):
            void(door)
    lab.dispatcher.close(lab.channel)
    assert mine.contexts
    assert not lab.package.did("delete", "free")
    assert repr(mine) == "<Channel 3 pid 42>"


def test_a_context_keeps_its_role_and_its_credential() -> None:
    lab = Lab(Plain("A"), Plain("B"))
    mine, other, foreign = lab.acquire(1), lab.acquire(1), lab.acquire(2)
    assert isinstance(lab.hosted[0].table["init_lsa_mode_context"].__self__, Plain)  # type: ignore[attr-defined]
    package: Plain = lab.hosted[0].table["init_lsa_mode_context"].__self__  # type: ignore[attr-defined]
    package.legs = [Continue(b"", Token("context")), Continue(b"", Token("context")), Continue(b"", Token("context"))]
    lab.leg(mine)
    handle = lab.steps[-1][0]
    with refused_with(INVALID, "context_is_partial"):
        lab.leg(mine, handle, ACCEPTOR)
    for wrong in (other, foreign):
        with refused_with(Status.SEC_E_WRONG_CREDENTIAL_HANDLE, "credential_of_another_context"):
            lab.leg(wrong, handle)
    lab.leg(0, handle)
    lab.leg(mine, handle)
    assert len(package.did("leg")) == 3


@pytest.mark.breaks("R150", "secpkg.host.lsa_mode.leg:Leg._end")
def test_r150_r151_the_first_leg_gets_no_context_and_later_ones_what_the_package_gave() -> None:
    lab = Bench()
    first, second = Token("first"), Token("second")
    handle = lab.play(Continue(b"1", first), Continue(b"2", second), Complete())
    assert lab.package.did("leg") == [("leg", None), ("leg", first), ("leg", second)]
    lab.dispatcher.delete(lab.channel, handle, lab.done)
    assert lab.package.did("delete") == [("delete", second)]  # Complete() without a context keeps the one that was


def test_r152_the_handle_stays_the_same_and_r187_the_last_token_is_in_the_reply() -> None:
    lab = Bench()
    lab.play(Continue(b"1", Token("context")), Complete(token=b"2", leftover=1), token=b"x")
    ((first, _one), (second, last)) = lab.steps
    assert first == second
    assert isinstance(last, Complete)
    assert (last.token, step_status(last)) == (b"2", Status.SEC_E_OK)


@pytest.mark.breaks("R152", "secpkg.host.lsa_mode.steps:checked_step")
def test_r152_a_continue_without_a_context_is_refused() -> None:
    lab = Bench()
    assert lab.play(Continue(b"", None)) == 0
    assert lab.refusal().reason == "continue_without_a_context"
    assert not lab.channel.contexts


def test_a_token_beyond_the_limit_never_reaches_the_package() -> None:
    lab = Bench()
    with refused_with(Status.SEC_E_INVALID_TOKEN, "token_too_large"):
        lab.leg(lab.credential, token=bytes(MAX_REQUEST_TOKEN + 1))
    lab.leg(lab.credential, token=bytes(MAX_REQUEST_TOKEN))
    assert len(lab.package.requests) == 1


STEPS: dict[Event, list[Step]] = {
    Event.CONTINUED: [Continue(b"", Token("context"))],
    Event.COMPLETED: [Complete(Token("context"))],
    Event.WANTED_MORE: [NeedMore(3)],
    Event.REFUSED: [Refused(Status.SEC_E_LOGON_DENIED)],
}
REACHED: dict[Phase, list[Event]] = {
    Phase.NEW: [Event.WANTED_MORE],
    Phase.PARTIAL: [Event.CONTINUED],
    Phase.COMPLETE: [Event.COMPLETED],
    Phase.FAILED: [Event.CONTINUED, Event.REFUSED],
}


@pytest.mark.parametrize(("phase", "event"), list(itertools.product(Phase, Event)))
@pytest.mark.parametrize("role", Role)
def test_every_pair_of_phase_and_event_is_a_transition_or_refused(phase: Phase, event: Event, role: Role) -> None:
    lab = Bench()
    handle = lab.play(*(STEPS[reached][0] for reached in REACHED[phase]), role=role)
    context = lab.channel.contexts[handle]
    assert context.phase is phase
    lab.package.legs = list(STEPS[event])
    before = len(lab.package.did("leg"))
    following = TRANSITIONS.get((phase, event))
    if following is None:
        assert phase in {Phase.COMPLETE, Phase.FAILED}
        with refused_with(INVALID, f"context_is_{phase.value}"):
            lab.leg(lab.credential, handle, role)
        assert len(lab.package.did("leg")) == before
    else:
        lab.leg(lab.credential, handle, role)
        assert context.phase is following
        assert lab.steps[-1] == (handle, STEPS[event][0])
        assert lab.channel.half_open == (following in {Phase.NEW, Phase.PARTIAL})
    assert not context.busy


def test_transitions_leave_from_new_and_partial_only_and_for_every_event() -> None:
    assert set(TRANSITIONS) == set(itertools.product([Phase.NEW, Phase.PARTIAL], Event))


def test_r190_a_context_that_fails_on_a_later_leg_is_still_to_be_deleted() -> None:
    lab = Bench()
    state = Token("context")
    handle = lab.play(Continue(b"", state), Refused(Status.SEC_E_LOGON_DENIED, b"sorry"))
    assert handle
    assert not lab.package.did("delete")
    lab.dispatcher.delete(lab.channel, handle, lab.done)
    assert lab.package.did("delete") == [("delete", state)]


def test_r190_a_first_leg_that_fails_leaves_no_context() -> None:
    lab = Bench()
    assert lab.play(Refused(Status.SEC_E_LOGON_DENIED)) == 0
    assert (lab.channel.contexts, lab.channel.half_open) == ({}, 0)
    assert not lab.package.did("delete")
    lab.dispatcher.free(lab.channel, lab.credential, lab.done)
    assert len(lab.package.did("free")) == 1


# --- spec/README 7: the calls of one context run alone ----------------------------------------------------------------


def test_r192_a_second_leg_while_the_first_is_parked_is_refused_and_changes_nothing() -> None:
    lab = Bench(open_sam_user=PARK)
    handle = lab.play(Continue(b"", Token("context")))
    lab.package.legs = [asks_then_continues]
    lab.leg(0, handle)
    with refused_with(INVALID, "context_is_busy"):
        lab.leg(0, handle)
    with refused_with(INVALID, "context_is_partial"):
        lab.dispatcher.query(lab.channel, handle, 1, lab.done)
    lab.link.resume()
    assert [step for _handle, step in lab.steps[1:]] == [Continue(b"more", lab.channel.contexts[handle].state)]
    lab.leg(0, handle)
    assert isinstance(lab.step(), Complete)


def test_different_contexts_run_at_the_same_time() -> None:
    lab = Bench(open_sam_user=PARK)
    lab.package.legs = [asks_first, asks_first]
    lab.leg(lab.credential)
    lab.leg(lab.credential)
    lab.link.parked.pop().resume(None, None)
    lab.link.parked.pop().resume(None, None)
    assert [handle for handle, _step in lab.steps] == [lab.credential + 2, lab.credential + 1]


@pytest.mark.parametrize("leg", [asks_first, asks_then_continues])
@pytest.mark.parametrize("role", Role)
def test_r192_spec_9_a_deletion_while_a_leg_is_parked_happens_once_at_its_end(leg: object, role: Role) -> None:
    lab = Bench(open_sam_user=PARK)
    state = Token("context")
    handle = lab.play(Continue(b"", state), role=role)
    lab.package.legs = [leg]
    lab.leg(0, handle, role)
    for _again in range(2):
        lab.dispatcher.delete(lab.channel, handle, lab.done)
    assert lab.outcomes == [(None, None)] * 2  # R191
    assert not lab.package.did("delete")
    lab.link.resume()
    assert lab.package.did("delete") == [("delete", state)]
    assert not lab.package.calls[-1].attributes
    (gone, step) = lab.steps[-1]
    assert gone == 0
    assert isinstance(step, Refused)  # what was granted went with the context
    assert step.status is Status.SEC_E_UNFINISHED_CONTEXT_DELETED
    assert (lab.channel.contexts, lab.channel.half_open) == ({}, 0)
    if role is ACCEPTOR:
        (record,) = lab.link.asked[-1].arguments
        assert isinstance(record, LogonAudit)
        assert record.status is Status.SEC_E_UNFINISHED_CONTEXT_DELETED


def test_a_leg_that_was_refused_anyway_keeps_its_refusal_when_its_context_was_deleted() -> None:
    lab = Bench(open_sam_user=PARK)
    lab.package.legs = [asks_first]
    lab.leg(lab.credential)
    lab.dispatcher.delete(lab.channel, lab.credential + 1, lab.done)
    lab.link.resume(error=SecurityError(Status.STATUS_NO_SUCH_USER))
    assert lab.refusal().status is Status.STATUS_NO_SUCH_USER
    assert not lab.channel.contexts


def test_a_query_runs_alone_and_a_deletion_waits_for_it() -> None:
    lab = Bench(open_sam_user=PARK)
    handle = lab.open(lab.credential)

    async def asks(package: Plain, _context: object) -> object:
        await package.authority.open_sam_user("alice")
        return Sizes(1, 2, 3, 4)

    lab.package.queried = asks
    lab.dispatcher.query(lab.channel, handle, 0, lab.done)
    with refused_with(INVALID, "context_is_busy"):
        lab.dispatcher.query(lab.channel, handle, 0, lab.done)
    lab.dispatcher.delete(lab.channel, handle, lab.done)
    assert not lab.package.did("delete")
    lab.link.resume()
    assert len(lab.package.did("delete")) == 1
    assert lab.outcomes == [(None, None), (Sizes(1, 2, 3, 4), None)]


@pytest.mark.parametrize("queried", [None, "alice", object()])
def test_a_query_that_gives_no_documented_structure_has_failed(queried: object) -> None:
    lab = Bench()
    handle = lab.open(lab.credential)
    lab.package.queried = queried
    lab.dispatcher.query(lab.channel, handle, 0, lab.done)
    assert lab.failure().reason == f"package_returned_{type(queried).__name__}"
    lab.package.queried = SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION)
    lab.dispatcher.query(lab.channel, handle, 0, lab.done)
    assert lab.failure().status is Status.SEC_E_UNSUPPORTED_FUNCTION


# --- the application goes away ----------------------------------------------------------------------------------------


def test_r193_spec_9_rundown_takes_contexts_before_credentials_each_once_with_the_cleanup_attribute() -> None:
    lab = Bench()
    lab.acquire()
    first, second = Token("complete"), Token("half-built")
    lab.package.legs = [Complete(first), Continue(b"", second), NeedMore()]
    for _context in range(3):
        lab.leg(lab.credential)
    kept = lab.credential + 1
    lab.dispatcher.free(lab.channel, lab.credential, lab.done)
    lab.package.log.clear()
    lab.package.calls.clear()
    for _again in range(2):
        lab.dispatcher.close(lab.channel)
    assert lab.package.did("delete") == [("delete", first), ("delete", second)]
    assert [kind for kind, _state in lab.package.log] == ["delete", "delete", "free", "free"]
    assert {call.attributes for call in lab.package.calls} == {CLEANUP}
    assert (lab.channel.contexts, lab.channel.credentials, lab.channel.half_open) == ({}, {}, 0)
    assert kept not in lab.channel.credentials


def test_spec_9_a_failing_package_does_not_stop_the_rundown() -> None:
    lab = Bench()
    lab.open(lab.credential)
    lab.open(lab.credential)
    for name in ("delete_context", "free_credentials_handle"):
        lab.hosted[0].table[name] = raises_at_once
    lab.dispatcher.close(lab.channel)
    assert (lab.channel.contexts, lab.channel.credentials) == ({}, {})


@pytest.mark.parametrize("error", [None, SecurityError(Status.STATUS_NO_SUCH_USER)])
@pytest.mark.parametrize("leg", [asks_first, asks_then_continues])
@pytest.mark.parametrize("role", Role)
def test_spec_9_a_channel_closed_while_a_leg_is_parked(leg: object, error: SecurityError | None, role: Role) -> None:
    lab = Bench(open_sam_user=PARK)
    state = Token("context")
    handle = lab.play(Continue(b"", state), role=role)
    lab.package.legs = [leg]
    lab.leg(0, handle, role)
    lab.dispatcher.close(lab.channel)
    assert not lab.package.did("delete", "free")
    lab.link.resume(error=error)
    assert [kind for kind, _state in lab.package.did("delete", "free")] == ["delete", "free"]
    assert {call.attributes for call in lab.package.calls[-2:]} == {CLEANUP}
    assert len(lab.steps) == 1
    assert lab.channel.half_open == 0
    # What could not be told to anyone is still on the record (lock 10).
    assert lab.link.functions == ["open_sam_user", *(["audit_logon"] if role is ACCEPTOR else [])]


@pytest.mark.parametrize("error", [None, SecurityError(Status.STATUS_NO_SUCH_USER)])
def test_spec_9_a_channel_closed_while_an_acquisition_is_parked(error: SecurityError | None) -> None:
    lab = Lab(package := Plain(), open_sam_user=PARK)
    state = Token("credential")

    async def asks(package: Plain, _context: object) -> object:
        await package.authority.open_sam_user("alice")
        return Acquired(state)

    package.acquired = asks
    lab.dispatcher.acquire(lab.channel, 1, 3, None, None, None, lab.done)
    lab.dispatcher.close(lab.channel)
    lab.link.resume(error=error)
    assert package.did("free") == ([] if error else [("free", state)])
    assert package.calls[-1].attributes == (CallAttribute(0) if error else CLEANUP)
    assert not lab.outcomes


# --- quotas (lock 9) --------------------------------------------------------------------------------------------------

MEMORY = Status.SEC_E_INSUFFICIENT_MEMORY


def test_lock_9_credentials_are_limited_those_under_way_included(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MAX_CREDENTIALS", 2)
    lab = Lab(package := Plain(), open_sam_user=PARK)
    first = lab.acquire()

    async def asks(package: Plain, _context: object) -> object:
        await package.authority.open_sam_user("alice")
        return Acquired(Token("credential"))

    package.acquired = asks
    lab.dispatcher.acquire(lab.channel, 1, 3, None, None, None, lab.done)
    with refused_with(MEMORY, "quota_credentials"):
        lab.acquire()
    lab.link.resume()
    with refused_with(MEMORY, "quota_credentials"):
        lab.acquire()
    lab.dispatcher.free(lab.channel, first, lab.done)
    package.acquired = None
    lab.acquire()


def test_lock_9_contexts_and_half_open_contexts_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MAX_CONTEXTS", 3)
    monkeypatch.setattr(channels, "MAX_HALF_OPEN", 2)
    lab = Bench()
    half = [lab.play(Continue(b"", Token("context"))) for _ in range(2)]
    with refused_with(MEMORY, "quota_half_open"):
        lab.leg(lab.credential)
    lab.leg(0, half[0])
    lab.leg(lab.credential)
    with refused_with(MEMORY, "quota_contexts"):
        lab.leg(lab.credential)
    lab.dispatcher.delete(lab.channel, half[1], lab.done)
    lab.leg(lab.credential)
    assert (len(lab.channel.contexts), lab.channel.half_open) == (3, 0)


# --- packages that are going or gone ----------------------------------------------------------------------------------


def test_a_draining_package_finishes_what_is_open_and_begins_nothing() -> None:
    lab = Bench()
    handle = lab.play(Continue(b"", Token("context")))
    lab.hosted[0].draining = True
    for door in (lambda: void(lab.acquire), lambda: lab.leg(lab.credential)):
        with refused_with(Status.SEC_E_SECPKG_NOT_FOUND, "package_draining"):
            void(door)
    lab.leg(0, handle)
    assert isinstance(lab.step(), Complete)
    lab.dispatcher.query(lab.channel, handle, 1, lab.done)
    lab.dispatcher.delete(lab.channel, handle, lab.done)
    assert [error for _value, error in lab.outcomes] == [None, None]


@pytest.mark.breaks("R39", "secpkg.host.lsa_mode.dispatcher:Dispatcher.unload")
def test_r39_an_unloaded_package_serves_no_more_and_its_handles_are_run_down() -> None:
    lab = Bench()
    handle = lab.play(Continue(b"", Token("context")))
    for _again in range(2):
        lab.dispatcher.unload(1)
    for door in (lambda: lab.leg(lab.credential), lambda: lab.leg(0, handle)):
        with refused_with(Status.SEC_E_SECPKG_NOT_FOUND, "package_unloaded"):
            void(door)
    for door in (lambda: void(lab.acquire), lambda: lab.dispatcher.package_call(1, "shutdown", (), CALLER, lab.done)):
        with refused_with(Status.SEC_E_SECPKG_NOT_FOUND, "package_not_in_module"):
            void(door)
    lab.dispatcher.close(lab.channel)
    assert [kind for kind, _state in lab.package.did("delete", "free")] == ["delete", "free"]


def test_r18_a_broken_package_is_not_served() -> None:
    lab = Lab(object(), Plain())
    with refused_with(Status.SEC_E_SECPKG_NOT_FOUND, "package_not_in_module"):
        lab.acquire(1)
    lab.acquire(2)
