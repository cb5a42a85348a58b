"""Where in the author's source it went wrong: ``python -m secpkg.kit.lab.diagnose``, with a `Spec` as input.

It repeats the round with everything in this one process, where exceptions can be seen with their lines, and prints the
faults as JSON. A step that never ends is seen by where it stands when the time is up.
"""

from __future__ import annotations

import contextlib
import faulthandler
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import msgspec

from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError
from secpkg.host.lsa_mode import load
from secpkg.host.lsa_mode.running import TraceEvent
from secpkg.host.user_mode.providers import add as add_provider
from secpkg.kit.lab.daemon import DOMAIN
from secpkg.kit.lab.faults import fault_at, faults_of, inside
from secpkg.kit.lab.model import Fault, Spec
from secpkg.kit.lab.peers import requirements
from secpkg.lsa import connect
from secpkg.runtime import modules
from secpkg.testing.lab import LabAuthority
from secpkg.testing.pair import Pair

HUNG: Final = 6.0
"""Seconds after which a round is taken to have no end."""
_FRAME: Final = re.compile(r'File "([^"]+)", line (\d+)')
_FIELD: Final = re.compile(r"^(\w+): .*\((\w+)\)$")

_decode: Final = msgspec.json.Decoder(tuple[Fault, ...]).decode


def diagnose(spec: Spec) -> tuple[Fault, ...]:
    """The faults that a repetition of the round finds; none when it finds none."""
    command = [sys.executable, "-m", "secpkg.kit.lab.diagnose"]
    try:
        done = subprocess.run(
            command, input=msgspec.json.encode(spec), capture_output=True, timeout=4 * HUNG, check=False
        )
    except subprocess.TimeoutExpired:
        return ()
    try:
        return _decode(done.stdout)
    except msgspec.MsgspecError:
        return _standing(done.stderr.decode("utf-8", "replace"), spec.roots)


def _standing(trace: str, roots: tuple[str, ...]) -> tuple[Fault, ...]:
    real = tuple(os.path.realpath(root) for root in roots)
    for file, line in _FRAME.findall(trace):
        if inside(file, real):
            return (fault_at(file, int(line), "a step that does not end"),)
    return ()


class _Seen:
    """Every exception that a host made a status of."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Keep them, within the block."""
        failed, explain = TraceEvent.failed, load.explain

        def keep(event: TraceEvent, error: BaseException) -> None:
            self.errors.append(error)
            failed(event, error)

        def explained(error: BaseException) -> str:
            self.errors.append(error)
            return explain(error)

        replaced: tuple[tuple[object, str, object], ...] = (
            (TraceEvent, "failed", keep),
            (load, "explain", explained),
            (modules, "explain", explained),
        )
        try:
            for where, name, ours in replaced:
                setattr(where, name, ours)
            yield
        finally:
            for where, name, _ours in replaced:
                setattr(where, name, failed if name == "failed" else explain)


def _repeat(spec: Spec, seen: _Seen) -> str:
    """The round, in this process; what a load was refused with."""
    if spec.provider:
        add_provider(spec.module)
        return ""
    with LabAuthority(domain=DOMAIN) as lab:
        lab.embedded.machine.set_trace(True)
        lab.add_module(spec.module)
        broken = [entry.reason for entry in lab.embedded.machine.directory.entries() if entry.state == "broken"]
        if broken:
            return broken[0]
        lab.add_user(spec.user)
        with contextlib.suppress(Exception):
            lab.set_password(spec.user, spec.password)
        if spec.kind == "logon":
            with connect(lab) as lsa:
                lsa.logon_user(spec.package, LogonType.INTERACTIVE, username=spec.user, password=spec.password).close()
        elif spec.kind == "handshake":
            wanted = requirements(spec.capabilities), requirements(spec.capabilities, server=True)
            with Pair(
                lab,
                spec.package,
                username=spec.user,
                password=spec.password,
                target="host/lab",
                requirements=wanted[0],
                server_requirements=wanted[1],
            ) as pair:
                pair.run()
    return ""


def _at(reason: str, roots: tuple[str, ...]) -> tuple[Fault, ...]:
    """A documented function that the loader refuses, by its name."""
    found = _FIELD.match(reason)
    if found is None:
        return ()
    for module in tuple(sys.modules.values()):
        if not inside(getattr(module, "__file__", None) or "", roots):
            continue
        for value in tuple(vars(module).values()):
            function = vars(value).get(found.group(1)) if inspect.isclass(value) else None
            code = getattr(function, "__code__", None)
            if code is not None and inside(code.co_filename, roots):
                return (fault_at(code.co_filename, code.co_firstlineno, reason),)
    return ()


def main() -> int:
    """Repeat the round of the specification and print its faults."""
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=Spec)
    modules.use_path(spec.path)
    faulthandler.dump_traceback_later(HUNG, exit=True)
    seen = _Seen()
    reason = ""
    with open(os.devnull, "w", encoding="utf-8") as nothing, contextlib.redirect_stdout(nothing), seen.looking():
        try:
            reason = _repeat(spec, seen)
        except Exception as error:
            seen.errors.append(error)
            reason = getattr(error, "reason", "")
    faulthandler.cancel_dump_traceback_later()
    roots = tuple(os.path.realpath(root) for root in spec.roots)
    found: list[Fault] = []
    # What a package refuses by itself is none of its mistakes.
    mistakes = [error for error in seen.errors if type(error) is not SecurityError]
    for mistake in mistakes or seen.errors:
        found.extend(fault for fault in faults_of(mistake, roots) if fault not in found)
    sys.stdout.buffer.write(msgspec.json.encode(tuple(found) or _at(reason, roots)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
