"""Logons and requests once more: sessions that were begun, two at once, what a refusal says, what a request does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final

from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonRefused, LogonRequest, LogonResult, ProtocolReply
from secpkg.host.lsa_mode.load import LOGON_FUNCTIONS
from secpkg.kit.check.bench import ALICE, BOB, PASSWORDS, Bench, unused
from secpkg.kit.check.door import call_package
from secpkg.kit.check.model import Finding, judged, kept, probe, untried
from secpkg.kit.check.probes.p10_logons import refusal, working_kind
from secpkg.kit.check.subject import Subject
from secpkg.kit.check.watch import Seen

_RESTRICTIONS: Final = frozenset(
    {
        Status.STATUS_ACCOUNT_RESTRICTION,
        Status.STATUS_ACCOUNT_DISABLED,
        Status.STATUS_ACCOUNT_EXPIRED,
        Status.STATUS_ACCOUNT_LOCKED_OUT,
        Status.STATUS_PASSWORD_EXPIRED,
        Status.STATUS_PASSWORD_MUST_CHANGE,
        Status.STATUS_INVALID_LOGON_HOURS,
        Status.STATUS_INVALID_WORKSTATION,
    }
)
_MAKES: Final = ("create_logon_session", "create_token", "create_token_ex", "convert_auth_data_to_token")
_REQUESTS: Final = ("call_package", "call_package_untrusted")
_ENOUGH: Final = 20
"""Different requests with one and the same answer, of which one should have been refused."""


def _begun(seen: Seen) -> set[object]:
    """LUIDs of sessions that a call into the package created and did not delete."""
    made: set[object] = set()
    for call in seen.lsa:
        if call.error is None and call.function == "create_logon_session":
            made.add(call.arguments[0])
        elif call.function == "delete_logon_session":
            made.discard(call.arguments[0])
    return made


def _left(bench: Bench) -> Iterator[str]:
    for seen in bench.watch.of(*LOGON_FUNCTIONS):
        if not isinstance(seen.result, LogonResult) and _begun(seen):
            how = "refuses" if isinstance(seen.result, LogonRefused) else "fails"
            yield f"{seen.function} {how}, and has created a session that it does not delete"
    bench.watch.calls.clear()


@probe("begun sessions", "R45", needs="logon")
def begun_sessions(subject: Subject) -> Iterator[Finding]:
    """A session that was created early is deleted by the package, whatever made the logon fail."""
    faults: list[str] = []
    with subject.bench("begun sessions") as bench:
        link = bench.link()
        kind = working_kind(bench, link)
        if kind is None:
            yield untried("R45", "nobody could be logged on with name and password")
            return
        for user, password in ((ALICE, "not the password"), (ALICE, PASSWORDS[BOB]), ("nobody-here", "x")):
            bench.watch.calls.clear()
            _quietly(lambda user=user, password=password: bench.logon(link, user, password=password, kind=kind))  # type: ignore[misc]
            faults += _left(bench)
        bench.watch.fail(0, Status.STATUS_ACCESS_DENIED)
        _quietly(lambda: unused(link, bench.logon(link, ALICE, kind=kind)))
        for number in range(1, bench.watch.asked + 1):
            bench.watch.calls.clear()
            bench.watch.fail(number, Status.STATUS_INSUFFICIENT_RESOURCES)
            _quietly(lambda: unused(link, bench.logon(link, ALICE, kind=kind)))
            bench.watch.fail_at = None
            faults += [f"{line} ({bench.watch.failed} failed)" for line in _left(bench)]
    yield judged("R45", list(dict.fromkeys(faults)), "a session that was begun is deleted when the logon fails")


def _quietly(action: Callable[[], object]) -> None:
    try:
        action()
    except SecurityError:
        pass


@probe("two sessions", "R44", needs="logon")
def two_sessions(subject: Subject) -> Iterator[Finding]:
    """Sessions of one user and of two, at once: each has a LUID of its own."""
    with subject.bench("two sessions") as bench:
        link = bench.link()
        kind = working_kind(bench, link)
        if kind is None:
            yield untried("R44", "nobody could be logged on with name and password")
            return
        made, faults = [], []
        for user in (ALICE, ALICE, BOB):
            try:
                made.append(bench.logon(link, user, kind=kind))
            except SecurityError as error:
                faults.append(f"while there is a session, a logon of {user} is refused with {error.status.name}")
        numbers = {one.logon_id for one in made}
        if len(numbers) < len(made):
            faults.append(f"{len(made)} sessions have {len(numbers)} LUIDs")
        for one in made:
            unused(link, one)
    yield judged("R44", faults, f"{len(made)} sessions at once")


@probe("restrictions", "R55", needs="logon")
def restrictions(subject: Subject) -> Iterator[Finding]:
    """A status that implies that name and password were right is told to nobody else."""
    with subject.bench("restrictions") as bench:
        link = bench.link()
        kind = working_kind(bench, link) or LogonType.INTERACTIVE
        faults = []
        for name, user, password in (
            ("a wrong password", ALICE, "not the password"),
            ("an unknown user", "nobody-here", PASSWORDS[ALICE]),
        ):
            told = refusal(bench, link, LogonRequest(kind, user, "", password))
            if told is not None and _RESTRICTIONS.intersection(told):
                faults.append(f"{name} is told {told[0].name}, which implies that both were right")
    yield judged("R55", faults, "restrictions are told to those who know the password")


@probe("requests", "R80", "K14", needs="call")
def requests(subject: Subject) -> Iterator[Finding]:
    """What package calls do: they log nobody on, and they do not succeed at everything."""
    chance = random.Random(subject.seed)
    garbage = [chance.randbytes(size) for size in range(1, 60, 2)]
    with subject.bench("requests") as bench:
        number = bench.number(subject.package)
        for link in (bench.link("secpkg check"), bench.link()):
            for data in garbage:
                _quietly(lambda link=link, data=data: call_package(link, number, data))  # type: ignore[misc]
        calls = {name: bench.watch.of(name) for name in _REQUESTS if name in subject.description.functions}
    makes = [
        f"{name} calls {call.function}: a request, and no logon"
        for name, seen in calls.items()
        for one in seen
        for call in one.lsa
        if call.function in _MAKES
    ]
    yield judged("R80", list(dict.fromkeys(makes)), "requests made no session and no token")
    stubs = [
        f"{name} succeeds at {len(seen)} made-up requests with one and the same answer, and does nothing"
        for name, seen in calls.items()
        if len(seen) >= _ENOUGH and _one_answer(seen)
    ]
    if stubs:
        yield judged("K14", stubs, "")
    elif any(calls.values()):
        yield kept("K14", "requests that nobody knows are refused, or answered each in its own way")


def _one_answer(seen: list[Seen]) -> bool:
    replies = [one.result for one in seen]
    good = [reply for reply in replies if isinstance(reply, ProtocolReply) and not reply.protocol_status.is_error]
    answers = {bytes(reply.data) for reply in good}
    return len(good) == len(seen) and len(answers) == 1 and not any(one.lsa for one in seen)
