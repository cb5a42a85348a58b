"""SoundPure: a pure AP without a fault. It logs nobody on, and tells trusted callers how many sessions have ended."""

from __future__ import annotations

from secpkg import contract as c


class SoundPure:
    """The package."""

    info = c.PackageInfo("SoundPure", "Without a fault, without contexts", c.Capability.LOGON)

    def __init__(self) -> None:
        self.ended = 0

    async def initialize_package(self, package_id: int, dispatch: c.LsaDispatchTable) -> str:
        self.dispatch = dispatch
        return self.info.name

    async def logon_terminated(self, logon_id: int) -> None:
        self.ended += 1

    async def call_package(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        if submit_buffer == b"ended":
            return c.ProtocolReply(b"%d" % self.ended)
        return c.ProtocolReply(protocol_status=c.Status.STATUS_INVALID_PARAMETER)
