"""What is granted: each attribute by what it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.contract.flags import AscReq, AscRet, Capability, IscReq, IscRet
from secpkg.contract.status import SecurityError
from secpkg.kit.check.exchange import Ends, Exchange, Side
from secpkg.kit.check.model import Finding, broken, judged, kept, probe, skipped
from secpkg.kit.check.probes.p05_peers import wrong_credentials
from secpkg.kit.check.subject import Parties, Subject

_TEXT: Final = b"what is granted works: 0123456789"
_ASKED: Final = {
    "nothing": 0,
    "INTEGRITY": int(IscReq.INTEGRITY),
    "CONFIDENTIALITY": int(IscReq.CONFIDENTIALITY),
    "REPLAY_DETECT": int(IscReq.REPLAY_DETECT),
    "SEQUENCE_DETECT": int(IscReq.SEQUENCE_DETECT),
    "MUTUAL_AUTH": int(IscReq.MUTUAL_AUTH),
    "DELEGATE": int(IscReq.DELEGATE),
    "INTEGRITY and NO_INTEGRITY": int(IscReq.INTEGRITY | IscReq.NO_INTEGRITY),
    "DELEGATE and MUTUAL_AUTH": int(IscReq.DELEGATE | IscReq.MUTUAL_AUTH),
    "USE_DCE_STYLE": int(IscReq.USE_DCE_STYLE | IscReq.MUTUAL_AUTH | IscReq.INTEGRITY),
}


class Granted:
    """What both sides of a context may do, by their attributes."""

    def __init__(self, made: Exchange) -> None:
        ours, theirs = made.client.granted, made.server.granted
        both = ours & theirs
        self.sign = bool(ours & IscRet.INTEGRITY and theirs & AscRet.INTEGRITY)
        self.seal = bool(both & IscRet.CONFIDENTIALITY)
        self.replay = bool(both & (IscRet.REPLAY_DETECT | IscRet.SEQUENCE_DETECT))
        self.sequence = bool(both & IscRet.SEQUENCE_DETECT)


@probe("grants", "K6", "R173", "R176", "R177", "R178", "R179", "R181", needs="handshake")
def grants(subject: Subject) -> Iterator[Finding]:
    """Each requirement alone: what is granted for it can be seen."""
    faults: list[str] = []
    notes: list[str] = []
    without: dict[str, int] = {}
    dce: list[Finding] = []
    protects = "messages" in subject.powers
    with subject.parties("grants") as parties:
        for name, asked in _ASKED.items():
            made = parties.exchange(requirements=asked).run()
            if made.complete:
                notes.append(f"{name}: {made.client.granted:#x}, {made.server.granted:#x}")
                without[name] = made.client.granted
                faults += [f"{name} asked for: {line}" for line in _works(made, protects)]
                if made.client.granted & IscRet.USED_DCE_STYLE:
                    legs = (
                        [] if len(made.tokens) == 3 else [f"USED_DCE_STYLE, and there were {len(made.tokens)} tokens"]
                    )
                    dce = [judged("R181", legs, "three legs where DCE style was granted")]
            else:
                notes.append(f"{name}: refused")
            made.close()
    yield judged("K6", faults, "every attribute that was granted could be seen to work")
    yield kept("R173", "the caller was told what was granted for each requirement", *notes)
    yield kept("R178", "INTEGRITY alone was asked for") if protects else skipped("R178", "no messages are protected")
    yield from dce or [skipped("R181", "DCE style is not granted")]
    yield from _cancelled(without)


def _cancelled(granted: dict[str, int]) -> Iterator[Finding]:
    both, nothing = granted.get("INTEGRITY and NO_INTEGRITY"), granted.get("nothing", 0)
    if nothing & IscRet.INTEGRITY:
        yield skipped("R179", "every context has integrity, whatever is asked for")
    elif both is None:
        yield kept("R179", "NO_INTEGRITY together with INTEGRITY is refused")
    else:
        wrong = ["INTEGRITY is granted although NO_INTEGRITY was asked for"] if both & IscRet.INTEGRITY else []
        yield judged("R179", wrong, "NO_INTEGRITY cancels INTEGRITY")


def _works(made: Exchange, protects: bool) -> Iterator[str]:
    granted = Granted(made)
    if not protects:
        if granted.sign or granted.seal:
            yield "INTEGRITY or CONFIDENTIALITY is granted, and the package has no message functions"
        return
    client, server = made.client.ends(), made.server.ends()
    if granted.sign and "make_signature" in client.table:
        yield from _signs(client, server, granted)
        yield from _signs(server, client, granted)
    elif granted.sign and "seal_message" not in client.table:
        yield "INTEGRITY is granted, and there is no MakeSignature"
    if granted.seal and "seal_message" in client.table:
        yield from _seals(client, server, granted)
        yield from _seals(server, client, granted)
    elif granted.seal:
        yield "CONFIDENTIALITY is granted, and there is no EncryptMessage"


def refused(call: object, *arguments: object) -> bool:
    """Whether a message function says no."""
    try:
        call(*arguments)  # type: ignore[operator]
    except SecurityError:
        return True
    return False


def _signs(one: Ends, other: Ends, granted: Granted) -> Iterator[str]:
    first, second, third = one.sign(_TEXT), one.sign(_TEXT), one.sign(_TEXT)
    if refused(other.verify, _TEXT, first):
        yield "INTEGRITY is granted, and the peer refuses a good signature"
        return
    if granted.replay and not refused(other.verify, _TEXT, first):
        yield "REPLAY_DETECT is granted, and a signature is taken twice"
    if granted.sequence and not refused(other.verify, _TEXT, third):
        yield "SEQUENCE_DETECT is granted, and a message that is not due is taken"
        return
    if refused(other.verify, _TEXT, second):
        yield "a good signature is refused after a bad one"
    elif refused(other.verify, _TEXT, third):
        yield "a good signature is refused"


def _seals(one: Ends, other: Ends, granted: Granted) -> Iterator[str]:
    first, second, third = one.seal(_TEXT), one.seal(_TEXT), one.seal(_TEXT)
    if _TEXT in first[0] + first[1]:
        yield "CONFIDENTIALITY is granted, and the text is sent as it is"
    try:
        if other.unseal(first) != _TEXT:
            yield "CONFIDENTIALITY is granted, and the peer reads another text"
    except SecurityError:
        yield "CONFIDENTIALITY is granted, and the peer refuses a good message"
        return
    if granted.replay and not refused(other.unseal, first):
        yield "REPLAY_DETECT is granted, and a message is taken twice"
    if granted.sequence and not refused(other.unseal, third):
        yield "SEQUENCE_DETECT is granted, and a message that is not due is taken"
        return
    if refused(other.unseal, second):
        yield "a good message is refused after a bad one"
    elif refused(other.unseal, third):
        yield "a good message is refused"


@probe("error tokens", "R185", needs="handshake")
def error_tokens(subject: Subject) -> Iterator[Finding]:
    """An error reply where it was asked for, and nowhere else."""
    announced = bool(subject.info.capabilities & Capability.EXTENDED_ERROR)
    with subject.parties("error tokens") as parties:
        for name, given in wrong_credentials(subject, parties.bench):
            told = {}
            for asked in (True, False):
                try:
                    client = Side(parties.bench, parties.client_door, False, given)
                except SecurityError:
                    continue
                server = parties.acceptor()
                server.requirements |= int(AscReq.EXTENDED_ERROR) if asked else 0
                one = Exchange(client, server).run()
                if server.legs and server.legs[-1].refused:
                    told[asked] = bool(server.legs[-1].token)
                one.close()
            if told.get(True) is False and announced:
                yield broken("R185", f"EXTENDED_ERROR is announced and asked for, and {name} gives no error token")
            elif told.get(True) and not announced:
                yield broken("R185", "an error token, and EXTENDED_ERROR is not announced")
            elif told:
                yield kept("R185", "an error token is made where the package announces it")
            return
    if not announced:
        yield skipped("R185", "the package does not announce EXTENDED_ERROR")


__all__ = ["Granted", "Parties", "refused"]
