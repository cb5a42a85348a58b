"""Tokens that the peer did not make: altered in every bit, cut at every place, lengthened, made up."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from secpkg.contract.flags import IscRet
from secpkg.contract.status import SecurityError, Status
from secpkg.kit.check.exchange import FIRST, Exchange
from secpkg.kit.check.model import Finding, differing, judged, probe
from secpkg.kit.check.subject import Subject

Forge = Callable[[bytes], bytes]
"""What is made of a token; it is asked in each handshake anew, of that handshake's own token."""


def flip(byte: int, bit: int) -> Forge:
    """One bit of one byte."""

    def forge(token: bytes) -> bytes:
        altered = bytearray(token)
        if byte < len(altered):
            altered[byte] ^= 1 << bit
        return bytes(altered)

    return forge


def flips(length: int, chance: random.Random, most: int) -> list[tuple[str, Forge]]:
    """Each bit in turn, or a sample that comes to as many bytes as it can."""
    places = [(byte, bit) for byte in range(length) for bit in range(8)]
    if len(places) > most:
        ones = [(byte, chance.randrange(8)) for byte in range(length)]
        chance.shuffle(ones)
        places = (ones + chance.sample(places, max(0, most - len(ones))))[:most]
    return [(f"bit {bit} of byte {byte} changed", flip(byte, bit)) for byte, bit in places]


def cuts(length: int, chance: random.Random, most: int) -> list[tuple[str, Forge]]:
    """Every prefix, or a sample."""
    lengths = list(range(length)) if length <= most else sorted({0, 1, length - 1, *chance.sample(range(length), most)})

    def cut(to: int) -> Forge:
        return lambda token: token[:to]

    return [(f"cut after {to} bytes", cut(to)) for to in lengths]


def forgeries(chance: random.Random) -> list[tuple[str, Forge]]:
    """Tokens of the same look, and of none."""

    def made_up(token: bytes, keep: int) -> bytes:
        return token[:keep] + chance.randbytes(max(0, len(token) - keep))

    return [
        ("with a zero at its end", lambda token: token + b"\0"),
        ("with 0xff at its end", lambda token: token + b"\xff"),
        ("with 64 bytes at its end", lambda token: token + b"x" * 64),
        ("zeros of its length", lambda token: bytes(len(token))),
        ("chance of its length", lambda token: made_up(token, 0)),
        ("its first half and then chance", lambda token: made_up(token, len(token) // 2)),
        ("its last 16 bytes made up", lambda token: made_up(token, max(0, len(token) - 16))),
        ("its last 32 bytes made up", lambda token: made_up(token, max(0, len(token) - 32))),
        ("its last 32 bytes zeros", lambda token: token[:-32] + bytes(min(32, len(token)))),
        ("its last 16 bytes zeros", lambda token: token[:-16] + bytes(min(16, len(token)))),
        ("without its last 32 bytes", lambda token: token[:-32]),
        ("without its last 16 bytes", lambda token: token[:-16]),
        ("twice", lambda token: token * 2),
        ("every byte there is", lambda token: bytes(range(256))),
        ("0xff all over", lambda token: b"\xff" * len(token)),
    ]


@probe("tokens", "K1", "K13", "K15", "R35", needs="handshake", deadline=100.0)
def tokens(subject: Subject) -> Iterator[Finding]:
    """Nobody completes a context with a token that the peer did not make."""
    chance = random.Random(subject.seed)
    stream = "stream" in subject.powers
    most_flips, most_cuts = (60, 12) if subject.quick else (1600, 160)
    faults: list[str] = []
    vague: list[str] = []
    tried = 0
    with subject.parties("tokens") as parties:
        genuine = parties.exchange().run()
        mutual = bool(genuine.client.granted & IscRet.MUTUAL_AUTH)
        made = genuine.tokens
        genuine.close()
        for place, (by_server, token) in enumerate(made):
            forges = forgeries(chance) + cuts(len(token), chance, most_cuts) + flips(len(token), chance, most_flips)
            for name, forge in forges:
                pair: list[bytes] = []
                one = parties.exchange().run(_at(place, forge, pair))
                tried += 1
                if stream and len(pair) == 2 and pair[1].startswith(pair[0]):
                    pair.clear()  # what follows a record is of the next one
                if len(pair) == 2 and pair[0] != pair[1]:
                    line = _completed(one, place, by_server, pair[0], pair[1], mutual)
                    if line:
                        faults.append(f"{line}: {name}; {differing(*pair)}")
                if Status.SEC_E_INTERNAL_ERROR in (one.client.status, one.server.status):
                    vague.append(f"token {place}, {name}: {one.how()}")
                one.close()
                if len(faults) > 40:
                    break
    yield judged("K1", faults, f"{tried} forged tokens completed nothing")
    yield judged("K13", vague, f"{tried} forged tokens were refused with documented errors")


def _first_datagram(one: Exchange, became: bytes) -> str:
    """An acceptor challenges whoever a datagram names; what counts is whether the datagram is taken afterwards."""
    if not one.server.complete:
        return ""
    try:
        one.server.ends().verify(FIRST, became)
    except SecurityError:
        return ""
    return "the server takes the first datagram, whose signature is forged"


def _at(place: int, forge: Forge, pair: list[bytes]) -> Callable[[int, bytes], bytes]:
    def alter(number: int, token: bytes) -> bytes:
        if number != place:
            return token
        pair[:] = token, forge(token)
        return pair[1]

    return alter


def _completed(one: Exchange, place: int, by_server: bool, was: bytes, became: bytes, mutual: bool) -> str:
    """What is wrong about a handshake with a forged token, or nothing."""
    if was.lower() == became.lower():
        return ""  # another spelling of the same names
    if not place and one.client.bench.datagrams:
        return _first_datagram(one, became)
    if by_server and mutual and one.client.complete:
        return f"the client completes, and the server's token {place} is forged"
    told_before = one.server.complete and len(one.server.legs) <= place // 2 + 1 and by_server
    if one.server.complete and not told_before:
        if one.server.final.leftover:
            return ""
        return f"the server completes, and the {'server' if by_server else 'client'}'s token {place} is forged"
    return ""
