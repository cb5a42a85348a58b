"""Logons by LsaLogonUser: who gets in, what a refusal tells, and what is left of either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonRefused, LogonRequest, LogonResult
from secpkg.host.lsa_mode.load import LOGON_FUNCTIONS
from secpkg.kit.check import companion
from secpkg.kit.check.bench import ALICE, BOB, PASSWORDS, Bench, unused
from secpkg.kit.check.model import Finding, broken, judged, probe, skipped, untried
from secpkg.kit.check.subject import Subject
from secpkg.kit.check.watch import Seen
from secpkg.runtime.embedded_link import LocalLink

KINDS: Final = (LogonType.INTERACTIVE, LogonType.NETWORK, LogonType.BATCH, LogonType.SERVICE)
_UNKNOWN_FORM: Final = frozenset(
    {
        Status.STATUS_BAD_VALIDATION_CLASS,
        Status.STATUS_INVALID_PARAMETER,
        Status.STATUS_LOGON_FAILURE,
        Status.STATUS_INVALID_INFO_CLASS,
    }
)
_TYPES: Final = frozenset({Status.STATUS_INVALID_LOGON_TYPE, Status.STATUS_LOGON_TYPE_NOT_GRANTED})


def working_kind(bench: Bench, link: LocalLink) -> LogonType | None:
    """A logon type by which the lab's user gets in with name and password."""
    for kind in KINDS:
        try:
            unused(link, bench.logon(link, ALICE, kind=kind))
        except SecurityError:
            continue
        return kind
    return None


def last_logon(bench: Bench) -> Seen | None:
    """The newest call of a logon function."""
    calls = bench.watch.of(*LOGON_FUNCTIONS)
    return calls[-1] if calls else None


def refusal(bench: Bench, link: LocalLink, request: LogonRequest) -> tuple[Status, Status] | None:
    """Status and substatus with which the package refuses; None when it does not, or is not asked."""
    bench.watch.calls.clear()
    try:
        unused(link, bench.logon(link, ALICE, request=request))
    except SecurityError as error:
        seen = last_logon(bench)
        if seen is None:
            return None
        if isinstance(seen.result, LogonRefused):
            return seen.result.status, seen.result.substatus
        if isinstance(seen.error, SecurityError):
            return seen.error.status, seen.error.substatus
        return None if isinstance(seen.result, LogonResult) else (error.status, error.substatus)
    return None


@probe("logons", "R44", "R45", "R46", "R53", "R54", "R55", "R60", "R96", "K5", "K14", needs="logon")
def logons(subject: Subject) -> Iterator[Finding]:
    """Right and wrong names and passwords."""
    with subject.bench("logons") as bench:
        link = bench.link()
        kind = working_kind(bench, link)
        if kind is None:
            for rule in ("R44", "R45", "R53", "R54", "R55", "R60", "R96"):
                yield untried(rule, "nobody could be logged on with name and password")
            return
        before = bench.sessions()
        for user in (ALICE, BOB):
            yield from _good(bench, link, user, kind)
        results = [seen.result for seen in bench.watch.of(*LOGON_FUNCTIONS)]
        if not any(isinstance(one, LogonResult) and one.primary_credentials is not None for one in results):
            yield skipped("R60", "its logons give no credentials to other packages")
        left = [f"{len(bench.sessions()) - len(before)} sessions are left"] if bench.sessions() != before else []
        yield judged("R96", left, "a session lives until its last token is closed")
        base = LogonRequest(kind, ALICE, "", PASSWORDS[ALICE])
        wrong = {
            "a wrong password": msgspec.structs.replace(base, password="not the password"),
            "another user's password": msgspec.structs.replace(base, password=PASSWORDS[BOB]),
            "an empty password": msgspec.structs.replace(base, password=""),
            "an unknown user": msgspec.structs.replace(base, username="nobody-here"),
            "the password of another spelling": msgspec.structs.replace(base, password=PASSWORDS[ALICE].upper()),
            "the password and more": msgspec.structs.replace(base, password=PASSWORDS[ALICE] + "x"),
            "half the password": msgspec.structs.replace(base, password=PASSWORDS[ALICE][:10]),
        }
        answers, entered, left = {}, [], []
        for name, request in wrong.items():
            answer = refusal(bench, link, request)
            if answer is None:
                entered.append(f"{name} gets in")
            else:
                answers[name] = answer
            if bench.sessions() != before:
                left.append(f"after {name} a session is left")
        yield judged("K5", entered, f"{len(wrong)} wrong logons were refused")
        yield judged("R45", left, "refused logons leave no session")
        yield from _alike(answers)
        yield from _restricted(bench, link, base, answers.get("a wrong password"))


def _good(bench: Bench, link: LocalLink, user: str, kind: LogonType) -> Iterator[Finding]:
    try:
        made = bench.logon(link, user, kind=kind)
    except SecurityError as error:
        yield broken("K5", f"{user} has the right password and is refused: {error.status.name}")
        return
    faults = [] if made.account_name.casefold() == user else [f"{user} logs on and is {made.account_name!r}"]
    yield judged("K5", faults, f"{user} logs on as {user}")
    faults = [] if made.logon_id in bench.sessions() else ["a logon succeeds and there is no session"]
    yield judged("K14", faults, "a logon makes a session")
    unused(link, made)


def _alike(answers: dict[str, tuple[Status, Status]]) -> Iterator[Finding]:
    names, told = answers.get("an unknown user"), answers.get("a wrong password")
    faults = []
    if names is not None and told is not None and names != told:
        faults.append(f"an unknown user is told {names[0].name}, a wrong password {told[0].name}")
    faults += [
        f"{name} is told {status.name}"
        for name, (status, _) in answers.items()
        if status in (Status.STATUS_WRONG_PASSWORD, Status.STATUS_NO_SUCH_USER)
    ]
    yield judged("R54", faults, "an unknown user and a wrong password look alike")
    faults = [
        f"{name}: substatus {sub.name} with {status.name}"
        for name, (status, sub) in answers.items()
        if sub is not Status.STATUS_SUCCESS and status is not Status.STATUS_ACCOUNT_RESTRICTION
    ]
    yield judged("R53", faults, "a substatus stands with restrictions of an account only")


def _restricted(
    bench: Bench, link: LocalLink, base: LogonRequest, wrong: tuple[Status, Status] | None
) -> Iterator[Finding]:
    assert bench.lab is not None
    store = bench.lab.embedded.machine.authority.store
    store.update(ALICE, enabled=False)
    told = refusal(bench, link, msgspec.structs.replace(base, password="not the password"))
    faults = []
    if told is None:
        faults.append("a disabled user gets in with a wrong password")
    elif wrong is not None and told != wrong:
        faults.append(f"who does not know the password is told {told[0].name} of a disabled user")
    try:
        unused(link, bench.logon(link, ALICE, request=base))
        faults.append("a disabled user gets in")
    except SecurityError as error:
        if error.status not in (Status.STATUS_ACCOUNT_RESTRICTION, Status.STATUS_LOGON_FAILURE):
            faults.append(f"a disabled user with the right password is told {error.status.name}")
    yield judged("R55", faults, "that a user is disabled is told after the right password only")
    store.update(ALICE, enabled=True)


@probe("logon forms", "R56", "R57", "K13", needs="logon")
def logon_forms(subject: Subject) -> Iterator[Finding]:
    """Logon types and submit buffers that the package does not know."""
    with subject.bench("logon forms") as bench:
        link = bench.link("secpkg check")
        strange, faults = [], []
        good = working_kind(bench, link)
        for kind in LogonType:
            told = refusal(bench, link, LogonRequest(kind, ALICE, "", PASSWORDS[ALICE]))
            if told is not None and good is not None and told[0] not in _TYPES:
                strange.append(f"{kind.name} with the right password is refused with {told[0].name}")
        yield judged("R57", strange, "logon types that are not offered are STATUS_INVALID_LOGON_TYPE")
        kind = good or LogonType.INTERACTIVE
        for name, data in (
            ("chance", bytes(range(1, 90))),
            ("a number and nothing", b"\x63\0\0\0"),
            ("zeros", bytes(64)),
            ("text", b"{}"),
            ("a lot", b"x" * 60_000),
        ):
            request = LogonRequest(kind, authentication_information=data)
            before = bench.sessions()
            told = refusal(bench, link, request)
            seen = last_logon(bench)
            if told is None and seen is not None and isinstance(seen.result, LogonResult):
                faults.append(f"{name} as a submit buffer logs on")
            elif told is not None and told[0] not in _UNKNOWN_FORM:
                faults.append(f"{name} as a submit buffer is refused with {told[0].name}")
            if bench.sessions() != before:
                faults.append(f"{name} as a submit buffer leaves a session")
        yield judged("R56", faults, "a submit buffer of an unknown type is refused by name")


@probe("sessions' ends", "R94", "R117", needs="lsa")
def ends_of_sessions(subject: Subject) -> Iterator[Finding]:
    """What the package stored with a session is gone with it."""
    functions = subject.description.functions
    with subject.bench("sessions' ends") as bench:
        link = bench.link()
        through = [companion.NAME]
        if "logon" in subject.powers and working_kind(bench, link) is not None:
            through.append(subject.package)
        bench.watch.calls.clear()
        for package in through:
            for user in (ALICE, BOB):
                try:
                    unused(link, bench.logon(link, user, package))
                except SecurityError:
                    continue
        stored = _sessions_of(bench, "add_credential")
        if not stored and "logon_terminated" not in functions:
            for rule in ("R94", "R117"):
                yield skipped(rule, "the package stores nothing with sessions")
            return
        dropped = _sessions_of(bench, "delete_credential", within="logon_terminated")
        dropped |= _sessions_of(bench, "get_credentials", within="logon_terminated")
        left = stored - dropped
        failed = [seen for seen in bench.watch.of("logon_terminated") if seen.error is not None]
        faults = (
            [f"{len(left)} sessions ended, and LsaApLogonTerminated dropped nothing of what was stored"] if left else []
        )
        faults += [f"LsaApLogonTerminated fails with {type(failed[0].error).__name__}"] if failed else []
        told = bench.watch.count("logon_terminated")
        for rule in ("R94", "R117"):
            yield judged(rule, faults, f"{told} ends of sessions, and what was stored with them was dropped")


def _sessions_of(bench: Bench, function: str, within: str = "") -> set[object]:
    """LUIDs for which the package called an LSA function."""
    return {
        call.arguments[0]
        for seen in bench.watch.calls
        if not within or seen.function == within
        for call in seen.lsa
        if call.function == function and call.arguments and (within or call.error is None)
    }
