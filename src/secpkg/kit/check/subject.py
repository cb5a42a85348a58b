"""The package under test: its powers, the handshake that the kit found out, and fresh benches to try things on.

How a user is made known is tried in this order: what the author's `prepare` gives; an identity with user and password;
the same on both sides, as a secret that they share; the session of a logon with the package itself; the session of a
logon with another package, whose primary credentials reached this one; nothing at all. The first one with which both
sides complete is the recipe.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from secpkg.contract.flags import Capability, CredentialUse, IscReq
from secpkg.contract.status import SecurityError
from secpkg.contract.values import AuthIdentity
from secpkg.kit.check import companion
from secpkg.kit.check.bench import ALICE, BOB, PASSWORDS, Bench, Description, describe
from secpkg.kit.check.door import Door
from secpkg.kit.check.exchange import EVERYTHING, Exchange, Side
from secpkg.kit.check.invariants import Invariants
from secpkg.kit.check.model import Finding
from secpkg.kit.check.powers import powers_of
from secpkg.kit.check.target import Credentials, Target

HOOK, IDENTITY, SHARED, OWN_SESSION = "hook", "identity", "identity on both sides", "own session"
SESSION, NOTHING = "session", "nothing"
RECIPES: Final = (HOOK, IDENTITY, SHARED, OWN_SESSION, SESSION, NOTHING)
_REQUIREMENTS: Final = (EVERYTHING, int(IscReq.INTEGRITY | IscReq.CONFIDENTIALITY), int(IscReq.INTEGRITY), 0)


class Recipe(msgspec.Struct, frozen=True):
    """How a handshake is made to work."""

    kind: str
    requirements: int = EVERYTHING
    datagrams: bool = False


class Parties:
    """Two applications on a bench, with one credential each for as many handshakes as are wanted."""

    def __init__(self, subject: Subject, bench: Bench, user: str = ALICE) -> None:
        self.subject, self.bench, self.user = subject, bench, user
        recipe = subject.recipe
        assert recipe is not None
        self.requirements = recipe.requirements
        self.client_door, self.given = subject.client(bench, user, recipe.kind)
        self.server_door = bench.door()
        self.client = self.client_door.acquire(CredentialUse.OUTBOUND, self.given)
        self.served = self.given if recipe.kind == SHARED else bench.given.server
        self.server = self.server_door.acquire(CredentialUse.INBOUND, self.served)

    def exchange(
        self,
        *,
        requirements: int | None = None,
        server_requirements: int | None = None,
        bindings: tuple[bytes | None, bytes | None] = (None, None),
        target: str = "",
    ) -> Exchange:
        """Two sides that have done nothing yet."""
        wanted = self.requirements if requirements is None else requirements
        client = self.initiator(wanted, bindings[0], target)
        server = self.acceptor(wanted, bindings[1])
        if server_requirements is not None:
            server.requirements = server_requirements
        return Exchange(client, server)

    def initiator(self, requirements: int | None = None, bindings: bytes | None = None, target: str = "") -> Side:
        """A client."""
        return Side(
            self.bench,
            self.client_door,
            False,
            self.given,
            requirements=self.requirements if requirements is None else requirements,
            bindings=bindings,
            target=target or self.bench.given.target or "host/kit",
            credential=self.client,
        )

    def acceptor(self, requirements: int | None = None, bindings: bytes | None = None) -> Side:
        """A server."""
        return Side(
            self.bench,
            self.server_door,
            True,
            self.served,
            requirements=self.requirements if requirements is None else requirements,
            bindings=bindings,
            credential=self.server,
        )


class Subject:
    """One package of a module. ``quick`` asks probes to sample; ``seed`` makes every choice the same again."""

    def __init__(self, target: Target, *, seed: int = 0, quick: bool = False, package: str = "") -> None:
        self.target = target
        self.seed = seed
        self.quick = quick
        self.invariants = Invariants()
        self.description: Description = describe(target, self._seed("describe"), package)
        self.package = package or self.description.info.name
        self.info = self.description.info
        self.recipe: Recipe | None = None
        self.attempts: list[str] = []
        """What was tried to make a handshake, and how it ended."""
        self.transcript: tuple[tuple[str, int], ...] = ()
        self.powers: frozenset[str] = powers_of(target, self.description)
        if "contexts" in self.powers:
            self._look_for_a_handshake()

    def _seed(self, tag: str) -> bytes:
        return hashlib.sha256(f"secpkg check {self.seed} {tag}".encode()).digest()

    @contextmanager
    def bench(self, tag: str = "") -> Iterator[Bench]:
        """A fresh lab; the same ``tag`` gives the same world again."""
        bench = Bench(self.target, self._seed(tag), package=self.package, judge=self.invariants.look)
        bench.datagrams = self.recipe is not None and self.recipe.datagrams
        self.invariants.expect(self.info, self.powers)
        try:
            yield bench
        finally:
            bench.close()

    @contextmanager
    def parties(self, tag: str = "", user: str = ALICE) -> Iterator[Parties]:
        """A fresh lab with two applications that can speak to each other."""
        with self.bench(tag) as bench:
            yield Parties(self, bench, user)

    def another(self, parties: Parties, user: str) -> Parties:
        """Two more applications of the same lab, for this user."""
        return Parties(self, parties.bench, user)

    def client(self, bench: Bench, user: str, kind: str) -> tuple[Door, Credentials]:
        """A client's way in and its credentials. LookupError where this way does not exist."""
        given = bench.given.client if user == ALICE else bench.given.other
        if kind == HOOK:
            if given is None:
                raise LookupError("no credentials from the author")
            return bench.door(), given
        if kind in (IDENTITY, SHARED):
            return bench.door(), Credentials(AuthIdentity(user, "", PASSWORDS[user]))
        if kind == NOTHING:
            return bench.door(), Credentials()
        if bench.lab is None:
            raise LookupError("a plain SSP has no sessions")
        through = self.package if kind == OWN_SESSION else companion.NAME
        return bench.door(user, through), Credentials()

    def _look_for_a_handshake(self) -> None:
        for datagrams in self._manners():
            for kind in RECIPES:
                for requirements in _REQUIREMENTS:
                    how = self._attempt(Recipe(kind, requirements, datagrams))
                    if not how:
                        self.powers = powers_of(self.target, self.description, handshake=True, tokens=self._tokens)
                        return
                    manner = ", datagrams" if datagrams else ""
                    self.attempts.append(f"{kind}{manner}, requirements {requirements:#x}: {how}")
                    if not how.startswith("client"):
                        break

    def _manners(self) -> tuple[bool, ...]:
        """Whether contexts are of datagrams: what the package announces alone, or else what works first."""
        capabilities = self.info.capabilities
        if not capabilities & Capability.DATAGRAM or not self.description.signs:
            return (False,)
        return (False, True) if capabilities & Capability.CONNECTION else (True, False)

    def _attempt(self, recipe: Recipe) -> str:
        """Nothing, when both sides complete."""
        self.recipe = recipe
        try:
            with self.parties(f"recipe {recipe.kind} {recipe.requirements}") as parties:
                made = parties.exchange().run()
                if made.complete:
                    self.transcript = tuple(("server" if server else "client", len(t)) for server, t in made.tokens)
                    self._tokens = made.server.final.access_token is not None
                    made.close()
                    return ""
                self.recipe = None
                return made.how()
        except LookupError as error:
            self.recipe = None
            return f"no such way: {error}"
        except SecurityError as error:
            self.recipe = None
            return f"refused: {error.status.name} {error.reason}"

    _tokens = False

    def drain(self) -> list[Finding]:
        """What the invariants saw since the last time."""
        return self.invariants.drain()


__all__ = ["ALICE", "BOB", "Parties", "Recipe", "Subject"]
