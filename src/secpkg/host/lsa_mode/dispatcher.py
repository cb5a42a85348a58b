"""From a call of an application or of the authority to a function of a package, and back.

The rules that are the same for every package live here: handles are looked up before the package is asked, a missing
function answers its documented "unsupported" (spec/README 10), the calls of one context run alone, what a package
returns is checked before anyone sees it, and a final status of an acceptor is on the audit record before its reply is
released (lock 10). ``done`` is told exactly once, at once or when the authority has answered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

import msgspec

from secpkg.contract.flags import CallAttribute, CredentialUse
from secpkg.contract.implements import implements
from secpkg.contract.lsa_mode.ssp import MetaData
from secpkg.contract.requests import Done
from secpkg.contract.signatures import signatures
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    NEVER,
    Acquired,
    ClientInfo,
    ContextAttributes,
    ContextRequest,
    LogonRefused,
)
from secpkg.host.lsa_mode.channel import Channel, Context, Credential, Phase, Role
from secpkg.host.lsa_mode.leg import NO_STEP, Leg, StepDone, begin_again
from secpkg.host.lsa_mode.load import LOGON_FUNCTIONS, PROTOCOLS, HostedPackage
from secpkg.host.lsa_mode.reachable import (
    REACHABLE,
    Reach,
    Target,
    arguments_of,
    nonsense,
    reach,
    require_idle,
    result_of,
)
from secpkg.host.lsa_mode.running import Running, Surroundings, ignore
from secpkg.host.lsa_mode.running import running as begin
from secpkg.host.lsa_mode.steps import is_time

SIGNATURES: Final = signatures(PROTOCOLS)
_BOTH: Final = int(CredentialUse.BOTH)
_USES: Final = {int(use): use for use in (CredentialUse.INBOUND, CredentialUse.OUTBOUND, CredentialUse.BOTH)}
_NO_ATTRIBUTES: Final = CallAttribute(0)
_INITIATES: Final = ("init_lsa_mode_context", "SpInitLsaModeContext")
_ACCEPTS: Final = ("accept_lsa_mode_context", "SpAcceptLsaModeContext")
# By name, a member of an enumeration costs twenty times as much; these are met in every leg.
_NEW: Final = Phase.NEW
_PARTIAL: Final = Phase.PARTIAL
_ACCEPTOR: Final = Role.ACCEPTOR
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
        if not 0 < use <= 0xFFFF_FFFF or not use & _BOTH:
            raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="credential_use_unknown")
        if logon_id is not None and logon_id != channel.caller.logon_id and not channel.caller.has_tcb_privilege:
            raise SecurityError(Status.SEC_E_NOT_OWNER, reason="logon_id_needs_tcb")  # R144
        channel.room_for_credential()
        call = self.surroundings.call(channel.caller)
        session = logon_id if logon_id is not None else channel.caller.logon_id
        surroundings = self.surroundings
        name, number = "SpAcquireCredentialsHandle", surroundings.calls
        acquiring = _Acquiring(
            surroundings, package, name, ignore, channel.number, number, call, None, None, channel, done, self._free
        )
        channel.acquiring += 1
        acquiring.start(function, call, principal, _USES.get(use) or CredentialUse(use), session, authorization_data)

    @implements("lsa_mode", "SpFreeCredentialsHandle")
    def free(self, channel: Channel, handle: int, done: Done) -> None:
        """FreeCredentialsHandle: the credential goes with its last reference (R193)."""
        credential = channel.credential(handle)
        del channel.credentials[handle]
        credential.closed = True
        if credential.contexts:
            done(None, None)
        else:
            self._free(channel, credential, _NO_ATTRIBUTES, done)

    def _let_go(self, channel: Channel, credential: Credential) -> None:
        """A context that was made from the credential is gone."""
        credential.contexts -= 1
        if credential.closed and not credential.contexts:
            self._free(channel, credential, channel.attributes, ignore)

    def _free(self, channel: Channel, credential: Credential, attributes: CallAttribute, done: Done) -> None:
        function = credential.package.table.get("free_credentials_handle")
        if function is None:
            done(None, None)
            return
        call = self.surroundings.call(channel.caller, attributes)
        surroundings, package = self.surroundings, credential.package
        name, number = "SpFreeCredentialsHandle", surroundings.calls
        ending = _Ending(
            surroundings, package, name, ignore, channel.number, number, call, None, None, channel, done, None, None
        )
        ending.start(function, call, credential.state)

    # --- contexts ------------------------------------------------------------------------------------------------

    @implements("lsa_mode", "SpInitLsaModeContext")
    @implements("lsa_mode", "SpAcceptLsaModeContext")
    def leg(
        self, channel: Channel, role: Role, credential_handle: int, handle: int, request: ContextRequest, done: StepDone
    ) -> None:
        """One leg of InitializeSecurityContext or AcceptSecurityContext."""
        received = len(request.token)
        if received > MAX_REQUEST_TOKEN:
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="token_too_large")
        context = channel.contexts.get(handle)
        if (  # most legs go on with a context that nothing is to be said against; all others are judged one by one
            context is None
            or context.phase is not _PARTIAL
            or context.role is not role
            or context.busy
            or context.expiry is not NEVER
            or channel.credentials.get(credential_handle) is not context.credential
        ):
            context = self._begun(channel, role, credential_handle, handle, request.requirements)
        package = context.package
        entry, name = _ACCEPTS if role is _ACCEPTOR else _INITIATES
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
        surroundings = self.surroundings
        call = surroundings.call(channel.caller)
        leg = Leg(
            surroundings,
            package,
            name,
            ignore,
            channel.number,
            surroundings.calls,
            call,
            None,
            None,
            self.remove,
            channel,
            context,
            not handle,
            received,
            done,
            NO_STEP,
        )
        leg.start(function, call, context.credential.state, context.state, request)

    def _begun(self, channel: Channel, role: Role, credential_handle: int, handle: int, requirements: int) -> Context:
        """The context of a leg, a new one where there is no handle of one."""
        if not credential_handle and not handle:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="both_handles_null")  # R151
        credential = channel.credential(credential_handle) if credential_handle else None
        if not handle:
            assert credential is not None
            if credential.package.draining:
                raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="package_draining")
            channel.room_for_context()
            return Context(channel.new_handle(), credential.package, credential, role)
        context = channel.context(handle)
        if context.role is not role or (context.phase is not _PARTIAL and context.phase is not _NEW):
            begin_again(channel, context, role, credential, requirements, self.surroundings)
        if context.busy:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_is_busy")  # spec/README 7
        if context.expiry is not NEVER and context.expiry <= self.surroundings.clock():
            raise SecurityError(Status.SEC_E_CONTEXT_EXPIRED, reason="context_expired")
        if credential is not None and credential is not context.credential:
            raise SecurityError(Status.SEC_E_WRONG_CREDENTIAL_HANDLE, reason="credential_of_another_context")
        return context

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
            self.remove(channel, context, _NO_ATTRIBUTES, done)

    def remove(self, channel: Channel, context: Context, attributes: CallAttribute, done: Done) -> None:
        """Take a context out of its channel and tell its package, exactly once; then let go of its credential
        (R193). ``done`` is told unless the application is gone meanwhile.
        """
        if channel.contexts.pop(context.handle, None) is None:
            done(None, None)
            return
        if context.phase is _PARTIAL or context.phase is _NEW:
            channel.half_open -= 1
        function = context.package.table.get("delete_context")
        if function is None or context.state is None:
            self._let_go(channel, context.credential)
            done(None, None)
            return
        call = self.surroundings.call(channel.caller, attributes)
        surroundings, package, name = self.surroundings, context.package, "SpDeleteContext"
        number, lets_go = surroundings.calls, self._let_go
        ending = _Ending(
            surroundings,
            package,
            name,
            ignore,
            channel.number,
            number,
            call,
            None,
            None,
            channel,
            done,
            context,
            lets_go,
        )
        ending.start(function, call, context.state)

    # --- the functions of `reachable` ------------------------------------------------------------------------------

    def query(self, channel: Channel, handle: int, attribute: int, done: Done) -> None:
        """QueryContextAttributes of the LSA half; ``done`` gets the value."""
        found = REACHABLE["query_context_attributes"]
        context = channel.context(handle)
        function = context.package.table.get("query_context_attributes")
        if function is None:
            raise unsupported("query_context_attributes")
        require_idle(context, found, early=attribute in found.early)

        def checked(value: object) -> object:
            if not isinstance(value, ContextAttributes):
                raise nonsense(value)
            return value

        self._call(channel, found, context.package, function, (context.state, attribute), checked, done, context)

    def call_function(
        self,
        channel: Channel,
        name: str,
        arguments: msgspec.Raw,
        done: Done,
        *,
        package_id: int = 0,
        credential_handle: int = 0,
        handle: int = 0,
    ) -> None:
        """Any function of the table `REACHABLE`; ``done`` gets what `result_of` says, and of a function that may make a
        context the pair of its handle and that.
        """
        found, signature = reach(name, channel)
        credential = context = None
        if found.target is Target.EITHER and not credential_handle and not handle:
            raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="both_handles_null")  # R168
        if found.target is Target.CREDENTIAL or (found.target is Target.EITHER and credential_handle):
            credential = channel.credential(credential_handle)
        if found.target is Target.CONTEXT or (found.target is Target.EITHER and handle):
            context = channel.context(handle)
            if credential is not None and credential is not context.credential:
                raise SecurityError(Status.SEC_E_WRONG_CREDENTIAL_HANDLE, reason="credential_of_another_context")
        owner = context or credential
        package = owner.package if owner is not None else self.package(package_id)
        function = package.table.get(name)
        if function is None:
            raise unsupported(name)
        if package.package_id not in self._packages:
            raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="package_unloaded")
        if context is not None:
            require_idle(context, found)
        given = arguments_of(found, signature, arguments, channel)
        if found.target is Target.EITHER:
            self._call_metadata(channel, found, function, given, done, credential, context)
            return
        state = () if owner is None else (owner.state,)

        def checked(value: object) -> object:
            return result_of(name, signature, value)

        self._call(
            channel,
            found,
            package,
            function,
            (*state, *given),
            checked,
            done,
            context,
            credential,
            signature.takes_call,
        )

    def _call_metadata(
        self,
        channel: Channel,
        found: Reach,
        function: Callable[..., object],
        given: tuple[object, ...],
        done: Done,
        credential: Credential | None,
        context: Context | None,
    ) -> None:
        """SpQueryMetaData and SpExchangeMetaData, which make a context where there is none (R168)."""
        made = context is None
        if context is None:
            assert credential is not None
            if credential.package.draining:
                raise SecurityError(Status.SEC_E_SECPKG_NOT_FOUND, reason="package_draining")
            channel.room_for_context()
            context = Context(channel.new_handle(), credential.package, credential, None)
            channel.contexts[context.handle] = context
            channel.half_open += 1
            credential.contexts += 1
        held = context

        def checked(value: object) -> object:
            state, data = (value.context, value.data) if isinstance(value, MetaData) else (value, None)
            if state is None or (found is REACHABLE["query_meta_data"] and not isinstance(data, bytes)):
                raise nonsense(value)
            held.state = state
            return held.handle, data

        arguments = (held.credential.state, held.state, *given)
        self._call(channel, found, held.package, function, arguments, checked, done, held, made=made)

    def _call(
        self,
        channel: Channel,
        found: Reach,
        package: HostedPackage,
        function: Callable[..., object],
        arguments: tuple[object, ...],
        checked: Callable[[object], object],
        done: Done,
        context: Context | None = None,
        credential: Credential | None = None,
        takes_call: bool = True,
        made: bool = False,
    ) -> None:
        """Call a function of the table, for a context that is busy meanwhile or a credential that is kept meanwhile."""

        def finished(value: object, error: BaseException | None) -> None:
            result: object = None
            if error is None:
                try:
                    result = checked(value)
                except SecurityError as wrong:
                    error = wrong
            if credential is not None:
                self._let_go(channel, credential)
            if context is not None:
                context.busy = False
                if context.doomed or (made and error is not None):
                    self.remove(channel, context, channel.attributes, ignore)
            if running.event is not None:
                running.event.handle = 0 if context is None else context.handle
                if error is not None:
                    running.event.failed(error)
            running.report()
            _unless_closed(channel, done)(result, error)

        if context is not None:
            context.busy = True
        if credential is not None:
            credential.contexts += 1
        call = self.surroundings.call(channel.caller)
        running = begin(self.surroundings, package, found.documented, finished, channel=channel.number, call=call)
        running.start(function, *((call,) if takes_call else ()), *arguments)

    def close(self, channel: Channel) -> None:
        """The application is gone: run its handles down, each exactly once, contexts before credentials (R193)."""
        if channel.closed:
            return
        channel.closed = True
        for context in list(channel.contexts.values()):
            if context.busy:
                context.doomed = True
            else:
                self.remove(channel, context, CallAttribute.CLEANUP, ignore)
        for handle, credential in list(channel.credentials.items()):
            del channel.credentials[handle]
            credential.closed = True
            if not credential.contexts:
                self._free(channel, credential, CallAttribute.CLEANUP, ignore)

    # --- calls of the authority ----------------------------------------------------------------------------------

    def package_call(
        self,
        package_id: int,
        function_name: str,
        arguments: tuple[object, ...],
        caller: ClientInfo,
        done: Done,
        call_id: int = 0,
        client_buffer_base: int = 0,
    ) -> None:
        """Call a function of a package for the authority (LsaAp*, SpAcceptCredentials, SpShutdown)."""
        package = self.package(package_id)
        function = package.table.get(function_name)
        if function is None:
            raise unsupported(function_name)
        call = self.surroundings.call(caller)
        if client_buffer_base:
            call = msgspec.structs.replace(call, client_buffer_base=client_buffer_base)
        if SIGNATURES[function_name].takes_call:
            arguments = (call, *arguments)
        name = _documented(function_name)
        asked = _Asked(self.surroundings, package, name, done, 0, call_id, call, None, None)
        asked.start(function, *arguments)


# Ends of calls, as methods: a function made for one call would hold it, and be held by it until the garbage collector
# comes.


class _Asked(Running):
    """A call of the authority. That a logon was refused shows in its event."""

    def _end(self, value: object, error: BaseException | None) -> None:
        event = self.event
        if event is not None:
            self.ended(event, error)
            if isinstance(value, LogonRefused):
                event.status, event.reason = value.status, value.reason
            self.report()
        self.done(value, error)


class _ForApplication(Running):
    """A call for an application, which is ``told`` of its end if it is still there."""

    app: Channel
    told: Done

    def _over(self, value: object, error: BaseException | None) -> None:
        if self.done is not ignore:  # `at_end`
            self.done(value, error)
        if not self.app.closed:
            self.told(value, error)


class _Acquiring(_ForApplication):
    """SpAcquireCredentialsHandle: what was made gets its handle, or is freed when nobody is there to take it."""

    frees: Callable[[Channel, Credential, CallAttribute, Done], None]

    def _end(self, value: object, error: BaseException | None) -> None:
        channel, event = self.app, self.event
        channel.acquiring -= 1
        made: tuple[int, float] | None = None
        if error is None and isinstance(value, Acquired) and (value.expiry is NEVER or is_time(value.expiry)):
            credential = Credential(self.package, value.credential, value.expiry)
            made = (channel.new_handle(), value.expiry)
            if channel.closed:
                self.frees(channel, credential, CallAttribute.CLEANUP, ignore)
            else:
                channel.credentials[made[0]] = credential
        elif error is None:
            error = nonsense(value)
        if event is not None:
            self.ended(event, error)
            event.handle = 0 if made is None else made[0]
            self.report()
        self._over(made, error)


class _Ending(_ForApplication):
    """SpDeleteContext, or SpFreeCredentialsHandle where there is no ``context``."""

    context: Context | None
    lets_go: Callable[[Channel, Credential], None] | None

    def _end(self, value: object, error: BaseException | None) -> None:
        event, context = self.event, self.context
        if event is not None:
            self.ended(event, error)
            event.handle = 0 if context is None else context.handle
            self.report()
        if context is not None and self.lets_go is not None:
            self.lets_go(self.app, context.credential)
        self._over(value, error)


def _unless_closed(channel: Channel, done: Done) -> Done:
    """``done``, which stays silent once the application is gone."""

    def told(value: object, error: BaseException | None) -> None:
        if not channel.closed:
            done(value, error)

    return told


@cache
def _documented(python_name: str) -> str:
    if python_name == "get_cred_ui_context":
        return "SpGetCredUIContext"
    if python_name.startswith("msv1_0_"):
        return "Msv1_0" + "".join(part.capitalize() for part in python_name[len("msv1_0_") :].split("_"))
    prefix = "LsaAp" if python_name in _LSA_AP else "Sp"
    return prefix + "".join(part.capitalize() for part in python_name.split("_"))


for _reach in REACHABLE.values():
    if _reach.documented != "SpGetExtendedInformation":  # asked at load too, and claimed there
        implements("lsa_mode", _reach.documented)(Dispatcher.call_function)
