"""Clients that die at every step, many contexts, and what grows."""

from __future__ import annotations

import gc
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Final

from secpkg.contract.status import SecurityError
from secpkg.kit.check.bench import Bench
from secpkg.kit.check.exchange import Exchange, Side
from secpkg.kit.check.model import Finding, judged, kept, probe, skipped
from secpkg.kit.check.subject import Parties, Subject

_ENDS: Final = ("delete_context", "free_credentials_handle", "delete_security_context", "delete_user_mode_context")
_TIMES: Final = 8
_GROWTH: Final = 0.9
"""Blocks of memory that one context may leave behind: none, and something for chance."""


@probe("dying clients", "K12", "R190", needs="handshake")
def dying_clients(subject: Subject) -> Iterator[Finding]:
    """Each side dies after each step: what was opened is run down, and the package hears of it once."""
    faults: list[str] = []
    died = 0
    with subject.parties("dying clients") as parties:
        bench = parties.bench
        legs = len(parties.exchange().run().tokens) + 1
        parties.client_door.close()
        parties.server_door.close()
        for link in bench.links:
            link.close()
        before = bench.holdings()
        for both in (False, True):
            for steps in range(legs + 1):
                bench.watch.calls.clear()
                fresh = Parties(subject, bench)
                one = fresh.exchange().run(stop=steps) if steps else fresh.exchange()
                made = _states(bench)
                _die(fresh, one, both)
                died += 1
                faults += _run_down(bench, before, made, steps)
                if not both:
                    _die(fresh, one, True)
    yield judged("K12", list(dict.fromkeys(faults)), f"{died} clients died, and nothing of them was left")
    yield kept("R190", f"contexts of {died} dead clients were deleted")


def _states(bench: Bench) -> Counter[str]:
    """How many contexts and credentials the package has made, by who ends them."""
    made: Counter[str] = Counter()
    if bench.lab is None:
        return made
    for channel in bench.port._channels.values():
        made["delete_context"] += sum(context.state is not None for context in channel.contexts.values())
        made["free_credentials_handle"] += len(channel.credentials)
    return made


def _die(parties: Parties, one: Exchange, both: bool) -> None:
    del one
    parties.client_door.close()
    if both:
        parties.server_door.close()
        for link in parties.bench.links:
            link.close()
        parties.bench.links.clear()


def _run_down(bench: Bench, before: dict[str, int], made: Counter[str], steps: int) -> Iterator[str]:
    for seen in bench.watch.of(*_ENDS):
        if seen.error is not None:
            text = seen.error.status.name if isinstance(seen.error, SecurityError) else type(seen.error).__name__
            yield f"{seen.function} fails with {text} when the client dies after {steps} tokens"
    after = bench.holdings()
    for name, count in after.items():
        if name == "channels":
            continue
        if count > before[name] and not bench.port._channels:
            yield f"after {steps} tokens {count - before[name]} {name} are left of dead clients"
    del made


@probe("many contexts", "K12", needs="handshake", deadline=120.0)
def many_contexts(subject: Subject) -> Iterator[Finding]:
    """So many contexts open at once, and then none: everything is as it was."""
    number = 200 if subject.quick else 10_000
    faults: list[str] = []
    with subject.parties("many contexts") as parties:
        bench = parties.bench
        _forgetful(bench)
        holdings = bench.holdings()
        refused = _open_and_close(parties, number)
        if refused:
            faults.append(f"{refused} of {number} contexts were not completed")
        grown = {name: count - holdings[name] for name, count in bench.holdings().items() if count > holdings[name]}
        faults += [f"{count} {name} are left after {number} contexts" for name, count in grown.items()]
        each = growth(bench, lambda: _open_and_close(parties, 40), 40)
        if each > _GROWTH:
            faults.append(f"each context leaves {each:.1f} blocks of memory behind")
            faults += _what_grows(parties)
        yield judged("K12", faults, f"{number} contexts came and went, {each:.2f} blocks of memory each")
        each = growth(bench, lambda: _open_and_refuse(parties, 40), 40)
        left = [f"each refused client leaves {each:.1f} blocks of memory behind"] if each > _GROWTH else []
        yield judged("K12", left, "refused clients left nothing")


def _times(number: int, action: Callable[[], None]) -> None:
    for _ in range(number):
        action()


def growth(bench: Bench, action: Callable[[], object], number: int) -> float:
    """Blocks of memory that each of ``number`` in an action leaves behind: the least of some rounds, since what is a
    leak comes again every time, and caches and tables that grew do not.
    """
    action()
    least = float("inf")
    for _ in range(_TIMES):
        before = _blocks(bench)
        action()
        least = min(least, (_blocks(bench) - before) / number)
        if least <= _GROWTH:
            break
    return least


def _forgetful(bench: Bench) -> None:
    """Let the kit and the lab keep no records of their own."""
    bench.watch.calls = deque(maxlen=0)
    if bench.lab is not None:
        bench.lab.embedded.machine.authority.audit._lines = deque(maxlen=0)


def _blocks(bench: Bench) -> int:
    """Blocks of memory in use, without the origins of the newest calls, which a channel drops by the dozen."""
    if bench.lab is not None:
        for legs in bench.port._legs.values():
            legs.end()
    gc.collect()
    return sys.getallocatedblocks()


def _open_and_close(parties: Parties, number: int) -> int:
    """Open so many at once, close them all: how many were refused."""
    opened = [parties.exchange().run() for _ in range(number)]
    refused = sum(not one.complete for one in opened)
    for one in opened:
        one.close()
    return refused


def _open_and_refuse(parties: Parties, number: int) -> None:
    for _ in range(number):
        last = 2
        parties.exchange().run(lambda place, token, last=last: bytes(len(token)) if place == last else token).close()  # type: ignore[misc]


def _what_grows(parties: Parties) -> list[str]:
    def count() -> Counter[str]:
        gc.collect()
        return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())

    before = count()
    _open_and_close(parties, 100)
    grown = count() - before
    return [f"{number} more {name} after 100 contexts" for name, number in grown.most_common(3) if number >= 90]


@probe("credentials", "K12", needs="handshake")
def credentials(subject: Subject) -> Iterator[Finding]:
    """Credentials handles come and go, each freed once, after its contexts (R193)."""
    with subject.parties("credentials") as parties:
        bench = parties.bench
        _forgetful(bench)
        faults = []

        def round_trip() -> None:
            client = Side(bench, parties.client_door, False, parties.given)
            one = Exchange(client, parties.acceptor()).run()
            parties.client_door.free(client.credential)  # while its context lives
            client.credential = None
            one.close()

        freed = bench.watch.count("free_credentials_handle")
        number = 10 if subject.quick else 20
        for _ in range(number):
            round_trip()
        if bench.lab is not None and "free_credentials_handle" in bench.table:
            count = bench.watch.count("free_credentials_handle") - freed
            if count != number:
                faults.append(f"{number} credentials, and {count} were freed")
        each = growth(bench, lambda: _times(number, round_trip), number)
        if each > _GROWTH:
            faults.append(f"each credentials handle leaves {each:.1f} blocks of memory behind")
        yield judged("K12", faults, f"{number} credentials came and went")


@probe("growing sessions", "K12", needs="accept_credentials")
def growing_sessions(subject: Subject) -> Iterator[Finding]:
    """Logons of any package: what is kept for a session goes with it."""
    from secpkg.kit.check import companion
    from secpkg.kit.check.bench import ALICE, unused

    with subject.bench("growing sessions") as bench:
        _forgetful(bench)
        link = bench.link()
        through = subject.package if "logon" in subject.powers else companion.NAME
        try:
            unused(link, bench.logon(link, ALICE, through))
        except SecurityError as error:
            yield skipped("K12", f"the kit cannot log on with it: {error.status.name}")
            return
        each = growth(bench, lambda: _times(10, lambda: unused(link, bench.logon(link, ALICE, through))), 10)
        left = [f"each logon leaves {each:.1f} blocks of memory behind"] if each > _GROWTH else []
        yield judged("K12", left, "sessions came and went, and nothing was left of them")
