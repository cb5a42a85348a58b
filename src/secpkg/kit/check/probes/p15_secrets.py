"""Secrets that were planted, looked for wherever something is shown."""

from __future__ import annotations

import base64
import gc
import io
import logging
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Final

from secpkg.contract.status import SecurityError
from secpkg.contract.values import AuthIdentity, Refused
from secpkg.host.lsa_mode.running import TraceEvent
from secpkg.kit.check import companion
from secpkg.kit.check.bench import ALICE, BOB, PASSWORDS, Bench, unused
from secpkg.kit.check.exchange import Exchange, Side
from secpkg.kit.check.model import Finding, judged, probe
from secpkg.kit.check.probes.p05_peers import wrong_credentials
from secpkg.kit.check.subject import Parties, Subject

_SHORTEST: Final = 12
_TELLING: Final = ("key", "secret", "password", "salted", "proof", "passw", "credential")
_DEPTH: Final = 4


class Needles:
    """Secrets in the forms in which they might show up."""

    def __init__(self) -> None:
        self._forms: dict[str, str] = {}

    def add(self, name: str, secret: bytes) -> None:
        """One more secret; short ones are left out, they would be found by chance."""
        if len(secret) < _SHORTEST:
            return
        shown = repr(secret)[2:-1]
        forms = [shown, secret.hex(), base64.b64encode(secret).decode().rstrip("="), str(list(secret))[1:-1]]
        try:
            forms.append(secret.decode())
        except UnicodeDecodeError:
            pass
        for form in forms:
            self._forms[form] = name

    def found(self, text: str) -> str:
        """The name of a secret that is in the text, or nothing."""
        return next((name for form, name in self._forms.items() if form in text), "")


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(1)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.texts.append(f"{record.getMessage()} {record.args!r} {record.exc_text or ''}")
        except Exception:
            self.texts.append(f"{record.msg!r} {record.args!r}")


@contextmanager
def listening() -> Iterator[tuple[list[str], io.StringIO]]:
    """All log records and everything that is printed."""
    kept, printed = _Kept(), io.StringIO()
    root = logging.getLogger()
    level = root.level
    root.addHandler(kept)
    root.setLevel(1)
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield kept.texts, printed
    finally:
        root.setLevel(level)
        root.removeHandler(kept)


@probe("secrets", "K10")
def secrets(subject: Subject) -> Iterator[Finding]:
    """Passwords, keys and packed contexts in reprs, logs, exceptions, reasons, the audit record and the trace."""
    needles = Needles()
    for user, password in PASSWORDS.items():
        needles.add(f"the password of {user}", password.encode())
    faults: list[str] = []
    looked = 0
    with listening() as (logged, printed), subject.bench("secrets") as bench:
        for number, secret in enumerate(bench.given.secrets):
            needles.add(f"secret {number} of the author", secret)
        events: list[TraceEvent] = []
        if bench.lab is not None:
            bench.port.module.surroundings.observer = events.append
        shown = list(_shown(subject, bench, needles))
        looked = len(shown)
        for where, text in shown:
            name = needles.found(text)
            if name:
                faults.append(f"{name} is in {where}")
        for event in events:
            text = " ".join(str(getattr(event, slot)) for slot in event.__slots__)
            if needles.found(text):
                faults.append(f"{needles.found(text)} is in the trace of {event.function}")
        if bench.lab is not None:
            for record in bench.records():
                name = needles.found(f"{record.facts!r} {record.claimed!r}")
                if name:
                    faults.append(f"{name} is in the audit record ({record.event})")
    for text in logged:
        if needles.found(text):
            faults.append(f"{needles.found(text)} is logged")
    if needles.found(printed.getvalue()):
        faults.append(f"{needles.found(printed.getvalue())} is printed")
    yield judged("K10", list(dict.fromkeys(faults)), f"{looked} objects and {len(logged)} log records showed no secret")


def _shown(subject: Subject, bench: Bench, needles: Needles) -> Iterator[tuple[str, str]]:
    if bench.lab is not None:
        link = bench.link()
        for package in (subject.package, companion.NAME):
            for password in (PASSWORDS[ALICE], PASSWORDS[BOB]):
                try:
                    unused(link, bench.logon(link, ALICE, package, password=password))
                except SecurityError as error:
                    yield "the text of a refused logon", f"{error} {error.reason} {getattr(error, '__notes__', '')}"
    if "handshake" in subject.powers:
        parties = Parties(subject, bench)
        yield from _of_contexts(parties, needles)
        for _, given in wrong_credentials(subject, bench):
            try:
                client = Side(bench, parties.client_door, False, given)
            except SecurityError as error:
                yield "the text of refused credentials", str(error)
                continue
            Exchange(client, parties.acceptor()).run().close()
        for legs in (1, 2, 3):
            parties.exchange().run(lambda place, token, at=legs: bytes(len(token)) if place == at else token).close()  # type: ignore[misc]
    for seen in tuple(bench.watch.calls):
        if isinstance(seen.result, Refused):
            yield f"the reason of a refusal of {seen.function}", seen.result.reason
        if seen.error is not None:
            lines = traceback.format_exception_only(type(seen.error), seen.error)
            yield f"an exception of {seen.function}", " ".join(lines) + repr(getattr(seen.error, "args", ()))
        if seen.result is not None:
            yield f"the repr of what {seen.function} returns", _repr(seen.result)
        for argument in seen.arguments:
            if _is_own(argument, subject):
                yield f"the repr of {type(argument).__name__}", _repr(argument)


def _of_contexts(parties: Parties, needles: Needles) -> Iterator[tuple[str, str]]:
    one = parties.exchange().run(stop=2)
    yield from _states(parties, needles, "half-built")
    one.close()
    one = parties.exchange().run()
    for side in (one.client, one.server):
        if not side.complete:
            continue
        key, packed = side.key(), side.final.packed
        needles.add("the session key", key)
        if packed is not None:
            needles.add("a packed context", packed)
        if "messages" in parties.subject.powers:
            ends = side.ends()
            _secret_members(ends.context, needles)
            for thing in _inside(ends.context, parties.subject):
                yield f"the repr of {type(thing).__name__}", _repr(thing)
    yield from _states(parties, needles, "finished")
    one.close()


def _states(parties: Parties, needles: Needles, what: str) -> Iterator[tuple[str, str]]:
    """The package's own objects behind the handles."""
    bench = parties.bench
    states: list[object] = []
    if bench.lab is not None:
        for channel in bench.port._channels.values():
            states += [context.state for context in channel.contexts.values()]
            states += [credential.state for credential in channel.credentials.values()]
    else:
        for seen in bench.watch.calls:
            states += [getattr(seen.result, "context", None), getattr(seen.result, "credential", None)]
    for state in states:
        for thing in _inside(state, parties.subject):
            _secret_members(thing, needles)
            yield f"the repr of a {what} {type(thing).__name__}", _repr(thing)


def _is_own(thing: object, subject: Subject) -> bool:
    module = type(thing).__module__.partition(".")[0]
    return module in subject.target.roots


def _inside(state: object, subject: Subject, depth: int = _DEPTH) -> Iterator[object]:
    """A state object of the package's own classes, and those that it holds."""
    if depth and _is_own(state, subject) and not isinstance(state, type | types.FunctionType):
        yield state
        for referent in gc.get_referents(state):
            yield from _inside(referent, subject, depth - 1)


def _secret_members(thing: object, needles: Needles) -> None:
    """Members that are secret by their name."""
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    for name in (*slots, *getattr(thing, "__dict__", ()), *getattr(thing, "__struct_fields__", ())):
        if any(word in str(name).casefold() for word in _TELLING):
            value = getattr(thing, name, None)
            if isinstance(value, str):
                value = value.encode()
            if isinstance(value, bytes | bytearray):
                needles.add(f"{type(thing).__name__}.{name}", bytes(value))


def _repr(thing: object) -> str:
    if isinstance(thing, AuthIdentity | bytes | str | bytearray):
        return ""  # arguments and tokens of the kit's own making
    try:
        return repr(thing)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
