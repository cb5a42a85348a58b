"""Looking on at an authority of this process, and at a real one (issue 4: costs nothing when nobody looks, never shows
secrets).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from tests.daemon import harness

import secpkg
from secpkg import LogonType, lsa
from secpkg.contract import SecurityError, Status
from secpkg.host.user_mode import load
from secpkg.ipc import schema
from secpkg.ipc.link import next_id
from secpkg.kit.trace import html, terminal
from secpkg.kit.trace.follow import Follower, LabTrace
from secpkg.kit.trace.model import Event, plain
from secpkg.testing import LabAuthority

PASSWORD = "correct horse battery"


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=["hello"]) as made:
        made.add_user("alice", password=PASSWORD)
        yield made


def talk(lab: LabAuthority) -> None:
    client = secpkg.Client("Hello", username="alice", password=PASSWORD, target="a/b", authority=lab)
    server = secpkg.Server("Hello", authority=lab)
    token = client.step()
    while token is not None:
        reply = server.step(token)
        token = client.step(reply) if reply is not None else None
    assert server.decrypt(client.encrypt(b"the sealed words")) == b"the sealed words"
    client.close()
    server.close()


def observed(lab: LabAuthority) -> tuple[bool, bool]:
    """Whether the machine, and whether what runs the package, observes anything."""
    machine = lab.embedded.machine
    (port,) = machine.service.ports.values()
    return machine.tracing, port.module.surroundings.observer is not None  # type: ignore[attr-defined]


def logon(lab: LabAuthority, password: str) -> None:
    with lsa.connect(lab) as connection:
        connection.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password=password).close()


def test_the_first_reader_switches_observation_on_and_the_last_one_off(lab: LabAuthority) -> None:
    with lsa.register_logon_process("one", lab) as one, lsa.register_logon_process("two", lab) as two:
        assert observed(lab) == (False, False)
        one.manage("trace.start")
        two.manage("trace.start")
        assert observed(lab) == (True, True)
        one.manage("trace.stop")
        one.manage("trace.stop")
        assert observed(lab) == (True, True), "the other one still looks"
        two.manage("trace.stop")
        assert observed(lab) == (False, False)
        assert lab.embedded.machine.service.observer is None


def test_a_reader_that_goes_without_a_word_has_stopped_looking(lab: LabAuthority) -> None:
    reader = lsa.register_logon_process("reader", lab)
    reader.manage("trace.start")
    assert observed(lab) == (True, True)
    reader._connection.link.close()
    assert observed(lab) == (False, False)


def test_nothing_is_kept_while_nobody_looks(lab: LabAuthority) -> None:
    talk(lab)
    assert lab.embedded.machine.trace_count == 0


def seen_of(lab: LabAuthority) -> tuple[Event, ...]:
    with lsa.register_logon_process("reader", lab) as reader, LabTrace(reader) as trace:
        logon(lab, PASSWORD)
        with pytest.raises(SecurityError):
            logon(lab, "not the password")
        talk(lab)
    return trace.events()


def test_every_call_from_the_application_to_the_lsa_function(
    lab: LabAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "_modules", {})  # a user half is observed from when it is loaded
    events = seen_of(lab)
    by_name = {event.function: event for event in reversed(events)}
    kinds = {
        "LsaLogonUser": "authority",
        "LsaApLogonUserEx2": "package",
        "CreateLogonSession": "lsa",
        "SpInitLsaModeContext": "package",
        "SpAcceptLsaModeContext": "package",
        "ConvertAuthDataToToken": "lsa",
        "SpSealMessage": "user",
        "SpUnsealMessage": "user",
    }
    assert {name: by_name[name].kind for name in kinds} == kinds
    for name in kinds:
        assert (by_name[name].application, by_name[name].uid) == (os.getpid(), os.getuid()), name
    assert by_name["LsaLogonUser"].account == "alice"
    leg = by_name["SpAcceptLsaModeContext"]
    assert leg.handle and leg.received and leg.sent and leg.status_name == "SEC_I_CONTINUE_NEEDED" and leg.seconds > 0
    last = [event for event in events if event.function == "SpAcceptLsaModeContext"][-1]
    assert by_name["ConvertAuthDataToToken"].call == last.call, "what a leg awaited has its number"
    assert last.time <= by_name["ConvertAuthDataToToken"].time
    refused = [event for event in events if event.function == "LsaApLogonUserEx2"][-1]
    assert (refused.status_name, refused.reason, refused.failed) == ("STATUS_LOGON_FAILURE", "wrong_password", True)


def test_no_secret_is_in_any_form_of_a_trace(lab: LabAuthority) -> None:
    events = seen_of(lab)
    everything = (
        msgspec.json.encode([plain(event) for event in events]).decode()
        + "".join(map(terminal.line, events))
        + "".join(terminal.diagram(events))
        + html.page(events)
    )
    for secret in (PASSWORD, "not the password", "the sealed words", PASSWORD.encode().hex()):
        assert secret not in everything


def test_the_requests_of_the_reader_are_not_shown_to_it(lab: LabAuthority) -> None:
    with lsa.register_logon_process("reader", lab) as reader:
        events = list(Follower(reader, duration=0.0))
    assert events == []


def test_a_reader_needs_a_trusted_connection(lab: LabAuthority) -> None:
    """Lock 2."""
    link = lab.link()
    for operation in ("trace.start", "calls.counts", "packages.examine"):
        answer = link.call(schema.Manage(next_id(), operation, msgspec.Raw(schema.encode({}))))
        assert isinstance(answer, schema.Failed) and answer.status == Status.STATUS_PRIVILEGE_NOT_HELD
    assert observed(lab) == (False, False)
    link.close()


def test_who_asked_for_which_package_is_counted_without_a_reader(lab: LabAuthority) -> None:
    talk(lab)
    with pytest.raises(SecurityError):
        logon(lab, "not the password")
    with pytest.raises(SecurityError):
        secpkg.Server("Helo", authority=lab).step(b"")
    with lsa.register_logon_process("reader", lab) as reader:
        counts = reader.manage("calls.counts")
    assert isinstance(counts, dict)
    rows = {(row["name"], row["how"]): row for row in counts["asked"]}
    assert rows["Hello", "context"]["count"] == 1 and rows["Hello", "context"]["refused"] == 0
    assert (rows["Hello", "logon"]["refused"], rows["Hello", "logon"]["status"]) == (1, "STATUS_LOGON_FAILURE")
    assert (rows["Helo", "context"]["refused"], rows["Helo", "context"]["reason"]) == (1, "no_such_package")
    assert rows["Helo", "context"]["application"] == os.getpid()
    assert counts["functions"] == [], "nobody looked on"
    assert [row["claimed"]["account_name"] for row in counts["logons"] if row["event"] == "logon"] == ["alice"] * len(
        [row for row in counts["logons"] if row["event"] == "logon"]
    )


def test_names_that_applications_make_up_have_limited_room(lab: LabAuthority) -> None:
    link = lab.link()
    for number in range(300):
        link.call(schema.LookupPackage(next_id(), f"made up {number} " + "x" * 100))
    rows = lab.embedded.machine.service.asked.rows()
    assert len(rows) == 256 and all(len(row.name) <= 127 for row in rows)
    link.close()


@pytest.fixture(scope="module")
def daemon() -> Iterator[harness.Daemon]:
    with harness.running() as running:
        yield running
        harness.close_opened()


_READER = """
import sys
from secpkg import lsa
reader = lsa.register_logon_process("reader", sys.argv[1])
reader.manage("trace.start")
print("looking", flush=True)
sys.stdin.read()
"""


def test_a_reader_that_is_killed_has_stopped_looking(daemon: harness.Daemon) -> None:
    command = [sys.executable, "-c", _READER, daemon.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None and reader.stdout.readline() == "looking\n"
        assert daemon.manage("calls.counts")["readers"] == 1
        reader.send_signal(signal.SIGKILL)
    daemon.until(lambda: daemon.manage("calls.counts")["readers"] == 0)
    cursor = daemon.manage("trace.start")["cursor"]
    daemon.manage("trace.stop")
    harness.Ends(daemon.link()).handshake()
    assert daemon.trace(cursor) == []


def test_a_reader_hears_of_a_call_as_soon_as_it_happened(daemon: harness.Daemon) -> None:
    """What it waited for wakes it, long before the end of its patience; the calls of a worker name their caller."""
    with lsa.register_logon_process("reader", daemon.address) as reader:
        application = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.readline(); from secpkg import lsa; "
             "lsa.connect(sys.argv[1]).lookup_authentication_package('Hello')", daemon.address],
            stdin=subprocess.PIPE,
        )  # fmt: skip
        assert application.stdin is not None
        events = iter(Follower(reader, count=2, duration=harness.PATIENCE))
        application.stdin.write(b"\n")
        application.stdin.close()
        connected, looked_up = events
        assert application.wait() == 0
    assert [connected.function, looked_up.function] == ["LsaConnectUntrusted", "LsaLookupAuthenticationPackage"]
    assert {connected.application, looked_up.application} == {application.pid}
    assert connected.process == daemon.process.pid


def test_what_is_read_too_late_is_counted_as_lost(daemon: harness.Daemon) -> None:
    cursor = daemon.manage("trace.start")["cursor"]
    link = daemon.link()
    for _ in range(10_050):
        link.call(schema.LookupPackage(next_id(), "Hello"))
    daemon.manage("trace.stop")
    page = daemon.manage("trace.read", cursor=cursor)
    assert page["lost"] >= 50
    assert page["cursor"] == cursor + page["lost"] + len(page["events"])
