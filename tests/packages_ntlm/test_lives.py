"""Whole lives: logons of two packages, contexts, changes of passwords and ends, in any order. At every point a proof
holds that is of the password of this moment, a session proves itself as long as it lives with what it last learnt, and
nothing else gets anybody in.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.packages_ntlm.callers import asked, told, trusted
from tests.packages_ntlm.world import DENIED, DOMAIN, MACHINE, met, refusal

from secpkg.contract import LogonType, SecurityError, Status, msv1_0
from secpkg.lsa.client import Logon
from secpkg.testing import FrozenClock, LabAuthority, Pair

NAMES = st.sampled_from(["alice", "bob"])
PASSWORDS = st.sampled_from(["correct horse", "battery staple", "pässwörd ☃"])
KNOWN = st.sampled_from([None, None, "battery staple"])
"""What somebody takes for the password; None is the right one."""
PACKAGES = st.sampled_from(["NTLM", "Hello"])
KINDS = st.sampled_from([LogonType.INTERACTIVE, LogonType.NETWORK])
NUMBER = st.integers(0, 7)


@dataclass
class Session:
    """A logon, and the password with which its clients prove themselves; None where it has no credential."""

    logon: Logon
    name: str
    package: str
    knows: str | None


class Lives(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.lab = LabAuthority(
            domain=DOMAIN,
            modules=["hello", "ntlm"],
            settings={"ntlm": {"computer_name": MACHINE}},
            clock=FrozenClock(),
        )
        self.login = trusted(self.lab)
        self.passwords = dict.fromkeys(("alice", "bob"), "correct horse")
        for name, password in self.passwords.items():
            self.lab.add_user(name, password=password)
        self.sessions: list[Session] = []

    def teardown(self) -> None:
        for session in self.sessions:
            session.logon.close()
        self.login.close()
        self.lab.close()

    @rule(name=NAMES, guess=KNOWN, package=PACKAGES, kind=KINDS)
    def log_on(self, name: str, guess: str | None, package: str, kind: LogonType) -> None:
        password = guess or self.passwords[name]
        try:
            made = self.login.logon_user(package, kind, username=name, password=password)
        except SecurityError as error:
            assert error.status is Status.STATUS_LOGON_FAILURE and self.passwords[name] != password
            self.lab.advance(24 * 3600)
            return
        assert self.passwords[name] == password
        self.sessions.append(Session(made, name, package, None if kind is LogonType.NETWORK else password))

    @precondition(lambda self: self.sessions)
    @rule(number=NUMBER)
    def log_off(self, number: int) -> None:
        session = self.sessions.pop(number % len(self.sessions))
        session.logon.close()
        gone = told(self.login, msv1_0.GetChallengeResponse(session.logon.luid, bytes(8)))
        assert gone is Status.SEC_E_NO_CREDENTIALS

    @rule(name=NAMES, guess=KNOWN)
    def meet(self, name: str, guess: str | None) -> None:
        password = guess or self.passwords[name]
        if self.passwords[name] == password:
            assert met(self.lab, username=name, password=password) == f"{DOMAIN}\\{name}"
        else:
            assert refusal(self.lab, username=name, password=password) == (DENIED, "wrong_password")
            self.lab.advance(24 * 3600)

    @precondition(lambda self: self.sessions)
    @rule(number=NUMBER)
    def meet_by_session(self, number: int) -> None:
        session = self.sessions[number % len(self.sessions)]
        with session.logon.session():
            try:
                with Pair(self.lab, "NTLM") as ends:
                    ends.run()
                    assert ends.server.peer == f"{DOMAIN}\\{session.name}"
                    assert session.knows == self.passwords[session.name]
            except SecurityError as error:
                expected = Status.SEC_E_NO_CREDENTIALS if session.knows is None else DENIED
                assert error.status is expected and session.knows != self.passwords[session.name]
                self.lab.advance(24 * 3600)

    @rule(name=NAMES, guess=KNOWN, new=PASSWORDS)
    def change(self, name: str, guess: str | None, new: str) -> None:
        """By who knows the old one: NTLM's sessions of that user learn the new one."""
        old = guess or self.passwords[name]
        status = told(self.login, msv1_0.ChangePassword(DOMAIN, name, old, new))
        if self.passwords[name] != old:
            assert status is Status.STATUS_WRONG_PASSWORD
            self.lab.advance(24 * 3600)
            return
        assert status is Status.STATUS_SUCCESS
        self.passwords[name] = new
        for session in self.sessions:
            if session.name == name and session.package == "NTLM" and session.knows is not None:
                session.knows = new

    @rule(name=NAMES, new=PASSWORDS)
    def set_by_the_operator(self, name: str, new: str) -> None:
        """Sessions learn nothing of it."""
        self.lab.set_password(name, new)
        self.passwords[name] = new

    @invariant()
    def the_package_knows_its_own_logons(self) -> None:
        known = asked(self.login, msv1_0.EnumerateUsers(), msv1_0.EnumeratedUsers).logon_ids
        assert set(known) == {session.logon.luid for session in self.sessions if session.package == "NTLM"}


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=20, stateful_step_count=25)
TestLives = pytest.mark.slow(TestLives)
