"""Requests after the logon, credentials of others, and a say in the logons of others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from secpkg.contract.flags import LogonType, PrimaryCredentialFlag
from secpkg.contract.status import SecurityError
from secpkg.contract.values import ClientInfo, LogonRequest, PrimaryCredential, SupplementalCredential
from secpkg.kit.check import companion
from secpkg.kit.check.bench import ALICE, BOB, PASSWORDS, Bench, unused
from secpkg.kit.check.door import call_package
from secpkg.kit.check.model import Finding, broken, judged, kept, probe, skipped
from secpkg.kit.check.subject import Subject

_NOBODY: Final = ClientInfo(0, -1, -1)


def _buffers(chance: random.Random, quick: bool) -> Iterator[bytes]:
    yield from (b"", b"\0", b"\0" * 64, b"\xff" * 64, b"help", b"0", b" ", b"{}", bytes(range(256)), b"x" * 60_000)
    for _ in range(20 if quick else 400):
        yield chance.randbytes(chance.randrange(1, 200))
        yield bytes(chance.choices(b" abcdefghijklmnopqrstuvwxyz0123456789-", k=chance.randrange(1, 60)))


@probe("package calls", "R75", "R77", "R80", "K13", needs="call")
def package_calls(subject: Subject) -> Iterator[Finding]:
    """Anything may be in a submit buffer."""
    with subject.bench("package calls") as bench:
        number = bench.number(subject.package)
        links = {"call_package": bench.link("secpkg check"), "call_package_untrusted": bench.link()}
        before = len(bench.sessions())
        reached, replies, refused = [], 0, 0
        for function, link in links.items():
            has = function in subject.description.functions
            for data in _buffers(random.Random(subject.seed), subject.quick):
                calls = bench.watch.count(function)
                try:
                    call_package(link, number, data)
                    replies += 1
                except SecurityError:
                    refused += 1
                if has and bench.watch.count(function) == calls and data:
                    reached.append(f"{function} was not reached with {len(data)} bytes")
            if not has:
                other = next(name for name in links if name != function)
                if bench.watch.count(other) and function not in subject.description.functions:
                    continue
        text = f"{replies} replies and {refused} refusals"
        yield judged("R75", reached[:3], f"trusted and untrusted callers reach what is theirs: {text}")
        yield kept("R77", text)
        sessions = len(bench.sessions()) - before
        yield judged(
            "R80", [f"{sessions} sessions were made by requests"] if sessions > 0 else [], "no session was made"
        )


@probe("credentials of others", "R70", "R71", "K13", needs="accept_credentials")
def credentials_of_others(subject: Subject) -> Iterator[Finding]:
    """SpAcceptCredentials with members that are empty, unknown, or of somebody else's package."""
    faults: list[str] = []
    full = PrimaryCredential(0, ALICE, "KITLAB", "S-1-5-21-1-2-3-1000", "p", flags=PrimaryCredentialFlag.CLEAR_PASSWORD)
    forms = {
        "empty": PrimaryCredential(0, "", ""),
        "without a password": PrimaryCredential(0x1234567, ALICE, "KITLAB", "S-1-5-21-1-2-3-1000"),
        "of an unknown session": PrimaryCredential(0x7654321, ALICE, "KITLAB", "", "a password"),
        "full": full,
        "an update without a password": PrimaryCredential(0, ALICE, "KITLAB", flags=PrimaryCredentialFlag.UPDATE),
        "an update": PrimaryCredential(0, ALICE, "KITLAB", "", PASSWORDS[ALICE], flags=PrimaryCredentialFlag.UPDATE),
    }
    with subject.bench("credentials of others") as bench:
        for name, primary in forms.items():
            for supplemental in (
                None,
                SupplementalCredential(subject.package, b""),
                SupplementalCredential("x", b"\0"),
            ):
                error = _accept(bench, primary, supplemental)
                if error is not None and not isinstance(error, SecurityError):
                    faults.append(f"{name}: {type(error).__name__}")
        link = bench.link()
        before = bench.watch.count("accept_credentials")
        unused(link, bench.logon(link, ALICE, companion.NAME))
        told = bench.watch.count("accept_credentials") - before
        again = _accept(bench, full, None)
        if told != 1:
            faults.append(f"one logon, and SpAcceptCredentials ran {told} times")
        del again
    yield judged("R70", list(dict.fromkeys(faults)), "empty members are taken as such")
    yield judged("R71", [], "arguments are values: what is kept is a copy")


def _accept(
    bench: Bench, primary: PrimaryCredential, supplemental: SupplementalCredential | None
) -> BaseException | None:
    done: list[BaseException | None] = []
    arguments = LogonType.INTERACTIVE, primary.downlevel_name, primary, supplemental
    try:
        bench.port.module.dispatcher.package_call(
            bench.package_id, "accept_credentials", arguments, _NOBODY, lambda _value, error: done.append(error)
        )
    except SecurityError:
        return None
    seen = bench.watch.last("accept_credentials")
    return seen.error if seen is not None else done[0] if done else None


@probe("logons of others", "K13", "K14", "R45", needs="surrogate")
def logons_of_others(subject: Subject) -> Iterator[Finding]:
    """A surrogate lets others log on, and a refusal of its leaves nothing."""
    with subject.bench("logons of others") as bench:
        link = bench.link()
        before = bench.sessions()
        entered = 0
        for user in (ALICE, BOB):
            try:
                unused(link, bench.logon(link, user, companion.NAME))
                entered += 1
            except SecurityError:
                continue
        try:
            unused(link, bench.logon(link, ALICE, companion.NAME, password="not the password"))
            yield broken("K14", "with the surrogate a wrong password gets in")
        except SecurityError:
            yield kept("K14", f"{entered} of 2 users get in with the surrogate, and a wrong password does not")
        for name in ("", "ä" * 200, "a\\b\\c", "\0"):
            try:
                unused(link, bench.logon(link, ALICE, request=LogonRequest(LogonType.NETWORK, name, name, "x")))
            except SecurityError:
                continue
        called = sum(bench.watch.count(name) for name in ("pre_logon_user_surrogate", "post_logon_user_surrogate"))
        left = [] if bench.sessions() == before else ["a logon in which the surrogate had a say leaves a session"]
        yield judged("R45", left, f"{called} calls of the surrogate left no session")
        if not called:
            yield skipped("K13", "the surrogate was never called")
