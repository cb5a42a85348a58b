"""What a client is connected to, whatever carries it: the authority, and the channels that it opens to its workers.

Each operation of a client is written once, as a coroutine that awaits an `Exchange` wherever another process is asked.
`run` drives it by calling, which blocks or, in embedded mode, answers in place; `secpkg.aio` drives the same coroutine
by awaiting what the call returned. The protocols below are those of a blocking link; the methods of an asynchronous one
have the same names and parameters and return awaitables of the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.errors import ChannelBusy, ChannelError, ChannelForked, ChannelTimeout, FrameRefused

if TYPE_CHECKING:
    from secpkg.ipc.schema import FromAuthority, FromWorker, PackageOpened, ToAuthority, TokenOpened, ToWorker

T = TypeVar("T")

next_id: Callable[[], int] = count(1).__next__
"""A call id that this process has not used on any channel."""


class WorkerChannel(Protocol):
    """A channel to the worker of a package, made by the authority (lock 1)."""

    @property
    def closed(self) -> bool:
        """Whether every later call is refused."""
        ...

    def call(self, message: ToWorker, /) -> FromWorker:
        """Send a message and wait for its reply; ChannelError when there is none."""
        ...

    def tell(self, message: ToWorker, /) -> bool:
        """Send one of `schema.ENDS` with the id 0. False: it cannot be sent without waiting. Never to be awaited."""
        ...

    def close(self) -> None:
        """The worker runs down what belongs to the channel. Harmless when repeated."""
        ...


class AuthorityLink(Protocol):
    """A connection to an authority, after its `Connect`."""

    @property
    def closed(self) -> bool:
        """Whether every later call is refused."""
        ...

    @property
    def domain_name(self) -> str:
        """The domain of this authority."""
        ...

    @property
    def clock(self) -> Callable[[], float]:
        """The authority's clock, UTC seconds: what its contexts expire by."""
        ...

    @property
    def trusted(self) -> bool:
        """Whether the connection was made with LsaRegisterLogonProcess (R76)."""
        ...

    @property
    def in_place(self) -> bool:
        """Whether `call` and that of a channel return the reply itself, and never something to be awaited."""
        ...

    def call(self, message: ToAuthority, /) -> FromAuthority:
        """Send a message and wait for its reply, which may be `Failed`; ChannelError when there is none."""
        ...

    def tell(self, message: ToAuthority, /) -> bool:
        """Send one of `schema.ENDS` with the id 0. False: it cannot be sent without waiting. Never to be awaited."""
        ...

    def open_channel(self, name: str, token: int, /) -> tuple[PackageOpened, WorkerChannel]:
        """`OpenPackage`: ``token`` is a handle of this connection, 0 for none. The channel is the caller's to close.
        SecurityError with the status of a `Failed` reply.
        """
        ...

    def token_descriptor(self, token: int, /) -> int:
        """`TokenDescriptor`: a file descriptor (close-on-exec) that stands for the token; the caller closes it."""
        ...

    def adopt_token(self, descriptor: int, /) -> TokenOpened:
        """`AdoptToken`: a handle of the token that a descriptor stands for. STATUS_INVALID_HANDLE for any other."""
        ...

    def close(self) -> None:
        """The authority runs down what belongs to the connection. Harmless when repeated."""
        ...


class Exchange(Generic[T]):
    """Ask another process: a function of a link or channel and its arguments. Awaiting it yields it once."""

    __slots__ = ("arguments", "function")

    def __init__(self, function: Callable[..., T], *arguments: object) -> None:
        self.function = function
        self.arguments = arguments

    def __await__(self) -> Generator[Exchange[T], T, T]:
        return (yield self)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive ``coroutine`` to its end in this thread; each exchange is made in place."""
    try:
        exchange: Exchange[object] = coroutine.send(None)
        while True:
            try:
                answer = exchange.function(*exchange.arguments)
            except BaseException as error:
                exchange = coroutine.throw(error)
            else:
                exchange = coroutine.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


def worker_error(error: ChannelError) -> SecurityError:
    """The documented status for a channel to a worker that failed (locks 6 and 7)."""
    return _common(error) or SecurityError(Status.SEC_E_INVALID_HANDLE, reason="worker_gone")


def authority_error(error: ChannelError) -> SecurityError:
    """The documented status for a connection to the authority that failed."""
    return _common(error) or SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="authority_unreachable")


def _common(error: ChannelError) -> SecurityError | None:
    if isinstance(error, ChannelForked):
        return SecurityError(Status.SEC_E_INVALID_HANDLE, reason="handle_of_parent_process")
    if isinstance(error, ChannelTimeout):
        return SecurityError(Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="no_reply_in_time")
    if isinstance(error, ChannelBusy):
        return SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="call_inside_call")
    if isinstance(error, FrameRefused):
        return SecurityError(Status.SEC_E_INVALID_PARAMETER, reason="message_too_large")
    return None


def status_of(number: int) -> Status:
    """A status from a frame; one that has no name is an internal error, never a success."""
    if type(number) is Status:  # of this process
        return number
    known = Status.known(number)
    return Status.SEC_E_INTERNAL_ERROR if known is None else known


def failure(status: int, substatus: int, reason: str) -> SecurityError:
    """The exception for a `Failed` reply; one that claims success is an internal error."""
    named = status_of(status)
    return SecurityError(
        named if named.is_error else Status.SEC_E_INTERNAL_ERROR, substatus=status_of(substatus), reason=reason[:256]
    )
