"""The packed context: its version, its role, and what is no packed context."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from secpkg.contract.status import SecurityError
from secpkg.host.tables import Table
from secpkg.kit.check.bench import ALICE, BOB
from secpkg.kit.check.model import Finding, judged, probe, skipped
from secpkg.kit.check.subject import Parties, Subject

_ROUNDS: Final = 4
_TARGETS: Final = (ALICE, "a much longer name of a target", BOB, "x", "host/éè")


def takes(table: Table, packed: bytes) -> bool:
    """Whether the user half makes a context of these bytes."""
    try:
        context = table["init_user_mode_context"](packed)
    except SecurityError:
        return False
    if "delete_user_mode_context" in table:
        table["delete_user_mode_context"](context)
    return True


@probe("packed context", "K8", "R161", "K13", needs="handshake lsa user")
def packed_context(subject: Subject) -> Iterator[Finding]:
    """It begins with its version and says whose end it is; nothing else is taken for one."""
    chance = random.Random(subject.seed)
    with subject.parties("packed context") as parties:
        pairs = list(_pairs(subject, parties))
        if not pairs:
            yield skipped("R161", "the package packs no context")
            return
        table = parties.bench.load_user()
        packed = pairs[0][0]
        version = packed[:1]
        faults = []
        if any(one[:1] != version or other[:1] != version for one, other in pairs):
            faults.append("packed contexts do not begin alike: there is no version in front")
        for other in {(version[0] + 1) & 255, 0, 255, 0x7F} - {version[0]}:
            if takes(table, bytes([other]) + packed[1:]):
                faults.append(f"a packed context that begins with {other} and not {version[0]} is taken")
        for name, data in (
            ("nothing", b""),
            ("one byte", version),
            ("half of one", packed[: len(packed) // 2]),
            ("chance", chance.randbytes(len(packed))),
            ("a version and chance", version + chance.randbytes(7)),
            ("zeros", bytes(len(packed))),
        ):
            if takes(table, data):
                faults.append(f"{name} is taken for a packed context")
        yield judged("K8", faults, f"version {version[0]} stands in front, and what was not packed is refused")
        yield judged("R161", list(_role(pairs)), "the packed context says initiator or acceptor")


def _pairs(subject: Subject, parties: Parties) -> Iterator[tuple[bytes, bytes]]:
    """What both sides packed, for different users and targets and without attributes that differ by side."""
    others: list[Parties] = [parties]
    try:
        others.append(subject.another(parties, BOB))
    except (LookupError, SecurityError):
        pass
    for round_ in range(_ROUNDS * 2):
        for one in others:
            for requirements in (0, parties.requirements):
                parties.bench.clock.advance(1.25)
                made = one.exchange(requirements=requirements, target=_TARGETS[round_ % len(_TARGETS)]).run()
                if made.complete:
                    packed = made.client.final.packed, made.server.final.packed
                    made.close()
                    if packed[0] is not None and packed[1] is not None:
                        yield packed[0], packed[1]
                    break
                made.close()


def _role(pairs: list[tuple[bytes, bytes]]) -> Iterator[str]:
    """A place that is one constant in every initiator's and another one in every acceptor's."""
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    length = min(len(one) for one in ours + theirs)
    for place in range(length):
        mine, other = {one[place] for one in ours}, {one[place] for one in theirs}
        if len(mine) == 1 and len(other) == 1 and mine != other:
            return
    yield "no byte of a packed context tells an initiator's from an acceptor's"
