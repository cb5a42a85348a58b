"""An application's messages to a worker, answered by the dispatcher: the one place where the two meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Complete, ContextRequest, Continue, NeedMore, Refused, SecBuffer, Step
from secpkg.host.lsa_mode.channel import Channel, Role
from secpkg.host.lsa_mode.dispatcher import Dispatcher
from secpkg.host.lsa_mode.local.memory import received
from secpkg.host.lsa_mode.running import as_security_error, ignore
from secpkg.host.lsa_mode.steps import step_status
from secpkg.ipc.schema import (
    ENDS,
    AcceptContext,
    AcquireCredentials,
    Answered,
    CallbackReturned,
    CallFunction,
    CredentialsAcquired,
    DeleteContext,
    Done,
    Failed,
    FreeCredentials,
    FromWorker,
    InitializeContext,
    QueryContext,
    Stepped,
    ToWorker,
    encode,
)

Reply = Callable[[FromWorker], object]
_INITIATOR: Final = Role.INITIATOR
_ACCEPTOR: Final = Role.ACCEPTOR
_CONTINUE_NEEDED: Final = Status.SEC_I_CONTINUE_NEEDED


def handle(dispatcher: Dispatcher, channel: Channel, message: ToWorker, reply: Reply) -> None:
    """Answer one message; ``reply`` is told exactly once unless the application goes away first, or said with the id 0
    that it will not listen.
    """
    try:
        if type(message) is AcceptContext:
            _accept(dispatcher, channel, message, reply)
        elif type(message) is InitializeContext:
            _initialize(dispatcher, channel, message, reply)
        elif isinstance(message, DeleteContext):
            dispatcher.delete(channel, message.context, _done(message.id, reply))
        elif isinstance(message, AcquireCredentials):
            _acquire(dispatcher, channel, message, reply)
        elif isinstance(message, FreeCredentials):
            dispatcher.free(channel, message.credential, _done(message.id, reply))
        elif isinstance(message, CallFunction):
            _call(dispatcher, channel, message, reply)
        elif isinstance(message, CallbackReturned):
            if dispatcher.surroundings.clients is not None:
                dispatcher.surroundings.clients.returned(channel.number, message.id, message.status, message.data)
        else:
            assert isinstance(message, QueryContext)
            _query(dispatcher, channel, message, reply)
    except SecurityError as refused:
        if message.id or not isinstance(message, ENDS):
            reply(Failed(message.id, refused.status, refused.substatus, refused.reason))


def _told(number: int, reply: Reply) -> Callable[[int, Step], None]:
    def done(context: int, step: Step) -> None:
        if type(step) is Continue and not step.complete_needed:
            reply(Stepped(number, _CONTINUE_NEEDED, context, step.token, step.attributes, step.expiry))
        else:
            reply(stepped(number, context, step))

    return done


def _accept(dispatcher: Dispatcher, channel: Channel, message: AcceptContext, reply: Reply) -> None:
    buffers = _received(message) if message.buffers else ()
    request = ContextRequest(
        message.token, None, message.requirements, message.channel_bindings, message.data_representation, buffers
    )
    told = _told(message.id, reply)
    dispatcher.leg(channel, _ACCEPTOR, message.credential, message.context, request, told)


def _initialize(dispatcher: Dispatcher, channel: Channel, message: InitializeContext, reply: Reply) -> None:
    target, bindings = message.target, message.channel_bindings
    buffers = _received(message) if message.buffers else ()
    request = ContextRequest(
        message.token, target, message.requirements, bindings, message.data_representation, buffers
    )
    told = _told(message.id, reply)
    dispatcher.leg(channel, _INITIATOR, message.credential, message.context, request, told)


def _received(message: InitializeContext | AcceptContext) -> tuple[SecBuffer, ...]:
    return tuple(received(kind, data) for kind, data in message.buffers)


def stepped(number: int, context: int, step: Step) -> Stepped:
    """A leg's reply. The reason of a refusal stays behind: the peer and the application learn the status only."""
    status = step_status(step)
    if type(step) is Continue:
        return Stepped(number, status, context, step.token, step.attributes, step.expiry)
    if isinstance(step, Complete):
        return Stepped(
            number,
            status,
            context,
            step.token,
            step.attributes,
            step.expiry,
            step.packed_context,
            None if step.access_token is None else step.access_token.value,
            step.leftover,
        )
    if isinstance(step, Refused):
        return Stepped(number, status, context, step.token)
    assert isinstance(step, NeedMore)
    return Stepped(number, status, context, missing=step.missing)


def _done(number: int, reply: Reply) -> Callable[[object, BaseException | None], None]:
    if not number:
        return ignore

    def done(_value: object, error: BaseException | None) -> None:
        reply(Done(number) if error is None else _failed(number, error))

    return done


def _failed(number: int, error: BaseException) -> Failed:
    failure = as_security_error(error)
    return Failed(number, failure.status, failure.substatus)


def _acquire(dispatcher: Dispatcher, channel: Channel, message: AcquireCredentials, reply: Reply) -> None:
    number = message.id

    def done(value: object, error: BaseException | None) -> None:
        if error is None and isinstance(value, tuple):
            (handle_, expiry) = value
            reply(CredentialsAcquired(number, handle_, expiry))
        else:
            reply(_failed(number, error if error is not None else TypeError()))

    data: object = message.identity if message.identity is not None else message.data or None
    dispatcher.acquire(channel, message.package, message.use, message.principal, message.logon_id, data, done)


def _query(dispatcher: Dispatcher, channel: Channel, message: QueryContext, reply: Reply) -> None:
    number = message.id

    def done(value: object, error: BaseException | None) -> None:
        if error is None:
            reply(Answered(number, msgspec.Raw(encode(value))))
        else:
            reply(_failed(number, error))

    dispatcher.query(channel, message.context, message.attribute, done)


def _call(dispatcher: Dispatcher, channel: Channel, message: CallFunction, reply: Reply) -> None:
    number = message.id

    def done(value: object, error: BaseException | None) -> None:
        if error is not None:
            reply(_failed(number, error))
        elif value is None:
            reply(Done(number))
        else:
            reply(Answered(number, value if isinstance(value, msgspec.Raw) else msgspec.Raw(encode(value))))

    dispatcher.call_function(
        channel,
        message.function,
        message.arguments,
        done,
        package_id=message.package,
        credential_handle=message.credential,
        handle=message.context,
    )
