"""Datagrams: a client that signs before it has heard anybody, and a server that may forget as often as it likes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.contract.status import SecurityError, Status
from secpkg.kit.check.bench import ALICE
from secpkg.kit.check.exchange import Ends, Exchange, Side
from secpkg.kit.check.model import Finding, broken, judged, kept, probe
from secpkg.kit.check.subject import RECIPES, Parties, Subject

_TEXT: Final = b"a datagram of secpkg check"
_NUMBER: Final = 0x01020304


@probe("first datagram", "R228", needs="contexts datagram sign")
def first_datagram(subject: Subject) -> Iterator[Finding]:
    """A client signs after its first leg, which makes no token: also where no handshake was found."""
    for kind in RECIPES:
        with subject.bench("first datagram " + kind) as bench:
            bench.datagrams = True
            try:
                door, given = subject.client(bench, ALICE, kind)
                client = Side(bench, door, False, given)
            except (LookupError, SecurityError):
                continue
            leg = client.step(b"")
            client.close()
        if leg.token:
            yield broken("R228", "the first leg of a datagram client makes a token", f"{len(leg.token)} bytes")
            return
        if leg.complete:
            yield kept("R228", "a datagram client signs after its first leg")
            return
        if not leg.refused:
            yield broken("R228", f"a datagram client cannot sign after its first leg, which is {leg.status.name}")
            return


@probe("datagrams", "R229", "R230", "K7", "R218", "K2", needs="handshake datagram sign")
def datagrams(subject: Subject) -> Iterator[Finding]:
    """The context is established as often as the server likes; each datagram is good once, for its receiver."""
    with subject.parties("datagrams") as parties:
        if not parties.bench.datagrams:
            return  # it has connections, too, and those are what was found
        made = parties.exchange().run()
        faults, again = [], list(_established(parties, made, forgetful=False))
        faults += again or list(_established(parties, made, forgetful=True))
        yield judged("R229", faults, "established six times more, by a server that forgot and by one that had not")
        made.close()
        made = parties.exchange().run()
        yield from _signed(made.client.ends(), made.server.ends())
        made.close()
        yield judged("K2", list(_challenged_before(parties)), "an answer is good for its challenge alone")


def _established(parties: Parties, made: Exchange, *, forgetful: bool) -> Iterator[str]:
    """Three times again, after a first one: what is wrong about it."""
    client, server = made.client, made.server
    before: list[bytes] = []
    for round_ in range(3):
        signature = client.ends().sign(_TEXT, _NUMBER)
        if signature in before:
            yield "two establishments later a datagram has the signature of an earlier one: keys and numbers come again"
        before.append(signature)
        server = parties.acceptor() if forgetful else server
        challenge = server.step(signature)
        answer = client.step(challenge.token)
        done = server.step(answer.token)
        if not (answer.complete and done.complete):
            who, ends = ("server that forgot" if forgetful else "server"), (answer.status.name, done.status.name)
            yield f"establishing it for the {round_ + 2}. time with a {who} ends with {', '.join(ends)}"
            return
        client.renew()
        server.renew()
        for one, other, way in ((client, server, "client"), (server, client, "server")):
            try:
                other.ends().verify(_TEXT, one.ends().sign(_TEXT))
            except SecurityError as error:
                yield f"a datagram of the {way} is refused with {error.status.name} after that"
                return


def _signed(ours: Ends, theirs: Ends) -> Iterator[Finding]:
    faults, taken, vague = [], [], []
    signature = ours.sign(_TEXT, _NUMBER)
    try:
        theirs.verify(_TEXT, signature, 0)
    except SecurityError as error:
        faults.append(f"a signature with a number of the caller's is refused with {error.status.name}")
    if not any(_NUMBER.to_bytes(4, order) in signature for order in ("big", "little")):
        faults.append("the caller's number is not carried to the receiver")
    yield judged("R230", faults, "the caller's number arrives")
    for name, data, given in (
        ("an altered datagram", _TEXT + b"x", ours.sign(_TEXT)),
        ("a signature of zeros", _TEXT, bytes(len(signature))),
        ("a datagram again", _TEXT, signature),
    ):
        try:
            theirs.verify(data, given, 0)
            taken.append(f"{name} is taken")
        except SecurityError:
            continue
    sent = [ours.sign(b"%d" % number) for number in range(6)]
    for number in (3, 1, 5, 0):
        try:
            theirs.verify(b"%d" % number, sent[number])
        except SecurityError as error:
            vague.append(f"a datagram that is late or after a loss is refused with {error.status.name}")
    for number in (3, 0):
        try:
            theirs.verify(b"%d" % number, sent[number])
            taken.append("a datagram that came out of order is taken a second time")
        except SecurityError as error:
            if error.status is not Status.SEC_E_OUT_OF_SEQUENCE:
                vague.append(f"a datagram that comes again is refused with {error.status.name}")
    yield judged("R218", taken + vague, "datagrams may be lost and late; altered and repeated ones are refused")
    try:
        ours.verify(_TEXT, ours.sign(_TEXT), 0)
        yield broken("K7", "a datagram that is sent back is taken")
    except SecurityError:
        yield judged("K7", [], "a datagram that is sent back is refused")


def _challenged_before(parties: Parties) -> Iterator[str]:
    """The answer to an old challenge, where a new one was made for the same conversation."""
    one = parties.exchange()
    signature = one.client.begin()
    answer = one.client.step(one.server.step(signature).token).token
    fresh = one.server.step(signature)
    if not fresh.refused and not fresh.complete and one.server.step(answer).complete:
        yield "an answer to an earlier challenge is taken for the new one"
    one.close()
