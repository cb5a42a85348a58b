"""The LSA function table that packages are given: every function of the contract, each making a `Request`.

The table belongs to no package and holds no power: which package calls, and for which client, is known from the
coroutine that awaits the request. It is built from the contract, so no function can be forgotten here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from secpkg.contract.lsa_mode import functions
from secpkg.contract.lsa_mode.functions import LsaDispatchTable, LsaFunctions
from secpkg.contract.requests import Request
from secpkg.contract.signatures import Signature, signatures

SIGNATURES: Final = signatures(functions.PROTOCOLS)
_DISPATCH: Final = frozenset(
    signatures((functions.Sessions, functions.SessionCredentials, functions.LsaHeap, functions.ClientBuffers))
)


def _function(signature: Signature) -> Callable[..., Request[object]]:
    name, bind, count = signature.name, signature.bind, len(signature.parameters)

    def call(_table: object, *args: object, **kwargs: object) -> Request[object]:
        return Request(name, args if len(args) == count and not kwargs else bind(args, kwargs))

    call.__name__ = name
    return call


def _table(name: str, members: frozenset[str]) -> object:
    entries = {member: _function(signature) for member, signature in SIGNATURES.items() if member in members}
    return type(name, (), {"__slots__": (), **entries})()


LSA_SECPKG_FUNCTION_TABLE: Final = cast(LsaFunctions, _table("LsaSecpkgFunctionTable", frozenset(SIGNATURES)))
"""What SpInitialize is given (R28)."""
LSA_DISPATCH_TABLE: Final = cast(LsaDispatchTable, _table("LsaDispatchTable", _DISPATCH))
"""What LsaApInitializePackage is given: the eleven (R28, R30)."""
