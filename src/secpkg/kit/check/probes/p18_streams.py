"""Streams and datagrams: the rules of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

from secpkg.contract.attributes import StreamSizes
from secpkg.contract.flags import BufferType, ContextAttribute, CredentialUse, IscReq
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthIdentity, ContextRequest, SecBuffer
from secpkg.kit.check.bench import ALICE, PASSWORDS, Bench
from secpkg.kit.check.exchange import DATA, EMPTY, EXTRA, HEADER, TRAILER, Ends, Side
from secpkg.kit.check.model import Finding, broken, judged, probe, untried
from secpkg.kit.check.subject import Subject
from secpkg.kit.check.target import Credentials

_TEXT: Final = b"a record of a stream"
_ASKED: Final = int(IscReq.DATAGRAM | IscReq.INTEGRITY | IscReq.REPLAY_DETECT)


def _received(data: bytes) -> list[SecBuffer]:
    return [SecBuffer(DATA, data), *(SecBuffer(EMPTY) for _ in range(4))]


@probe("streams", "R224", "R225", "R226", "R227", needs="handshake stream seal")
def streams(subject: Subject) -> Iterator[Finding]:
    """Records that are cut, joined, and of every size."""
    with subject.parties("streams") as parties:
        made = parties.exchange().run()
        one, other = made.client.ends(), made.server.ends()
        sizes = one.query(ContextAttribute.STREAM_SIZES)
        if not isinstance(sizes, StreamSizes):
            yield broken("R227", "SECPKG_ATTR_STREAM_SIZES is not offered")
            return
        faults = []
        for size in (0, 1, 100, sizes.maximum_message):
            text = b"x" * size
            record = [SecBuffer(HEADER), SecBuffer(DATA, text), SecBuffer(TRAILER), SecBuffer(EMPTY)]
            one.call("seal_message", 0, record, 0)
            if len(record[0].data) > sizes.header or len(record[2].data) > sizes.trailer:
                faults.append(f"a record of {size} bytes has more around it than the stream sizes say")
            if other.unseal((b"", b"".join(bytes(buffer.data) for buffer in record[:3]))) != text:
                faults.append(f"a record of {size} bytes arrives as another")
        yield judged("R227", faults, f"{sizes!r}")
        whole = b"".join(one.seal(_TEXT))
        yield judged("R226", list(_incomplete(other, whole)), "a record that is not whole changes nothing")
        following = b"".join(one.seal(b"another"))
        message = _received(whole + following)
        other.call("unseal_message", message, 0)
        kinds = [BufferType(buffer.type).name for buffer in message]
        wanted = {HEADER, DATA, TRAILER} <= {buffer.type for buffer in message}
        yield judged("R224", [] if wanted else [f"a record becomes {', '.join(kinds)}"], ", ".join(kinds))
        extra = [bytes(buffer.data) for buffer in message if buffer.type == EXTRA]
        faults = [] if extra == [following] else ["what follows a record does not come back as EXTRA, untouched"]
        yield judged("R225", faults, "what follows a record comes back as EXTRA")
        made.close()


def _incomplete(other: Ends, record: bytes) -> Iterator[str]:
    for length in sorted({0, 1, 2, len(record) // 2, len(record) - 1}):
        message = _received(record[:length])
        try:
            other.call("unseal_message", message, 0)
        except SecurityError as error:
            if error.status is not Status.SEC_E_INCOMPLETE_MESSAGE:
                yield f"{length} bytes of a record are {error.status.name}"
            continue
        yield f"{length} bytes of a record are taken for all {len(record)}"


@probe("datagrams", "R228", "R229", "R230", "K7", "R218", needs="contexts datagram sign")
def datagrams(subject: Subject) -> Iterator[Finding]:
    """A client signs at once, and may be challenged as often as the server likes."""
    with subject.bench("datagrams") as bench:
        sides = _datagram_sides(bench)
        if sides is None:
            for rule in ("R228", "R229", "R230"):
                yield untried(rule, "the kit has no credentials for this package: prepare(place) tells it some")
            return
        client, server = sides
        leg = client.step(b"")
        if not leg.complete and leg.token:
            yield broken("R228", "the first leg of a datagram client makes a token")
            return
        yield judged(
            "R228", [] if leg.complete else ["a datagram client cannot sign after its first leg"], "it signs at once"
        )
        if not leg.complete:
            return
        faults = []
        for round_ in range(3):
            ours = Ends(bench.table, _context(client), "")
            challenge = server.door.leg(True, server.credential, server.context, _request(ours.sign(_TEXT, 7), server))
            server.context = challenge.context
            answer = client.door.leg(False, client.credential, client.context, _request(challenge.token, client))
            client.context = answer.context
            done = server.door.leg(True, server.credential, server.context, _request(answer.token, server))
            server.context = done.context
            if not done.complete:
                faults.append(f"establishing it for the {round_ + 1}. time ends with {done.status.name}")
                break
        yield judged("R229", faults, "the context was established three times")
        if faults:
            return
        yield from _signed(Ends(bench.table, _context(client), ""), Ends(bench.table, _context(server), ""))


def _signed(ours: Ends, theirs: Ends) -> Iterator[Finding]:
    faults, taken = [], []
    signature = ours.sign(_TEXT, 0x01020304)
    try:
        theirs.verify(_TEXT, signature, 0)
    except SecurityError as error:
        faults.append(f"a signature with a number of the caller's is refused with {error.status.name}")
    if bytes.fromhex("01020304") not in signature and bytes.fromhex("04030201") not in signature:
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
    yield judged("R218", taken, "altered and repeated datagrams are refused")
    try:
        ours.verify(_TEXT, ours.sign(_TEXT), 0)
        yield broken("K7", "a datagram that is sent back is taken")
    except SecurityError:
        yield judged("K7", [], "a datagram that is sent back is refused")


def _datagram_sides(bench: Bench) -> tuple[Side, Side] | None:
    identity = Credentials(AuthIdentity(ALICE, "", PASSWORDS[ALICE]))
    for given, served in ((bench.given.client, bench.given.server), (identity, identity), (identity, Credentials())):
        if given is None:
            continue
        client_door, server_door = bench.door(), bench.door()
        try:
            client = client_door.acquire(CredentialUse.OUTBOUND, given)
            server = server_door.acquire(CredentialUse.INBOUND, served)
        except SecurityError:
            continue
        return (
            Side(bench, client_door, False, given, requirements=_ASKED, credential=client),
            Side(bench, server_door, True, served, requirements=_ASKED, credential=server),
        )
    return None


def _request(token: bytes, side: Side) -> ContextRequest:
    return ContextRequest(token, side.target, side.requirements)


def _context(side: Side) -> object:
    return cast(tuple[object], side.context)[0]
