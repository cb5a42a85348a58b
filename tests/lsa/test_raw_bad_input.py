"""Every function of `secpkg.lsa.raw`, given what it cannot take: each answers its documented status, raises nothing,
and has changed nothing anywhere. The functions are those of the reference, so none is forgotten.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from tests.lsa.passwords import PASSWORD, Passwords, passwords_lab
from tests.sspi import wrong

import secpkg
from secpkg.contract import Call, LogonType, ProtocolReply, Status, reference
from secpkg.ipc.schema import MAX_SUBMIT_BUFFER
from secpkg.lsa import raw
from secpkg.testing import LabAuthority

OK, BAD_HANDLE = Status.STATUS_SUCCESS, Status.STATUS_INVALID_HANDLE
BAD_PARAMETER = Status.STATUS_INVALID_PARAMETER
WIN32_PARAMETER, NO_SUCH_MESSAGE = 87, 317

FUNCTIONS: Final = {row.function: row for row in reference.table("lsa_logon")}
WIN32: Final = {"LogonUser", "LogonUserEx", "LogonUserExExW"}
"""They answer FALSE and a last error."""


def function(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(raw, FUNCTIONS[name].python_name)
    return found


PARAMETERS: Final = [(name, p) for name in FUNCTIONS for p in inspect.signature(function(name)).parameters.values()]


class PassedThrough(Passwords):
    """Answers for another domain too."""

    async def call_package_passthrough(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        return ProtocolReply(b"passed " + submit_buffer, Status.STATUS_MORE_ENTRIES)


class Stage:
    """A lab, connections in every state, and a return buffer."""

    def __init__(self) -> None:
        self.package = PassedThrough()
        self.lab: LabAuthority = passwords_lab(self.package)
        self.handle = self.connected()
        self.trusted = secpkg.lsa.register_logon_process("tests", self.lab)
        self.closed = self.connected()
        self.closed.close()
        self.number = raw.lookup_authentication_package(self.handle, "Passwords")[1]
        status, _, logon, self.token = self.logon(self.handle)
        assert status is OK and logon is not None
        assert raw.logon_user_w("alice", ".", PASSWORD, 3, 2, authority=self.lab)[0] is False  # opens the shared one
        self.logon_id, self.profile = logon.logon_id, logon.profile

    def connected(self) -> secpkg.lsa.Lsa:
        status, handle = raw.connect_untrusted(self.lab)
        assert status is OK and handle is not None
        return handle

    def logon(self, handle: secpkg.lsa.Lsa) -> tuple[Any, ...]:
        return raw.logon_user(handle, "tests", LogonType.INTERACTIVE, self.number, username="alice", password=PASSWORD)

    def state(self) -> object:
        authority = self.lab.embedded.machine.authority
        taken = [authority.quotas.taken(os.getuid(), each) for each in ("connections", "references", "bytes")]
        asked = len(self.package.requests), len(self.package.accepted)
        return taken, asked, sorted(session.logon_id for session in authority.sessions.live()), self.token.closed

    def works(self) -> None:
        assert raw.get_logon_session_data(self.handle, self.logon_id)[0] is OK
        status, reply = raw.call_authentication_package(self.handle, self.number, b"x")
        assert status is OK and reply is not None and reply.data == b"untrusted x"
        assert raw.free_return_buffer(reply.data) is OK


GOOD: Final[dict[str, Callable[[Stage], object]]] = {
    "authentication_information": lambda _: b"",
    "authority": lambda stage: stage.lab,
    "buffer": lambda stage: stage.profile,
    "check_only": lambda _: True,
    "domain": lambda _: "",
    "forest_trust_info": lambda _: (),
    "handle": lambda stage: stage.handle,
    "information": lambda _: None,
    "information_class": lambda _: 2,
    "local_groups": lambda _: (),
    "logon_id": lambda stage: stage.logon_id,
    "logon_provider": lambda _: 0,
    "logon_type": lambda _: LogonType.BATCH,
    "name": lambda _: "tests",
    "origin_name": lambda _: "tests",
    "package": lambda stage: stage.number,
    "password": lambda _: "wrong",
    "source_context": lambda _: None,
    "status": lambda _: 0,
    "submit_buffer": lambda _: b"x",
    "token_groups": lambda _: (),
    "trusted_domain_name": lambda _: "OTHER",
    "username": lambda _: "alice",
    "workstation": lambda _: "",
}
NULL: Final = {"authority", "information", "source_context", "password"}
"""May be NULL; a domain may where its name is a UPN (LogonUser), and is none of these."""
SPECIAL: Final[dict[tuple[str, str], object]] = {
    ("LsaNtStatusToWinError", "status"): NO_SUCH_MESSAGE,  # ntsecapi/nf-ntsecapi-lsantstatustowinerror
}


def expected(name: str, parameter: str) -> object:
    if name in WIN32:
        return False
    return SPECIAL.get((name, parameter), BAD_HANDLE if parameter == "handle" else BAD_PARAMETER)


def arguments(name: str, stage: Stage, /, **changed: object) -> dict[str, object]:
    names = inspect.signature(function(name)).parameters
    return {each: changed[each] if each in changed else GOOD[each](stage) for each in names} | (
        {"package": "Passwords"} if name == "LsaLookupAuthenticationPackage" and "package" not in changed else {}
    )


def said(answer: object) -> object:
    return answer[0] if isinstance(answer, tuple) else answer


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    with made.lab:
        made.works()
        yield made
        made.works()


@pytest.fixture(autouse=True)
def unchanged(stage: Stage) -> Iterator[None]:
    before = stage.state()
    yield
    assert stage.state() == before


def test_the_tables_know_every_parameter() -> None:
    assert {parameter.name for _, parameter in PARAMETERS} == set(GOOD)


def refused(name: str, parameter: str, answer: object) -> None:
    assert said(answer) is expected(name, parameter) or said(answer) == expected(name, parameter) == NO_SUCH_MESSAGE
    if name in WIN32:
        assert answer == (False, WIN32_PARAMETER, None)
    elif isinstance(answer, tuple):
        assert not any(out for out in answer[1:] if out is not OK)


@pytest.mark.parametrize(
    ("name", "parameter"), [pytest.param(name, p, id=f"{name}-{p.name}") for name, p in PARAMETERS]
)
def test_a_parameter_of_a_wrong_type_or_missing(stage: Stage, name: str, parameter: inspect.Parameter) -> None:
    nullable = parameter.name in NULL or (name in WIN32 and parameter.name == "domain")
    for value in wrong.values(parameter, nullable=nullable):
        if parameter.name in ("logon_type", "status") and value == -(1 << 40):
            continue
        if parameter.name in ("forest_trust_info", "local_groups", "token_groups") and not value and value is not None:
            continue  # an empty one is none
        refused(name, parameter.name, function(name)(**arguments(name, stage, **{parameter.name: value})))


@pytest.mark.parametrize("name", [name for name, parameter in PARAMETERS if parameter.name == "handle"])
def test_R86_a_handle_that_was_closed(stage: Stage, name: str) -> None:
    refused(name, "handle", function(name)(**arguments(name, stage, handle=stage.closed)))
    refused(name, "handle", function(name)(**arguments(name, stage, handle=stage.lab)))


LONG: Final[dict[tuple[str, str], object]] = {
    ("LsaRegisterLogonProcess", "name"): Status.STATUS_NAME_TOO_LONG,  # R83
    ("LsaLookupAuthenticationPackage", "package"): Status.STATUS_NAME_TOO_LONG,  # R87
    ("LsaQueryForestTrustInformation", "trusted_domain_name"): Status.STATUS_INVALID_DOMAIN_STATE,  # no trust at all
    ("LsaSetForestTrustInformation", "trusted_domain_name"): Status.STATUS_ACCESS_DENIED,  # untrusted, whatever it is
}


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        pytest.param(name, p, id=f"{name}-{p.name}")
        for name, p in PARAMETERS
        if {"str", "bytes", "Buffer"} & wrong.members(p)
    ],
)
def test_too_large(stage: Stage, name: str, parameter: inspect.Parameter) -> None:
    value = "x" * 200_000 if "str" in wrong.members(parameter) else bytes(MAX_SUBMIT_BUFFER + 1)
    answer = function(name)(**arguments(name, stage, **{parameter.name: value}))
    if (name, parameter.name) in LONG:
        assert said(answer) is LONG[name, parameter.name]
    else:
        refused(name, parameter.name, answer)


def test_R87_R57_numbers_that_name_nothing(stage: Stage) -> None:
    for number in (0, 4711, 0xFFFFFFFF):
        assert raw.call_authentication_package(stage.handle, number, b"")[0] is Status.STATUS_NO_SUCH_PACKAGE
        assert raw.logon_user(stage.handle, "", 2, number)[0] is Status.STATUS_NO_SUCH_PACKAGE
    for kind in (-1, 0, 1, 14, 1 << 20):
        assert raw.logon_user(stage.handle, "", kind, stage.number)[0] is Status.STATUS_INVALID_LOGON_TYPE
    for number in (0, 4711, 1 << 63):
        assert raw.get_logon_session_data(stage.handle, number)[0] is Status.STATUS_NO_SUCH_LOGON_SESSION
    assert raw.logon_user_w("alice", ".", "x", 14, authority=stage.lab)[:2] == (False, 1367)
    assert raw.logon_user_w("alice", ".", "x", 2, 4711, authority=stage.lab)[:2] == (False, WIN32_PARAMETER)


def test_R79_R100_what_was_freed_and_what_is_no_return_buffer(stage: Stage) -> None:
    status, sessions = raw.enumerate_logon_sessions(stage.handle)
    assert status is OK and raw.free_return_buffer(sessions) is OK
    for buffer in (sessions, b"bytes", (), object(), stage.logon_id):
        assert raw.free_return_buffer(buffer) is BAD_PARAMETER


def test_R66_R89_what_needs_a_trusted_connection(stage: Stage) -> None:
    denied = Status.STATUS_PRIVILEGE_NOT_HELD
    assert raw.logon_user(
        stage.handle, "", 2, stage.number, username="alice", password=PASSWORD, local_groups=["S-1-5-32-544"]
    ) == (denied, OK, None, None)
    assert raw.call_authentication_package(stage.handle, stage.number, b"", domain="EXAMPLE") == (denied, None)
    assert raw.set_domain_information_policy(stage.handle, 2, None) == Status.STATUS_ACCESS_DENIED


def test_R89_with_a_domain_the_package_of_that_domain_is_reached(stage: Stage) -> None:
    status, reply = raw.call_authentication_package(stage.trusted, stage.number, b"x", domain="EXAMPLE")
    assert status is OK and reply == ProtocolReply(b"passed x", Status.STATUS_MORE_ENTRIES)
    assert raw.free_return_buffer(reply.data) is OK and raw.free_return_buffer(reply.data) is BAD_PARAMETER
    elsewhere = raw.call_authentication_package(stage.trusted, stage.number, b"x", domain="NOWHERE")
    assert elsewhere == (Status.STATUS_NO_SUCH_DOMAIN, None)


def test_R86_the_second_time(stage: Stage) -> None:
    handle = stage.connected()
    assert raw.deregister_logon_process(handle) is OK
    assert raw.deregister_logon_process(handle) is BAD_HANDLE
