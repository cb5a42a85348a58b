"""Genuine tokens in the wrong place: again, sent back, in another order, of another role."""

from __future__ import annotations

from collections.abc import Iterator

from secpkg.contract.flags import IscRet
from secpkg.kit.check.exchange import Exchange, Side
from secpkg.kit.check.model import Finding, judged, probe
from secpkg.kit.check.subject import Parties, Subject


def feed(side: Side, tokens: list[bytes]) -> bool:
    """Give these tokens, one after the other; whether the context was completed."""
    for token in tokens:
        leg = side.step(token)
        if leg.refused or leg.complete:
            break
    done = side.complete
    side.close()
    return done


def _of(made: Exchange, server: bool) -> list[bytes]:
    return [token for by_server, token in made.tokens if by_server is server]


@probe("replay", "K2", needs="handshake")
def replay(subject: Subject) -> Iterator[Finding]:
    """Tokens of a handshake that was serve no other one."""
    with subject.parties("replay") as parties:
        made = parties.exchange().run()
        mutual = bool(made.client.granted & IscRet.MUTUAL_AUTH)
        ours, theirs = _of(made, False), _of(made, True)
        made.close()
        faults = []
        if feed(parties.acceptor(), ours):
            faults.append("a fresh acceptor completes with all tokens of a client that is gone")
        for place in range(len(ours)):
            if feed(parties.acceptor(), [*ours[: place + 1], ours[place], *ours[place + 1 :]]):
                faults.append(f"an acceptor completes although token {place} of the client came twice, long ago")
        if mutual:
            client = parties.initiator()
            client.step(b"")
            if feed(client, theirs):
                faults.append("a fresh client completes with all tokens of a server that is gone")
        for place in range(1, len(made.tokens)):
            old = made.tokens[place][1]
            one = parties.exchange().run(lambda number, token, at=place, old=old: old if number == at else token)  # type: ignore[misc]
            by_server = made.tokens[place][0]
            if (by_server and mutual and one.client.complete) or (not by_server and one.server.complete):
                faults.append(f"token {place} of an earlier handshake completes a later one")
            one.close()
        # The same acceptor, while it is at work.
        one = parties.exchange()
        first = one.client.begin()
        leg = one.server.step(first)
        if not leg.complete and not leg.refused and one.server.step(first).complete:
            faults.append("an acceptor completes when the client's first token comes again as its second")
        one.close()
    yield judged("K2", faults, "tokens of an earlier handshake complete nothing")


@probe("reflection", "K3", needs="handshake")
def reflection(subject: Subject) -> Iterator[Finding]:
    """A party's own tokens are not its peer's."""
    faults = []
    with subject.parties("reflection") as parties:
        made = parties.exchange().run()
        mutual = bool(made.client.granted & IscRet.MUTUAL_AUTH)
        made.close()
        client = parties.initiator()
        token = client.begin()
        for _ in range(4):
            leg = client.step(token)
            if leg.complete and mutual:
                faults.append("a client completes with its own tokens sent back")
            if leg.refused or leg.complete:
                break
            token = leg.token
        client.close()
        for legs in (1, 2, 3):
            one = parties.exchange().run(stop=legs)
            side = one.client if one.tokens and not one.tokens[-1][0] else one.server
            if (
                (mutual or side.accept)
                and not side.complete
                and not side.legs[-1].refused
                and side.step(one.tokens[-1][1]).complete
            ):
                faults.append(f"the {'server' if side.accept else 'client'} completes with its own token {legs - 1}")
            one.close()
        if mutual:
            faults += _two_of_a_kind(parties)
    yield judged("K3", faults, "no party completed with its own tokens, nor with those of another of its role")


def _two_of_a_kind(parties: Parties) -> Iterator[str]:
    """Two clients that are connected to each other."""
    one, two = parties.initiator(), parties.initiator()
    first = one.step(b"").token
    two.step(b"")
    leg = two.step(first)
    if leg.complete:
        yield "a client completes with another client's token"
    elif not leg.refused and one.step(leg.token).complete:
        yield "two clients complete with each other"
    one.close()
    two.close()


@probe("order", "K4", needs="handshake")
def order(subject: Subject) -> Iterator[Finding]:
    """A token is taken in its place and in its role only."""
    faults = []
    with subject.parties("order") as parties:
        made = parties.exchange().run()
        mutual = bool(made.client.granted & IscRet.MUTUAL_AUTH)
        ours, theirs = _of(made, False), _of(made, True)
        for leg, side in ((made.client.final, made.client), (made.server.final, made.server)):
            again = side.step(ours[0] if side.accept else b"")
            if (
                again.complete
                and not leg.refused
                and "datagram" not in subject.powers
                and "stream" not in subject.powers
            ):
                faults.append(f"a finished {'server' if side.accept else 'client'} takes another leg")
        made.close()
        for place in range(1, len(ours)):
            if feed(parties.acceptor(), ours[place:]):
                faults.append(f"an acceptor begins and completes with token {place} of the client")
        for place in range(len(theirs)):
            if feed(parties.acceptor(), [theirs[place]]):
                faults.append(f"an acceptor completes with token {place} of an acceptor")
        if feed(parties.acceptor(), [b"", b"", b""]):
            faults.append("an acceptor completes with nothing at all")
        one = parties.exchange().run(stop=2)
        if not one.server.complete and one.server.step(b"").complete:
            faults.append("an acceptor completes with an empty token in place of the last one")
        one.close()
        if mutual:
            for place in range(1, len(theirs)):
                client = parties.initiator()
                client.step(b"")
                if feed(client, theirs[place:]):
                    faults.append(f"a client completes when the server's first token is its token {place}")
            client = parties.initiator()
            client.step(b"")
            if feed(client, [b"", b""]):
                faults.append("a client completes with empty tokens")
        faults += _late(parties)
    yield judged("K4", faults, "every token was taken in its place only")


def _late(parties: Parties) -> Iterator[str]:
    """After a refusal nothing follows."""
    one = parties.exchange().run(stop=2)
    if not one.server.complete and len(one.tokens) == 2:
        answer = one.client.step(one.tokens[-1][1]).token
        if answer and one.server.step(bytes(len(answer))).refused and one.server.step(answer).complete:
            yield "an acceptor that has refused a token completes with the next one: proofs can be tried one by one"
    one.close()
