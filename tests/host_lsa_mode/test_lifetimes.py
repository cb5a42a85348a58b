"""R193, spec/README 9: in whatever order calls and answers come, each state object of a package is freed once."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.host_lsa_mode.fakes import PARK, Lab, Token

from secpkg.contract.flags import CredentialUse
from secpkg.contract.lsa_mode.functions import LsaFunctions
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    Acquired,
    Call,
    Complete,
    ContextRequest,
    Continue,
    NeedMore,
    PackageInfo,
    PackageParameters,
    Refused,
    Step,
)
from secpkg.host.lsa_mode.channel import Phase, Role

Ending = Literal["continue", "complete", "complete without", "more", "refuse", "raise", "nonsense"]
ENDINGS = st.sampled_from(
    ["continue", "continue", "complete", "complete without", "more", "refuse", "raise", "nonsense"]
)
ANSWERS = st.sampled_from([None, None, PARK, PARK, SecurityError(Status.STATUS_NO_SUCH_USER), OSError("gone")])


class Counting:
    """Makes state objects, waits for the authority everywhere, and counts what it is given back."""

    info = PackageInfo("Counting", max_token=8)

    def __init__(self) -> None:
        self.made: list[Token] = []
        self.freed: Counter[Token] = Counter()
        self.live: Counter[object] = Counter()
        self.endings: list[str] = []
        self.authority: LsaFunctions

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.authority = authority

    def make(self, name: str) -> Token:
        self.made.append(Token(name))
        return self.made[-1]

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        await self.authority.open_sam_user("alice")
        return Acquired(self.make("credential"))

    async def free_credentials_handle(self, call: Call, credential: object) -> None:
        assert isinstance(credential, Token)
        self.freed[credential] += 1
        assert not self.live[credential], "a credential went while a context that was made from it ran"
        await self.authority.close_sam_user(1)

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        ending = self.endings.pop()
        self.live[credential] += 1
        self.live[context] += 1
        assert context is None or self.live[context] == 1, "two calls of one context"
        try:
            await self.authority.open_sam_user("alice")
            return self._ended(ending, context)
        finally:
            self.live[credential] -= 1
            self.live[context] -= 1

    init_lsa_mode_context = accept_lsa_mode_context

    def _ended(self, ending: str, context: object) -> Step:
        state = context or self.make("context")
        if ending == "continue":
            return Continue(b"", state)
        if ending == "complete":
            return Complete(state)
        if ending == "nonsense":
            return Complete(state, bytes(9))
        if context is None:
            self.made.pop()
        if ending == "complete without":
            return Complete()
        if ending == "more":
            return NeedMore()
        if ending == "refuse":
            return Refused(Status.SEC_E_LOGON_DENIED)
        raise KeyboardInterrupt

    async def delete_context(self, call: Call, context: object) -> None:
        assert isinstance(context, Token)
        assert not self.live[context], "a context was deleted while a leg ran"
        self.freed[context] += 1
        await self.authority.close_sam_user(1)


class Lifetimes(RuleBasedStateMachine):
    """An application that does anything, an authority that answers when and how it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.package = Counting()
        self.lab = Lab(self.package)
        self.lab.acquire()
        self.legs = 0
        self.answered = 0

    def stepped(self, handle: int, step: Step) -> None:
        self.answered += 1
        assert handle or isinstance(step, Refused)

    @rule(function=st.sampled_from(["open_sam_user", "audit_logon", "close_sam_user"]), answer=ANSWERS)
    def authority_answers(self, function: str, answer: object) -> None:
        self.lab.link.answers[function] = answer

    @precondition(lambda self: not self.lab.channel.closed)
    @rule()
    def acquire(self) -> None:
        self.lab.dispatcher.acquire(self.lab.channel, 1, 3, None, None, None, self.lab.done)

    @precondition(lambda self: self.lab.channel.credentials)
    @rule(data=st.data(), ending=ENDINGS, role=st.sampled_from(Role))
    def first_leg(self, data: st.DataObject, ending: str, role: Role) -> None:
        self._leg(role, data.draw(st.sampled_from(list(self.lab.channel.credentials))), 0, ending)

    @precondition(lambda self: self.lab.channel.contexts)
    @rule(data=st.data(), ending=ENDINGS)
    def later_leg(self, data: st.DataObject, ending: str) -> None:
        context = data.draw(st.sampled_from(list(self.lab.channel.contexts.values())))
        credential = data.draw(st.sampled_from([0, 0, *self.lab.channel.credentials]))
        assert context.role is not None
        self._leg(context.role, credential, context.handle, ending)

    def _leg(self, role: Role, credential: int, handle: int, ending: str) -> None:
        self.package.endings = [ending]
        self.legs += 1
        try:
            self.lab.dispatcher.leg(self.lab.channel, role, credential, handle, ContextRequest(), self.stepped)
        except SecurityError:
            self.legs -= 1

    @rule(data=st.data())
    @precondition(lambda self: self.lab.channel.contexts)
    def delete(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(list(self.lab.channel.contexts)))
        self.lab.dispatcher.delete(self.lab.channel, handle, self.lab.done)

    @rule(data=st.data())
    @precondition(lambda self: self.lab.channel.credentials)
    def free(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(list(self.lab.channel.credentials)))
        self.lab.dispatcher.free(self.lab.channel, handle, self.lab.done)

    @rule(data=st.data(), refused=st.booleans())
    @precondition(lambda self: self.lab.link.parked)
    def resume(self, data: st.DataObject, refused: bool) -> None:
        place = data.draw(st.integers(0, len(self.lab.link.parked) - 1))
        asked = self.lab.link.parked.pop(place)
        asked.resume(None, SecurityError(Status.STATUS_NO_SUCH_USER) if refused else None)

    @rule()
    @precondition(lambda self: self.legs > 3)
    def close(self) -> None:
        self.lab.dispatcher.close(self.lab.channel)

    @invariant()
    def half_open_counts_the_unfinished(self) -> None:
        unfinished = [
            context for context in self.lab.channel.contexts.values() if context.phase in {Phase.NEW, Phase.PARTIAL}
        ]
        assert self.lab.channel.half_open == len(unfinished)

    @invariant()
    def nothing_is_freed_twice(self) -> None:
        assert all(count == 1 for count in self.package.freed.values())

    def teardown(self) -> None:
        open_before = not self.lab.channel.closed and not self.lab.link.parked
        if open_before:
            assert self.answered == self.legs, "a leg without its reply"
        self.lab.dispatcher.close(self.lab.channel)
        while self.lab.link.parked:
            self.lab.link.resume()
        assert self.answered <= self.legs
        channel = self.lab.channel
        assert (channel.contexts, channel.credentials, channel.half_open, channel.acquiring) == ({}, {}, 0, 0)
        assert Counter(self.package.made) == self.package.freed
        assert not +self.package.live


TestLifetimes = Lifetimes.TestCase
TestLifetimes.settings = settings(max_examples=150, stateful_step_count=40)
