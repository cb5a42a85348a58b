"""The table of the LSA functions that are offered, filled by the modules beside it.

Every argument is judged before a function sees it, by the one schema there is: what a package in this process hands
over is read as if it came from another (`secpkg.contract.signatures`). So a value of the wrong type, number or size
fails in embedded mode as it fails in a worker, and no function beside this file asks for types.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

import msgspec

from secpkg.contract.lsa_mode.functions import PROTOCOLS
from secpkg.contract.signatures import signatures
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin

P = ParamSpec("P")
R = TypeVar("R")

_SIGNATURES: Final = signatures(PROTOCOLS)
_encode: Final = msgspec.msgpack.Encoder().encode


class LsaFunction(msgspec.Struct, frozen=True):
    """One LSA function: what answers it, and whether it waits."""

    implementation: Callable[..., object]
    waits: bool


LSA_FUNCTIONS: Final[dict[str, LsaFunction]] = {}
"""By Python name. What is not here answers STATUS_NOT_IMPLEMENTED."""


DIRECTORY_FUNCTIONS: Final = frozenset(
    {
        "open_sam_user",
        "get_user_auth_data",
        "get_auth_data_for_user",
        "crack_single_name",
        "expand_auth_data_for_domain",
        "call_package",
        "call_package_ex",
        "call_package_passthrough",
    }
)
"""What looks accounts up, here or through another package: refused to a subauthentication filter (R271)."""


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
        for name in names:
            waits = inspect.iscoroutinefunction(implementation)
            LSA_FUNCTIONS[name] = LsaFunction(implementation, waits)
        return implementation

    return register


def call(authority: LocalSecurityAuthority, origin: Origin, name: str, arguments: tuple[object, ...]) -> object:
    """Call by name, with arguments as `judged` gives them: the result, or the coroutine of a function that waits."""
    function = LSA_FUNCTIONS.get(name)
    if function is None:
        raise _not_offered()
    if origin.scratch.without_directory:
        require_no_directory(name)
    return function.implementation(authority, origin, *arguments)


def require_no_directory(name: str) -> None:
    """STATUS_ACCESS_DENIED for what a subauthentication filter must not cause (R271)."""
    if name in DIRECTORY_FUNCTIONS:
        raise SecurityError(Status.STATUS_ACCESS_DENIED, reason="filter_causes_directory_traffic")


def judged(name: str, arguments: tuple[object, ...]) -> tuple[object, ...]:
    """The arguments of a function with the defaults of those left out; STATUS_INVALID_PARAMETER,
    STATUS_NOT_IMPLEMENTED. What came from another process has been judged when it was decoded.
    """
    if name not in LSA_FUNCTIONS:
        raise _not_offered()
    signature = _SIGNATURES[name]
    if len(arguments) != len(signature.parameters):
        try:
            arguments = signature.bind(arguments, {})
        except TypeError:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="argument_count") from None
    try:
        raw = msgspec.Raw(_encode(arguments))
    except (TypeError, ValueError, OverflowError):  # no value of the schema; no Unicode; no 64-bit number
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=f"arguments_of_{name}") from None
    return signature.decode_arguments(raw)


def _not_offered() -> SecurityError:
    return SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="lsa_function_not_offered")
