"""Client and Server of NTLM in every order, given anything that has passed: only the one honest exchange completes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.strangers.ends import OurEnd, Ours
from tests.strangers.talk import Refused, Wish

NUMBER: Final = st.integers(0, 63)


@dataclass
class Played:
    """An end, what it was given and what it gave; ``over`` after a refusal, but for one at an acceptor's beginning."""

    end: OurEnd
    knows: bool = True
    given: list[bytes] = field(default_factory=list)
    gave: list[bytes] = field(default_factory=list)
    over: bool = False


class Orders(RuleBasedStateMachine):
    """Numbers choose among what there is, modulo."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = Ours()
        self.clients: list[Played] = []
        self.servers: list[Played] = []
        self.tokens: list[bytes] = []
        for knows in (True, False):
            self.client_comes(knows)
            self.server_comes()
        for at in (0, 0, 1, 1):  # both stand before the last message
            self.honest_exchange_goes_on(at)

    def teardown(self) -> None:
        self.ours.close()

    @rule(knows=st.booleans())
    def client_comes(self, knows: bool) -> None:
        wish = Wish(side="initiator") if knows else Wish(side="initiator", password="guess")
        client = Played(self.ours.initiator(wish), knows)
        self.clients.append(client)
        self.played(client, None)

    @rule()
    def server_comes(self) -> None:
        self.servers.append(Played(self.ours.acceptor(Wish(side="acceptor"))))

    def played(self, whose: Played, token: bytes | None) -> None:
        """A step that either is refused, for good, or gives what it should."""
        finished = whose.end.complete
        try:
            answer = whose.end.step(token)
        except Refused:
            # A first leg that fails leaves no context (R190): another may begin.
            whose.over = bool(whose.given or whose.gave)
            assert whose.end.complete is finished
            event("refused")
            return
        assert not finished, "a finished context takes no more"
        assert not whose.over, "a context that has refused takes no more"
        if token is not None:
            whose.given.append(token)
        if answer is not None:
            whose.gave.append(answer)
            self.tokens.append(answer)
        if whose.end.complete:
            event("complete")

    @rule(which=NUMBER, token=NUMBER)
    def client_is_given(self, which: int, token: int) -> None:
        client = self.clients[which % len(self.clients)]
        self.played(client, self.tokens[token % len(self.tokens)])
        assert not client.end.complete or len(client.given) == 1
        assert client.end.complete or len(client.gave) == 1

    @rule(which=NUMBER, token=NUMBER)
    def server_is_given(self, which: int, token: int) -> None:
        server = self.servers[which % len(self.servers)]
        self.played(server, self.tokens[token % len(self.tokens)])
        self.judged(server)

    def judged(self, server: Played) -> None:
        """Whoever was let in answered this very challenge, with the right secret."""
        if server.end.complete:
            negotiate, authenticate = server.given
            honest = [c for c in self.clients if c.gave == [negotiate, authenticate] and c.given == server.gave]
            assert honest
            assert honest[0].knows
            if not server.over and not honest[0].over:
                assert server.end.session_key() == honest[0].end.session_key()

    @rule(which=NUMBER)
    def honest_exchange_goes_on(self, which: int) -> None:
        """The two that belong together take the step that is due, whatever happened to the others."""
        at = which % min(len(self.clients), len(self.servers))
        client, server = self.clients[at], self.servers[at]
        if client.over or server.over:
            return
        if not server.given:
            self.played(server, client.gave[0])
        elif not client.given and server.gave:
            self.played(client, server.gave[0])
        elif client.given == server.gave and client.gave[0] == server.given[0] and not server.end.complete:
            self.played(server, client.gave[1])
            assert server.end.complete is client.knows
            self.judged(server)

    @rule(which=NUMBER)
    def unfinished_protects_nothing(self, which: int) -> None:
        end = (self.clients + self.servers)[which % (len(self.clients) + len(self.servers))].end
        if not end.complete:
            for attempt in (end.seal, end.sign, end.unseal):
                with pytest.raises(Refused, match="SEC_E_INVALID_HANDLE"):
                    attempt(bytes(17))


Orders.TestCase.settings = settings(deadline=None, max_examples=30, stateful_step_count=30)
TestOrders = Orders.TestCase
