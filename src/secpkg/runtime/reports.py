"""What a worker reports beside `ipc.schema.Report`."""

from __future__ import annotations

import msgspec

from secpkg.ipc.schema import Report


class ChannelClosed(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """An application closed its channel; its handles are run down, and the number is never used again."""

    channel: int


decode_report = msgspec.msgpack.Decoder(Report | ChannelClosed).decode
