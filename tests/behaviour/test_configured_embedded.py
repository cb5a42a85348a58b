"""The embedded authority that one has for having chosen none, as the configuration file says; in its own processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.daemon.modules import write_module

PASSWORD = "correct horse"
HANDSHAKE = """\
import sys, secpkg
client = secpkg.Client("Hello", username="alice", password=sys.argv[1], target="here")
server = secpkg.Server("Hello")
token = client.step()
while token is not None:
    reply = server.step(token)
    token = client.step(reply) if reply is not None else None
print(server.peer, server.decrypt(client.encrypt(b"sealed")).decode())
"""


class Place:
    """A configuration directory, and processes that see it and nothing else."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state = home / "state"
        (home / "secpkg").mkdir()
        self.configure(f'security_packages = ["hello"]\ndirectory = "{self.state}"\n')

    def configure(self, text: str) -> None:
        (self.home / "secpkg" / "secpkg.toml").write_text(text)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k not in ("SECPKG_AUTHORITY", "XDG_RUNTIME_DIR")}
        return subprocess.run(
            [sys.executable, *arguments], input=stdin, capture_output=True, text=True, timeout=60,
            env={**environment, "XDG_CONFIG_HOME": str(self.home)}, check=False,
        )  # fmt: skip

    def cli(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self.run("-m", "secpkg.cli", "--authority", "embedded:", *arguments, stdin=stdin)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.slow
def test_accounts_that_one_process_makes_another_logs_on_with(place: Place) -> None:
    added = place.cli("accounts", "add", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    talked = place.run("-c", HANDSHAKE, PASSWORD)
    assert talked.stdout == "LOCAL\\alice sealed\n", talked.stderr
    refused = place.run("-c", HANDSHAKE, "wrong password")
    assert "SEC_E_LOGON_DENIED" in refused.stderr and refused.returncode == 1
    assert '"Hello"' in place.cli("packages", "list", "--json").stdout


def test_the_master_key_and_the_accounts_are_for_their_owner_alone(place: Place) -> None:
    """Lock 4."""
    assert place.cli("accounts", "list").returncode == 0
    assert {path.name for path in place.state.iterdir()} >= {"accounts.db", "master.key"}
    assert place.state.stat().st_mode & 0o777 == 0o700
    for path in place.state.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path
    (place.state / "master.key").chmod(0o644)
    refused = place.cli("accounts", "list")
    assert refused.returncode != 0 and "chmod 600" in refused.stderr, refused
    place.state.chmod(0o777)
    assert place.cli("accounts", "list").returncode != 0


def test_without_a_directory_nothing_is_written(place: Place) -> None:
    place.configure('security_packages = ["hello"]\n')
    added = place.cli("accounts", "add", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    assert '"alice"' not in place.cli("accounts", "list", "--json").stdout
    assert not place.state.exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('security_packages = ["nobodys-module"]', "no_such_module"),
        ('directory = "relative"', "directory_not_absolute"),
        ("security_packages = 7", "configuration_invalid"),
    ],
)
def test_what_cannot_be_honoured_is_an_error_by_name(place: Place, text: str, reason: str) -> None:
    place.configure(text + "\n")
    failed = place.run("-c", "import secpkg; secpkg.Server('Hello')")
    assert failed.returncode == 1 and reason in failed.stderr, failed.stderr


ENDING = """\
def initialize(version):
    class Ending(Package):
        async def shutdown(self):
            print("SpShutdown", os.getpid(), flush=True)
    return tables(Ending({name!r}))
"""


def test_it_ends_with_its_process_and_not_with_a_forked_child(place: Place, tmp_path: Path) -> None:
    """spec/README 1: SpShutdown at stop; lock 6: the parent's authority is the parent's."""
    write_module(tmp_path / "modules", "ending", ENDING)
    place.configure('security_packages = ["ending"]\n')
    code = (
        "import os, secpkg, sys; sys.path.append(sys.argv[1]); server = secpkg.Server('Ending', requirements=0)\n"
        "print('parent', os.getpid(), flush=True)\n"
        "if os.fork() == 0: sys.exit()\n"
        "os.wait()\n"
    )
    ended = place.run("-c", code, str(tmp_path / "modules"))
    assert ended.returncode == 0 and not ended.stderr, ended.stderr
    (_, parent), *shut_down = [line.split() for line in ended.stdout.splitlines()]
    assert shut_down == [["SpShutdown", parent]]
