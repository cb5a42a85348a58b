"""One leg of a handshake: from the package's answer to the reply, with everything that must be true in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.flags import CallAttribute
from secpkg.contract.requests import Done
from secpkg.contract.semantics import establishes_again
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, Complete, Continue, LogonAudit, NeedMore, Refused, Step
from secpkg.host.lsa_mode.channel import MAX_HALF_OPEN, TRANSITIONS, Channel, Context, Credential, Phase, Role
from secpkg.host.lsa_mode.running import Running, Surroundings, as_security_error, ignore
from secpkg.host.lsa_mode.steps import EVENTS, ULONG, checked_step, step_status

_GOES_ON: Final = (Continue, Complete)
_FINAL: Final = (Complete, Refused)
_PARTIAL: Final = Phase.PARTIAL
_COMPLETE: Final = Phase.COMPLETE
_FAILED: Final = Phase.FAILED
_ACCEPTOR: Final = Role.ACCEPTOR
NO_STEP: Final = NeedMore()
"""Of a leg that has not come to its end."""

StepDone = Callable[[int, Step], None]
"""Told ``(context handle, step)``; handle 0 when no context exists."""
Removes = Callable[[Channel, Context, CallAttribute, Done], None]
"""Takes a context out of its channel (`Dispatcher.remove`)."""


class Leg(Running):
    """A leg, and its end: check what the package returned, move the context, audit, reply."""

    removes: Removes
    app: Channel
    context: Context
    first: bool
    received: int
    told: StepDone
    step: Step

    def at_end(self, call: Callable[[], object]) -> None:
        told, removes = self.told, self.removes  # one of them is asked at the end of every leg, or both

        def told_then(handle: int, step: Step) -> None:
            call()
            told(handle, step)

        def removed_then(channel: Channel, context: Context, attributes: CallAttribute, done: Done) -> None:
            call()
            removes(channel, context, attributes, done)

        self.told, self.removes = told_then, removed_then

    def _end(self, value: object, error: BaseException | None) -> None:
        # In place of a function that is told: the leg would hold it, it would hold the leg, and both wait for the
        # garbage collector.
        context, event = self.context, self.event
        if type(value) is Continue and event is None and not context.doomed and value.context is not None:
            # Most legs: `checked_step` and `TRANSITIONS` come to the same (a test holds them equal).
            context.state = value.context
            token, attributes = value.token, value.attributes
            if (
                type(token) is bytes
                and len(token) <= self.package.info.max_token
                and type(attributes) is int
                and 0 <= attributes <= ULONG
                and value.expiry is NEVER
                and value.complete_needed is False
            ):
                context.phase, context.expiry = _PARTIAL, NEVER
                context.busy = False
                if not self.app.closed:
                    self.told(context.handle, value)
                return
        if error is not None:
            failure = as_security_error(error)
            value = Refused(failure.status, failure.token or b"", failure.reason, failure.substatus)
        if isinstance(value, _GOES_ON) and value.context is not None:
            context.state = value.context  # also of a step that is refused below: it is the package's to delete
        step = checked_step(context, value, self.received)
        if context.doomed:
            step = self._still_wanted(step)
        self.step = step
        if event is not None:
            self.ended(event, error)
            event.handle, event.received = context.handle, self.received
            event.status = step_status(step)
            if not isinstance(step, NeedMore):
                event.sent = len(step.token)
            if isinstance(step, Refused):
                event.reason = step.reason
            self.report()
        if context.role is _ACCEPTOR and isinstance(step, _FINAL):
            status, audited = step_status(step), self.audited
            if audited is not status and (audited is None or audited.is_error != status.is_error):
                reason = step.reason if isinstance(step, Refused) else ""
                self.audit(LogonAudit(status, "", reason=reason), self._audited)
                return
        self._release()

    def _still_wanted(self, step: Step) -> Step:
        """The step, or a refusal when the context was deleted while the leg ran: nobody holds what was granted."""
        if self.context.doomed and not isinstance(step, Refused):
            return Refused(Status.SEC_E_UNFINISHED_CONTEXT_DELETED, reason="context_deleted")
        return step

    def _audited(self, _value: object, error: BaseException | None) -> None:
        if error is not None:  # no record, no success (lock 10)
            failure = as_security_error(error)
            self.step = Refused(failure.status, reason=failure.reason)
        self._release()

    def _release(self) -> None:
        context, channel, step = self.context, self.app, self.step
        if context.doomed:
            step = self._still_wanted(step)
        phase = context.phase = TRANSITIONS[context.phase, EVENTS[type(step)]]
        context.busy = False
        if type(step) is Complete or type(step) is Continue:
            context.expiry = step.expiry
        if phase is _COMPLETE or phase is _FAILED:
            channel.half_open -= 1
        if context.doomed or (self.first and phase is _FAILED):
            self.removes(channel, context, channel.attributes, ignore)
        if not channel.closed:
            exists = context.handle in channel.contexts
            self.told(context.handle if exists else 0, step)


def begin_again(
    channel: Channel,
    context: Context,
    role: Role,
    credential: Credential | None,
    requirements: int,
    surroundings: Surroundings,
) -> None:
    """Let a leg begin that is no ordinary one: the first of a context that was made from metadata (R168), and one that
    establishes a finished context of a datagram or stream package again (R229): of a package that has connections too,
    only where these semantics are asked for. SEC_E_INVALID_HANDLE for all others.
    """
    usable = not context.busy and credential in (None, context.credential)
    if context.role is None and usable:
        context.role = role
        return
    finished = context.role is role and context.phase is Phase.COMPLETE
    if finished and usable and establishes_again(context.package.info.capabilities, role is _ACCEPTOR, requirements):
        if channel.half_open >= MAX_HALF_OPEN:
            raise SecurityError(Status.SEC_E_INSUFFICIENT_MEMORY, reason="quota_half_open")
        context.phase, context.expiry = _PARTIAL, NEVER
        channel.half_open += 1
        return
    if finished and context.expiry <= surroundings.clock():
        raise SecurityError(Status.SEC_E_CONTEXT_EXPIRED, reason="context_expired")
    raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason=f"context_is_{context.phase.value}")
