"""The rounds: load, try, tell; and again after an edit."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.kit.lab import watching
from secpkg.kit.lab.daemon import USER, LabDaemon
from secpkg.kit.lab.diagnose import diagnose
from secpkg.kit.lab.model import Began, Called, Changed, Ended, FromPeer, Kind, LabEvent, Loaded, Outcome, Spec
from secpkg.kit.lab.project import ProjectFault, Subject, find
from secpkg.kit.trace.model import AUTHORITY, Event, Events, Started

Tell = Callable[[LabEvent], None]

LIMIT: Final = 60.0
"""Seconds after which the peers of a round are stopped."""
_CONTEXTS: Final = {"init_lsa_mode_context", "accept_lsa_mode_context"}
_LOGONS: Final = {"logon_user", "logon_user_ex", "logon_user_ex2", "logon_user_ex3"}
_TO_DIAGNOSE: Final = ("package_raised_", "foreign_await_", "package_function_is_", "worker_", "the_other_end_left")
_LAST_CALLS: Final = 0.1
"""Seconds that calls are waited for which a worker tells after its last reply."""
_decode: Final = msgspec.json.Decoder(FromPeer).decode


class _Row(msgspec.Struct, frozen=True):
    """What packages.list says of a package."""

    name: str
    module: str
    state: str
    reason: str
    capabilities: int
    functions: tuple[str, ...]
    worker: dict[str, object] | None = None


class Lab:
    """One lab: `round` tries every module once, `watch` does so after each edit, for ever."""

    def __init__(self, daemon: LabDaemon, names: Sequence[str], tell: Tell) -> None:
        self._daemon = daemon
        self._names = tuple(names)
        self._tell = tell
        self._number = 0
        self._logon = ""
        self._subjects = self._find()
        self._roots = self._watched()
        self._cursor = msgspec.convert(daemon.lsa.manage("trace.start"), Started).cursor
        self._calls: list[Event] = []
        tell(Began(daemon.address, USER, daemon.password, self._roots))

    def _find(self) -> tuple[Subject, ...]:
        return tuple(subject for name in self._names for subject in find(name, self._daemon.place))

    def _watched(self) -> tuple[str, ...]:
        found = [root for subject in self._subjects for root in (*subject.roots, subject.project) if root]
        return tuple(dict.fromkeys(found))

    def watch(self) -> None:
        """Round after round, until the caller is interrupted."""
        before = watching.state(self._roots)
        self.round()
        while True:
            watched = self._watched()
            if watched != self._roots:
                self._roots, before = watched, watching.state(watched)
            before, files = watching.wait(self._roots, before)
            watching.forget_compiled(files)
            self._tell(Changed(files))
            self.round()

    def round(self) -> bool:
        """Load every module anew, then try each: whether all went well."""
        self._number += 1
        try:
            self._subjects = self._find()
        except ProjectFault as fault:
            name = ", ".join(self._names)
            self._tell(Outcome(self._number, name, "", "load", False, 0.0, reason=f"{fault}; {fault.following}"))
            return False
        loaded = {subject: self._load(subject) for subject in self._subjects if not subject.provider}
        self._set_password()
        logs_on = [row.name for rows in loaded.values() for row in rows or () if "logon" in self._kinds(row)]
        self._logon = next(iter(logs_on), "")
        return all([self._try(subject, loaded.get(subject, ())) for subject in self._subjects])

    def _load(self, subject: Subject) -> tuple[_Row, ...] | None:
        """Its packages that serve, in a new worker; None, and told, when it does not load."""
        begun = time.monotonic()
        self._remove(subject)
        state, reason = self._add(subject)
        rows = [row for row in self._rows() if row.module == subject.name and row.state != "draining"]
        worker = next((row.worker for row in rows if row.worker), None) or {}
        pid = worker.get("pid")
        names = tuple(row.name for row in rows if row.name)
        self._tell(Loaded(subject.name, names, state, reason, pid if isinstance(pid, int) else 0))
        if state == "loaded":
            return tuple(row for row in rows if row.state == "loaded")
        faults = diagnose(self._spec(subject, "", "load", 0))
        self._tell(
            Outcome(self._number, subject.name, "", "load", False, time.monotonic() - begun, "authority",
                    Status.SEC_E_CANNOT_INSTALL.native, reason, faults=faults)
        )  # fmt: skip
        return None

    def _try(self, subject: Subject, rows: tuple[_Row, ...] | None) -> bool:
        if subject.provider:
            return self._run(subject, "", "handshake", 0)
        passed = rows is not None
        for row in rows or ():
            kinds = self._kinds(row)
            passed &= all([self._run(subject, row.name, kind, row.capabilities) for kind in kinds])
            if not kinds:
                self._tell(Outcome(self._number, subject.name, row.name, "load", True, 0.0))
        return passed

    def _kinds(self, row: _Row) -> list[Kind]:
        functions = set(row.functions)
        kinds: list[Kind] = []
        if functions & _LOGONS:
            kinds.append("logon")
        if functions >= _CONTEXTS:
            kinds.append("handshake")
        return kinds

    # --- the authority -----------------------------------------------------------------------------------------------

    def _remove(self, subject: Subject) -> None:
        try:
            self._daemon.lsa.manage("packages.remove", name=subject.name, deadline=0.0)
        except SecurityError as error:
            if error.status is not Status.STATUS_NO_SUCH_PACKAGE:
                raise

    def _add(self, subject: Subject) -> tuple[str, str]:
        try:
            answer = self._daemon.lsa.manage(
                "packages.add", module=subject.name, path=subject.path, primary_credentials=True, permanent=False
            )
        except SecurityError as error:
            return "broken", error.reason
        added = msgspec.convert(answer, dict[str, object])
        return str(added["state"]), str(added["reason"])

    def _rows(self) -> tuple[_Row, ...]:
        return msgspec.convert(self._daemon.lsa.manage("packages.list"), tuple[_Row, ...])

    def _set_password(self) -> None:
        """Of the lab's user, so that packages that are new, or keep something else now, have what they keep."""
        lsa, password = self._daemon.lsa, self._daemon.password
        try:
            lsa.manage("accounts.add", name=USER)
        except SecurityError as error:
            if error.reason != "name_taken":
                raise
        try:
            lsa.manage("accounts.passwd", name=USER, password=password)
        except SecurityError:
            pass  # no package keeps a verifier, or one refused: a logon will say

    # --- the peers ---------------------------------------------------------------------------------------------------

    def _spec(self, subject: Subject, package: str, kind: Kind, capabilities: int) -> Spec:
        daemon = self._daemon
        return Spec(
            subject.name,
            package,
            kind,
            subject.provider,
            daemon.address,
            USER,
            daemon.password,
            str(daemon.place),
            capabilities,
            self._logon,
            subject.path,
            subject.roots,
        )

    def _run(self, subject: Subject, package: str, kind: Kind, capabilities: int) -> bool:
        spec = self._spec(subject, package, kind, capabilities)
        self._calls.clear()
        begun = time.monotonic()
        ends = self._peers(spec)
        seconds = time.monotonic() - begun
        self._read_trace(_LAST_CALLS)
        failed = [end for end in ends if end.status != Status.SEC_E_OK.native]
        failed.sort(key=lambda end: (not end.faults, end.reason == "the_other_end_left"))
        whole = len(ends) == (2 if kind == "handshake" else 1)
        shown = package or subject.name
        if whole and not failed:
            said = next((end.said for end in ends if end.who != "client"), "")
            self._tell(Outcome(self._number, subject.name, shown, kind, True, seconds, said=said))
            return True
        end = failed[0] if failed else Ended("both", "", "the_peers_died")
        reason = self._reason(end)
        faults = end.faults
        if not faults and any(text.startswith(_TO_DIAGNOSE) for text in (reason, end.reason, *self._reasons())):
            faults = diagnose(spec)
        self._tell(
            Outcome(self._number, subject.name, shown, kind, False, seconds, end.who, end.status, reason, faults=faults)
        )
        return False

    def _reasons(self) -> list[str]:
        return [call.reason for call in self._calls if call.failed and call.reason]

    def _reason(self, end: Ended) -> str:
        """The named reason, which peers are not told but the trace knows: of the first call that failed with it."""
        fitting = [
            call.reason for call in self._calls if call.failed and call.reason and call.status_name == end.status
        ]
        return end.reason or next(iter(fitting), "") or next(iter(self._reasons()), "")

    def _peers(self, spec: Spec) -> list[Ended]:
        process = subprocess.Popen(
            [sys.executable, "-m", "secpkg.kit.lab.peers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        ends: list[Ended] = []
        try:
            with process.stdin:
                process.stdin.write(msgspec.json.encode(spec))
            self._listen(process.stdout.fileno(), ends, spec.provider)
        finally:
            if process.poll() is None:
                try:
                    process.wait(1.0)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, 9)
                    process.wait()
            process.stdout.close()
        return ends

    def _listen(self, descriptor: int, ends: list[Ended], quiet: bool) -> None:
        until = time.monotonic() + LIMIT
        held = b""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while time.monotonic() < until:
                if not quiet:
                    self._read_trace(0.0)
                if not selector.select(0.05):
                    continue
                more = os.read(descriptor, 65536)
                if not more:
                    return
                *lines, held = (held + more).split(b"\n")
                for line in lines:
                    message = _decode(line)
                    if isinstance(message, Ended):
                        ends.append(message)
                    else:
                        self._tell(Called(message.event))

    def _read_trace(self, wait: float) -> None:
        while True:
            answer = msgspec.convert(
                self._daemon.lsa.manage("trace.read", cursor=self._cursor, wait=wait), Events
            )  # fmt: skip
            self._cursor = answer.cursor
            for event in answer.events:
                if event.kind == AUTHORITY and event.application == os.getpid():
                    continue  # the lab's own
                self._calls.append(event)
                self._tell(Called(event))
            if not answer.events:
                return


def default_names() -> tuple[str, ...]:
    """Without a name, the project of the current directory. `ProjectFault`."""
    if Path("pyproject.toml").is_file():
        return (".",)
    raise ProjectFault("no module is named, and there is no pyproject.toml here", "name one: secpkg lab MODULE")


__all__ = ["Lab", "default_names"]
