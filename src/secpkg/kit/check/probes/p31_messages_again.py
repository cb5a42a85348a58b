"""Messages once more: sent back, numbered without an agreement, in buffers that were lent; and user halves that end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Final

from secpkg.contract.flags import IscReq
from secpkg.contract.status import SecurityError
from secpkg.contract.values import SecBuffer
from secpkg.kit.check.exchange import DATA, TOKEN, Ends, Exchange
from secpkg.kit.check.model import Finding, judged, probe, skipped
from secpkg.kit.check.probes.p07_grants import Granted
from secpkg.kit.check.probes.p08_messages import Kind, fresh, kinds
from secpkg.kit.check.probes.p13_lives import _GROWTH, _forgetful, growth
from secpkg.kit.check.subject import Parties, Subject

_TEXT: Final = b"what one side says to the other, "
_PLAIN: Final = int(IscReq.INTEGRITY | IscReq.CONFIDENTIALITY | IscReq.MUTUAL_AUTH)


def _names(parties: Parties, requirements: int = 0) -> list[str]:
    made = fresh(parties, requirements) if requirements else fresh(parties)
    names = [kind.name for kind in kinds(made)]
    made.close()
    return names


def _way(made: Exchange, accept: bool) -> tuple[Ends, Ends]:
    ends = made.client.ends(), made.server.ends()
    return (ends[1], ends[0]) if accept else ends


@probe("sent back", "K7", needs="handshake messages")
def sent_back(subject: Subject) -> Iterator[Finding]:
    """A first message that comes back to its sender is not taken, in contexts that nobody used before."""
    with subject.parties("sent back") as parties:
        for kind in map(Kind, _names(parties)):
            faults = []
            for accept in (False, True):
                made = fresh(parties)
                one, _ = _way(made, accept)
                if kind.status(one, kind.send(one, _TEXT)) is None:
                    faults.append(f"the {'server' if accept else 'client'} takes its own {kind.name} back")
                made.close()
            yield judged("K7", faults, f"a {kind.name} that is sent back is refused")


@probe("numbers without sequence", "R217", needs="handshake messages")
def numbers_without_sequence(subject: Subject) -> Iterator[Finding]:
    """Where SEQUENCE_DETECT was not agreed the application's number is no part of a message."""
    if subject.powers & {"datagram", "stream"}:
        yield skipped("R217", "datagrams carry the application's number, streams have none (R230)")
        return
    with subject.parties("numbers without sequence") as parties:
        made = parties.exchange(requirements=_PLAIN).run()
        agreed = not made.complete or Granted(made).sequence
        names = [] if agreed else [kind.name for kind in kinds(made)]
        made.close()
        for kind in map(Kind, names):
            made = parties.exchange(requirements=_PLAIN).run()
            one, other = _way(made, False)
            status = kind.status(other, kind.send(one, _TEXT, 5), 6)
            bound = (
                [] if status is None else [f"a {kind.name} with another number is {status.name}, without an agreement"]
            )
            yield judged("R217", bound, f"a number is not bound into a {kind.name} without SEQUENCE_DETECT")
            made.close()


@probe("lent buffers", "K12", needs="handshake messages")
def lent_buffers(subject: Subject) -> Iterator[Finding]:
    """What an application lends is its own again when the call is over: it may grow, shrink and go."""
    if "stream" in subject.powers:
        yield skipped("K12", "records of a stream have buffers of another form")
        return
    with subject.parties("lent buffers") as parties:
        _forgetful(parties.bench)  # the kit keeps no message either
        faults = []
        for kind in map(Kind, _names(parties)):
            made = fresh(parties)
            one, other = _way(made, False)
            pair = kind.send(one, _TEXT)
            functions = ("make_signature", "verify_signature") if kind.signs else ("seal_message", "unseal_message")
            taken = _lent(other, functions[1], *pair)
            sent = _lent(one, functions[0], b"", _TEXT)
            faults += [f"{name} keeps a view of its buffers" for name in (*taken, *sent)]
            made.close()
    yield judged("K12", faults, "no view of a buffer outlives its call")


def _lent(ends: Ends, function: str, token: bytes, data: bytes) -> Iterator[str]:
    """The function, when what was lent to it cannot change its size afterwards."""
    lent = bytearray(token), bytearray(data)
    message = [SecBuffer(TOKEN, lent[0]), SecBuffer(DATA, lent[1])]
    try:
        ends.message(function, message)
    except SecurityError:
        pass  # it may refuse them; it may not keep them
    message.clear()
    gc.collect()
    try:
        for one in lent:
            one.append(0)
    except BufferError:
        yield function


@probe("mapped contexts", "K12", needs="handshake messages")
def mapped_contexts(subject: Subject) -> Iterator[Finding]:
    """Finished contexts that were used come and go in the user half as well."""
    with subject.parties("mapped contexts") as parties:
        _forgetful(parties.bench)
        names = _names(parties)

        def used() -> None:
            for _ in range(20):
                made = fresh(parties)
                for kind in map(Kind, names):
                    kind.send(made.client.ends(), _TEXT)
                    kind.send(made.server.ends(), _TEXT)
                made.close()

        each = growth(parties.bench, used, 20)
        left = [f"each context that was used leaves {each:.1f} blocks of memory behind"] if each > _GROWTH else []
        yield judged("K12", left, "contexts that were used left nothing")
