"""TargetInfo: what the acceptor says of itself, and what the initiator makes of it (MS-NLMP 2.2.1.2, 3.1.5.1.2).

The initiator answers with the acceptor's pairs and its own behind them, all under its proof: an acceptor that finds
other values than it sent was not the one that the initiator talked to. MsvAvFlags is never sent by us as acceptor:
an initiator that copies it blindly would seem to promise what it does not do.
"""

from enum import Enum
from functools import lru_cache
from typing import Final

import msgspec

from .av_pairs import AvPairs, SingleHost, encode_pairs, text_pair
from .bindings import NO_BINDINGS
from .errors import Reason, Rejected, bad_argument
from .flags import AV_FLAG_MIC, AV_FLAG_UNTRUSTED_TARGET, TARGET_TYPE_DOMAIN, TARGET_TYPE_SERVER, AvId
from .policy import TargetNamePolicy

MAX_FILETIME: Final = (1 << 63) - 1
_OURS: Final = frozenset((AvId.FLAGS, AvId.SINGLE_HOST, AvId.TARGET_NAME, AvId.CHANNEL_BINDINGS))
_TIMESTAMP: Final = int(AvId.TIMESTAMP)
_TIME_HEAD: Final = b"\x07\0\x08\0"
_END: Final = 4


class TargetType(Enum):
    """2.2.2.5 N and O: what TargetName is the name of."""

    DOMAIN = TARGET_TYPE_DOMAIN
    SERVER = TARGET_TYPE_SERVER


class TargetInfo(msgspec.Struct, frozen=True):
    """An acceptor's names. The two NetBIOS names are always sent; the others where they are not empty."""

    nb_computer_name: str
    nb_domain_name: str
    dns_computer_name: str = ""
    dns_domain_name: str = ""
    dns_tree_name: str = ""
    type: TargetType = TargetType.SERVER

    def __post_init__(self) -> None:
        if not self.nb_computer_name or not self.nb_domain_name:
            raise bad_argument("MS-NLMP 2.2.2.1: MsvAvNbComputerName and MsvAvNbDomainName are always sent")
        self.encode(0)

    @property
    def name(self) -> str:
        """TargetName of the CHALLENGE_MESSAGE."""
        return self.nb_domain_name if self.type is TargetType.DOMAIN else self.nb_computer_name

    def encode(self, timestamp: int) -> AvPairs:
        """The AV pairs of a challenge made at `timestamp`, a FILETIME."""
        static = _static(self)
        time = encode_filetime(timestamp)
        raw = b"".join((static.raw[:-_END], _TIME_HEAD, time, bytes(_END)))
        items = (*static.items, (_TIMESTAMP, memoryview(time)))
        return AvPairs(raw, items, static.texts, timestamp=timestamp)


@lru_cache(maxsize=64)
def _static(info: TargetInfo) -> AvPairs:
    """The pairs that are the same in every challenge."""
    named = (
        (AvId.NB_DOMAIN_NAME, info.nb_domain_name),
        (AvId.NB_COMPUTER_NAME, info.nb_computer_name),
        (AvId.DNS_DOMAIN_NAME, info.dns_domain_name),
        (AvId.DNS_COMPUTER_NAME, info.dns_computer_name),
        (AvId.DNS_TREE_NAME, info.dns_tree_name),
    )
    return AvPairs.build(text_pair(number, text) for number, text in named if text)


class Target(msgspec.Struct, frozen=True):
    """Whom an initiator means to reach: the SPN, and whether it comes from somewhere that it does not trust."""

    name: str = ""
    untrusted: bool = False


def encode_filetime(time: int) -> bytes:
    if not 0 <= time <= MAX_FILETIME:
        raise bad_argument("MS-DTYP 2.3.3: a FILETIME is 63 bits, units of 100 ns since 1601")
    return time.to_bytes(8, "little")


def answer_pairs(
    challenge: AvPairs | None, target: Target, bindings: bytes | None, single_host: SingleHost | None
) -> bytes:
    """The AV pairs of a response (3.1.5.1.2), encoded.

    The acceptor's pairs come first, as they came. Pairs that are ours to say are dropped from them. Where the acceptor
    sent a time it is of a revision that knows the rest, and is told that there is no binding and no name, and is
    promised the MIC; an older one gets what there is.
    """
    theirs = () if challenge is None else challenge.items
    pairs: list[tuple[int, bytes | memoryview]] = [pair for pair in theirs if pair[0] not in _OURS]
    knows = challenge is not None and challenge.timestamp is not None
    flags = AV_FLAG_MIC * knows | AV_FLAG_UNTRUSTED_TARGET * target.untrusted
    if flags:
        pairs.append((int(AvId.FLAGS), flags.to_bytes(4, "little")))
    if single_host is not None:
        pairs.append((int(AvId.SINGLE_HOST), single_host.encode()))
    if bindings is not None or knows:
        pairs.append((int(AvId.CHANNEL_BINDINGS), bindings or NO_BINDINGS))
    if target.name or knows:
        pairs.append(text_pair(AvId.TARGET_NAME, target.name))
    return encode_pairs(pairs)


def check_echo(sent: AvPairs, answered: AvPairs, *, whole: bool) -> None:
    """Rejected(TARGET_INFO_MISMATCH) where the initiator answers another challenge than ours.

    A pair that it repeats is as we sent it. With `whole` it repeats all of them: a challenge from which the time was
    taken on the way gets an answer without a MIC, and this is where it shows.
    """
    theirs = dict(answered.items)
    for number, value in sent.items:
        found = theirs.get(number)
        if found is None and not whole:
            continue
        if found != value:
            raise Rejected(Reason.TARGET_INFO_MISMATCH, "MS-NLMP 3.1.5.1.2: the AV pairs answered are not those sent")


def check_target_name(policy: TargetNamePolicy, answered: AvPairs, names: frozenset[str]) -> str | None:
    """The name that the initiator meant, where it is one of ours; Rejected where `policy` does not allow another.

    `names` are SPNs, compared without case. With WHEN_SUPPLIED an acceptor without names knows nothing to compare with.
    """
    if policy is TargetNamePolicy.NEVER:
        return None
    require = policy is TargetNamePolicy.REQUIRE
    name = answered.target_name
    if not name:
        if require:
            raise Rejected(Reason.TARGET_NAME_MISSING, "this acceptor requires a target name")
        return None
    if (answered.flags or 0) & AV_FLAG_UNTRUSTED_TARGET:
        if require:
            raise Rejected(
                Reason.TARGET_NAME_UNTRUSTED, "MS-NLMP 2.2.2.1: the initiator does not trust its target name"
            )
        return None
    folded = name.casefold()
    if any(folded == ours.casefold() for ours in names):
        return name
    if names or require:
        raise Rejected(Reason.TARGET_NAME_MISMATCH, "the target name is not ours")
    return None
