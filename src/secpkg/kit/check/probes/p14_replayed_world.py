"""The same world twice: time and chance come from the call, or the two differ."""

from __future__ import annotations

import datetime
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Final

from secpkg.contract.status import SecurityError
from secpkg.contract.values import Call
from secpkg.kit.check import companion
from secpkg.kit.check.bench import ALICE, Bench, unused
from secpkg.kit.check.model import Finding, broken, judged, probe, shown
from secpkg.kit.check.subject import Subject
from secpkg.kit.check.watch import Watch

_DEPTH: Final = 12
_SOURCES: Final = {
    time: ("time", "time_ns", "monotonic", "monotonic_ns", "gmtime", "localtime", "strftime", "ctime"),
    os: ("urandom", "getrandom"),
    random: ("random", "randbytes", "randint", "randrange", "choice", "choices", "getrandbits", "shuffle", "uniform"),
}


class Drawn:
    """Who drew time or chance past the call."""

    def __init__(self, roots: tuple[str, ...], watch: Watch) -> None:
        self._roots, self._watch = roots, watch
        self.by: dict[str, str] = {}

    def note(self, source: str) -> None:
        """Called by each source: looks who asks, and whether a call that carries time and chance is under way."""
        if not any(isinstance(one, Call) for seen in self._watch.open for one in seen.arguments):
            return
        frame: FrameType | None = sys._getframe(2)
        for _ in range(_DEPTH):
            if frame is None:
                return
            name = str(frame.f_globals.get("__name__", ""))
            if name.partition(".")[0] in self._roots and not name.startswith("secpkg."):
                self.by.setdefault(source, f"{name}:{frame.f_lineno} in {frame.f_code.co_name}")
                return
            if name.startswith("secpkg."):
                return
            frame = frame.f_back


@contextmanager
def watched(drawn: Drawn) -> Iterator[None]:
    """Let every source of time and chance tell who asks it: in its own module, and where it was imported by name."""
    undo: list[tuple[ModuleType, str, object]] = []
    replaced: dict[int, object] = {}

    def put(module: ModuleType, name: str, value: object) -> None:
        undo.append((module, name, getattr(module, name)))
        setattr(module, name, value)

    for module, names in _SOURCES.items():
        for name in names:
            original = getattr(module, name, None)
            if original is None:
                continue
            replaced[id(original)] = _telling(original, f"{module.__name__}.{name}", drawn)
            put(module, name, replaced[id(original)])
    replaced[id(datetime.datetime)] = _datetime(drawn)
    put(datetime, "datetime", replaced[id(datetime.datetime)])
    import secrets

    for name in ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "choice", "randbits"):
        original = getattr(secrets, name)
        replaced[id(original)] = _telling(original, f"secrets.{name}", drawn)
        put(secrets, name, replaced[id(original)])
    for module_name, found in list(sys.modules.items()):
        if module_name.partition(".")[0] in drawn._roots and isinstance(found, ModuleType):
            for name, value in list(vars(found).items()):
                if id(value) in replaced:
                    put(found, name, replaced[id(value)])
    try:
        yield
    finally:
        for module, name, value in reversed(undo):
            setattr(module, name, value)


def _telling(original: Callable[..., object], source: str, drawn: Drawn) -> Callable[..., object]:
    def told(*arguments: object, **rest: object) -> object:
        drawn.note(source)
        return original(*arguments, **rest)

    return told


def _datetime(drawn: Drawn) -> type:
    class Told(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            drawn.note("datetime.now")
            return datetime.datetime.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> datetime.datetime:  # type: ignore[override]
            drawn.note("datetime.utcnow")
            return datetime.datetime.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> datetime.datetime:  # type: ignore[override]
            drawn.note("datetime.today")
            return datetime.datetime.fromtimestamp(time.time())

    return Told


@probe("replayed world", "K9")
def replayed_world(subject: Subject) -> Iterator[Finding]:
    """Everything that the kit can do with the package, twice, and watched the second time."""
    drawn: dict[str, str] = {}
    try:
        one = _world(subject, None)
        two = _world(subject, drawn)
    except SecurityError as error:
        yield broken("K9", f"what worked once does not work a second time: {error.status.name}")
        return
    faults = [f"{source} is asked by {who}" for source, who in drawn.items()]
    for (name, first), (_, second) in zip(one, two, strict=False):
        if first != second:
            place = next((at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), 0)
            faults.append(f"{name} differs in byte {place}: {shown(first[place:])} and {shown(second[place:])}")
    if len(one) != len(two):
        faults.append(f"there were {len(one)} values the first time and {len(two)} the second")
    yield judged("K9", faults[:12], f"{len(one)} values were the same byte for byte")


def _world(subject: Subject, drawn: dict[str, str] | None) -> list[tuple[str, bytes]]:
    made: list[tuple[str, bytes]] = []
    with subject.bench("replayed world") as bench:
        watcher = Drawn(subject.target.roots, bench.watch)
        if drawn is None:
            _live(subject, bench, made)
        else:
            with watched(watcher):
                _live(subject, bench, made)
            drawn.update(watcher.by)
    return made


def _live(subject: Subject, bench: Bench, made: list[tuple[str, bytes]]) -> None:
    if bench.lab is not None:
        bench.lab.set_password(ALICE, _password()) if "accept_credentials" in subject.powers else None
        link = bench.link()
        for package in (companion.NAME, subject.package):
            try:
                logged_on = bench.logon(link, ALICE, package)
            except SecurityError:
                continue
            made.append((f"the LUID of a logon with {package}", logged_on.logon_id.to_bytes(8, "big")))
            unused(link, logged_on)
    if "handshake" not in subject.powers:
        return
    from secpkg.kit.check.subject import Parties

    parties = Parties(subject, bench)
    for number in range(3):
        one = parties.exchange().run()
        made += [(f"token {place} of handshake {number}", token) for place, (_, token) in enumerate(one.tokens)]
        for side in (one.client, one.server):
            if side.complete and side.final.packed is not None:
                role = "acceptor" if side.accept else "initiator"
                made.append((f"the packed context of the {role} of handshake {number}", side.final.packed))
        one.close()
        bench.clock.advance(1)


def _password() -> str:
    from secpkg.kit.check.bench import PASSWORDS

    return PASSWORDS[ALICE]
