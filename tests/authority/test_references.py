"""Whatever happens in whatever order, a session lives as long as somebody holds it, and ends once (R91-R93, lock 5)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.authority.test_tokens import convert
from tests.authority.world import OTHER, USER, World

from secpkg.authority.connections import Connection
from secpkg.authority.tokens import Retention

Step = tuple[str, int, int]
MOVES = (
    "logon",
    "convert",
    "redeem",
    "drop",
    "duplicate",
    "close",
    "retain",
    "release",
    "adopt",
    "hang up",
    "connect",
)
STEPS = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 5), st.integers(0, 5)), max_size=40)


class Machine:
    """Does a step if it can be done: which connection, which of its things."""

    def __init__(self) -> None:
        self.world = World()
        self.world.add_user()
        self.ended: list[object] = []
        self.begun: set[int] = set()
        self.package = self.world.add_hello(logon_terminated=lambda _, luid: self.ended.append(luid))
        self.connections: list[Connection] = [self.world.connect(USER), self.world.connect(OTHER)]
        self.retentions: list[Retention] = []

    def holders(self) -> dict[int, int]:
        held: dict[int, int] = {}
        references = self.world.lsa.tokens._references
        tokens = [t for c in self.connections for t in c.handles.values()]
        tokens += [references[r].token for c in self.connections for r in c.references]
        tokens += [r.token for r in self.retentions]
        for token in tokens:
            held[token.logon_id] = held.get(token.logon_id, 0) + 1
        return held

    def step(self, step: Step) -> None:
        what, which, thing = step
        tokens = self.world.lsa.tokens
        if what == "connect":
            self.connections.append(self.world.connect(USER))
        if self.retentions and what in ("release", "adopt"):
            retention = self.retentions[thing % len(self.retentions)]
            if what == "release":
                self.retentions.remove(retention)
                retention.release()
            elif self.connections:
                tokens.adopt(self.connections[which % len(self.connections)], retention)
        if not self.connections:
            return
        connection = self.connections[which % len(self.connections)]
        handles, references = sorted(connection.handles), sorted(connection.references)
        if what == "logon":
            self.begun.add(self.world.logon(connection, self.package).logon_id)
        elif what == "convert":
            self.begun.add(convert(self.world, self.package, connection).logon_id)
        elif what == "hang up":
            self.connections.remove(connection)
            self.world.lsa.connections.close(connection)
        elif references and what in ("redeem", "drop"):
            act = tokens.redeem if what == "redeem" else tokens.drop_reference
            act(connection, references[thing % len(references)])
        elif handles and what in ("duplicate", "close", "retain"):
            handle = handles[thing % len(handles)]
            if what == "retain":
                self.retentions.append(tokens.retain(tokens.token(connection, handle)))
            else:
                (tokens.duplicate if what == "duplicate" else tokens.close)(connection, handle)


@given(STEPS)
def test_a_session_ends_with_its_last_holder_and_once(steps: list[Step]) -> None:
    machine = Machine()
    lsa = machine.world.lsa
    for step in steps:
        machine.step(step)
        held = machine.holders()
        assert {s.logon_id: s.references for s in lsa.sessions.live()} == held
        assert sorted(machine.ended, key=str) == sorted(machine.begun - held.keys(), key=str)
    for retention in machine.retentions:
        retention.release()
    for connection in machine.connections:
        lsa.connections.close(connection)
    assert not lsa.sessions and len(machine.ended) == len(machine.begun)
    assert not lsa.quotas._taken and not lsa.tokens._references
