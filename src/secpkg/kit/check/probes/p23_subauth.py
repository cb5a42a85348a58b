"""Subauthentication: a routine that decides a network logon in place of the password check, and a filter."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from secpkg.authority.functions.table import DIRECTORY_FUNCTIONS
from secpkg.authority.subauthentication import Subauthentication
from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.subauthentication import (
    GenericInfo,
    InteractiveInfo,
    LogonIdentity,
    LogonInfoClass,
    LogonInformation,
    NetworkInfo,
    ServiceInfo,
    SubAuthLogon,
    SubAuthRequest,
    SubAuthResult,
    SubAuthResultEx,
    SubAuthSubmit,
    UserAllField,
    ValidationInfo,
    submit,
)
from secpkg.contract.values import NEVER
from secpkg.kit.check import companion
from secpkg.kit.check.bench import ALICE, PASSWORDS, Bench, unused
from secpkg.kit.check.door import call_package
from secpkg.kit.check.model import Finding, judged, kept, probe
from secpkg.kit.check.powers import FILTER, GENERIC, ROUTINES
from secpkg.kit.check.subject import Subject
from secpkg.kit.check.watch import Seen
from secpkg.runtime.embedded_link import LocalLink

_NUMBER: Final = 1
_END_OF_TIME: Final = 253_402_300_800.0
"""The year 10000, in UTC seconds; a number beyond it is one of another clock."""
_NETWORK: Final = LogonInfoClass.NETWORK_INFORMATION


def _registered(bench: Bench) -> None:
    """The operator gives the package a number, and has it filter the companion's logons."""
    assert bench.lab is not None
    numbers = {_NUMBER: bench.info.name}
    if FILTER in bench.table:
        numbers[0] = bench.info.name
    bench.lab.embedded.machine.authority.subauthentication = Subauthentication(numbers, (companion.NAME,))


def _logons(chance: random.Random, *, quick: bool) -> Iterator[tuple[str, LogonInfoClass, LogonInformation]]:
    """Logons of a user without any proof: the challenges are a genuine server's, the responses are nobody's."""
    who = LogonIdentity(ALICE, "KIT", "", 0, 0)
    for length in (8,) if quick else (8, 16):
        challenge = chance.randbytes(length)
        for name, response in (
            ("no response", b""),
            ("zeros", bytes(24)),
            ("chance", chance.randbytes(24)),
            ("a long response", chance.randbytes(200)),
            ("the challenge itself", challenge),
        ):
            for shape, given in (("NT", (response, b"")), ("LM", (b"", response)), ("NT and LM", (response, response))):
                yield f"{name} ({shape})", _NETWORK, NetworkInfo(who, challenge, *given)
    yield "a level without a password", LogonInfoClass.INTERACTIVE_INFORMATION, InteractiveInfo(who)
    yield "a service's level", LogonInfoClass.SERVICE_INFORMATION, ServiceInfo(who, bytes(16), bytes(16))
    yield "data for a package", LogonInfoClass.GENERIC_INFORMATION, GenericInfo(who, "nobody", chance.randbytes(32))
    hostile = LogonIdentity(ALICE, "\u202e\0" * 100, "\ud7ff" * 300, 0xFFFFFFFF, 0)
    yield "names that no client has", _NETWORK, NetworkInfo(hostile, b"", chance.randbytes(7), b"\0")


def _ask(bench: Bench, link: LocalLink, request: SubAuthSubmit) -> None:
    """As a package in MSV1_0's place; what came of it is seen where the package is watched."""
    with suppress(SecurityError):
        call_package(link, bench.number(companion.NAME), companion.ROUTINE + submit(request))


@probe("subauthentication routines", "R263", "R265", "R266", "R268", "K13", needs="routine lsa")
def routines(subject: Subject) -> Iterator[Finding]:
    """Who has no proof at all does not get in, whatever else is right."""
    let_in: list[str] = []
    with subject.bench("subauthentication") as bench:
        _registered(bench)
        link = bench.link("secpkg check")
        bench.watch.calls.clear()
        for name, level, information in _logons(random.Random(subject.seed), quick=subject.quick):
            for validation in (None, ValidationInfo()):
                before = len(bench.watch.of(*ROUTINES))
                request = SubAuthLogon(_NUMBER, LogonType.NETWORK, level, information, validation=validation)
                _ask(bench, link, request)
                for seen in bench.watch.of(*ROUTINES)[before:]:
                    if isinstance(seen.result, SubAuthResult | SubAuthResultEx) and not seen.result.status.is_error:
                        let_in.append(f"{seen.function}: {ALICE} gets in with {name}")
        seen_calls = bench.watch.of(*ROUTINES)
        if GENERIC in bench.table:
            for data in (b"", b"\0", bytes(4096)):
                _ask(bench, link, SubAuthRequest(_NUMBER, data))
    yield judged("R263", let_in, f"{len(seen_calls)} logons without a proof were refused")
    yield from _outcomes(seen_calls)


@probe("subauthentication filter", "R271", "R265", "R266", "R268", "K13", needs="filter lsa")
def logon_filter(subject: Subject) -> Iterator[Finding]:
    """A filter decides by what it is given."""
    with subject.bench("subauthentication filter") as bench:
        _registered(bench)
        for user in PASSWORDS:
            for kind in (LogonType.INTERACTIVE, LogonType.NETWORK):
                link = bench.link()
                with suppress(SecurityError):
                    unused(link, bench.logon(link, user, companion.NAME, kind=kind))
        seen_calls = bench.watch.of(FILTER)
    asked = [call.function for seen in seen_calls for call in seen.lsa if call.function in DIRECTORY_FUNCTIONS]
    faults = [f"the filter calls {function}, which causes directory traffic" for function in dict.fromkeys(asked)]
    yield judged("R271", faults, f"{len(seen_calls)} logons were filtered by what the filter was given")
    yield from _outcomes(seen_calls)


def _outcomes(seen_calls: list[Seen]) -> Iterator[Finding]:
    """Every outcome is whole: whether it is authoritative, what is written back, and until when."""
    faults: dict[str, list[str]] = {"R265": [], "R266": [], "R268": []}
    looked = 0
    for seen in seen_calls:
        result = seen.result
        if seen.error is not None:
            continue
        looked += 1
        if isinstance(result, SubAuthResult):
            times, authoritative = (result.logoff_time, result.kickoff_time), result.authoritative
            faults["R266"] += list(_written_back(seen.function, result))
        elif isinstance(result, SubAuthResultEx):
            validation = result.validation
            times, authoritative = (validation.logoff_time, validation.kickoff_time), validation.authoritative
        else:
            faults["R265"].append(f"{seen.function} returns {type(result).__name__}, which is no outcome")
            continue
        if not isinstance(authoritative, bool):
            faults["R265"].append(f"{seen.function} leaves Authoritative {authoritative!r} with {result.status.name}")
        faults["R268"] += [
            f"{seen.function} returns the time {when!r}: UTC seconds are meant, and NEVER"
            for when in times
            if _odd(when)
        ]
    for rule, found in faults.items():
        if looked or found:
            yield judged(rule, list(dict.fromkeys(found)), f"{looked} outcomes are whole")
        else:
            yield kept(rule, "every logon was refused by an exception, which is whole in itself")


def _written_back(function: str, result: SubAuthResult) -> Iterator[str]:
    if result.which_fields not in (0, UserAllField.PARAMETERS):
        yield f"{function} would write back fields {result.which_fields:#x}; Parameters is the only one"
    elif result.which_fields and Status(result.status).is_error:
        yield f"{function} refuses with {result.status.name} and would write Parameters back"


def _odd(when: object) -> bool:
    return not isinstance(when, int | float) or not (0 <= when < _END_OF_TIME or when == NEVER)
