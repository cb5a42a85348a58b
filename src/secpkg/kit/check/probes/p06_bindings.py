"""Channel bindings: matching ones complete, others do not, and no bindings are no match."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.contract.flags import AscReq
from secpkg.contract.status import Status
from secpkg.kit.check.model import Finding, broken, judged, probe, skipped
from secpkg.kit.check.subject import Parties, Subject

_ONE: Final = b"secpkg check: channel one......."
_TWO: Final = b"secpkg check: channel two......."
_BAD: Final = (Status.SEC_E_BAD_BINDINGS, Status.STATUS_BAD_BINDINGS)
_ABSENT: Final = (("absent", None), ("empty", b""))
_ZEROS: Final = (("all-zero, as long", bytes(len(_ONE))), ("16 zeros", bytes(16)), ("a zero", b"\0"))


def _transcript(subject: Subject, bindings: bytes | None) -> list[bytes]:
    with subject.parties("bindings") as parties:
        made = parties.exchange(bindings=(bindings, bindings)).run()
        return [token for _, token in made.tokens]


def aware(subject: Subject, parties: Parties) -> str:
    """How the kit knows that the package looks at bindings; nothing, when it does not."""
    if _transcript(subject, None) != _transcript(subject, _ONE):
        return "its tokens depend on them"
    one = parties.exchange(bindings=(_ONE, _TWO)).run()
    refused = one.server.status if not one.server.complete else None
    one.close()
    return "different ones are refused" if refused is not None else ""


@probe("bindings", "R233", "R234", "R235", "K17", needs="handshake")
def bindings(subject: Subject) -> Iterator[Finding]:
    """What a server requires of a channel."""
    with subject.parties("bindings matrix") as parties:
        how = aware(subject, parties)
        if not how:
            for rule in ("R233", "R234", "R235", "K17"):
                yield skipped(rule, "the package takes no channel bindings: they change nothing that can be seen")
            return
        one = parties.exchange(bindings=(_ONE, _ONE)).run()
        if one.complete:
            yield judged("R233", [], f"matching bindings complete; {how}")
        else:
            yield broken("R233", f"matching bindings are refused: {one.how()}")
        one.close()
        yield from _different(parties)
        yield judged("R234", list(_accepted(parties, _ABSENT)), "absent and empty ones are no match for required ones")
        yield judged("K17", list(_accepted(parties, _ZEROS)), "all-zero ones are no match for required ones")


def _different(parties: Parties) -> Iterator[Finding]:
    faults = []
    for name, extra in (("", 0), (", absence allowed", int(AscReq.ALLOW_MISSING_BINDINGS))):
        for ours, theirs in ((_TWO, _ONE), (_ONE + b"x", _ONE), (_ONE[:-1], _ONE)):
            one = parties.exchange(bindings=(ours, theirs))
            one.server.requirements |= extra
            one.run()
            if one.server.complete:
                faults.append(f"different bindings complete{name}")
            elif one.server.status not in _BAD and one.client.status not in _BAD:
                faults.append(f"different bindings are refused with {one.server.status.name}, not SEC_E_BAD_BINDINGS")
            one.close()
    yield judged("R235", list(dict.fromkeys(faults)), "different bindings are refused with SEC_E_BAD_BINDINGS")


def _accepted(parties: Parties, kinds: tuple[tuple[str, bytes | None], ...]) -> Iterator[str]:
    for name, data in kinds:
        one = parties.exchange(bindings=(data, _ONE)).run()
        if one.server.complete:
            yield f"a client whose bindings are {name} completes where the server requires some"
        one.close()
