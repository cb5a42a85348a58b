"""Loaded, and still never called - or always refused."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from tests.daemon import harness
from tests.daemon.modules import write_module
from tests.kit_doctor.conftest import LIMITS, Clinic, cause_of

from secpkg import LogonType, lsa
from secpkg.contract import SecurityError, Status
from secpkg.contract.flags import Capability
from secpkg.kit.doctor.checks import calling
from secpkg.kit.doctor.facts import (
    Asking,
    Called,
    Configured,
    Counts,
    Environment,
    Facts,
    LogonRecord,
    Reached,
    Row,
)
from secpkg.kit.doctor.gather import gather
from secpkg.kit.doctor.model import Report
from secpkg.kit.doctor.walk import walk

pytestmark = pytest.mark.slow  # each takes a while, and there are many


@pytest.fixture
def fresh() -> Iterator[Clinic]:
    """An authority of which nobody has asked anything yet."""
    with harness.running(limits=LIMITS) as daemon:
        yield Clinic(daemon)
        harness.close_opened()


def logon(clinic: Clinic, package: str = "Hello", password: str = harness.PASSWORD, user: str = "alice") -> None:
    with lsa.connect(clinic.daemon.address) as connection, pytest.raises(SecurityError):
        connection.logon_user(package, LogonType.INTERACTIVE, username=user, password=password)


def test_from_never_asked_to_called(fresh: Clinic) -> None:
    report = fresh.diagnose("hello")
    assert cause_of(report) == "never_asked", report.line
    assert "logon USER --package Hello" in report.line

    with pytest.raises(SecurityError):
        fresh.daemon.link().open_channel("Helo", 0)
    report = fresh.diagnose("hello")
    assert cause_of(report) == "asked_by_another_name"
    assert "applications ask for 'Helo', and the package is called 'Hello'" in report.line

    logon(fresh, password="wrong password")
    report = fresh.diagnose("hello")
    assert cause_of(report) == "always_refused" and report.finding is not None, report.line
    assert "STATUS_LOGON_FAILURE" in report.line and "trace --failed --package Hello" in report.line
    assert "wrong_password" in " ".join(report.finding.evidence)

    harness.Ends(fresh.daemon.link()).handshake()
    report = fresh.diagnose("hello")
    assert report.finding is None, report.line
    assert report.line.startswith("nothing is wrong with hello: it is loaded and called: ")
    assert "opened for contexts: 1" in report.line
    assert {mark.state for mark in report.marks} == {"right"}

    path = write_module(
        fresh.place,
        "unused",
        "class L(Package):\n    async def logon_user(self, call, request): ...\n"
        "def initialize(v): return tables(L({name!r}))\n",
    )
    fresh.add("unused", path=path)
    report = fresh.diagnose("unused")
    assert cause_of(report) == "logons_elsewhere", report.line
    assert "logons name Hello" in report.line and "logon USER --package Unused" in report.line


def test_logons_of_a_package_that_cannot_log_on(clinic: Clinic) -> None:
    """R40."""
    clinic.plant("contexts_only")
    logon(clinic, "Contexts_only")
    report = clinic.diagnose("contexts_only")
    assert cause_of(report) == "logon_null" and "logon_user_ex2" in report.line


def test_logon_is_announced_and_there_is_no_function(clinic: Clinic) -> None:
    facts = gather("hello", clinic.daemon.address)
    rows = tuple(
        msgspec.structs.replace(row, functions=("accept_lsa_mode_context",), capabilities=int(Capability.LOGON))
        if row.module == "hello"
        else row
        for row in facts.rows
    )
    assert cause_of(walk(msgspec.structs.replace(facts, rows=rows, counts=Counts()))) == "logon_announced"


@pytest.mark.parametrize(
    ("trusted", "cause", "function"),
    [(False, "untrusted_call_null", "call_package_untrusted"), (True, "call_null", "call_package")],
)
def test_calls_of_a_null_entry(clinic: Clinic, trusted: bool, cause: str, function: str) -> None:
    """R75: an untrusted caller reaches LsaApCallPackageUntrusted only."""
    module = f"uncalled_{cause}"
    other = "call_package" if function == "call_package_untrusted" else "call_package_untrusted"
    clinic.plant(
        module,
        f"class C(Package):\n    async def {other}(self, call, submit_buffer): return ProtocolReply(b'')\n"
        "def initialize(v): return tables(C({name!r}))\n",
    )
    address = clinic.daemon.address
    with (
        lsa.register_logon_process("tests", address) if trusted else lsa.connect(address) as connection,
        pytest.raises(SecurityError) as refused,
    ):
        connection.call_authentication_package(module.capitalize(), b"x")
    assert refused.value.status is Status.STATUS_NOT_IMPLEMENTED
    report = clinic.diagnose(module)
    assert cause_of(report) == cause, report.line
    assert f"define {function}" in report.line


def test_contexts_of_a_package_that_makes_none(clinic: Clinic) -> None:
    clinic.add("curfew", list="authentication_packages")
    clinic.daemon.link().open_channel("Curfew", 0)[1].close()
    assert cause_of(clinic.diagnose("curfew")) == "no_context_functions"


RESTRICTIONS: dict[str, tuple[str, dict[str, object], str, str, dict[str, object]]] = {
    "account_locked": ("accounts.lock", {}, "accounts unlock bob", "accounts.unlock", {}),
    "account_disabled": ("accounts.disable", {}, "accounts enable bob", "accounts.enable", {}),
    "account_expired": ("accounts.expire", {"at": 1.0}, "--at never", "accounts.expire", {"at": None}),
    "must_change": (
        "accounts.passwd",
        {"password": harness.PASSWORD, "must_change": True},
        "accounts passwd bob",
        "accounts.passwd",
        {"password": harness.PASSWORD},
    ),
}


@pytest.fixture
def bob(clinic: Clinic) -> Iterator[str]:
    clinic.daemon.manage("accounts.add", name="bob", password=harness.PASSWORD)
    yield "bob"
    clinic.daemon.manage("accounts.remove", name="bob")


@pytest.mark.parametrize("cause", RESTRICTIONS)
def test_restrictions_of_the_account(clinic: Clinic, bob: str, cause: str) -> None:
    """R53, R55: told after a right proof only; the doctor reads the audit record."""
    operation, arguments, mend, undo, undone = RESTRICTIONS[cause]
    clinic.daemon.manage(operation, name=bob, **arguments)
    logon(clinic, user=bob)
    report = clinic.diagnose("hello")
    assert cause_of(report) == cause, report.line
    assert mend in report.line
    clinic.daemon.manage(undo, name=bob, **undone)
    with lsa.connect(clinic.daemon.address) as connection:
        connection.logon_user("Hello", LogonType.INTERACTIVE, username=bob, password=harness.PASSWORD).close()
    assert cause_of(clinic.diagnose("hello")) == "", "a logon that succeeds is the newest one"


def test_too_many_wrong_passwords(clinic: Clinic, bob: str) -> None:
    """Lock 9."""
    for _ in range(12):
        logon(clinic, user=bob, password="wrong password")
    logon(clinic, user=bob)
    report = clinic.diagnose("hello")
    assert cause_of(report) == "lockout_delay", report.line
    assert "accounts unlock bob" in report.line


def test_a_password_that_is_too_old() -> None:
    """The same place on the record, under another name (policy)."""
    record = LogonRecord("Hello", "STATUS_ACCOUNT_RESTRICTION", facts={"substatus": "STATUS_PASSWORD_EXPIRED"})
    facts = Facts(
        "hello",
        "hello",
        Configured("--authority", "unix:/x"),
        Reached("up", trusted=True),
        Environment("python", 0, ()),
        rows=(Row("Hello", "hello", state="loaded"),),
        counts=Counts(logons=(record,)),
    )
    report = walk(facts)
    assert cause_of(report) == "password_expired" and calling.account_locked(facts) is None


def test_a_name_on_the_record_stays_one_word_of_a_command(clinic: Clinic) -> None:
    """Who logs on chooses the name; an operator copies the command."""
    record = LogonRecord(
        "Hello",
        "STATUS_ACCOUNT_RESTRICTION",
        facts={"substatus": "STATUS_ACCOUNT_LOCKED_OUT"},
        claimed={"account_name": "x; rm -rf ~"},
    )
    facts, counts = gather("hello", clinic.daemon.address), Counts(logons=(record,))
    report = walk(msgspec.structs.replace(facts, counts=counts))
    assert report.finding is not None and report.finding.mend.endswith("accounts unlock 'x; rm -rf ~'")


def test_primary_credentials_are_not_granted(clinic: Clinic) -> None:
    """Lock 4."""
    clinic.add("keyring")
    report = clinic.diagnose("keyring")
    assert cause_of(report) == "no_primary_credentials", report.line
    assert report.line.endswith("packages remove keyring && " + report.line.rpartition("&& ")[2])
    assert report.line.endswith("packages add keyring --primary-credentials")


def test_a_function_that_was_seen_to_refuse(clinic: Clinic) -> None:
    facts = gather("hello", clinic.daemon.address)
    called = Called("Hello", "SpAcceptLsaModeContext", 3, 3, int(Status.SEC_E_LOGON_DENIED), "mic_missing")
    counts = Counts(asked=(Asking("Hello", "context", 3),), functions=(called,))
    report: Report = walk(msgspec.structs.replace(facts, counts=counts))
    assert cause_of(report) == "function_refuses"
    assert "SEC_E_LOGON_DENIED (mic_missing)" in report.line and "--function SpAcceptLsaModeContext" in report.line
    sometimes = msgspec.structs.replace(counts, functions=(msgspec.structs.replace(called, count=4),))
    assert cause_of(walk(msgspec.structs.replace(facts, counts=sometimes))) == ""
