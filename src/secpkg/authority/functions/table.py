"""The table of the LSA functions that are offered, filled by the modules beside it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

import msgspec

from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.authority.connections import Connection
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin

P = ParamSpec("P")
R = TypeVar("R")


class LsaFunction(msgspec.Struct, frozen=True):
    """One LSA function: how it is called, with how many arguments after authority and origin, and whether it waits."""

    implementation: Callable[..., object]
    least: int
    most: int
    waits: bool


LSA_FUNCTIONS: Final[dict[str, LsaFunction]] = {}
"""By Python name. What is not here answers STATUS_NOT_IMPLEMENTED."""


def lsa_function(
    *names: str,
) -> Callable[
    [Callable[Concatenate[LocalSecurityAuthority, Origin, P], R]],
    Callable[Concatenate[LocalSecurityAuthority, Origin, P], R],
]:
    """Enter a function under these names; its parameters after authority and origin are the contract's, in order."""

    def register(
        implementation: Callable[Concatenate[LocalSecurityAuthority, Origin, P], R],
    ) -> Callable[Concatenate[LocalSecurityAuthority, Origin, P], R]:
        parameters = list(inspect.signature(implementation).parameters.values())[2:]
        least = sum(parameter.default is parameter.empty for parameter in parameters)
        waits = inspect.iscoroutinefunction(implementation)
        for name in names:
            LSA_FUNCTIONS[name] = LsaFunction(implementation, least, len(parameters), waits)
        return implementation

    return register


def call(authority: LocalSecurityAuthority, origin: Origin, name: str, arguments: tuple[object, ...]) -> object:
    """Call by name: the result, or the coroutine of a function that waits."""
    function = LSA_FUNCTIONS.get(name)
    if function is None:
        raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="lsa_function_not_offered")
    if not function.least <= len(arguments) <= function.most:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="argument_count")
    return function.implementation(authority, origin, *arguments)


def client_of(origin: Origin) -> Connection:
    """The connection for which the package works; STATUS_INVALID_HANDLE (``no_client``) when there is none."""
    if origin.connection is None:
        raise SecurityError(Status.STATUS_INVALID_HANDLE, reason="no_client")
    origin.connection.require_open()
    return origin.connection
