"""What a worker reports beside `ipc.schema.Report`, and how an observed call is reported."""

from __future__ import annotations

import msgspec

from secpkg.host.lsa_mode.running import TraceEvent
from secpkg.ipc.schema import Report, Traced


class ChannelClosed(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """An application closed its channel; its handles are run down, and the number is never used again."""

    channel: int


decode_report = msgspec.msgpack.Decoder(Report | ChannelClosed).decode


def traced(event: TraceEvent) -> Traced:
    """An observed call as a message."""
    return Traced(
        event.start,
        event.seconds,
        event.kind,
        event.function,
        event.package,
        event.channel,
        event.handle,
        event.status,
        event.received,
        event.sent,
        event.reason[:200],
    )
