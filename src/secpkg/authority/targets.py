"""Who a call is for and whom it is to: what travels with a `Request` between the authority and its composer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from secpkg.contract.values import AuthData, ClientInfo

if TYPE_CHECKING:
    from secpkg.authority.connections import Connection


class Scratch(msgspec.Struct, eq=False):
    """What lives as long as one call into a package: its account handles, and the sessions that it created."""

    sam_users: dict[int, AuthData] = msgspec.field(default_factory=dict)
    last_sam_user: int = 0
    sessions: set[int] = msgspec.field(default_factory=set)


class Origin(msgspec.Struct, frozen=True, eq=False):
    """On whose behalf an LSA function is called: the package (from its channel, lock 4) and the client it works for.

    ``connection`` is None when the package works for nobody, as in SpInitialize or LsaApLogonTerminated. One origin
    is one call into a package: the handles of OpenSamUser end with it.
    """

    package_id: int
    connection: Connection | None
    call: ClientInfo
    scratch: Scratch = msgspec.field(default_factory=Scratch)
    depth: int = 0
    """How many packages called one another to get here (CallPackage)."""


class PackageTarget(msgspec.Struct, frozen=True, eq=False):
    """``Request.target`` of a call from the authority into a package.

    The host makes the `Call` with ``caller``; LSA functions that the package calls meanwhile are answered with
    ``origin``.
    """

    package_id: int
    caller: ClientInfo
    origin: Origin

    @classmethod
    def of(
        cls, package_id: int, caller: ClientInfo, connection: Connection | None = None, depth: int = 0
    ) -> PackageTarget:
        """The target of a new call: it begins with nothing open."""
        return cls(package_id, caller, Origin(package_id, connection, caller, depth=depth))
