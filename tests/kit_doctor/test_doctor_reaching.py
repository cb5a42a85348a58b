"""Configuration and authority: planted in files, sockets and environment variables."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.kit_doctor.conftest import Clinic, cause_of, configure

from secpkg.ipc import client, schema
from secpkg.ipc.errors import PeerRefused
from secpkg.kit.doctor import gather as gathering
from secpkg.kit.doctor.facts import Configured, Environment, Facts, Reached, Socket
from secpkg.kit.doctor.gather import gather
from secpkg.kit.doctor.model import Report
from secpkg.kit.doctor.walk import walk


def diagnose(authority: str | None = None) -> Report:
    return walk(gather("hello", authority, load=False))


@pytest.mark.parametrize(
    ("address", "cause", "mend"),
    [
        ("unix:run/lsa.sock", "address_without_path", "SECPKG_AUTHORITY=unix:/"),
        ("/run/secpkg/lsa.sock", "address_without_scheme", "SECPKG_AUTHORITY=unix:/run/secpkg/lsa.sock"),
        ("unx:/run/secpkg/lsa.sock", "address_misspelt", "SECPKG_AUTHORITY=unix:"),
        ("embeded:", "address_misspelt", "SECPKG_AUTHORITY=unix:"),
    ],
)
def test_an_address_that_is_none(address: str, cause: str, mend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECPKG_AUTHORITY", address)
    report = diagnose()
    assert cause_of(report) == cause
    assert mend in report.line and "SECPKG_AUTHORITY" in report.line and address in report.line


def test_who_says_which_authority_is_meant(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = configure(home, 'authority = "unix:/from/the/file.sock"\n')
    assert gathering.configuration(None).source == str(path)
    monkeypatch.setenv("SECPKG_AUTHORITY", "unix:/from/the/environment.sock")
    assert gathering.configuration(None).source == "SECPKG_AUTHORITY"
    assert gathering.configuration("unix:/given.sock").source == "--authority"


def test_a_configuration_file_that_is_not_understood(home: Path) -> None:
    path = configure(home, "authority = [\n")
    report = diagnose()
    assert cause_of(report) == "configuration_invalid" and str(path) in report.line


def test_a_configuration_file_that_cannot_be_read(home: Path) -> None:
    path = home / "config" / "secpkg" / "secpkg.toml"
    path.mkdir(parents=True)  # root reads every file, and no directory
    report = diagnose()
    assert cause_of(report) == "configuration_unreadable" and str(path) in report.line


def test_no_authority_is_chosen_and_nothing_is_embedded(home: Path) -> None:
    report = diagnose()
    assert cause_of(report) == "embedded_without_modules"
    assert 'add "hello" to security_packages in' in report.line


def test_no_authority_is_chosen_although_one_listens(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "default_directory", lambda: home / "run")
    with listening(home / "run" / "lsa.sock"):
        report = diagnose()
    assert cause_of(report) == "embedded_without_modules"
    assert f"export SECPKG_AUTHORITY=unix:{home}/run/lsa.sock" in report.line


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    path.parent.mkdir(exist_ok=True, parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(8)
        yield listener


def test_the_directory_of_the_socket_is_missing(home: Path) -> None:
    report = diagnose(f"unix:{home}/nowhere/lsa.sock")
    assert cause_of(report) == "socket_directory_missing"
    assert "the authority is down" in report.line and f"secpkg authority run --dir {home}/nowhere" in report.line


def test_the_socket_is_missing(home: Path) -> None:
    report = diagnose(f"unix:{home}/lsa.sock")
    assert cause_of(report) == "socket_missing" and f"--socket {home}/lsa.sock" in report.line


def test_the_socket_is_called_otherwise(home: Path) -> None:
    with listening(home / "lsa.sock"):
        report = diagnose(f"unix:{home}/isa.sock")
    assert cause_of(report) == "socket_elsewhere"
    assert f"export SECPKG_AUTHORITY=unix:{home}/lsa.sock" in report.line


def test_something_else_is_where_the_socket_should_be(home: Path) -> None:
    (home / "lsa.sock").write_text("")
    assert cause_of(diagnose(f"unix:{home}/lsa.sock")) == "not_a_socket"


def test_nobody_listens_any_more(home: Path) -> None:
    with listening(home / "lsa.sock"):
        pass
    report = diagnose(f"unix:{home}/lsa.sock")
    assert cause_of(report) == "authority_died" and "the authority is down" in report.line


def test_the_authority_of_another_uid(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lock 1: an authority is root's, one's own, or configured."""

    def foreign(_sock: socket.socket, _allowed: object) -> int:
        raise PeerRefused("another uid")

    monkeypatch.setattr(client, "check_server_uid", foreign)
    with listening(home / "lsa.sock"):
        report = diagnose(f"unix:{home}/lsa.sock")
    assert cause_of(report) == "foreign_uid" and "authority_uids" in report.line


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (schema.Connected(0, 10_000, False, "X"), "protocol_version"),
        (schema.Failed(0, 0xC0000022, reason="connection_refused"), "authority_silent"),
        (None, "authority_silent"),
    ],
)
def test_an_authority_that_answers_something_else(home: Path, answer: object, cause: str) -> None:
    with listening(home / "lsa.sock") as listener:

        def serve() -> None:
            accepted, _address = listener.accept()
            with accepted:
                request = msgspec.msgpack.decode(accepted.recv(1 << 16))
                if isinstance(answer, schema.Connected | schema.Failed):
                    accepted.send(schema.encode(msgspec.structs.replace(answer, id=request[1])))

        server = threading.Thread(target=serve)
        server.start()
        report = diagnose(f"unix:{home}/lsa.sock")
        server.join()
    assert cause_of(report) == cause, report.line


def judged(reached: Reached) -> Report:
    """Without another user's files only the facts can be planted."""
    configured = Configured("--authority", "unix:/run/secpkg/lsa.sock")
    here = Environment("/usr/bin/python3", 1000, ())
    return walk(Facts("hello", "hello", configured, reached, here))


def test_a_directory_that_lets_nobody_in() -> None:
    hidden = Socket("/run/secpkg/lsa.sock", "unreachable", directory=True)
    report = judged(Reached("down", "authority_unreachable", "EACCES", socket=hidden))
    assert cause_of(report) == "socket_denied" and "chmod" in report.line


def test_the_trusted_socket_is_another_users() -> None:
    """Lock 2, R84."""
    trusted = Socket("/run/secpkg/lsa-trusted.sock", "socket", 0, 0o600, True)
    up = Reached("up", trusted=False, trusted_reason="trusted_socket_refused", trusted_socket=trusted)
    report = judged(up)
    assert cause_of(report) == "trusted_socket_denied"
    assert "sudo secpkg --authority unix:/run/secpkg/lsa.sock doctor hello" in report.line


def test_the_authority_does_not_trust_this_user() -> None:
    """R84."""
    report = judged(Reached("up", trusted=False, trusted_reason="connection_not_trusted"))
    assert cause_of(report) == "not_trusted" and f"--trust {os.geteuid()}" in report.line


def test_what_can_be_found_without_the_authority_is_found(clinic: Clinic, home: Path) -> None:
    """The registry beside the socket is read where it lies open, and says that the module stands on it."""
    registry = clinic.daemon.directory / "registry.toml"
    (home / "registry.toml").write_bytes(registry.read_bytes())
    report = walk(gather("hello", f"unix:{home}/lsa.sock"))
    assert cause_of(report) == "socket_missing" and report.also == ()
    marks = {mark.stage: mark for mark in report.marks}
    assert marks["lists"].state == "right" and "hello is on Security Packages" in marks["lists"].text
    assert marks["registration"].text == "would be loaded: Hello"
    assert marks["calls"].state == "not reached"


def test_a_registry_that_stops_the_authority(home: Path) -> None:
    (home / "registry.toml").write_text('[[security_packages]]\nmodule = "x"\npath = "relative/place"\n')
    report = walk(gather("x", f"unix:{home}/lsa.sock"))
    assert [finding.cause for finding in report.also] == ["registry_invalid"]
