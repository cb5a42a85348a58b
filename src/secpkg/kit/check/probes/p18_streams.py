"""Streams: the rules of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.contract.attributes import StreamSizes
from secpkg.contract.flags import BufferType, ContextAttribute
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import SecBuffer
from secpkg.kit.check.exchange import DATA, EMPTY, EXTRA, HEADER, TRAILER, Ends
from secpkg.kit.check.model import Finding, broken, judged, probe
from secpkg.kit.check.subject import Subject

_TEXT: Final = b"a record of a stream"


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
        faults = list(_incomplete(other, whole)) or _whole(other, whole)
        yield judged("R226", faults, "a record that is not whole changes nothing")
        if faults:
            return
        whole = b"".join(one.seal(_TEXT))
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


def _whole(other: Ends, record: bytes) -> list[str]:
    try:
        right = other.unseal((b"", record)) == _TEXT
    except SecurityError as error:
        return [f"after halves of it a whole record is refused with {error.status.name}"]
    return [] if right else ["after halves of it a whole record is another"]


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
