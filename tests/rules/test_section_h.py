"""Section H of the rules: who is calling."""

from __future__ import annotations

import os
import threading
from collections.abc import Awaitable, Callable

import pytest
from tests.rules.asking import Asker, Asking
from tests.rules.packages import Badge, badge, lab_of, module, records

import secpkg
from secpkg.contract import Call, ClientInfo, LogonRefused, LogonRequest, LogonResult, LsaFunctions, Status
from secpkg.contract.flags import CallAttribute, CallFlags
from secpkg.contract.lsa_mode.functions import AppModeInfo, CallInfo
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError
from secpkg.host.lsa_mode.local import LOCAL_FUNCTIONS
from secpkg.runtime.embedded_link import LocalLink
from secpkg.testing import LabAuthority
from secpkg.testing.lab import described

Script = Callable[[LsaFunctions], Awaitable[object]]


class Somebody:
    """Another user, of another process, as the authority's socket would tell."""

    def __init__(self, lab: LabAuthority, **differs: object) -> None:
        self._lab = lab
        me = ClientInfo(os.getpid(), os.geteuid(), os.getegid())
        fields: dict[str, object] = {
            "process_id": me.process_id,
            "uid": me.uid,
            "gid": me.gid,
            "thread_id": 7,
            "impersonating": False,
            **differs,
        }
        self.caller = ClientInfo(**fields)  # type: ignore[arg-type]

    def link(self, logon_process_name: str | None = None) -> LocalLink:
        return LocalLink(self._lab.embedded, self.caller, logon_process_name)


class ActsAsClient(Badge):
    """Would log anybody on, acting as the client."""

    went_on = False

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        await self.authority.impersonate_client()
        self.went_on = True
        return await Badge.logon_user_ex2(self, call, request)


@pytest.mark.proves("lsa_secpkg.ImpersonateClient")
@pytest.mark.breaks("R138", "secpkg.host.lsa_mode.local.callers:impersonate_client")
@pytest.mark.parametrize("differs", [{"uid": 4_000_000}, {"gid": 4_000_000}, {"impersonating": True}])
def test_R138_a_request_whose_impersonation_fails_is_abandoned(differs: dict[str, object]) -> None:
    """A module cannot become another user (lock 11): the request ends with that, and leaves nothing."""
    package = ActsAsClient()
    with lab_of(package) as lab, secpkg.lsa.connect(Somebody(lab, **differs)) as lsa:
        before = lsa.enumerate_logon_sessions()
        with pytest.raises(SecurityError) as caught:
            lsa.logon_user("Badge", secpkg.contract.LogonType.INTERACTIVE, authentication_information=b"badge:alice")
        assert caught.value.status is Status.STATUS_PRIVILEGE_NOT_HELD and not package.went_on
        assert lsa.enumerate_logon_sessions() == before
        assert records(lab, "logon")[-1].status == "STATUS_PRIVILEGE_NOT_HELD"


def test_R138_R139_who_is_the_client_already_acts_as_it_and_has_nothing_to_revert() -> None:
    package = ActsAsClient()
    with lab_of(package) as lab:
        before = os.getresuid(), os.getresgid(), threading.get_native_id()
        assert badge(lab).account_name == "alice" and package.went_on
        assert (os.getresuid(), os.getresgid(), threading.get_native_id()) == before


def client_of(asking: Asking, script: Script, **differs: object) -> object:
    """What a script returns that runs for somebody's leg."""

    async def run(authority: LsaFunctions, _call: Call, _request: object) -> object:
        return await script(authority)

    return asking.accept(run, authority=Somebody(asking.lab, **differs))


@pytest.mark.proves("lsa_secpkg.GetClientInfo", "lsa_secpkg.GetClientInfoEx")
@pytest.mark.breaks("R140", "secpkg.host.lsa_mode.local.callers:get_client_info")
def test_R140_who_calls_is_what_the_authority_learnt_from_the_connection() -> None:
    async def both(authority: LsaFunctions) -> object:
        return await authority.get_client_info(), await authority.get_client_info_ex()

    with Asking() as asking:
        found = client_of(asking, both, uid=77, process_id=88)
        expected = ClientInfo(88, 77, os.getegid(), thread_id=7)
        assert found == (expected, expected)


@pytest.mark.proves("lsa_secpkg.GetCallInfo")
@pytest.mark.breaks("R141", "secpkg.host.lsa_mode.local.callers:get_call_info")
def test_R141_the_most_recent_call_is_described() -> None:
    async def describe(authority: LsaFunctions) -> object:
        return await authority.get_call_info()

    with Asking() as asking:
        first = client_of(asking, describe, process_id=88)
        second = client_of(asking, describe, process_id=88)
    assert isinstance(first, CallInfo) and isinstance(second, CallInfo)
    assert (first.process_id, first.thread_id, first.attributes) == (88, 7, CallAttribute(0))
    assert second.call_count > first.call_count > 0


@pytest.mark.proves("lsa_secpkg.GetExtendedCallFlags", "lsa_secpkg.QueryClientRequest")
def test_adr_17_a_caller_without_a_session_has_what_it_supplies_and_nothing_else() -> None:
    async def flags(authority: LsaFunctions) -> object:
        return await authority.get_extended_call_flags()

    async def session(authority: LsaFunctions) -> object:
        return await authority.query_client_request(1)

    with Asking() as asking:
        assert client_of(asking, flags) == CallFlags.FORCE_SUPPLIED
        with pytest.raises(SecurityError) as caught:
            client_of(asking, session)
        assert caught.value.status is Status.STATUS_NO_SUCH_LOGON_SESSION
        logged_on = badge_of(asking)
        with logged_on.session():
            assert client_of_session(asking, flags) == CallFlags(0)
            assert client_of_session(asking, session) == logged_on.luid


def badge_of(asking: Asking) -> secpkg.lsa.Logon:
    """A logon in the lab, by a package of its own."""
    loaded = described(module(Badge()))
    assert not isinstance(loaded, str)
    asking.lab.embedded.add_module(loaded)
    return badge(asking.lab)


def client_of_session(asking: Asking, script: Script) -> object:
    """What a script returns that runs for a leg of the session that is presented."""

    async def run(authority: LsaFunctions, _call: Call, _request: object) -> object:
        return await script(authority)

    return asking.accept(run)


@pytest.mark.parametrize("query_type", [0, 2, 1 << 40])
def test_other_questions_about_the_request_are_refused(query_type: int) -> None:
    with Asking() as asking:
        status = asking.refused(lambda authority: authority.query_client_request(query_type))
        assert status is Status.STATUS_INVALID_PARAMETER


@pytest.mark.parametrize(
    "script",
    [
        lambda authority: authority.get_app_mode_info(),
        lambda authority: authority.set_app_mode_info(AppModeInfo(1, 0, 0, b"", False)),
    ],
    ids=["get", "set"],
)
def test_adr_17_there_are_no_app_mode_calls(script: Script) -> None:
    with Asking() as asking:
        assert asking.refused(script) is Status.STATUS_NOT_IMPLEMENTED


NOBODY = [
    "get_client_info",
    "get_client_info_ex",
    "get_call_info",
    "get_extended_call_flags",
    "impersonate_client",
]


@pytest.mark.parametrize("function", NOBODY)
def test_at_start_up_nobody_calls(function: str) -> None:
    package = Asker()

    async def asks(authority: LsaFunctions) -> object:
        try:
            return await getattr(authority, function)()
        except SecurityError as error:
            return error.status

    package.at_start = asks
    with Asking(package):
        assert package.found == [Status.STATUS_UNSUCCESSFUL]


WRONG: list[tuple[str, tuple[object, ...]]] = [
    ("get_client_info", (1,)),
    ("allocate_lsa_heap", ("8",)),
    ("allocate_lsa_heap", (-1,)),
    ("allocate_lsa_heap", (True,)),
    ("allocate_lsa_heap", ()),
    ("allocate_private_heap", (1.0,)),
    ("allocate_private_heap", (1 << 64,)),
    ("free_lsa_heap", (b"bytes",)),
    ("free_private_heap", (None,)),
    ("protect_memory", (b"bytes",)),
    ("unprotect_memory", (memoryview(b"x"),)),
    ("map_buffer", (b"bytes",)),
    ("create_shared_memory", (1,)),
    ("allocate_shared_memory", (1, None)),
    ("free_shared_memory", ("1", 1)),
    ("delete_shared_memory", (None,)),
    ("query_client_request", ("1",)),
    ("set_app_mode_info", ((1, 0, 0, b"", False),)),
    ("cancel_notification", (None,)),
    ("create_thread", (None, None)),
    ("client_callback", ("name", 0, 0, b"")),
    ("client_callback", (1, 0, 0, "text")),
]


@pytest.mark.parametrize(("function", "arguments"), WRONG, ids=str)
def test_arguments_of_another_kind_are_refused_before_anything_is_done(
    function: str, arguments: tuple[object, ...]
) -> None:
    async def script(_authority: LsaFunctions) -> object:
        return await Request[object](function, arguments)

    with Asking() as asking:
        assert asking.refused(script) is Status.STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("function", sorted(LOCAL_FUNCTIONS))
def test_too_many_arguments_are_refused_before_anything_is_done(function: str) -> None:
    with Asking() as asking:
        asked: Request[object] = Request(function, tuple(range(20)))

        async def script(_authority: LsaFunctions) -> object:
            return await asked

        assert asking.refused(script) is Status.STATUS_INVALID_PARAMETER
        assert asking.ask(lambda authority: authority.get_call_info()).process_id == os.getpid(), "it goes on serving"
