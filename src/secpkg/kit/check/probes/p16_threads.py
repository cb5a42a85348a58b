"""Several at once: handshakes that overlap, threads, two directions of one context, a slow authority."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Final

from secpkg.contract.status import SecurityError
from secpkg.kit.check.bench import ALICE, BOB
from secpkg.kit.check.exchange import Ends, Exchange
from secpkg.kit.check.model import Finding, judged, probe
from secpkg.kit.check.probes.p08_messages import Kind, fresh, kinds
from secpkg.kit.check.subject import Parties, Subject

_PATIENCE: Final = 20.0


@probe("overlapping handshakes", "K16", "K5", needs="handshake")
def overlapping(subject: Subject) -> Iterator[Finding]:
    """Handshakes of two users, leg by leg in turns: none takes from another."""
    faults: list[str] = []
    with subject.parties("overlapping") as parties:
        users = [(ALICE, parties)]
        try:
            users.append((BOB, subject.another(parties, BOB)))
        except (LookupError, SecurityError):
            pass
        for count in (2, 8):
            going: list[tuple[str, Exchange, bytes]] = []
            for number in range(count):
                user, mine = users[number % len(users)]
                one = mine.exchange()
                going.append((user, one, one.client.begin()))
            finished: list[tuple[str, Exchange]] = []
            for turn in range(12):
                following = []
                for user, one, token in going:
                    side = one.client if turn % 2 else one.server
                    if side.complete or (side.legs and side.legs[-1].refused):
                        finished.append((user, one))
                        continue
                    leg = side.step(token)
                    if leg.refused or (leg.complete and not leg.token):
                        finished.append((user, one))
                    else:
                        following.append((user, one, leg.token))
                going = list(reversed(following))
            faults += _who(finished + [(user, one) for user, one, _ in going])
    yield judged("K16", list(dict.fromkeys(faults)), "handshakes that overlap do not disturb each other")


def _who(finished: list[tuple[str, Exchange]]) -> Iterator[str]:
    for user, one in finished:
        if not one.server.complete or not one.client.complete:
            yield f"a handshake of {user} among others ends with {one.how()}"
            continue
        peer = one.server.peer()
        if peer and user not in peer.casefold():
            yield f"among others, {user}'s handshake is {peer!r}'s"
        ours, theirs = one.client.key(), one.server.key()
        if ours != theirs:
            yield "among others, both sides of a handshake have different keys"
        one.close()


def together(*actions: Callable[[], None]) -> list[str]:
    """Run each in a thread of its own: what went wrong."""
    wrong: list[str] = []

    def guarded(action: Callable[[], None]) -> None:
        try:
            action()
        except SecurityError as error:
            wrong.append(f"{error.status.name} {error.reason}".strip())
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}"[:120])

    threads = [threading.Thread(target=guarded, args=(one,), daemon=True) for one in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PATIENCE)
        if thread.is_alive():
            wrong.append("a thread does not come back")
    return wrong


@probe("threads", "K16", "R222", needs="handshake", deadline=60.0)
def threads(subject: Subject) -> Iterator[Finding]:
    """Handshakes in four threads; then a sender and a receiver on one context."""
    number = 8 if subject.quick else 60
    with subject.parties("threads") as parties:
        mine = [Parties(subject, parties.bench) for _ in range(4)]

        def handshakes(own: Parties) -> None:
            for _ in range(number):
                one = own.exchange().run()
                if not one.complete:
                    raise RuntimeError(one.how())
                one.close()

        wrong = together(*(lambda own=own: handshakes(own) for own in mine))
        yield judged("K16", list(dict.fromkeys(wrong)), f"{4 * number} handshakes in 4 threads completed")
        if "messages" in subject.powers:
            faults: list[str] = []
            made = fresh(parties)
            for kind in list(kinds(made)):
                both = fresh(parties)
                faults += _two_directions(kind, both.client.ends(), both.server.ends(), number * 20)
                both.close()
            made.close()
            yield judged("R222", list(dict.fromkeys(faults)), "a sender and a receiver shared a context")


def _two_directions(kind: Kind, one: Ends, other: Ends, number: int) -> list[str]:
    text = b"both ways at once, " * 20
    to_one = [kind.send(other, text) for _ in range(number)]
    to_other: list[tuple[bytes, bytes]] = []

    def sending() -> None:
        for _ in range(number):
            to_other.append(kind.send(one, text))

    def receiving() -> None:
        for pair in to_one:
            if kind.take(one, pair) != text:
                raise RuntimeError("another text arrives")

    faults = [f"{kind.name}: {line}" for line in together(sending, receiving)]
    for pair in to_other:
        try:
            if kind.take(other, pair) != text:
                faults.append(f"{kind.name}: another text arrives")
        except SecurityError as error:
            faults.append(f"{kind.name} that was made while another was read: {error.status.name}")
            break
    return faults


@probe("slow authority", "K15", "K16", needs="handshake lsa")
def slow_authority(subject: Subject) -> Iterator[Finding]:
    """While one handshake waits for the authority, time goes by and others are begun; all are finished."""
    faults: list[str] = []
    with subject.parties("slow authority") as parties:
        bench = parties.bench
        inner: list[Exchange] = []
        busy = False

        def meanwhile(function: str) -> None:
            nonlocal busy
            if busy or len(inner) >= 6:
                return
            busy = True
            try:
                bench.clock.advance(0.5)
                inner.append(parties.exchange().run())
            finally:
                busy = False

        bench.watch.before = meanwhile
        outer = parties.exchange().run()
        bench.watch.before = None
        if not outer.complete:
            faults.append(f"a handshake that waited for the authority ends with {outer.how()}")
        faults += [f"one that was made meanwhile ends with {one.how()}" for one in inner if not one.complete]
        for one in (outer, *inner):
            peer = one.server.peer() if one.server.complete else ""
            if peer and ALICE not in peer.casefold():
                faults.append(f"the server's peer is {peer!r}")
            one.close()
    yield judged("K16", faults, f"{len(inner)} handshakes were made while another waited for the authority")
    yield judged("K15", [], "nothing waits for the authority but what asked it")
