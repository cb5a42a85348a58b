"""`make demo`: a real run of the whole house, in a temporary directory, as whatever user started it.

It starts the daemon, registers the example packages, logs users on, has separate processes talk over TCP under two
packages, kills a worker in the middle of a handshake, and shows the calls that really happened. Every claim that it
prints is checked first; anything that deviates ends it with exit code 1. ``KEEP=1`` leaves the daemon running.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn, cast

ROOT = Path(__file__).resolve().parent.parent
CONVERSATION = ROOT / "examples" / "conversation"
SECPKG = Path(sys.executable).with_name("secpkg")
PASSWORD = "correct horse battery"
COLOUR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

WITNESS = '''
"""A second module, so that there is somebody who can notice nothing: it echoes tokens and has no user half."""
from secpkg.contract import Acquired, Capability, Complete, Continue, InterfaceVersion, ModuleTables, PackageInfo


class Witness:
    info = PackageInfo("Witness", "echoes", Capability.CONNECTION, 512)

    async def acquire_credentials_handle(self, call, principal, use, logon_id, authorization_data):
        return Acquired(object())

    async def accept_lsa_mode_context(self, call, credential, context, request):
        return Continue(request.token, object())


def lsa_mode_initialize(version):
    return ModuleTables(InterfaceVersion.V1, [Witness()])
'''


def paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


def title(text: str) -> None:
    print(f"\n{paint(text, '1;36')}", flush=True)


def show(text: str) -> None:
    print(textwrap.indent(text.rstrip(), "    "), flush=True)


def check(holds: bool, claim: str) -> None:
    """Print a claim that holds, or end."""
    if not holds:
        fail(claim)
    print(f"  {paint('ok', '32')}  {claim}", flush=True)


def fail(claim: str) -> NoReturn:
    print(f"  {paint('DEVIATES', '1;31')}  {claim}", flush=True)
    raise SystemExit(1)


class Demo:
    """What the steps share."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "lsa.sock"
        self.environment = {
            **{k: v for k, v in os.environ.items() if k in ("HOME", "LANG", "PATH", "TERM", "NO_COLOR")},
            "SECPKG_AUTHORITY": f"unix:{self.socket}",
            "XDG_CONFIG_HOME": str(directory / "config"),
        }
        self.daemon: subprocess.Popen[bytes]
        self.children: list[subprocess.Popen[str]] = []
        self.names: dict[int, str] = {}
        """What the application processes are called in the diagram."""
        self.calls: list[dict[str, Any]] = []
        """What user halves did in them."""

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        ready, writer = os.pipe()
        options: list[str | Path] = [
            "--dir",
            self.directory,
            "--domain",
            "EXAMPLE",
            "--ready-fd",
            str(writer),
            *worker_uid(),
        ]
        command: list[str | Path] = [SECPKG, "authority", "run", *options]
        with open(self.directory / "authority.log", "wb") as log:
            self.daemon = subprocess.Popen(
                command, pass_fds=(writer,), env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        os.close(writer)
        with open(ready, "rb") as file:
            if not file.read(6):
                fail("the authority did not start:\n" + (self.directory / "authority.log").read_text())

    def cli(self, *arguments: str, stdin: str = "", expect: int = 0) -> str:
        """Run the secpkg command as a person would."""
        done = subprocess.run(
            [SECPKG, *arguments],
            input=stdin,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        if done.returncode != expect:
            fail(f"secpkg {' '.join(arguments)} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def json(self, *arguments: str, stdin: str = "") -> Any:
        return json.loads(self.cli(*arguments, "--json", stdin=stdin))

    def process(self, name: str, *arguments: str, pass_fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        """Start one of the example programs."""
        started = subprocess.Popen(
            [sys.executable, CONVERSATION / f"{name}.py", *arguments, "--trace"],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=pass_fds,
        )
        self.children.append(started)
        self.names[started.pid] = f"{name} {started.pid}"
        return started

    def collect(self, process: subprocess.Popen[str]) -> None:
        """The last line of an example program: what its user halves did."""
        self.calls.extend(event(process, "trace")["calls"])


def worker_uid() -> list[str]:
    """As root, packages run as nobody, unless nobody can read the place where this checkout is."""
    if os.geteuid() != 0:
        return []
    probe = [sys.executable, "-c", "import secpkg"]
    reachable = False
    with contextlib.suppress(OSError):
        reachable = subprocess.run(probe, user=65534, extra_groups=(), capture_output=True, check=False).returncode == 0
    return [] if reachable else ["--worker-uid", "0"]


def event(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    """The next line of an example program, which must be this event."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = cast("dict[str, Any]", json.loads(line)) if line else {"event": "nothing"}
    if found["event"] != name:
        fail(f"expected {name!r}, got {found}")
    return found


def end(process: subprocess.Popen[str]) -> None:
    with process:
        if process.wait(timeout=20) != 0:
            fail(f"{process.args!r} exited with {process.returncode}")


def register(demo: Demo) -> None:
    title("The example packages, each its own distribution")
    for name in ("secpkg-example-hello", "secpkg-example-sampssp"):
        found = metadata.distribution(name)
        groups = ", ".join(sorted({e.group for e in found.entry_points}))
        check(bool(groups), f"{name} {found.version} offers {groups}")
    listed = demo.json("packages", "list")
    check(
        [row["name"] for row in listed if row["inbox"]] == ["NTLM"],
        "the authority brings NTLM along, which nobody can remove",
    )
    check(all(row["inbox"] for row in listed), "installing put nothing into the authority")
    show(demo.cli("packages", "add", "hello", "--primary-credentials"))
    witness = demo.directory / "witness"
    information = witness / "demo_witness-1.0.dist-info"
    information.mkdir(parents=True)
    demo.directory.chmod(0o711)  # as root, the workers' uid is another
    (witness / "demo_witness.py").write_text(WITNESS)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: demo-witness\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[secpkg.lsa_mode]\nwitness = demo_witness:lsa_mode_initialize\n")
    show(demo.cli("packages", "add", "witness", "--path", str(witness)))
    loaded = {row["name"]: row for row in demo.json("packages", "list")}
    check(loaded.keys() >= {"Hello", "Witness"}, "Hello and Witness serve, without a restart, a worker each")
    check(
        loaded["Hello"]["worker"]["pid"] != loaded["Witness"]["worker"]["pid"] != demo.daemon.pid,
        "authority and workers are different processes",
    )
    configuration = demo.directory / "config" / "secpkg"
    configuration.mkdir(parents=True)
    (configuration / "secpkg.toml").write_text('security_providers = ["sampssp"]\n')
    keys = configuration / "sampssp.keys"
    keys.touch(0o600)
    keys.write_text(f"alice:{base64.b64encode(os.urandom(32)).decode()}\n")
    check(True, "SampSSP, a plain SSP, is on the list of SecurityProviders; it needs no authority")


def accounts(demo: Demo) -> None:
    title("Accounts")
    demo.cli("groups", "add", "staff")
    for name in ("alice", "carol"):
        demo.cli("accounts", "add", name, "--group", "staff", "--password-stdin", stdin=f"{PASSWORD}\n")
    demo.cli("accounts", "lock", "carol")
    show(demo.cli("accounts", "list"))
    users = {row["name"]: row for row in demo.json("accounts", "list")}
    check(users.keys() >= {"alice", "carol"} and users["carol"]["locked"], "alice and carol; carol is locked")
    stored = b"".join(path.read_bytes() for path in demo.directory.glob("accounts.db*"))
    check(PASSWORD.encode() not in stored, "the password is nowhere in the files of the account store")


def logons(demo: Demo) -> Any:
    from secpkg import LogonType, SecurityError, lsa
    from secpkg.contract import Status

    title("Interactive logon through the AP half of Hello")
    connection = lsa.connect(f"unix:{demo.socket}")
    attempts = (
        ("alice", "wrong password", Status.STATUS_LOGON_FAILURE, Status.STATUS_SUCCESS),
        ("nobody", PASSWORD, Status.STATUS_LOGON_FAILURE, Status.STATUS_SUCCESS),
        ("carol", "wrong password", Status.STATUS_LOGON_FAILURE, Status.STATUS_SUCCESS),
        ("carol", PASSWORD, Status.STATUS_ACCOUNT_RESTRICTION, Status.STATUS_ACCOUNT_LOCKED_OUT),
    )
    for user, password, status, substatus in attempts:
        try:
            connection.logon_user("Hello", LogonType.INTERACTIVE, username=user, password=password)
        except SecurityError as refused:
            how = "right" if password == PASSWORD else "wrong"
            check(
                (refused.status, refused.substatus) == (status, substatus),
                f"{user:6} {how} password: {refused.status.native}, "
                f"substatus {refused.substatus.native if refused.substatus else 'none'}",
            )
        else:
            fail(f"{user} was logged on")
    logon = connection.logon_user("Hello", LogonType.INTERACTIVE, username="alice", password=PASSWORD)
    token = logon.access_token
    check(token.user.startswith("S-1-5-21-"), f"alice is logged on: session {logon.luid:#x}, user {token.user}")
    show("groups      " + "\n            ".join(token.groups))
    show("privileges  " + ", ".join(token.privileges))
    return logon


def conversations(demo: Demo, logon: Any) -> None:
    title("Two processes, a handshake over TCP, a sealed conversation")
    server = demo.process("server", "Hello", "3")
    port = str(event(server, "listening")["port"])

    client = demo.process("client", "Hello", port, "password", "alice")
    assert client.stdin is not None
    print(PASSWORD, file=client.stdin, flush=True)
    talked(demo, server, client, "with a password")

    descriptor = logon.access_token.fileno()
    client = demo.process("client", "Hello", port, "session", str(descriptor), pass_fds=(descriptor,))
    talked(demo, server, client, "with the session's default credentials, no password anywhere")

    client = demo.process("client", "Hello", port, "password", "alice")
    assert client.stdin is not None
    print("wrong password", file=client.stdin, flush=True)
    failed = event(server, "failed")
    check(failed["status"] == "SEC_E_LOGON_DENIED", f"with a wrong password: {failed['status']}")
    gone = event(client, "failed")
    check(gone.get("reason") == "connection_closed", "and the client sees the connection closed")
    client.communicate()
    demo.collect(server)
    end(server)

    server = demo.process("server", "NTLM", "2")
    port = str(event(server, "listening")["port"])
    client = demo.process("client", "NTLM", port, "password", "alice")
    assert client.stdin is not None
    print(PASSWORD, file=client.stdin, flush=True)
    talked(demo, server, client, "under NTLM, with a password")
    descriptor = logon.access_token.fileno()
    client = demo.process("client", "NTLM", port, "session", str(descriptor), pass_fds=(descriptor,))
    talked(demo, server, client, "under NTLM, with the session that Hello logged on")
    demo.collect(server)
    end(server)

    server = demo.process("server", "SampSSP", "1")
    port = str(event(server, "listening")["port"])
    client = demo.process("client", "SampSSP", port, "key", "alice")
    talked(demo, server, client, "under SampSSP, with a pre-shared key and no authority")
    demo.collect(server)
    end(server)


def talked(demo: Demo, server: subprocess.Popen[str], client: subprocess.Popen[str], how: str) -> None:
    connected = event(client, "connected")
    accepted = event(server, "accepted")
    peer = accepted["peer"].rpartition("\\")[2]
    check(peer == "alice", f"{how}: the server talks to {accepted['peer']}, the client to {connected['peer']}")
    if "user" in accepted:
        check(accepted["account"] == "alice", f"access token: {accepted['user']} with {len(accepted['groups'])} groups")
    check(event(client, "talked")["sealed"] == 2, "sealed and signed messages both ways")
    refused = event(server, "refused")
    check(refused["status"] == "SEC_E_MESSAGE_ALTERED", f"a flipped bit is refused: {refused['status']}")
    demo.collect(client)
    end(client)


def lists(demo: Demo) -> None:
    title("Sessions and packages")
    show(demo.cli("sessions"))
    show(demo.cli("packages", "list"))
    check(len(demo.json("sessions")) >= 1, "alice's interactive session lives")


def worker_pid(demo: Demo, package: str) -> int:
    return int(demo.json("packages", "show", package)["worker"]["pid"])


def kill(demo: Demo) -> None:
    from secpkg import Client, SecurityError, Server
    from secpkg.contract.flags import AscReq

    title("SIGKILL to Hello's worker in the middle of a handshake")
    where = f"unix:{demo.socket}"

    def pair() -> tuple[Client, Server]:
        client = Client("Hello", username="alice", password=PASSWORD, target="demo/server", authority=where)
        return client, Server("Hello", authority=where)

    def finish(client: Client, server: Server) -> None:
        token = client.step()
        while token is not None:
            reply = server.step(token)
            token = client.step(reply) if reply is not None else None

    client, server = pair()
    finish(client, server)
    witness = Server("Witness", requirements=AscReq(0), authority=where)
    check(witness.step(b"before") == b"before", "a context of another module is open")
    witness_pid = worker_pid(demo, "Witness")

    half_client, half_server = pair()
    first = half_client.step()
    half_server.step(first)
    pid = worker_pid(demo, "Hello")
    os.kill(pid, signal.SIGKILL)
    started = time.monotonic()
    try:
        half_client.step(b"r=whatever")
    except SecurityError as refused:
        took = (time.monotonic() - started) * 1000
        check(
            refused.reason == "worker_gone" and took < 1000,
            f"this handshake fails at once, by name: {refused.status.native}, {refused.reason} ({took:.1f} ms)",
        )
    else:
        fail("the handshake went on")
    check(server.decrypt(client.encrypt(b"still here")) == b"still here", "a finished context goes on sealing")
    check(
        witness.step(b"after") == b"after" and worker_pid(demo, "Witness") == witness_pid,
        "the other module never noticed",
    )
    again_client, again_server = pair()
    finish(again_client, again_server)
    new = worker_pid(demo, "Hello")
    check(again_server.complete and new != pid, f"the next handshake works: worker {pid} was followed by {new}")
    for party in (client, server, witness, half_client, half_server, again_client, again_server):
        with contextlib.suppress(SecurityError):
            party.close()


def diagram(events: list[dict[str, Any]], demo: Demo) -> str:
    """Who called whom, in time: application, worker, authority. The monotonic clock is one for the whole machine."""
    names = {demo.daemon.pid: "authority", **demo.names}
    lines = [f"{'ms':>8}  {'process':<18} {'call':<42} {'status':<28} {'µs':>7} {'bytes':>15}"]
    begin = min(e["monotonic"] for e in events)
    for e in sorted(events, key=lambda e: (e["monotonic"], -e["seconds"])):
        who = names.setdefault(e["process"], f"{e['package']} worker {e['process']}")
        mark = {"lsa": "  ──▶ authority:", "user": "●", "authority": "○"}.get(e["kind"], "▶")
        sizes = f"{e['received']} → {e['sent']}" if e["received"] or e["sent"] else ""
        lines.append(
            f"{(e['monotonic'] - begin) * 1000:8.1f}  {who:<18} {mark + ' ' + e['function']:<42}"
            f" {status_name(e['status']):<28} {e['seconds'] * 1e6:7.0f} {sizes:>15}".rstrip()
        )
    return "\n".join([*lines, "", "● in the application   ▶ in the worker of the module   ──▶ asked of the authority"])


def status_name(value: int) -> str:
    from secpkg.contract import Status

    known = Status.known(value)
    return known.native if known is not None else hex(value)


def read_trace(demo: Demo, management: Any, cursor: int) -> tuple[int, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    while True:
        page = management.manage("trace.read", cursor=cursor, wait=0.0)
        if not page["events"]:
            return cursor, events
        cursor = page["cursor"]
        events.extend(page["events"])


def run(demo: Demo) -> None:
    from secpkg import lsa

    title("The authority")
    demo.start()
    status = demo.json("authority", "status")
    check(status["pid"] == demo.daemon.pid, f"runs as pid {status['pid']}, uid {os.geteuid()}, in {demo.directory}")
    register(demo)
    accounts(demo)
    with lsa.register_logon_process("demo", f"unix:{demo.socket}") as management:
        cursor = int(cast("dict[str, Any]", management.manage("trace.start"))["cursor"])
        logon = logons(demo)
        conversations(demo, logon)
        cursor, events = read_trace(demo, management, cursor)
        lists(demo)
        title("What really happened")
        show(diagram(events + demo.calls, demo))
        called = [e["function"] for e in events + demo.calls]
        for wanted in (
            "LsaApLogonUserEx2",
            "SpAcceptCredentials",
            "SpInitLsaModeContext",
            "SpAcceptLsaModeContext",
            "SpInitUserModeContext",
            "SpSealMessage",
            "SpVerifySignature",
        ):
            check(wanted in called, f"{wanted} was called {called.count(wanted)} times")
        kill(demo)
        title("Log off")
        cursor, _ = read_trace(demo, management, cursor)
        luid = logon.luid
        logon.close()
        until = time.monotonic() + 5
        ended: list[dict[str, Any]] = []
        while not ended and time.monotonic() < until:
            page = cast("dict[str, Any]", management.manage("trace.read", cursor=cursor, wait=1.0))
            cursor = page["cursor"]
            ended = [e for e in page["events"] if e["function"] == "LsaApLogonTerminated"]
        check(bool(ended), "the last token is closed: LsaApLogonTerminated")
        show(diagram(ended[:1], demo)) if ended else None
        live = {row["logon_id"] for row in demo.json("sessions")}
        check(luid not in live, "the session is gone")


@contextlib.contextmanager
def place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="secpkg-demo-"))
    try:
        yield directory
    finally:
        if not os.environ.get("KEEP"):
            shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    started = time.monotonic()
    with place() as directory:
        demo = Demo(directory)
        os.environ.update({k: demo.environment[k] for k in ("SECPKG_AUTHORITY", "XDG_CONFIG_HOME")})
        kept, code = False, 0
        try:
            run(demo)
            kept = bool(os.environ.get("KEEP"))
        finally:
            for child in demo.children:
                child.kill()
            if not kept and hasattr(demo, "daemon"):
                demo.daemon.terminate()
                code = demo.daemon.wait(timeout=10)
        if kept:
            title("The daemon is still running")
            show(f"export SECPKG_AUTHORITY=unix:{demo.socket}\n{SECPKG} packages list\n{SECPKG} authority stop")
        else:
            title("The end")
            check(code == 0, "the authority stopped by itself when asked to")
    check(True, f"all of it took {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
