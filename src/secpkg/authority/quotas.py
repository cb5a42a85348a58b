"""Quotas per uid (lock 9): one busy or hostile user leaves the others their share."""

from __future__ import annotations

from typing import Literal

from secpkg.authority.policy import Policy
from secpkg.contract.status import SecurityError, Status

Resource = Literal["connections", "references", "bytes", "token_descriptors"]


class Quotas:
    """What each uid has taken of what the policy gives it."""

    __slots__ = ("_limits", "_taken")

    def __init__(self, policy: Policy) -> None:
        self._limits: dict[Resource, int] = {
            "connections": policy.connections_per_uid,
            "references": policy.references_per_uid,
            "bytes": policy.bytes_per_uid,
            "token_descriptors": policy.token_descriptors_per_uid,
        }
        self._taken: dict[tuple[int, Resource], int] = {}

    def taken(self, uid: int, resource: Resource) -> int:
        """How much this uid holds at present."""
        return self._taken.get((uid, resource), 0)

    def require(self, uid: int, resource: Resource, amount: int = 1) -> None:
        """STATUS_QUOTA_EXCEEDED (``quota_<resource>``) when ``amount`` more is too much; nothing is taken."""
        if self._taken.get((uid, resource), 0) + amount > self._limits[resource]:
            raise _exceeded(resource)

    def take(self, uid: int, resource: Resource, amount: int = 1) -> None:
        """Take ``amount``, or raise as `require` does."""
        taken = self._taken.get((uid, resource), 0) + amount
        if taken > self._limits[resource]:
            raise _exceeded(resource)
        self._taken[uid, resource] = taken

    def give_back(self, uid: int, resource: Resource, amount: int = 1) -> None:
        """Return what was taken."""
        rest = self._taken.get((uid, resource), 0) - amount
        if rest > 0:
            self._taken[uid, resource] = rest
        else:
            self._taken.pop((uid, resource), None)


def _exceeded(resource: Resource) -> SecurityError:
    return SecurityError(Status.STATUS_QUOTA_EXCEEDED, reason=f"quota_{resource}")
