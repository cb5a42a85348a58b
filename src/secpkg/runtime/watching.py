"""Looking on: who reads the trace of an authority, and what they see.

Nothing is observed while nobody looks. The first reader (a trusted connection that asked for it) switches the observers
of every worker and of the authority's own front on, and the last one off - also when it never said that it goes,
because its connection ends with its process. What is told of a call are names, numbers, sizes and statuses; a byte of a
token, a key or a password is nowhere near.
"""

from __future__ import annotations

import os
import time
from typing import Final

from secpkg.authority.connections import Connection
from secpkg.contract.status import Status
from secpkg.contract.values import ClientInfo
from secpkg.ipc import schema
from secpkg.ipc.control import Traced
from secpkg.runtime.asked import COUNTED, Reply
from secpkg.runtime.machine import Machine
from secpkg.runtime.waiting import After, Done, Waiting

READ: Final = 150
"""Calls in one answer; all of them fit into a frame."""
_CHANNELS: Final = 4096

_FUNCTIONS: Final[dict[type, str]] = {
    schema.ListPackages: "EnumerateSecurityPackages",
    schema.LookupPackage: "LsaLookupAuthenticationPackage",
    schema.LogonUser: "LsaLogonUser",
    schema.CallPackage: "LsaCallAuthenticationPackage",
    schema.FreeBuffer: "LsaFreeReturnBuffer",
    schema.RedeemToken: "QuerySecurityContextToken",
    schema.CloseToken: "CloseHandle",
    schema.ListSessions: "LsaEnumerateLogonSessions",
    schema.GetSession: "LsaGetLogonSessionData",
    schema.QueryDomainPolicy: "LsaQueryDomainInformationPolicy",
    schema.SetDomainPolicy: "LsaSetDomainInformationPolicy",
    schema.QueryForestTrust: "LsaQueryForestTrustInformation",
    schema.SetForestTrust: "LsaSetForestTrustInformation",
}
"""What an application called, where the documents have a name for it; else the message's own."""


class Watching:
    """The readers of one machine's trace."""

    def __init__(self, machine: Machine, after: After | None) -> None:
        self._machine = machine
        self._epoch = time.time() - time.monotonic()
        self._readers: set[int] = set()
        self._waiting = Waiting(after) if after is not None else None
        self._callers: dict[int, tuple[int, int]] = {}
        machine.service.ended.append(self.ended)

    def start(self, reader: Connection) -> dict[str, object]:
        """A connection begins to look."""
        self._readers.add(reader.number)
        self._switch()
        return {"cursor": self._machine.trace_count}

    def stop(self, reader: Connection) -> dict[str, object]:
        """It has seen enough."""
        self._readers.discard(reader.number)
        self._switch()
        return {"cursor": self._machine.trace_count}

    def ended(self, connection: Connection) -> None:
        """A connection is gone, whether or not it was looking."""
        if connection.number in self._readers:
            self.stop(connection)
        elif self._machine.tracing:
            name = "LsaDeregisterLogonProcess" if connection.trusted else "Disconnect"
            self._note(connection.caller, name, "", time.monotonic())

    def _switch(self) -> None:
        machine, on = self._machine, bool(self._readers)
        if machine.tracing == on:
            return
        machine.set_trace(on)
        machine.service.observer = self._request if on else None
        machine.on_traced = self._waiting.noticed if on and self._waiting is not None else None
        if not on:
            self._callers.clear()

    # --- what applications ask of the authority -----------------------------------------------------------------------

    def _request(self, caller: ClientInfo, request: schema.ToAuthority, reply: Reply) -> Reply:
        if isinstance(request, schema.Manage) and request.operation.startswith("trace."):
            return reply
        start = time.monotonic()
        package = self._machine.service.asked.name(request) if isinstance(request, COUNTED) else ""

        def answered(message: schema.FromAuthority, passed: object = None) -> None:
            self._note(caller, _function(request), package, start, request, message)
            reply(message, passed)

        return answered

    def _note(
        self,
        caller: ClientInfo,
        function: str,
        package: str,
        start: float,
        message: schema.ToAuthority | None = None,
        answer: schema.FromAuthority | None = None,
    ) -> None:
        status, reason, sent, account = 0, "", 0, ""
        if isinstance(answer, schema.Failed):
            status, reason = answer.status, answer.reason
            if not reason and answer.substatus:
                known = Status.known(answer.substatus)
                reason = f"0x{answer.substatus:08X}" if known is None else known.native
        elif isinstance(answer, schema.LoggedOn):
            sent, account = len(answer.profile), answer.account_name
        elif isinstance(answer, schema.PackageAnswered):
            status, sent = answer.protocol_status, len(answer.data)
        handle = getattr(message, "token", 0)
        event = Traced(
            start,
            time.monotonic() - start,
            "authority",
            function,
            package,
            0,
            handle if isinstance(handle, int) else 0,
            status,
            _size(message),
            sent,
            reason[:200],
            0,
            caller.process_id,
            caller.uid,
            account,
        )
        self._machine.note(os.getpid(), event)

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, cursor: int, wait: float, done: Done) -> None:
        """What happened after ``cursor``, at once or when something does, after ``wait`` seconds at the latest."""
        page = self._page(cursor)
        if page or wait <= 0 or self._waiting is None:
            self._answer(cursor, page, done)
            return

        def look(late: bool) -> bool:
            found = self._page(cursor)
            if found or late:
                self._answer(cursor, found, done)
            return bool(found) or late

        self._waiting.add(wait, look)

    def _page(self, cursor: int) -> list[tuple[int, int, Traced]]:
        machine = self._machine
        if cursor >= machine.trace_count:
            return []
        first = machine.trace_count - len(machine.trace)
        skip = max(0, cursor - first)
        return [machine.trace[place] for place in range(skip, min(skip + READ, len(machine.trace)))]

    def _answer(self, cursor: int, page: list[tuple[int, int, Traced]], done: Done) -> None:
        events = [self._told(process, event) for _number, process, event in page]
        machine = self._machine
        first = machine.trace_count - len(machine.trace)
        answer = {
            "cursor": max(cursor, first) + len(events),
            "events": events,
            "lost": max(0, first - cursor) if events else 0,
        }
        done(answer, None)

    def _told(self, process: int, event: Traced) -> dict[str, object]:
        application, uid = event.application, event.uid
        if event.channel:
            if application:
                self._callers.pop(event.channel, None)
                self._callers[event.channel] = application, uid
                if len(self._callers) > _CHANNELS:
                    del self._callers[next(iter(self._callers))]
            else:  # the end of a channel is reported when there is none any more
                application, uid = self._callers.get(event.channel, (0, -1))
        return {
            "time": event.start + self._epoch,
            "monotonic": event.start,
            "seconds": event.seconds,
            "process": process,
            "kind": event.kind,
            "function": event.function,
            "package": event.package,
            "channel": event.channel,
            "handle": event.handle,
            "status": event.status,
            "reason": event.reason,
            "received": event.received,
            "sent": event.sent,
            "call": event.call,
            "application": application,
            "uid": uid,
            "account": event.account,
        }

    # --- counting -----------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, object]:
        """What was called: who asked for which package, how often its functions ran as far as somebody looked on, and
        the newest refusals on the audit record.
        """
        functions: dict[tuple[str, str], list[object]] = {}
        for _number, _process, event in self._machine.trace:
            row = functions.setdefault((event.package, event.function), [0, 0, 0, ""])
            row[0] = int(str(row[0])) + 1
            if event.reason or event.status >= 0x8000_0000:
                row[1:] = int(str(row[1])) + 1, event.status, event.reason
        refusals = [
            {"package": r.package, "status": r.status, "event": r.event, "facts": r.facts, "claimed": r.claimed}
            for r in self._machine.authority.audit.recent()
            if r.event in ("logon", "audit_logon")
        ]
        return {
            "readers": len(self._readers),
            "asked": [
                {name: getattr(row, name) for name in row.__struct_fields__}
                for row in self._machine.service.asked.rows()
            ],
            "functions": [
                {"package": p, "function": f, "count": c, "failed": n, "status": s, "reason": r}
                for (p, f), (c, n, s, r) in list(functions.items())[:500]
            ],
            "logons": refusals[-50:],
        }


def _function(message: schema.ToAuthority) -> str:
    if isinstance(message, schema.Connect):
        return "LsaConnectUntrusted" if message.logon_process_name is None else "LsaRegisterLogonProcess"
    if isinstance(message, schema.Manage):
        return f"Manage {message.operation[:64]}"
    return _FUNCTIONS.get(type(message), type(message).__name__)


def _size(message: schema.ToAuthority | None) -> int:
    if isinstance(message, schema.LogonUser):
        return len(message.request.authentication_information)
    return len(message.submit_buffer) if isinstance(message, schema.CallPackage) else 0
