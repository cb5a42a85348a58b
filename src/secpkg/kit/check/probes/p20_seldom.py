"""Functions that few packages have: passwords that are changed, and who a session is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.contract.flags import NO_LONG_NAMES
from secpkg.contract.lsa_mode.ssp import UserInfo
from secpkg.contract.status import SecurityError
from secpkg.contract.values import ClientInfo
from secpkg.kit.check import companion
from secpkg.kit.check.bench import ALICE, BOB, PASSWORDS, Bench, unused
from secpkg.kit.check.door import LsaDoor
from secpkg.kit.check.model import Finding, judged, probe
from secpkg.kit.check.probes.p10_logons import working_kind
from secpkg.kit.check.subject import Subject

_NEW: Final = "another-planted:Secret/Zz8&uP4"


@probe("changed passwords", "R206", "K5", "R54", "K14", needs="change_password lsa")
def changed_passwords(subject: Subject) -> Iterator[Finding]:
    """The old password gives the right to set a new one, and nothing else does."""
    with subject.bench("changed passwords") as bench:
        door = LsaDoor(bench.link(), subject.package)
        told: dict[str, str] = {}
        changed = []
        for name, user, old in (
            ("a wrong password", ALICE, "not the password"),
            ("no password", ALICE, ""),
            ("another user's password", ALICE, PASSWORDS[BOB]),
            ("an unknown user", "nobody-here", PASSWORDS[ALICE]),
        ):
            try:
                door.function("change_account_password", "", user, old, _NEW, False)
                changed.append(f"{name} changes the password")
            except SecurityError as error:
                told[name] = error.status.name
        yield judged("K5", changed, "a password is changed by who knows the old one")
        alike = told.get("a wrong password") == told.get("an unknown user")
        faults = [] if alike else [f"a wrong password and an unknown user are told apart: {told}"]
        yield judged("R54", faults, "an unknown user and a wrong password look alike")
        try:
            data = door.function("change_account_password", "", ALICE, PASSWORDS[ALICE], _NEW, False)
            faults = [] if isinstance(data, bytes) else [f"it returns {type(data).__name__}, not the data of a buffer"]
        except SecurityError as error:
            faults = [f"the right password is refused: {error.status.name}"]
        yield judged("R206", faults, "the data of one output buffer came back")
        if not faults and "logon" in subject.powers:
            yield judged("K14", list(_counts(bench)), "the new password counts, and the old one no more")


def _counts(bench: Bench) -> Iterator[str]:
    link = bench.link()
    if working_kind(bench, link) is not None:
        yield "after a change the old password gets in"
    kind = None
    for password in (_NEW, PASSWORDS[ALICE]):
        try:
            unused(link, bench.logon(link, ALICE, password=password))
            kind = password
            break
        except SecurityError:
            continue
    if kind != _NEW:
        yield "after a change the new password does not get in"


@probe("user information", "R261", "K13", needs="user_info")
def user_information(subject: Subject) -> Iterator[Finding]:
    """Who a session is, in long and in short names."""
    faults: list[str] = []
    with subject.bench("user information") as bench:
        link = bench.link()
        logged_on = bench.logon(link, ALICE, companion.NAME)
        for flags in (0, NO_LONG_NAMES):
            told: list[object] = []
            arguments = logged_on.logon_id, flags
            bench.port.module.dispatcher.package_call(
                bench.package_id,
                "get_user_info",
                arguments,
                ClientInfo(1, 0, 0, logon_id=logged_on.logon_id),
                lambda value, error, told=told: told.append(error or value),  # type: ignore[misc]
            )
            info = told[0] if told else None
            if isinstance(info, UserInfo):
                if flags & NO_LONG_NAMES and len(info.logon_domain_name) > 15:
                    faults.append(f"NO_LONG_NAMES gives a domain of {len(info.logon_domain_name)} characters")
                if ALICE not in info.user_name.casefold():
                    faults.append(f"{ALICE}'s session is {info.user_name!r}'s")
            elif not isinstance(info, SecurityError):
                faults.append(f"it returns {type(info).__name__}")
        unused(link, logged_on)
    yield judged("R261", faults, "a session's user, in long and short names")
