"""One call while it runs: what the host answers itself, what goes to the authority, what an observer sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.host_lsa_mode.fakes import CALLER, NOW, PARK, Lab, Plain, Token, asks_first

from secpkg.contract.flags import CallAttribute, LogonType
from secpkg.contract.lsa_mode.ap import LogonTerminated
from secpkg.contract.lsa_mode.functions import CallInfo
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Call, Complete, LogonAudit, LogonRequest, Step
from secpkg.host.lsa_mode.channel import Role
from secpkg.host.lsa_mode.running import as_security_error
from secpkg.host.lsa_mode.running import running as a_call

Script = Callable[[Plain, object], Any]


def result_of(lab: Tool, script: Script) -> tuple[object, BaseException | None]:
    """What a leg's code comes to, run as one."""
    found: list[object] = []

    async def leg(package: Plain, context: object) -> Step:
        found.append(await script(package, context))
        return Complete(Token("context"))

    package = Plain()
    lab.hosted[0].table["init_lsa_mode_context"] = package.init_lsa_mode_context
    package.authority = lab.package.authority
    package.legs = [leg]
    lab.leg(lab.acquire())
    step = lab.steps[-1][1]
    return (found[0], None) if found else (None, SecurityError(step.status, reason=step.reason))  # type: ignore[union-attr]


class Tool(Lab):
    def __init__(self, traced: bool = False, **answers: object) -> None:
        self.package = Plain()
        super().__init__(self.package, traced=traced, **answers)


@pytest.mark.breaks("R140", "secpkg.host.lsa_mode.local.callers:get_client_info")
def test_r140_get_client_info_is_answered_by_the_host_from_the_channel() -> None:
    lab = Tool()

    async def script(package: Plain, _context: object) -> object:
        return (await package.authority.get_client_info(), await package.authority.get_client_info_ex())

    assert result_of(lab, script) == ((CALLER, CALLER), None)
    assert not lab.link.asked


@pytest.mark.breaks("R141", "secpkg.host.lsa_mode.local.callers:get_call_info")
def test_r141_get_call_info_describes_the_call() -> None:
    lab = Tool()

    async def script(package: Plain, _context: object) -> object:
        return await package.authority.get_call_info()

    (info, _error) = result_of(lab, script)
    assert isinstance(info, CallInfo)
    assert (info.process_id, info.thread_id, info.attributes) == (42, 7, CallAttribute(0))
    assert info.call_count == lab.surroundings.calls


def test_r121_protected_memory_never_leaves_the_process_and_needs_a_bytearray() -> None:
    lab = Tool()

    async def script(package: Plain, _context: object) -> object:
        secret = bytearray(b"secret")
        await package.authority.protect_memory(secret)
        hidden = bytes(secret)
        await package.authority.unprotect_memory(secret)
        return (hidden, bytes(secret))

    assert result_of(lab, script) == ((bytes(b ^ 0xFF for b in b"secret"), b"secret"), None)

    async def wrong(package: Plain, _context: object) -> object:
        return await package.authority.protect_memory(b"bytes")  # type: ignore[arg-type, func-returns-value]  # as an author errs

    (_value, error) = result_of(lab, wrong)
    assert isinstance(error, SecurityError)
    assert error.status is Status.STATUS_INVALID_PARAMETER
    assert not lab.link.asked


@pytest.mark.parametrize("function", ["get_client_info", "get_client_info_ex", "get_call_info"])
def test_without_a_client_there_is_no_client_info(function: str) -> None:
    lab = Tool()

    async def asks() -> object:
        return await Request[object](function)

    a_call(lab.surroundings, lab.hosted[0], "SpInitialize", lab.done).start(asks)
    assert (lab.failure().status, lab.failure().reason) == (Status.STATUS_UNSUCCESSFUL, "no_client")


@pytest.mark.parametrize(
    "request_",
    [Request[object]([]), Request[object]("x", None)],  # type: ignore[arg-type]
    ids=["no name", "no arguments"],
)
def test_a_request_of_the_packages_own_making_breaks_the_call_only(request_: Request[object]) -> None:
    lab = Tool(x=lambda asked: len(asked.arguments))

    async def script(_package: Plain, _context: object) -> object:
        return await request_

    (_value, error) = result_of(lab, script)
    assert isinstance(error, SecurityError)
    assert error.status is Status.SEC_E_INTERNAL_ERROR
    assert error.reason.startswith("host_raised_")


def test_lock_4_identity_comes_from_the_host_and_goes_with_every_request() -> None:
    lab = Lab(Plain("A"), Plain("B"))

    class Logon(Plain):
        async def logon_user_ex2(self, call: Call, request: LogonRequest) -> object:
            return await self.authority.open_sam_user(request.username)

    lab = Lab(Plain("A"), Logon("B"))
    request = LogonRequest(LogonType.NETWORK, "alice")
    lab.dispatcher.package_call(2, "logon_user_ex2", (request,), CALLER, lab.done, call_id=77)
    (asked,) = lab.link.asked
    assert (asked.package, asked.channel, asked.call, asked.function) == (2, 0, 77, "open_sam_user")
    assert asked.arguments[0] == "alice"


def test_a_leg_asks_for_its_channel() -> None:
    lab = Tool()
    lab.package.legs = [asks_first]
    lab.leg(lab.acquire())
    (asked,) = lab.link.asked
    assert (asked.package, asked.channel) == (1, 3)


def test_package_calls_get_the_call_where_the_contract_has_it() -> None:
    told: list[object] = []

    class Package(Plain):
        async def logon_terminated(self, logon_id: int) -> None:
            told.append(logon_id)

        async def call_package(self, call: Call, submit_buffer: bytes) -> object:
            told.append((call.caller, submit_buffer))
            return None

    assert "call" not in LogonTerminated.logon_terminated.__code__.co_varnames
    lab = Lab(Package())
    lab.dispatcher.package_call(1, "logon_terminated", (9,), CALLER, lab.done)
    lab.dispatcher.package_call(1, "call_package", (b"x",), CALLER, lab.done)
    assert told == [9, (CALLER, b"x")]
    assert lab.outcomes == [(None, None), (None, None)]
    lab.dispatcher.package_call(1, "call_package", (), CALLER, lab.done)
    assert as_security_error(lab.failure_of_last()).reason == "package_raised_TypeError"


def test_call_holds_who_when_chance_and_until_when() -> None:
    lab = Tool()
    lab.open(lab.acquire())
    call = lab.package.calls[-1]
    assert (call.caller, call.now, call.entropy(2), call.attributes) == (CALLER, NOW, b"\x07\x07", CallAttribute(0))
    assert call.deadline > 0


# --- failures as statuses ---------------------------------------------------------------------------------------------


def test_a_packages_own_status_is_told_as_it_is() -> None:
    error = SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="none")
    assert as_security_error(error) is error


def test_anything_else_is_an_internal_error_that_keeps_the_kind_and_drops_the_text() -> None:
    failure = as_security_error(ValueError("password=secret"))
    assert (failure.status, failure.reason) == (Status.SEC_E_INTERNAL_ERROR, "package_raised_ValueError")
    assert "secret" not in str(failure)


@pytest.mark.parametrize("status", [Status.SEC_E_OK, Status.SEC_I_CONTINUE_NEEDED, 0, 0x80090308])
def test_what_failed_never_looks_like_success(status: Status) -> None:
    failure = as_security_error(SecurityError(status))
    assert (failure.status, failure.reason) == (Status.SEC_E_INTERNAL_ERROR, "raised_without_an_error")


# --- the observer -----------------------------------------------------------------------------------------------------


def test_one_event_per_finished_call_of_a_package_and_of_an_lsa_function() -> None:
    lab = Tool(traced=True, audit_logon=None)
    lab.package.legs = [asks_first]
    credential = lab.acquire()
    lab.leg(credential, role=Role.ACCEPTOR, token=b"12345")
    handle = lab.steps[-1][0]
    lab.dispatcher.query(lab.channel, handle, 1, lab.done)
    lab.dispatcher.delete(lab.channel, handle, lab.done)
    lab.dispatcher.free(lab.channel, credential, lab.done)
    told = [(event.kind, event.function, event.handle, event.status) for event in lab.events]
    assert told == [
        ("package", "SpAcquireCredentialsHandle", credential, 0),
        ("lsa", "OpenSamUser", 0, 0),
        ("package", "SpAcceptLsaModeContext", handle, 0),
        ("lsa", "AuditLogon", 0, 0),
        ("package", "SpQueryContextAttributes", handle, 0),
        ("package", "SpDeleteContext", handle, 0),
        ("package", "SpFreeCredentialsHandle", 0, 0),
    ]
    leg = lab.events[2]
    assert (leg.package, leg.channel, leg.received, leg.sent) == ("Plain", 3, 5, 0)
    assert all(event.seconds >= 0 and event.start > 0 for event in lab.events)


def test_events_of_failures_hold_status_and_reason() -> None:
    lab = Tool(traced=True, open_sam_user=SecurityError(Status.STATUS_NO_SUCH_USER, reason="unknown"))
    lab.package.legs = [asks_first]
    lab.package.acquired = ValueError("x")
    lab.dispatcher.acquire(lab.channel, 1, 2, None, None, None, lab.done)
    lab.package.acquired = "nonsense"
    lab.dispatcher.acquire(lab.channel, 1, 2, None, None, None, lab.done)
    lab.package.acquired = None
    lab.leg(lab.acquire())
    told = [(event.function, event.status, event.reason) for event in lab.events]
    internal, unknown = Status.SEC_E_INTERNAL_ERROR, Status.STATUS_NO_SUCH_USER
    assert told == [
        ("SpAcquireCredentialsHandle", internal, "package_raised_ValueError"),
        ("SpAcquireCredentialsHandle", internal, "package_returned_str"),
        ("SpAcquireCredentialsHandle", 0, ""),
        ("OpenSamUser", unknown, "unknown"),
        ("SpInitLsaModeContext", unknown, "unknown"),
    ]


@pytest.mark.parametrize("error", [None, SecurityError(Status.STATUS_NO_SUCH_USER, reason="unknown")])
def test_a_parked_request_is_told_once_when_it_is_answered(error: SecurityError | None) -> None:
    lab = Tool(traced=True, open_sam_user=PARK)
    lab.package.legs = [asks_first]
    lab.leg(lab.acquire())
    assert [event.function for event in lab.events] == ["SpAcquireCredentialsHandle"]
    lab.link.resume(error=error)
    status, reason = (error.status, error.reason) if error else (0, "")
    assert [(event.function, event.status, event.reason) for event in lab.events[1:]] == [
        ("OpenSamUser", status, reason),
        ("SpInitLsaModeContext", status, reason),
    ]


def test_a_call_of_the_authority_is_one_event_under_its_documented_name() -> None:
    class Package(Plain):
        async def shutdown(self) -> None: ...

        async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> object:
            raise SystemExit

    lab = Lab(Package(), traced=True)
    for name, arguments in (("shutdown", ()), ("call_package_untrusted", (b"",))):
        lab.dispatcher.package_call(1, name, arguments, CALLER, lab.done)
    assert [(event.function, event.reason) for event in lab.events] == [
        ("SpShutdown", ""),
        ("LsaApCallPackageUntrusted", "package_raised_SystemExit"),
    ]


def test_without_an_observer_nothing_is_made_for_one() -> None:
    lab = Tool()
    running = a_call(lab.surroundings, lab.hosted[0], "SpInitialize", lab.done)
    assert running.event is None
    running.report()


# --- the record -------------------------------------------------------------------------------------------------------

RECORD = LogonAudit(Status.STATUS_LOGON_FAILURE, "alice")


@pytest.mark.parametrize("parked", [False, True])
@pytest.mark.parametrize(
    ("request_", "error", "noted"),
    [
        (Request[object]("audit_logon", (RECORD,)), None, Status.STATUS_LOGON_FAILURE),
        (Request[object]("audit_logon_ex", (RECORD, 2)), None, Status.STATUS_LOGON_FAILURE),
        (Request[object]("audit_logon", (RECORD,)), Status.STATUS_INSUFFICIENT_RESOURCES, None),
        (Request[object]("audit_logon", ()), None, None),
        (Request[object]("audit_logon", ("nonsense",)), None, None),
        (Request[object]("create_token"), None, Status.SEC_E_OK),
        (Request[object]("create_token_ex"), None, Status.SEC_E_OK),
        (Request[object]("convert_auth_data_to_token"), None, Status.SEC_E_OK),
        (
            Request[object]("convert_auth_data_to_token"),
            Status.STATUS_ACCOUNT_RESTRICTION,
            Status.STATUS_ACCOUNT_RESTRICTION,
        ),
        (Request[object]("convert_auth_data_to_token"), Status.STATUS_INVALID_PARAMETER, None),
        (Request[object]("open_sam_user"), None, None),
    ],
)
def test_lock_10_only_what_the_authority_wrote_counts_as_recorded(
    request_: Request[object], error: Status | None, noted: Status | None, parked: bool
) -> None:
    failure = SecurityError(error) if error is not None else None
    lab = Tool()
    lab.link.answers[request_.function] = PARK if parked else failure

    async def asks() -> object:
        return await request_

    running = a_call(lab.surroundings, lab.hosted[0], "SpAcceptLsaModeContext", lab.done)
    running.start(asks)
    if parked:
        assert running.audited is None
        lab.link.resume(error=failure)
    assert running.audited is noted
