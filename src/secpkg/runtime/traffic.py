"""What goes between authority and one worker while it lives: calls into packages, their calls of LSA functions, and the
channels of applications.

Who a package works for is known from the channel or the call that the worker names, never from its word beyond that
(lock 4): `Traffic` keeps both, and gives them up together when the worker dies.
"""

from __future__ import annotations

import os
import resource
import socket
from typing import Final

import msgspec

from secpkg.authority.connections import Connection
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract.requests import PARKED, Resume
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ClientInfo
from secpkg.host.lsa_mode.dispatcher import SIGNATURES
from secpkg.host.lsa_mode.functions import SIGNATURES as LSA_SIGNATURES
from secpkg.ipc.control import (
    Adopt,
    LsaCall,
    LsaFailed,
    LsaResult,
    PackageCall,
    PackageFailed,
    PackageResult,
    Traced,
)
from secpkg.ipc.errors import ChannelError, FrameRefused
from secpkg.ipc.poll import Peer
from secpkg.ipc.schema import encode
from secpkg.runtime.ports import Legs, LsaCalls

OWN_DESCRIPTORS: Final = 64
"""Descriptors of a worker that are not for channels."""
_PACKAGES: Final = 64
_NIL: Final = msgspec.Raw(encode(None))


class Traffic:
    """The calls and channels of one worker. ``lsa_calls`` answers its packages."""

    __slots__ = ("_calls", "_first_package_id", "_lsa_calls", "_next_call", "channels")

    def __init__(self, first_package_id: int, lsa_calls: LsaCalls) -> None:
        self._first_package_id = first_package_id
        self._lsa_calls = lsa_calls
        self._calls: dict[int, tuple[str, Origin, Resume]] = {}
        self._next_call = 1
        self.channels: dict[int, Legs] = {}

    def abandon(self) -> tuple[list[tuple[str, Resume]], list[int]]:
        """The worker is gone: the calls that will not be answered, and the channels that ended with it."""
        calls, self._calls = [(function, resume) for function, _origin, resume in self._calls.values()], {}
        channels, self.channels = self.channels, {}
        for legs in channels.values():
            legs.end()
        return calls, list(channels)

    # --- calls into packages ---------------------------------------------------------------------------------------

    def package_call(
        self, control: Peer, target: PackageTarget, function: str, arguments: tuple[object, ...], resume: Resume
    ) -> object:
        """Call a function of a package; ``resume`` is told by `answered`."""
        number = self._next_call
        self._next_call = number + 1
        caller = target.caller
        frame = encode(
            PackageCall(
                number,
                target.package_id,
                function,
                msgspec.Raw(encode(arguments)),
                (caller.process_id, caller.uid, caller.gid, caller.has_tcb_privilege, caller.logon_id),
                target.client_buffer_base,
            )
        )
        try:
            control.send(frame)
        except FrameRefused:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="request_too_large") from None
        self._calls[number] = (function, target.origin, resume)
        return PARKED

    def answered(self, report: PackageResult | PackageFailed) -> None:
        """The end of such a call."""
        function, _origin, resume = self._calls.pop(report.id)
        if isinstance(report, PackageFailed):
            status = Status.known(report.status) or Status.SEC_E_INTERNAL_ERROR
            substatus = Status.known(report.substatus) or Status.STATUS_SUCCESS
            resume(None, SecurityError(status, substatus=substatus, reason=report.reason[:200]))
            return
        try:
            value = SIGNATURES[function].decode_result(report.value)
        except SecurityError:
            resume(None, SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"nonsense_from_{function}"))
        else:
            resume(value, None)

    # --- calls of packages -----------------------------------------------------------------------------------------

    def lsa_call(self, control: Peer, call: LsaCall) -> None:
        """Answer an LSA function, now or when its coroutine has."""
        number, function = call.id, call.function

        def done(value: object, error: BaseException | None) -> None:
            if not control.closed:
                _answer(control, number, value, error)

        try:
            legs = self.channels.get(call.channel)
            package = call.package
            if legs is None:
                origin = self._origin(call)
            elif self._first_package_id <= package < self._first_package_id + _PACKAGES:
                origin = legs.origin(package, call.call)
            else:
                raise _not_its_own()
            signature = LSA_SIGNATURES.get(function)
            if signature is None:
                raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="no_such_lsa_function")
            value = self._lsa_calls(origin, function, signature.decode_arguments(call.arguments), done)
        except SecurityError as error:
            _answer(control, number, None, error)
            return
        if value is None:
            control.send(encode(LsaResult(number, _NIL)))
        elif value is not PARKED:
            _answer(control, number, value, None)

    def caller_of(self, report: Traced) -> ClientInfo | None:
        """For whom an observed call was: by its channel or its call."""
        legs, known = self.channels.get(report.channel), self._calls.get(report.call)
        if report.channel:
            return None if legs is None else legs.caller
        return None if known is None or known[1].connection is None else known[1].call

    def _origin(self, call: LsaCall) -> Origin:
        """Of a call that is for no channel of an application."""
        if call.channel:
            raise SecurityError(Status.STATUS_NO_SECURITY_CONTEXT, reason="channel_is_gone")
        if call.call:
            known = self._calls.get(call.call)
            if known is None or known[1].package_id != call.package:
                raise SecurityError(Status.STATUS_NO_SECURITY_CONTEXT, reason="call_is_over")
            return known[1]
        if not self._first_package_id <= call.package < self._first_package_id + _PACKAGES:
            raise _not_its_own()
        return Origin(call.package, None, ClientInfo(0, os.getuid(), os.getgid()))

    # --- channels --------------------------------------------------------------------------------------------------

    def open(
        self, control: Peer, number: int, caller: ClientInfo, connection: Connection, descriptors: int
    ) -> socket.socket:
        """A new channel: the application's end. SEC_E_INSUFFICIENT_MEMORY with the reason."""
        refusal = self._full(caller.uid, descriptors)
        if refusal:
            raise SecurityError(Status.SEC_E_INSUFFICIENT_MEMORY, reason=refusal)
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            raise SecurityError(Status.SEC_E_INSUFFICIENT_MEMORY, reason="no_descriptors_left") from None
        adopt = Adopt(number, caller.process_id, caller.uid, caller.gid, caller.has_tcb_privilege, caller.logon_id)
        try:
            control.send(encode(adopt), (theirs.fileno(),))
        except (ChannelError, OSError):
            ours.close()
            raise SecurityError(Status.SEC_E_INSUFFICIENT_MEMORY, reason="channel_not_passed_on") from None
        finally:
            theirs.close()
        self.channels[number] = Legs(connection, caller)
        return ours

    def close(self, number: int) -> bool:
        """Forget a channel; whether there was one."""
        legs = self.channels.pop(number, None)
        if legs is not None:
            legs.end()
        return legs is not None

    def _full(self, uid: int, descriptors: int) -> str:
        """Why there is no room for another channel of this uid, "" when there is: a worker that has no descriptor left
        for what the authority sends it is of no use to anybody, and one user leaves the others their share (lock 9).
        """
        room = min(descriptors, resource.getrlimit(resource.RLIMIT_NOFILE)[1]) - OWN_DESCRIPTORS
        if len(self.channels) >= room:
            return "worker_full"
        share = room // 2
        if len(self.channels) >= share and sum(legs.caller.uid == uid for legs in self.channels.values()) >= share:
            return "quota_channels"
        return ""


def _answer(control: Peer, number: int, value: object, error: BaseException | None) -> None:
    if error is None:
        try:
            control.send(encode(LsaResult(number, msgspec.Raw(encode(value)))))
        except FrameRefused:
            control.send(encode(LsaFailed(number, Status.STATUS_INTERNAL_ERROR, reason="answer_too_large")))
    elif isinstance(error, SecurityError):
        control.send(encode(LsaFailed(number, error.status, error.substatus, error.reason)))
    else:
        control.send(encode(LsaFailed(number, Status.STATUS_INTERNAL_ERROR)))
        raise error


def _not_its_own() -> SecurityError:
    return SecurityError(Status.STATUS_ACCESS_DENIED, reason="package_of_another_module")
