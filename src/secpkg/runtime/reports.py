"""How an observed call is reported."""

from __future__ import annotations

import msgspec

from secpkg.contract.values import ClientInfo
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
        event.call,
    )


def attributed(event: Traced, caller: ClientInfo | None) -> Traced:
    """The call with the process that it is for, as the authority knows it (lock 1); a worker is not asked."""
    if caller is None:
        return msgspec.structs.replace(event, application=0, uid=-1, account="")
    return msgspec.structs.replace(event, application=caller.process_id, uid=caller.uid, account="")
