"""How an observed call is reported."""

from __future__ import annotations

from secpkg.host.lsa_mode.running import TraceEvent
from secpkg.ipc.control import Traced


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
