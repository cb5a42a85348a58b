"""From a call of an application or of the authority to a function of a package, and back.

The rules that are the same for every package live here: handles are looked up before the package is asked, a missing
function answers its documented "unsupported" (spec/README 10), the calls of one context run alone, what a package
returns is checked before anyone sees it, and a final status of an acceptor is on the audit record before its reply is
released (lock 10). ``done`` is told exactly once, at once or when the authority has answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.flags import CallAttribute, Capability, CredentialUse
from secpkg.contract.implements import implements
from secpkg.contract.requests import Done
from secpkg.contract.signatures import signatures
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    MAX_PACKED_CONTEXT,
    NEVER,
    Acquired,
    Call,
    ClientInfo,
    Complete,
    ContextAttributes,
    ContextRequest,
    Continue,
    LogonAudit,
    LogonRefused,
    NeedMore,
    Refused,
    Step,
    TokenReference,
)
from secpkg.host.lsa_mode.channel import TRANSITIONS, Channel, Context, Credential, Event, Phase, Role
from secpkg.host.lsa_mode.load import LOGON_FUNCTIONS, PROTOCOLS, HostedPackage
from secpkg.host.lsa_mode.running import Running, Surroundings, as_security_error

SIGNATURES: Final = signatures(PROTOCOLS)
_LEGS: Final = {
    Role.INITIATOR: ("init_lsa_mode_context", "SpInitLsaModeContext"),
    Role.ACCEPTOR: ("accept_lsa_mode_context", "SpAcceptLsaModeContext"),
}
_GOES_ON: Final = (Continue, Complete)
_FINAL: Final = (Complete, Refused)
# By name, a member of an enumeration costs twenty times as much; these are met in every leg.
_NEW: Final = Phase.NEW
_PARTIAL: Final = Phase.PARTIAL
_COMPLETE: Final = Phase.COMPLETE
_FAILED: Final = Phase.FAILED
_ACCEPTOR: Final = Role.ACCEPTOR
_CONTINUE_NEEDED: Final = Status.SEC_I_CONTINUE_NEEDED
_LSA_AP: Final = frozenset(
    {
        *LOGON_FUNCTIONS,
        "call_package",
        "call_package_untrusted",
        "call_package_passthrough",
        "logon_terminated",
        "post_logon_user",
        "pre_logon_user_surrogate",
        "post_logon_user_surrogate",
        "initialize_package",
    }
)
MAX_REQUEST_TOKEN: Final = 128 * 1024
_ULONG: Final = 0xFFFF_FFFF
_FAR: Final = 2.0**53
"""Seconds that no time reaches: beyond them a number is not one."""

StepDone = Callable[[int, Step], None]
"""Told ``(context handle, step)``; handle 0 when no context exists."""


def unsupported(function: str) -> SecurityError:
    """What a NULL entry answers (spec/README 10)."""
    status = Status.STATUS_NOT_IMPLEMENTED if function in _LSA_AP else Status.SEC_E_UNSUPPORTED_FUNCTION
    return SecurityError(status, reason=f"no_{function}")


class Dispatcher:
    """The LSA halves of one module at work."""

    __slots__ = ("_packages", "surroundings")

    def __init__(self, packages: list[HostedPackage], surroundings: Surroundings) -> None:
        self._packages = {package.package_id: package for package in packages if not package.broken}
        self.surroundings = surroundings

    def package(self, package_id: int) -> HostedPackage:
        """The package of an id of this module."""
        try:
            return self._packages[package_id]
        except KeyError:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="package_not_in_module") from None

    def unload(self, package_id: int) -> None:
        """Take a package out of service (UnloadPackage, R39)."""
        self._packages.pop(package_id, None)

    # --- credentials ---------------------------------------------------------------------------------------------

    @implements("lsa_mode", "SpAcquireCredentialsHandle")
    def acquire(
        self,
        channel: Channel,
        package_id: int,
        use: int,
        principal: str | None,
        logon_id: int | None,
        authorization_data: object,
        done: Done,
    ) -> None:
        """AcquireCredentialsHandle; ``done`` gets ``(handle, expiry)``."""
        package = self.package(package_id)
        function = package.table.get("acquire_credentials_handle")
        if function is None:
            raise unsupported("acquire_credentials_handle")
        if package.draining:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="package_draining")
        if not use & CredentialUse.BOTH:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="credential_use_unknown")
        if logon_id is not None and logon_id != channel.caller.logon_id and not channel.caller.has_tcb_privilege:
            raise SecurityError(Status.SEC_E_NOT_OWNER, reason="logon_id_needs_tcb")  # R144
        channel.room_for_credential()
        call = self.surroundings.call(channel.caller)
        session = logon_id if logon_id is not None else channel.caller.logon_id

        def finished(value: object, error: BaseException | None) -> None:
            channel.acquiring -= 1
            if error is None and not (isinstance(value, Acquired) and _is_time(value.expiry)):
                error = _nonsense(value)
            if error is not None or not isinstance(value, Acquired):
                if running.event is not None and error is not None:
                    running.event.failed(error)
                running.report()
                _unless_closed(channel, done)(None, error)
                return
            handle = channel.new_handle()
            credential = Credential(package, value.credential, value.expiry)
            if running.event is not None:
                running.event.handle = handle
            running.report()
            if channel.closed:
                self._free(channel, credential, CallAttribute.CLEANUP, _ignore)
                return
            channel.credentials[handle] = credential
            done((handle, value.expiry), None)

        running = Running(
            self.surroundings, package, "SpAcquireCredentialsHandle", finished, channel=channel.number, call=call
        )
        channel.acquiring += 1
        running.start(function, call, principal, CredentialUse(use), session, authorization_data)

    @implements("lsa_mode", "SpFreeCredentialsHandle")
    def free(self, channel: Channel, handle: int, done: Done) -> None:
        """FreeCredentialsHandle: the credential goes with its last reference (R193)."""
        credential = channel.credential(handle)
        del channel.credentials[handle]
        credential.closed = True
        if credential.contexts:
            done(None, None)
        else:
            self._free(channel, credential, CallAttribute(0), _unless_closed(channel, done))

    def _let_go(self, channel: Channel, credential: Credential) -> None:
        """A context that was made from the credential is gone."""
        credential.contexts -= 1
        if credential.closed and not credential.contexts:
            self._free(channel, credential, _attributes(channel), _ignore)

    def _free(self, channel: Channel, credential: Credential, attributes: CallAttribute, done: Done) -> None:
        function = credential.package.table.get("free_credentials_handle")
        if function is None:
            done(None, None)
            return
        call = self.surroundings.call(channel.caller, attributes)
        self._plain(credential.package, "SpFreeCredentialsHandle", function, (call, credential.state), channel, done)

    # --- contexts ------------------------------------------------------------------------------------------------

    @implements("lsa_mode", "SpInitLsaModeContext")
    @implements("lsa_mode", "SpAcceptLsaModeContext")
    def leg(
        self, channel: Channel, role: Role, credential_handle: int, handle: int, request: ContextRequest, done: StepDone
    ) -> None:
        """One leg of InitializeSecurityContext or AcceptSecurityContext."""
        if len(request.token) > MAX_REQUEST_TOKEN:
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="token_too_large")
        if not credential_handle and not handle:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="both_handles_null")  # R151
        credential = channel.credential(credential_handle) if credential_handle else None
        if handle:
            context = channel.context(handle)
            if context.role is not role or (context.phase is not _PARTIAL and context.phase is not _NEW):
                raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason=f"context_is_{context.phase.value}")
            if context.busy:
                raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_is_busy")  # spec/README 7
            if credential is not None and credential is not context.credential:
                raise SecurityError(Status.SEC_E_WRONG_CREDENTIAL_HANDLE, reason="credential_of_another_context")
        else:
            assert credential is not None
            if credential.package.draining:
                raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="package_draining")
            channel.room_for_context()
            context = Context(channel.new_handle(), credential.package, credential, role)
        package = context.package
        entry, name = _LEGS[role]
        function = package.table.get(entry)
        if function is None:
            raise unsupported(entry)
        if package.package_id not in self._packages:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="package_unloaded")
        if not handle:
            channel.contexts[context.handle] = context
            channel.half_open += 1
            context.credential.contexts += 1
        context.busy = True
        call = self.surroundings.call(channel.caller)
        _Leg(
            self, package, name, channel, context, call, first=not handle, received=len(request.token), told=done
        ).start(function, call, context.credential.state, context.state, request)

    @implements("lsa_mode", "SpDeleteContext")
    def delete(self, channel: Channel, handle: int, done: Done) -> None:
        """DeleteSecurityContext: the user half is gone already (spec/README 9). While a call of the context runs, the
        end of that call deletes (R192); until then a further delete is told that it is deleted (R191).
        """
        context = channel.context(handle)
        if context.busy:
            context.doomed = True
            done(None, None)
        else:
            self.remove(channel, context, CallAttribute(0), _unless_closed(channel, done))

    def remove(self, channel: Channel, context: Context, attributes: CallAttribute, done: Done) -> None:
        """Take a context out of its channel and tell its package, exactly once; then let go of its credential
        (R193).
        """
        if channel.contexts.pop(context.handle, None) is None:
            done(None, None)
            return
        if context.phase is Phase.NEW or context.phase is Phase.PARTIAL:
            channel.half_open -= 1

        def deleted(value: object, error: BaseException | None) -> None:
            self._let_go(channel, context.credential)
            done(value, error)

        function = context.package.table.get("delete_context")
        if function is None or context.state is None:
            deleted(None, None)
            return
        call = self.surroundings.call(channel.caller, attributes)
        arguments = (call, context.state)
        self._plain(context.package, "SpDeleteContext", function, arguments, channel, deleted, context.handle)

    @implements("lsa_mode", "SpQueryContextAttributes")
    def query(self, channel: Channel, handle: int, attribute: int, done: Done) -> None:
        """QueryContextAttributes of the LSA half."""
        context = channel.context(handle)
        function = context.package.table.get("query_context_attributes")
        if function is None:
            raise unsupported("query_context_attributes")
        if context.phase is not Phase.COMPLETE:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason=f"context_is_{context.phase.value}")
        if context.busy:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_is_busy")  # spec/README 7

        def finished(value: object, error: BaseException | None) -> None:
            context.busy = False
            if context.doomed:
                self.remove(channel, context, _attributes(channel), _ignore)
            if error is None and not isinstance(value, ContextAttributes):
                value, error = None, _nonsense(value)
            _unless_closed(channel, done)(value, error)

        context.busy = True
        call = self.surroundings.call(channel.caller)
        arguments = (call, context.state, attribute)
        self._plain(context.package, "SpQueryContextAttributes", function, arguments, channel, finished, handle)

    def close(self, channel: Channel) -> None:
        """The application is gone: run its handles down, each exactly once, contexts before credentials (R193)."""
        if channel.closed:
            return
        channel.closed = True
        for context in list(channel.contexts.values()):
            if context.busy:
                context.doomed = True
            else:
                self.remove(channel, context, CallAttribute.CLEANUP, _ignore)
        for handle, credential in list(channel.credentials.items()):
            del channel.credentials[handle]
            credential.closed = True
            if not credential.contexts:
                self._free(channel, credential, CallAttribute.CLEANUP, _ignore)

    # --- calls of the authority ----------------------------------------------------------------------------------

    def package_call(
        self,
        package_id: int,
        function_name: str,
        arguments: tuple[object, ...],
        caller: ClientInfo,
        done: Done,
        call_id: int = 0,
    ) -> None:
        """Call a function of a package for the authority (LsaAp*, SpAcceptCredentials, SpShutdown)."""
        package = self.package(package_id)
        function = package.table.get(function_name)
        if function is None:
            raise unsupported(function_name)
        call = self.surroundings.call(caller)
        if SIGNATURES[function_name].takes_call:
            arguments = (call, *arguments)

        def finished(value: object, error: BaseException | None) -> None:
            if running.event is not None and isinstance(value, LogonRefused):
                running.event.status, running.event.reason = value.status, value.reason
            running.report()
            done(value, error)

        running = Running(self.surroundings, package, _documented(function_name), finished, call_id=call_id, call=call)
        running.start(function, *arguments)

    def _plain(
        self,
        package: HostedPackage,
        name: str,
        function: Callable[..., object],
        arguments: tuple[object, ...],
        channel: Channel,
        done: Done,
        handle: int = 0,
    ) -> None:
        def finished(value: object, error: BaseException | None) -> None:
            if running.event is not None:
                running.event.handle = handle
            running.report()
            done(value, error)

        call = arguments[0]
        running = Running(self.surroundings, package, name, finished, channel=channel.number, call=call)  # type: ignore[arg-type]  # the first argument of all these is the Call
        running.start(function, *arguments)


class _Leg(Running):
    """A leg, and its end: check what the package returned, move the context, audit, reply."""

    __slots__ = ("app", "context", "dispatcher", "first", "received", "step", "told")

    def __init__(
        self,
        dispatcher: Dispatcher,
        package: HostedPackage,
        name: str,
        app: Channel,
        context: Context,
        call: Call,
        *,
        first: bool,
        received: int,
        told: StepDone,
    ) -> None:
        surroundings = dispatcher.surroundings
        super().__init__(surroundings, package, name, _ignore, app.number, surroundings.calls, call)
        self.dispatcher = dispatcher
        self.app = app
        self.context = context
        self.first = first
        self.received = received
        self.told = told
        self.step: Step

    def _end(self, value: object, error: BaseException | None) -> None:
        # In place of a function that is told: the leg would hold it, it would hold the leg, and both wait for the
        # garbage collector.
        context, event = self.context, self.event
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
            if audited is None or audited.is_error != status.is_error:
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
        phase = context.phase = TRANSITIONS[context.phase, _EVENTS[type(step)]]
        context.busy = False
        if phase is _COMPLETE or phase is _FAILED:
            channel.half_open -= 1
        if context.doomed or (self.first and phase is _FAILED):
            self.dispatcher.remove(channel, context, _attributes(channel), _ignore)
        if not channel.closed:
            exists = context.handle in channel.contexts
            self.told(context.handle if exists else 0, step)


_EVENTS: Final[dict[type, Event]] = {
    Continue: Event.CONTINUED,
    Complete: Event.COMPLETED,
    NeedMore: Event.WANTED_MORE,
    Refused: Event.REFUSED,
}


def step_status(step: Step) -> Status:
    """The status that a step stands for."""
    if isinstance(step, Continue):
        return Status.SEC_I_COMPLETE_AND_CONTINUE if step.complete_needed else _CONTINUE_NEEDED
    if isinstance(step, Complete):
        return Status.SEC_I_COMPLETE_NEEDED if step.complete_needed else Status.SEC_E_OK
    if isinstance(step, NeedMore):
        return Status.SEC_E_INCOMPLETE_MESSAGE
    return step.status


def checked_step(context: Context, value: object, received: int) -> Step:
    """What a package returned from a leg, or the refusal that stands for it when it is not what the contract asks."""
    package = context.package
    if type(value) is not Continue and type(value) is not Complete:  # a class of the package's own is none of ours
        return _checked_end(package, value)
    expiry = value.expiry
    if (
        not _is_ulong(value.attributes)
        or (expiry is not NEVER and not _is_time(expiry))
        or not isinstance(value.complete_needed, bool)
    ):
        return _broken("step_members_of_a_wrong_type")
    if not _fits(package, value.token):
        return _broken("token_exceeds_max_token")  # R35
    if isinstance(value, Continue):
        return value if context.state is not None else _broken("continue_without_a_context")  # R152
    packed = value.packed_context
    if packed is None:
        if package.info.capabilities & (Capability.INTEGRITY | Capability.PRIVACY):
            return _broken("no_packed_context")  # R154
    elif not isinstance(packed, bytes) or not 0 < len(packed) <= MAX_PACKED_CONTEXT:
        return _broken("packed_context_size")
    access = value.access_token
    if access is not None and not (isinstance(access, TokenReference) and isinstance(access.value, bytes)):
        return _broken("access_token_is_no_reference")
    if not _is_ulong(value.leftover) or value.leftover > received:
        return _broken("leftover_exceeds_the_input")
    return value


def _checked_end(package: HostedPackage, value: object) -> Step:
    if type(value) is Refused:
        if not isinstance(value.status, Status) or not value.status.is_error:
            return _broken("refused_without_an_error")
        if not isinstance(value.substatus, Status) or not isinstance(value.reason, str):
            return _broken("step_members_of_a_wrong_type")
        if value.status is Status.SEC_E_INCOMPLETE_MESSAGE:
            return _broken("need_more_is_its_own_step")
        return value if _fits(package, value.token) else _broken("token_exceeds_max_token")
    if type(value) is NeedMore:
        return value if _is_ulong(value.missing) else _broken("step_members_of_a_wrong_type")
    return _broken(f"package_returned_{type(value).__name__}")


def _is_ulong(number: object) -> bool:
    return isinstance(number, int) and 0 <= number <= _ULONG


def _is_time(seconds: object) -> bool:
    return isinstance(seconds, float | int) and (seconds == NEVER or -_FAR < seconds < _FAR)


def _fits(package: HostedPackage, token: object) -> bool:
    return isinstance(token, bytes) and len(token) <= package.info.max_token


def _broken(reason: str) -> Refused:
    return Refused(Status.SEC_E_INTERNAL_ERROR, reason=reason)


def _nonsense(value: object) -> SecurityError:
    return SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"package_returned_{type(value).__name__}")


def _attributes(channel: Channel) -> CallAttribute:
    return CallAttribute.CLEANUP if channel.closed else CallAttribute(0)


def _unless_closed(channel: Channel, done: Done) -> Done:
    """``done``, which stays silent once the application is gone."""

    def told(value: object, error: BaseException | None) -> None:
        if not channel.closed:
            done(value, error)

    return told


def _ignore(_value: object, _error: BaseException | None) -> None:
    """Nobody waits for the outcome; the trace has it."""


def _documented(python_name: str) -> str:
    if python_name == "get_cred_ui_context":
        return "SpGetCredUIContext"
    prefix = "LsaAp" if python_name in _LSA_AP else "Sp"
    return prefix + "".join(part.capitalize() for part in python_name.split("_"))
