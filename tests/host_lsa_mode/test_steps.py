"""The dispatcher: what a package returns or raises from a leg, and what is on the record before the reply (lock 10)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Generator
from types import coroutine as generator_coroutine

import pytest
from tests.host_lsa_mode.bench import INVALID, Bench, refused_with, void
from tests.host_lsa_mode.fakes import PARK, Plain, Token

from secpkg.contract.flags import CallAttribute, Capability
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    MAX_PACKED_CONTEXT,
    NEVER,
    Complete,
    Continue,
    LogonAudit,
    NeedMore,
    Refused,
    Step,
    TokenReference,
)
from secpkg.host.lsa_mode.channel import TRANSITIONS, Event, Phase, Role
from secpkg.host.lsa_mode.dispatcher import (
    MAX_REQUEST_TOKEN,
)
from secpkg.host.lsa_mode.steps import step_status

CLEANUP = CallAttribute.CLEANUP
ACCEPTOR = Role.ACCEPTOR


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
        handle = bench.play(Continue(b"", "state", expiry=9e9), Continue(b"", "state"))
        assert bench.channel.contexts[handle].expiry == NEVER
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
