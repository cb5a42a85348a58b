"""Handles, legs and their checks: what holds for every package whatever it does."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Callable, Generator
from types import coroutine as generator_coroutine
from typing import Any

import pytest
from tests.host_lsa_mode.fakes import CALLER, NOW, PARK, Lab, Plain, Token, asks_first, asks_then_continues

from secpkg.contract.flags import CallAttribute, Capability, CredentialUse
from secpkg.contract.lsa_mode import ap, ssp
from secpkg.contract.reference import table
from secpkg.contract.signatures import signatures
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    MAX_PACKED_CONTEXT,
    NEVER,
    Acquired,
    Call,
    ClientInfo,
    Complete,
    ContextRequest,
    Continue,
    LogonAudit,
    NeedMore,
    PackageInfo,
    Refused,
    Sizes,
    Step,
    TokenReference,
)
from secpkg.host.lsa_mode import channel as channels
from secpkg.host.lsa_mode.channel import TRANSITIONS, Channel, Event, Phase, Role
from secpkg.host.lsa_mode.dispatcher import (
    MAX_REQUEST_TOKEN,
    _documented,
    unsupported,
)
from secpkg.host.lsa_mode.steps import step_status

CLEANUP = CallAttribute.CLEANUP
ACCEPTOR = Role.ACCEPTOR


class Bench(Lab):
    """A lab with one plain package."""

    def __init__(self, capabilities: int = 0, traced: bool = False, **answers: object) -> None:
        self.package = Plain(capabilities=capabilities)
        super().__init__(self.package, traced=traced, **answers)
        self.credential = self.acquire()
        self.package.log.clear()

    def play(self, *legs: object, role: Role = Role.INITIATOR, token: bytes = b"") -> int:
        """Run legs on one new context; the handle of the last reply."""
        self.package.legs = list(legs)
        handle = 0
        for _leg in legs:
            self.leg(self.credential, handle, role, token)
            handle = self.steps[-1][0]
        return handle

    def play_parked(self, step: Step) -> None:
        """Run one leg of an acceptor that ends in ``step`` and may wait for its record."""
        self.package.legs = [step]
        self.leg(self.credential, role=Role.ACCEPTOR)

    def step(self) -> Step:
        return self.steps[-1][1]


def refused_with(status: Status, reason: str) -> Any:
    """A context manager for a call that is refused before the package is asked."""

    class Expect:
        def __enter__(self) -> None: ...

        def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
            assert isinstance(error, SecurityError), f"not refused: {error!r}"
            assert (error.status, error.reason) == (status, reason)
            return True

    return Expect()


def void(function: Callable[[], object]) -> None:
    function()


INVALID = Status.SEC_E_INVALID_HANDLE

# --- missing functions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(signatures(ap.PROTOCOLS)))
def test_spec_10_a_missing_function_of_an_ap_is_not_implemented(name: str) -> None:
    assert unsupported(name).status is Status.STATUS_NOT_IMPLEMENTED


@pytest.mark.parametrize("name", sorted(signatures(ssp.PROTOCOLS)))
def test_spec_10_a_missing_function_of_an_ssp_is_unsupported(name: str) -> None:
    assert unsupported(name).status is Status.SEC_E_UNSUPPORTED_FUNCTION
    assert unsupported(name).reason == f"no_{name}"


@pytest.mark.parametrize("row", [*table("lsa_mode"), *table("authentication_package")], ids=lambda row: row.function)
def test_the_trace_names_functions_as_the_documents_do(row: Any) -> None:
    assert _documented(row.python_name) == row.function


class Bare:
    info = PackageInfo("Bare")


class Acquires:
    info = PackageInfo("Acquires")

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        return Acquired("credential")


class Completes(Acquires):
    async def init_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        return Complete("context")


def test_spec_10_every_door_answers_unsupported_for_what_a_package_lacks() -> None:
    lab = Lab(Bare(), Acquires(), Completes())
    unsupported_function = Status.SEC_E_UNSUPPORTED_FUNCTION
    with refused_with(unsupported_function, "no_acquire_credentials_handle"):
        lab.acquire(1)
    credential = lab.acquire(2)
    for role in Role:
        name = "init" if role is Role.INITIATOR else "accept"
        with refused_with(unsupported_function, f"no_{name}_lsa_mode_context"):
            lab.leg(credential, role=role)
    with refused_with(Status.STATUS_NOT_IMPLEMENTED, "no_logon_user_ex2"):
        lab.dispatcher.package_call(1, "logon_user_ex2", (), CALLER, lab.done)
    with refused_with(unsupported_function, "no_shutdown"):
        lab.dispatcher.package_call(1, "shutdown", (), CALLER, lab.done)
    with refused_with(unsupported_function, "no_no_such_function"):
        lab.dispatcher.package_call(1, "no_such_function", (), CALLER, lab.done)
    other = lab.acquire(3)
    context = lab.open(other)
    with refused_with(unsupported_function, "no_query_context_attributes"):
        lab.dispatcher.query(lab.channel, context, 1, lab.done)
    # Without delete_context and free_credentials_handle there is nobody to tell, and the handles go all the same.
    for close in (
        lambda: lab.dispatcher.delete(lab.channel, context, lab.done),
        lambda: lab.dispatcher.free(lab.channel, other, lab.done),
    ):
        void(close)
        assert lab.outcomes.pop() == (None, None)
    assert (lab.channel.contexts, list(lab.channel.credentials), lab.channel.half_open) == ({}, [credential], 0)


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.breaks("R144", "secpkg.host.lsa_mode.dispatcher:Dispatcher.acquire")
def test_r144_a_luid_may_be_named_by_its_own_session_and_by_the_trusted_only() -> None:
    lab = Lab(Plain())
    with refused_with(Status.SEC_E_NOT_OWNER, "logon_id_needs_tcb"):
        lab.acquire(logon_id=5)
    package = Plain()
    lab = Lab(package)
    lab.channel = Channel(1, ClientInfo(1, 1, 1, logon_id=5))
    lab.acquire()
    lab.acquire(logon_id=5)
    with refused_with(Status.SEC_E_NOT_OWNER, "logon_id_needs_tcb"):
        lab.acquire(logon_id=6)
    lab.channel = Channel(2, ClientInfo(1, 0, 0, has_tcb_privilege=True, logon_id=5))
    lab.acquire(logon_id=6)
    lab.acquire()
    assert package.log == [("acquire", 5), ("acquire", 5), ("acquire", 6), ("acquire", 5)]


@pytest.mark.parametrize("use", [0, 4, 0x10, 1 << 40])
def test_a_use_that_is_neither_inbound_nor_outbound_is_refused(use: int) -> None:
    with refused_with(Status.SEC_E_UNSUPPORTED_FUNCTION, "credential_use_unknown"):
        Lab(Plain()).acquire(use=use)


@pytest.mark.parametrize(
    ("acquired", "reason"),
    [
        ("nonsense", "package_returned_str"),
        (Acquired(1, "soon"), "package_returned_Acquired"),  # type: ignore[arg-type]
        (Acquired(1, float("nan")), "package_returned_Acquired"),
        (Acquired(1, 1 << 70), "package_returned_Acquired"),
    ],
)
def test_an_acquisition_that_is_none_gives_no_handle(acquired: object, reason: str) -> None:
    lab = Lab(package := Plain())
    package.acquired = acquired
    lab.dispatcher.acquire(lab.channel, 1, 3, None, None, None, lab.done)
    assert (lab.failure().status, lab.failure().reason) == (Status.SEC_E_INTERNAL_ERROR, reason)
    assert not lab.channel.credentials
    assert not lab.channel.acquiring


def test_acquire_tells_handle_and_expiry_and_never_uses_a_number_twice() -> None:
    lab = Bench()
    lab.dispatcher.acquire(lab.channel, 1, 3, None, None, None, lab.done)
    ((value, error),) = lab.outcomes
    assert (value, error) == ((lab.credential + 1, NOW + 60), None)
    lab.dispatcher.free(lab.channel, lab.credential + 1, lab.done)
    assert lab.acquire() == lab.credential + 2


def test_r193_a_credential_vanishes_with_its_last_reference() -> None:
    lab = Bench()
    contexts = [lab.open(lab.credential), lab.open(lab.credential)]
    lab.dispatcher.free(lab.channel, lab.credential, lab.done)
    assert lab.outcomes == [(None, None)]
    with refused_with(INVALID, "credential_handle_unknown"):
        lab.dispatcher.free(lab.channel, lab.credential, lab.done)
    with refused_with(INVALID, "credential_handle_unknown"):
        lab.leg(lab.credential)
    lab.dispatcher.delete(lab.channel, contexts[0], lab.done)
    assert not lab.package.did("free")
    lab.dispatcher.delete(lab.channel, contexts[1], lab.done)
    assert [kind for kind, _state in lab.package.did("delete", "free")] == ["delete", "delete", "free"]
    assert not lab.package.calls[-1].attributes


def test_r193_a_parked_deletion_holds_the_credential() -> None:
    lab = Bench(open_sam_user=PARK)
    lab.package.before_delete = asks_first
    handle = lab.open(lab.credential)
    lab.dispatcher.free(lab.channel, lab.credential, lab.done)
    lab.dispatcher.delete(lab.channel, handle, lab.done)
    with refused_with(INVALID, "context_handle_unknown"):
        lab.dispatcher.delete(lab.channel, handle, lab.done)
    assert [kind for kind, _state in lab.package.did("delete", "free")] == ["delete"]
    lab.dispatcher.close(lab.channel)
    lab.link.resume()
    assert [kind for kind, _state in lab.package.did("delete", "free")] == ["delete", "free"]
    assert lab.package.calls[-1].attributes == CLEANUP
    assert lab.outcomes == [(None, None)]  # of free; the deletion's reply has nobody to go to


def test_a_failing_deletion_is_told_and_the_context_is_gone() -> None:
    lab = Bench()
    handle = lab.open(lab.credential)
    lab.hosted[0].table["delete_context"] = _raises_at_once
    lab.dispatcher.delete(lab.channel, handle, lab.done)
    assert isinstance(lab.failure_of_last(), SystemExit)
    assert not lab.channel.contexts


def _raises_at_once(*_arguments: object) -> object:
    raise SystemExit(1)


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
        lab.hosted[0].table[name] = _raises_at_once
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


# --- what a package returns or raises ---------------------------------------------------------------------------------

SEALING = Capability.INTEGRITY | Capability.PRIVACY
STATE = Token("context")


class OwnStep(Complete, frozen=True):
    """A step of a class that the package made itself."""


NONSENSE: list[tuple[object, str]] = [
    (None, "package_returned_NoneType"),
    (Status.SEC_E_OK, "package_returned_Status"),
    (b"token", "package_returned_bytes"),
    (OwnStep(STATE), "package_returned_OwnStep"),
    (Refused(Status.SEC_E_OK), "refused_without_an_error"),
    (Refused(Status.SEC_I_CONTINUE_NEEDED), "refused_without_an_error"),
    (Refused(0x80090308), "refused_without_an_error"),  # type: ignore[arg-type]
    (Refused(Status.SEC_E_INCOMPLETE_MESSAGE), "need_more_is_its_own_step"),
    (Refused(Status.SEC_E_LOGON_DENIED, bytes(65)), "token_exceeds_max_token"),
    (Refused(Status.SEC_E_LOGON_DENIED, "text"), "token_exceeds_max_token"),  # type: ignore[arg-type]
    (Refused(Status.SEC_E_LOGON_DENIED, reason=1), "step_members_of_a_wrong_type"),  # type: ignore[arg-type]
    (Refused(Status.SEC_E_LOGON_DENIED, substatus=1), "step_members_of_a_wrong_type"),  # type: ignore[arg-type]
    (NeedMore(-1), "step_members_of_a_wrong_type"),
    (NeedMore("1"), "step_members_of_a_wrong_type"),  # type: ignore[arg-type]
    (Continue(bytes(65), STATE), "token_exceeds_max_token"),
    (Continue(None, STATE), "token_exceeds_max_token"),  # type: ignore[arg-type]
    (Continue(b"", STATE, attributes=-1), "step_members_of_a_wrong_type"),
    (Continue(b"", STATE, attributes=1 << 32), "step_members_of_a_wrong_type"),
    (Continue(b"", STATE, expiry="never"), "step_members_of_a_wrong_type"),  # type: ignore[arg-type]
    (Continue(b"", STATE, complete_needed=None), "step_members_of_a_wrong_type"),  # type: ignore[arg-type]
    (Complete(STATE, expiry=-NEVER), "step_members_of_a_wrong_type"),
    (Complete(STATE, expiry=float("nan")), "step_members_of_a_wrong_type"),
    (Complete(STATE, bytes(65)), "token_exceeds_max_token"),
    (Complete(STATE, leftover=5), "leftover_exceeds_the_input"),
    (Complete(STATE, leftover=-1), "leftover_exceeds_the_input"),
    (Complete(STATE, leftover="1"), "leftover_exceeds_the_input"),  # type: ignore[arg-type]
    (Complete(STATE, packed_context=b""), "packed_context_size"),
    (Complete(STATE, packed_context=bytes(MAX_PACKED_CONTEXT + 1)), "packed_context_size"),
    (Complete(STATE, packed_context=bytearray(1)), "packed_context_size"),  # type: ignore[arg-type]
    (Complete(STATE, access_token=b"reference"), "access_token_is_no_reference"),  # type: ignore[arg-type]
    (Complete(STATE, access_token=TokenReference("x")), "access_token_is_no_reference"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("returned", "reason"), NONSENSE)
@pytest.mark.breaks("R35", "secpkg.host.lsa_mode.steps:_fits")
def test_r35_r154_nonsense_from_a_leg_is_a_refusal_and_its_state_is_still_deleted_once(
    returned: object, reason: str
) -> None:
    lab = Bench()
    assert lab.play(returned, token=b"1234") == 0
    assert (lab.refusal().status, lab.refusal().reason) == (Status.SEC_E_INTERNAL_ERROR, reason)
    made = isinstance(returned, Continue | Complete)
    assert lab.package.did("delete") == ([("delete", STATE)] if made else [])
    assert (lab.channel.contexts, lab.channel.half_open) == ({}, 0)


@pytest.mark.parametrize(
    "step",
    [
        Continue(bytes(64), STATE, attributes=0xFFFF_FFFF, expiry=0),
        Complete(STATE, bytes(64), bytes(MAX_PACKED_CONTEXT), leftover=4, access_token=TokenReference(b"r")),
        NeedMore(0xFFFF_FFFF),
        Refused(Status.SEC_E_LOGON_DENIED, bytes(64), "reason", Status.STATUS_ACCOUNT_DISABLED),
    ],
)
def test_r35_what_is_just_within_the_limits_is_told_as_it_is(step: Step) -> None:
    lab = Bench(SEALING)
    lab.play(step, token=b"1234")
    assert lab.step() == step


@pytest.mark.breaks("R154", "secpkg.host.lsa_mode.steps:checked_step")
def test_r154_a_package_that_seals_must_give_a_packed_context() -> None:
    for capability in (Capability.INTEGRITY, Capability.PRIVACY):
        lab = Bench(capability)
        lab.play(Complete(STATE))
        assert lab.refusal().reason == "no_packed_context"
    lab = Bench(Capability.CONNECTION)
    lab.play(Complete(STATE))
    assert isinstance(lab.step(), Complete)


@pytest.mark.parametrize(
    "raised",
    [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), RecursionError(), ValueError("secret"), StopIteration()],
    ids=lambda raised: type(raised).__name__,
)
@pytest.mark.parametrize("at_once", [False, True])
def test_a_package_can_end_its_call_but_not_its_host(raised: BaseException, at_once: bool) -> None:
    def raises(*_arguments: object) -> object:
        raise raised

    lab = Bench()
    if at_once:  # a decorator's wrapper, which the host cannot tell from a coroutine function
        lab.hosted[0].table["init_lsa_mode_context"] = raises
    lab.play(raised)
    # Python itself turns the StopIteration of a coroutine into a RuntimeError.
    name = "RuntimeError" if isinstance(raised, StopIteration) and not at_once else type(raised).__name__
    assert (lab.refusal().status, lab.refusal().reason) == (Status.SEC_E_INTERNAL_ERROR, f"package_raised_{name}")
    assert "secret" not in repr(lab.refusal())
    assert (lab.channel.contexts, lab.channel.half_open) == ({}, 0)


def test_endless_recursion_in_a_package_ends_its_call_only() -> None:
    async def deep(package: Plain, context: object) -> Step:
        return await deep(package, context)

    lab = Bench()
    lab.play(deep)
    assert lab.refusal().reason == "package_raised_RecursionError"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            SecurityError(Status.SEC_E_LOGON_DENIED, reason="r", token=b"t", substatus=Status.STATUS_ACCOUNT_DISABLED),
            Refused(Status.SEC_E_LOGON_DENIED, b"t", "r", Status.STATUS_ACCOUNT_DISABLED),
        ),
        (SecurityError(Status.SEC_E_OK), Refused(Status.SEC_E_INTERNAL_ERROR, reason="raised_without_an_error")),
        (
            SecurityError(Status.SEC_E_LOGON_DENIED, token=bytes(65)),
            Refused(Status.SEC_E_INTERNAL_ERROR, reason="token_exceeds_max_token"),
        ),
    ],
)
def test_a_raised_status_is_checked_like_a_returned_one(error: SecurityError, expected: Refused) -> None:
    lab = Bench()
    lab.play(error)
    assert lab.refusal() == expected


def test_what_is_foreign_is_refused_by_name() -> None:
    loop = asyncio.new_event_loop()
    future = loop.create_future()

    async def awaits_a_future(_package: Plain, _context: object) -> Step:
        await future
        raise AssertionError("resumed")

    @generator_coroutine
    def plain() -> Generator[object, object, None]:
        yield 1

    async def yields(_package: Plain, _context: object) -> Step:
        await plain()
        raise AssertionError("resumed")

    try:
        lab = Bench()
        for leg, reason in ((awaits_a_future, "foreign_await_Future"), (yields, "foreign_await_int")):
            lab.play(leg)
            assert lab.refusal() == Refused(Status.SEC_E_INTERNAL_ERROR, reason=reason)
    finally:
        loop.close()


@pytest.mark.parametrize("returned", [None, Complete(STATE), iter(())])
def test_a_function_that_makes_no_coroutine_is_refused(returned: object) -> None:
    lab = Bench()
    lab.hosted[0].table["init_lsa_mode_context"] = lambda *_arguments: returned
    lab.play(None)
    assert lab.refusal().reason == "package_function_is_no_coroutine"
    assert lab.channel.half_open == 0


def test_a_call_that_is_refused_beforehand_makes_no_coroutine() -> None:
    made: list[object] = []

    def counts(*_arguments: object) -> object:
        made.append(_arguments)
        return None

    lab = Bench()
    handle = lab.play(Complete(STATE))
    for name in list(lab.hosted[0].table):
        lab.hosted[0].table[name] = counts
    dispatcher, channel = lab.dispatcher, lab.channel
    doors = [
        lambda: lab.leg(0),
        lambda: lab.leg(99),
        lambda: lab.leg(0, 99),
        lambda: lab.leg(0, handle),
        lambda: lab.leg(0, handle, ACCEPTOR),
        lambda: lab.leg(lab.credential, token=bytes(MAX_REQUEST_TOKEN + 1)),
        lambda: dispatcher.query(channel, 99, 1, lab.done),
        lambda: dispatcher.delete(channel, 99, lab.done),
        lambda: dispatcher.free(channel, 99, lab.done),
        lambda: lab.acquire(9),
        lambda: lab.acquire(use=0),
        lambda: lab.acquire(logon_id=4),
    ]
    for door in doors:
        with pytest.raises(SecurityError):
            void(door)
    assert not made
    assert inspect.isfunction(counts)


# --- lock 10: on the record before the reply --------------------------------------------------------------------------

FINAL: list[Step] = [
    Complete(STATE),
    Complete(STATE, complete_needed=True),
    Refused(Status.SEC_E_LOGON_DENIED, reason="r"),
]


@pytest.mark.parametrize("step", FINAL)
def test_lock_10_the_reply_waits_for_the_record_that_the_package_did_not_write(step: Step) -> None:
    lab = Bench(audit_logon=PARK)
    lab.play_parked(step)
    assert not lab.steps
    (asked,) = lab.link.asked
    reason = "r" if isinstance(step, Refused) else ""
    assert asked.arguments == (LogonAudit(step_status(step), "", reason=reason),)
    with refused_with(INVALID, "context_is_busy"):
        lab.leg(0, lab.credential + 1, ACCEPTOR)
    lab.link.resume()
    assert lab.step() == step


@pytest.mark.parametrize("step", FINAL)
@pytest.mark.parametrize("parked", [False, True])
def test_lock_10_no_record_no_success(step: Step, parked: bool) -> None:
    failure = SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="audit_full")
    lab = Bench(audit_logon=PARK if parked else failure)
    lab.play_parked(step)
    if parked:
        lab.link.resume(error=failure)
    assert lab.steps == [(0, Refused(Status.STATUS_INSUFFICIENT_RESOURCES, reason="audit_full"))]
    assert lab.package.did("delete") == ([("delete", STATE)] if isinstance(step, Complete) else [])
    assert (lab.channel.contexts, lab.channel.half_open) == ({}, 0)


def test_lock_10_a_failed_record_on_a_later_leg_fails_the_context() -> None:
    lab = Bench(audit_logon=OSError("gone"))
    handle = lab.play(Continue(b"", STATE), Complete(), role=ACCEPTOR)
    assert lab.refusal().status is Status.SEC_E_INTERNAL_ERROR
    assert lab.channel.contexts[handle].phase is Phase.FAILED


def test_lock_10_initiators_and_legs_that_are_not_final_leave_no_record() -> None:
    lab = Bench()
    for step in FINAL:
        lab.play(step)
    lab.play(Continue(b"", STATE), NeedMore(), role=ACCEPTOR)
    assert not lab.link.asked


def audits(status: Status, step: Step, *, swallow: bool = False) -> object:
    async def leg(package: Plain, _context: object) -> Step:
        try:
            await package.authority.audit_logon(LogonAudit(status, "alice"))
        except SecurityError:
            if not swallow:
                raise
        return step

    return leg


def test_lock_10_a_package_that_wrote_its_record_is_not_audited_twice() -> None:
    lab = Bench()
    lab.play(audits(Status.SEC_E_OK, Complete(STATE)), role=ACCEPTOR)
    assert lab.link.functions == ["audit_logon"]
    lab.play(audits(Status.STATUS_LOGON_FAILURE, Refused(Status.SEC_E_LOGON_DENIED)), role=ACCEPTOR)
    assert lab.link.functions == ["audit_logon"] * 2


def test_lock_10_a_record_that_says_the_opposite_does_not_count() -> None:
    lab = Bench()
    lab.play(audits(Status.STATUS_LOGON_FAILURE, Complete(STATE)), role=ACCEPTOR)
    lab.play(audits(Status.SEC_E_OK, Refused(Status.SEC_E_LOGON_DENIED)), role=ACCEPTOR)
    lab.play(audits(Status.SEC_E_OK, Complete(STATE, bytes(65))), role=ACCEPTOR)
    records = [asked.arguments[0] for asked in lab.link.asked]
    assert [record.status for record in records if isinstance(record, LogonAudit)] == [
        Status.STATUS_LOGON_FAILURE,
        Status.SEC_E_OK,
        Status.SEC_E_OK,
        Status.SEC_E_LOGON_DENIED,
        Status.SEC_E_OK,
        Status.SEC_E_INTERNAL_ERROR,
    ]


def test_lock_10_a_package_cannot_swallow_the_failure_of_its_record() -> None:
    lab = Bench(audit_logon=SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES))
    lab.play(audits(Status.SEC_E_OK, Complete(STATE), swallow=True), role=ACCEPTOR)
    assert lab.link.functions == ["audit_logon"] * 2
    assert lab.refusal().status is Status.STATUS_INSUFFICIENT_RESOURCES


@pytest.mark.parametrize("end", ["delete", "close"])
def test_spec_9_a_context_that_goes_while_its_record_is_written(end: str) -> None:
    lab = Bench(audit_logon=PARK)
    lab.play_parked(Complete(STATE))
    if end == "delete":
        lab.dispatcher.delete(lab.channel, lab.credential + 1, lab.done)
    else:
        lab.dispatcher.close(lab.channel)
    assert not lab.package.did("delete")
    lab.link.resume()
    assert lab.package.did("delete") == [("delete", STATE)]
    assert len(lab.steps) == (end == "delete")
    assert lab.channel.half_open == 0


def test_step_statuses_are_the_documented_ones() -> None:
    assert [
        step_status(step)
        for step in (
            Continue(b"", 1),
            Continue(b"", 1, complete_needed=True),
            Complete(),
            Complete(complete_needed=True),
            NeedMore(),
            Refused(Status.SEC_E_LOGON_DENIED),
        )
    ] == [
        Status.SEC_I_CONTINUE_NEEDED,
        Status.SEC_I_COMPLETE_AND_CONTINUE,
        Status.SEC_E_OK,
        Status.SEC_I_COMPLETE_NEEDED,
        Status.SEC_E_INCOMPLETE_MESSAGE,
        Status.SEC_E_LOGON_DENIED,
    ]


def test_spec_9_removing_twice_tells_the_package_once() -> None:
    lab = Bench()
    context = lab.channel.contexts[lab.open(lab.credential)]
    for _again in range(2):
        lab.dispatcher.remove(lab.channel, context, CallAttribute(0), lab.done)
    assert lab.outcomes == [(None, None)] * 2
    assert len(lab.package.did("delete")) == 1


def test_the_short_way_of_a_continuing_leg_comes_to_what_the_table_says() -> None:
    """`Leg._end` moves a context by hand where it goes on; `TRANSITIONS` and `checked_step` are what it must equal."""
    assert {TRANSITIONS[phase, Event.CONTINUED] for phase in (Phase.NEW, Phase.PARTIAL)} == {Phase.PARTIAL}
    short, long = Bench(), Bench(traced=True)  # a traced leg takes the long way
    for bench in (short, long):
        handle = bench.play(Continue(b"token", "state", attributes=3), Continue(b"", "other"))
        context = bench.channel.contexts[handle]
        assert (context.phase, context.busy, context.state) == (Phase.PARTIAL, False, "other")
    for wrong in (
        Continue(b"x" * 5000, "state"),
        Continue(bytearray(b"x"), "state"),  # type: ignore[arg-type]  # what a package may return
        Continue(b"", "state", attributes=-1),
        Continue(b"", "state", expiry=float("nan")),
        Continue(b"", None),
    ):
        for bench in (Bench(), Bench(traced=True)):
            bench.play(wrong)
            refused = bench.step()
            assert isinstance(refused, Refused) and refused.status is Status.SEC_E_INTERNAL_ERROR
