"""Messages of a finished context: altered, again, in another order, sent back, of another context."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final

from secpkg.contract.flags import BufferFlag
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import SecBuffer, Sizes
from secpkg.kit.check.exchange import DATA, EVERYTHING, TOKEN, Ends, Exchange
from secpkg.kit.check.model import Finding, broken, judged, kept, probe, skipped
from secpkg.kit.check.probes.p03_tokens import flips
from secpkg.kit.check.probes.p07_grants import Granted, refused
from secpkg.kit.check.subject import Parties, Subject

_TEXT: Final = b"a message of secpkg check, 32 b."
_ALTERED: Final = frozenset({Status.SEC_E_MESSAGE_ALTERED, Status.SEC_E_OUT_OF_SEQUENCE})
_MISSHAPEN: Final = _ALTERED | {
    Status.SEC_E_INVALID_TOKEN,
    Status.STATUS_INVALID_PARAMETER,
    Status.SEC_E_BUFFER_TOO_SMALL,
    Status.SEC_E_INCOMPLETE_MESSAGE,
    Status.SEC_E_DECRYPT_FAILURE,
}

Sealed = tuple[bytes, bytes]


class Kind:
    """Signing or sealing, in the same words: what is sent is a pair of a token and data."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.signs = name == "signature"

    def send(self, ends: Ends, text: bytes, number: int = 0) -> Sealed:
        """A pair."""
        return (ends.sign(text, number), text) if self.signs else ends.seal(text, number)

    def take(self, ends: Ends, pair: Sealed, number: int = 0) -> bytes:
        """The text; raises SecurityError."""
        if self.signs:
            ends.verify(pair[1], pair[0], number)
            return pair[1]
        return ends.unseal(pair, number)

    def status(self, ends: Ends, pair: Sealed, number: int = 0) -> Status | None:
        """What it is refused with; None when it is taken."""
        try:
            self.take(ends, pair, number)
        except SecurityError as error:
            return error.status
        return None


def kinds(made: Exchange) -> Iterator[Kind]:
    """What both sides may do."""
    granted, table = Granted(made), made.client.ends().table
    if granted.sign and "make_signature" in table:
        yield Kind("signature")
    if granted.seal and "seal_message" in table:
        yield Kind("sealed message")


def fresh(parties: Parties, requirements: int = EVERYTHING) -> Exchange:
    """A finished handshake."""
    made = parties.exchange(requirements=requirements & parties.requirements or parties.requirements).run()
    if not made.complete:
        raise RuntimeError(f"no context any more: {made.how()}")
    return made


@probe("altered messages", "R218", "K14", needs="handshake messages", deadline=60.0)
def altered(subject: Subject) -> Iterator[Finding]:
    """No bit of a message can be changed, and what refuses says why."""
    chance = random.Random(subject.seed)
    most = 60 if subject.quick else 2000
    altered_ones = _ALTERED | {Status.SEC_E_DECRYPT_FAILURE}
    if "stream" in subject.powers:  # a record may say another length
        altered_ones |= {Status.SEC_E_INCOMPLETE_MESSAGE}
    with subject.parties("altered messages") as parties:
        made = fresh(parties)
        for kind in kinds(made):
            for one, other, way in _ways(made):
                pair = kind.send(one, _TEXT)
                taken, vague = [], []
                for place in (0, 1):
                    for name, forge in flips(len(pair[place]), chance, most):
                        forged = _put(pair, place, forge(pair[place]))
                        status = kind.status(other, forged)
                        part = ("its token", "its data")[place]
                        if status is None:
                            taken.append(f"{kind.name} of the {way}: {name} in {part}, and it is taken")
                        elif status not in _MISSHAPEN:
                            vague.append(f"{kind.name}: altered in {part}, refused with {status.name}")
                        elif place and status not in altered_ones:
                            vague.append(f"{kind.name}: altered data are refused with {status.name}")
                for name, forged in _forged(pair, chance):
                    if forged == pair:
                        continue
                    status = kind.status(other, forged)
                    if status is None:
                        taken.append(f"{kind.name} of the {way}: {name}, and it is taken")
                    elif status not in _MISSHAPEN:
                        vague.append(f"{kind.name}: {name}, refused with {status.name}")
                faults = taken + list(dict.fromkeys(vague))
                yield judged("R218", faults, f"every change to a {kind.name} of the {way} was seen")
                yield from _effect(kind, one, other, pair, way)
        made.close()


def _put(pair: Sealed, place: int, data: bytes) -> Sealed:
    return (data, pair[1]) if place == 0 else (pair[0], data)


def _forged(pair: Sealed, chance: random.Random) -> Iterator[tuple[str, Sealed]]:
    token, data = pair
    yield "no token at all", (b"", data)
    yield "half a token", (token[: len(token) // 2], data)
    yield "all but a byte of its token", (token[:-1], data)
    yield "a token and a byte more", (token + b"\0", data)
    yield "a token of zeros", (bytes(len(token)), data)
    yield "a token of chance", (chance.randbytes(len(token)), data)
    yield "no data", (token, b"")
    yield "data that are cut", (token, data[:-1])
    yield "data and a byte more", (token, data + b"\0")
    yield "other data", (token, chance.randbytes(len(data)))


def _effect(kind: Kind, one: Ends, other: Ends, pair: Sealed, way: str) -> Iterator[Finding]:
    """Success has an effect: nothing that says yes to everything, and nothing that seals without sealing."""
    faults = []
    anything = (bytes(len(pair[0])), b"something else altogether")
    if kind.status(other, anything) is None:
        faults.append(f"a {kind.name} of zeros over anything is taken: verifying does nothing")
    if kind.signs:
        if not any(one.sign(b"x" * 40)):
            faults.append("a signature is empty or zeros: signing does nothing")
    elif one.seal(_TEXT)[1] == _TEXT:
        faults.append("the ciphertext is the text: sealing does nothing")
    yield judged("K14", faults, f"the {kind.name} of the {way} has an effect")


@probe("messages", "R214", "R215", "R219", "R221", "R223", "K14", "K6", needs="handshake messages")
def messages(subject: Subject) -> Iterator[Finding]:
    """Messages of all sizes arrive, with the sizes that were announced."""
    if "stream" in subject.powers:
        for rule in ("R214", "R215", "R219", "R221", "R223"):
            yield skipped(rule, "a stream has records")
        return
    with subject.parties("messages") as parties:
        made = fresh(parties)
        sizes = made.client.ends().query(0)
        if not isinstance(sizes, Sizes):
            yield broken("R214", "SECPKG_ATTR_SIZES is not offered, and there are message functions")
            made.close()
            return
        some = False
        for kind in kinds(made):
            some = True
            faults, long = [], []
            for one, other, way in _ways(made):
                for size in (1, 16, 0, 100, 4096, 65_536):
                    text = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
                    try:
                        pair = kind.send(one, text)
                        got = kind.take(other, pair)
                    except SecurityError as error:
                        faults.append(f"{size} bytes of the {way}: {error.status.name}")
                        continue
                    if got != text:
                        faults.append(f"{size} bytes of the {way} arrive as {len(got)} others")
                    limit = sizes.max_signature if kind.signs else sizes.security_trailer
                    if len(pair[0]) > limit or (not kind.signs and len(pair[0]) != limit):
                        long.append(f"a {kind.name} has a token of {len(pair[0])} bytes, and {limit} were announced")
                    if len(pair[1]) != len(text):
                        long.append(f"{len(text)} bytes become {len(pair[1])} in their DATA buffer")
            empty = [line for line in faults if line.startswith("0 bytes")]
            rule = "R215" if kind.signs else "R219"
            yield judged(rule, list(dict.fromkeys(long)), f"a {kind.name} is as long as announced")
            yield judged("K6", [line for line in faults if line not in empty], f"each {kind.name} arrived")
            if not kind.signs:
                yield judged("R223", empty, "an empty message arrives")
        faults = []
        if not some and (sizes.max_signature or sizes.security_trailer):
            faults.append("sizes are announced, and no protection was granted")
        if some and Granted(made).sign and not sizes.max_signature:
            faults.append("INTEGRITY is granted, and cbMaxSignature is 0")
        yield judged("R214", faults, f"{sizes!r}")
        yield skipped("R221", "the host refuses a message without DATA before the package is asked")
        made.close()


@probe("order of messages", "R217", "R218", "K6", needs="handshake messages")
def order_of_messages(subject: Subject) -> Iterator[Finding]:
    """Replayed, missing and misordered messages, and the application's own numbers."""
    with subject.parties("order of messages") as parties:
        probed = fresh(parties)
        names = [kind.name for kind in kinds(probed)]
        granted = Granted(probed)
        probed.close()
        for name in names:
            kind = Kind(name)
            if "stream" in subject.powers:
                yield judged("R218", _unseen(parties, kind), "records come once and in their order")
                continue
            if granted.replay:
                yield judged("R218", _again(parties, kind), f"a {name} that comes again is SEC_E_OUT_OF_SEQUENCE")
            if granted.sequence:
                yield judged("R218", _early(parties, kind), f"a {name} that comes early is SEC_E_OUT_OF_SEQUENCE")
                yield judged("R217", _numbers(parties, kind), f"the application's number is bound into a {name}")
        if not granted.sequence or "stream" in subject.powers:
            yield skipped("R217", "the application's numbers are not taken")


def _unseen(parties: Parties, kind: Kind) -> list[str]:
    """A record again, and one that is early: refused in any words."""
    faults = []
    made = fresh(parties)
    for one, other, way in _ways(made):
        first, second = kind.send(one, b"first"), kind.send(one, b"second")
        if kind.status(other, second) is None:
            faults.append(f"the second record of the {way} is taken before the first")
            continue
        kind.take(other, first)
        if kind.status(other, first) is None:
            faults.append(f"a record of the {way} is taken twice")
    made.close()
    return faults


def _ways(made: Exchange) -> Iterator[tuple[Ends, Ends, str]]:
    yield made.client.ends(), made.server.ends(), "client"
    yield made.server.ends(), made.client.ends(), "server"


def _again(parties: Parties, kind: Kind) -> list[str]:
    faults = []
    made = fresh(parties)
    for one, other, way in _ways(made):
        first = kind.send(one, _TEXT)
        if kind.status(other, first) is not None:
            faults.append(f"a {kind.name} of the {way} is refused although it is due")
            continue
        for times in (1, 2):
            status = kind.status(other, first)
            if status is not Status.SEC_E_OUT_OF_SEQUENCE:
                told = "is taken" if status is None else f"is refused with {status.name}"
                faults.append(f"a {kind.name} of the {way} that comes again {told}")
            if times == 1 and kind.status(other, kind.send(one, b"another")) is not None:
                break  # what was refused ended the conversation
    made.close()
    return faults


def _early(parties: Parties, kind: Kind) -> list[str]:
    faults = []
    made = fresh(parties)
    for one, other, way in _ways(made):
        kind.send(one, b"first")
        status = kind.status(other, kind.send(one, b"second"))
        if status is not Status.SEC_E_OUT_OF_SEQUENCE:
            told = "is taken" if status is None else f"is refused with {status.name}"
            faults.append(f"the second {kind.name} of the {way} {told} before the first")
    made.close()
    return faults


def _numbers(parties: Parties, kind: Kind) -> list[str]:
    faults = []
    for sent, expected, good in ((5, 5, True), (5, 6, False), (0, 0, True)):
        made = fresh(parties)
        for one, other, way in _ways(made):
            status = kind.status(other, kind.send(one, _TEXT, sent), expected)
            if good and status is not None:
                faults.append(f"number {sent} of the {way} is refused with {status.name}")
            if not good and status is None:
                faults.append(f"number {sent} of the {way} is taken for {expected}")
        made.close()
    return faults


@probe("directions", "K7", "K2", needs="handshake messages")
def directions(subject: Subject) -> Iterator[Finding]:
    """Each direction and each context has keys of its own."""
    with subject.parties("directions") as parties:
        made, another = fresh(parties), fresh(parties)
        for kind in kinds(made):
            faults, mixed = [], []
            for one, other, way in _ways(made):
                del other
                if kind.status(one, kind.send(one, _TEXT)) is None:
                    faults.append(f"the {way} takes its own {kind.name} back")
            # A message that is refused here must be refused because of its key, not of its number.
            back = fresh(parties)
            for one, other, way in _ways(back):
                mine = kind.send(one, _TEXT)
                if kind.status(other, mine) is not None:
                    continue
                if kind.status(one, kind.send(one, _TEXT)) is None or kind.status(one, mine) is None:
                    faults.append(f"the {way} takes its own {kind.name} back after another")
            back.close()
            faults += _alike(parties, kind)
            for (one, _, way), (_, stranger, _) in zip(_ways(made), _ways(another), strict=True):
                if kind.status(stranger, kind.send(one, _TEXT)) is None:
                    mixed.append(f"a {kind.name} of the {way} is taken in another context")
            yield judged("K7", faults, f"a {kind.name} sent back is refused, and equal ones look different")
            yield judged("K2", mixed, f"a {kind.name} belongs to one context")
        made.close()
        another.close()


def _alike(parties: Parties, kind: Kind) -> list[str]:
    made = fresh(parties)
    faults = []
    (one, other, _), _ = _ways(made)
    first, back, second = kind.send(one, _TEXT), kind.send(other, _TEXT), kind.send(one, _TEXT)
    place = 0 if kind.signs else 1
    if first[place] == back[place]:
        faults.append(f"both directions make one {kind.name} of equal texts: they share a key")
    if first[place] == second[place] and (not kind.signs or Granted(made).replay):
        faults.append(f"equal texts make equal {kind.name}s, one after the other")
    if not kind.signs:
        longer = other.seal(bytes(len(_TEXT)))[1]
        again = one.seal(bytes(len(_TEXT)))[1]
        if longer == again:
            faults.append("both directions have one keystream")
    made.close()
    return faults


@probe("buffers", "R209", "R210", "R211", "R212", needs="handshake messages")
def buffers(subject: Subject) -> Iterator[Finding]:
    """Buffers by their types: in any order, with flags, read-only ones as they were."""
    if "stream" in subject.powers:
        for rule in ("R209", "R210", "R211", "R212"):
            yield skipped(rule, "a stream has its own buffers, in one order")
        return
    with subject.parties("buffers") as parties:
        probed = fresh(parties)
        orders: list[str] = []
        flags: list[str] = []
        changed: list[str] = []
        covered: list[str] = []
        checksum = "checksum" in subject.powers
        for kind in kinds(probed):
            names = ("make_signature", "verify_signature") if kind.signs else ("seal_message", "unseal_message")
            attempts = [(_orders, orders), (_flags, flags), (_readonly, changed)]
            for attempt, found in [*attempts, (_checked, covered)] if checksum else attempts:
                made = fresh(parties)
                found.extend(attempt(made.client.ends(), made.server.ends(), *names, kind))
                made.close()
        probed.close()
    yield judged("R209", orders, "TOKEN before DATA and DATA before TOKEN come to the same")
    yield judged("R210", flags, "flag bits of a buffer's type are masked off")
    yield judged("R211", changed, "READONLY buffers are as they were")
    if checksum:
        yield judged("R212", covered, "READONLY_WITH_CHECKSUM buffers are covered")


def _pass(one: Ends, other: Ends, send: str, take: str, message: list[SecBuffer]) -> str:
    """Send and take a message of these buffers: what went wrong."""
    want = [bytes(buffer.data) for buffer in message]
    try:
        one.message(send, message)
        other.message(take, message)
    except SecurityError as error:
        return error.status.name
    got = [bytes(buffer.data) for buffer in message]
    same = all(a == b for a, b, buffer in zip(want, got, message, strict=True) if buffer.type & 0xFFFF == DATA)
    return "" if same else "other data arrive"


def _orders(one: Ends, other: Ends, send: str, take: str, kind: Kind) -> Iterator[str]:
    for name, message in (
        ("TOKEN, DATA", [SecBuffer(TOKEN), SecBuffer(DATA, _TEXT)]),
        ("DATA, TOKEN", [SecBuffer(DATA, _TEXT), SecBuffer(TOKEN)]),
    ):
        wrong = _pass(one, other, send, take, message)
        if wrong:
            yield f"{kind.name}, {name}: {wrong}"


def _flags(one: Ends, other: Ends, send: str, take: str, kind: Kind) -> Iterator[str]:
    for flag in (BufferFlag.UNMAPPED, BufferFlag.KERNEL_MAP):
        message = [SecBuffer(TOKEN | flag), SecBuffer(DATA | flag, _TEXT)]
        wrong = _pass(one, other, send, take, message)
        if wrong:
            yield f"{kind.name}, {flag.name}: {wrong}"


def _readonly(one: Ends, other: Ends, send: str, take: str, kind: Kind) -> Iterator[str]:
    fixed = bytearray(b"a header that is read only......")
    before = bytes(fixed)
    message = [SecBuffer(TOKEN), SecBuffer(DATA, _TEXT), SecBuffer(DATA | BufferFlag.READONLY, fixed)]
    for function in (send, take):
        try:
            (one if function == send else other).message(function, message)
        except SecurityError:
            pass  # it may refuse them; it may not change them
        if bytes(fixed) != before or bytes(message[2].data) != before:
            yield f"{function} changes a READONLY buffer"
            return
    if kind.signs:
        body = bytearray(_TEXT)
        message = [SecBuffer(TOKEN), SecBuffer(DATA, body)]
        if not refused(one.message, send, message) and bytes(message[1].data) != _TEXT:
            yield "make_signature changes the data that it signs"


def _checked(one: Ends, other: Ends, send: str, take: str, kind: Kind) -> Iterator[str]:
    header = b"a header under the checksum"
    message = [
        SecBuffer(TOKEN),
        SecBuffer(DATA, _TEXT),
        SecBuffer(DATA | BufferFlag.READONLY_WITH_CHECKSUM, header),
    ]
    try:
        one.message(send, message)
    except SecurityError as error:
        yield f"{kind.name}: READONLY_WITH_CHECKSUM is announced and refused with {error.status.name}"
        return
    if bytes(message[2].data) != header:
        yield f"{send} changes a READONLY_WITH_CHECKSUM buffer"
    forged = [SecBuffer(b.type, bytes(b.data)) for b in message]
    forged[2].data = header[:-1] + b"X"
    if not refused(other.message, take, forged):
        yield f"{kind.name}: altered bytes under READONLY_WITH_CHECKSUM are taken"


@probe("unprotected", "R220", needs="handshake messages")
def unprotected(subject: Subject) -> Iterator[Finding]:
    """What was not granted is refused."""
    faults: list[str] = []
    tried = False
    with subject.parties("unprotected") as parties:
        made = parties.exchange(requirements=0).run()
        if made.complete:
            granted, ends = Granted(made), made.client.ends()
            calls: list[tuple[bool, str, Callable[[bytes], object]]] = [
                (granted.sign, "make_signature", ends.sign),
                (granted.seal, "seal_message", ends.seal),
            ]
            for may, name, call in calls:
                if not may and name in ends.table:
                    tried = True
                    if not refused(call, _TEXT):
                        faults.append(f"{name} works, and what it does was not granted")
        made.close()
    if tried:
        yield judged("R220", faults, "message functions refuse what was not granted")
    else:
        yield kept("R220", "all protection that there is was granted, though none was asked for")
