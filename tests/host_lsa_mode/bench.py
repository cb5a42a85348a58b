"""A lab with one plain package, and what the tests of the dispatcher say of refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.host_lsa_mode.fakes import Lab, Plain

from secpkg.contract.flags import CallAttribute
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    Step,
)
from secpkg.host.lsa_mode.channel import Role

CLEANUP = CallAttribute.CLEANUP
ACCEPTOR = Role.ACCEPTOR


class Bench(Lab):
    """A lab with one plain package."""

    def __init__(self, capabilities: int = 0, traced: bool = False, **answers: object) -> None:
        self.package = Plain(capabilities=capabilities)
        super().__init__(self.package, traced=traced, **answers)
        self.credential = self.acquire()
        self.package.log.clear()

    def play(self, *legs: object, role: Role = Role.INITIATOR, token: bytes = b"") -> int:
        """Run legs on one new context; the handle of the last reply."""
        self.package.legs = list(legs)
        handle = 0
        for _leg in legs:
            self.leg(self.credential, handle, role, token)
            handle = self.steps[-1][0]
        return handle

    def play_parked(self, step: Step) -> None:
        """Run one leg of an acceptor that ends in ``step`` and may wait for its record."""
        self.package.legs = [step]
        self.leg(self.credential, role=Role.ACCEPTOR)

    def step(self) -> Step:
        return self.steps[-1][1]


def refused_with(status: Status, reason: str) -> Any:
    """A context manager for a call that is refused before the package is asked."""

    class Expect:
        def __enter__(self) -> None: ...

        def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
            assert isinstance(error, SecurityError), f"not refused: {error!r}"
            assert (error.status, error.reason) == (status, reason)
            return True

    return Expect()


def void(function: Callable[[], object]) -> None:
    function()


INVALID = Status.SEC_E_INVALID_HANDLE


def raises_at_once(*_arguments: object) -> object:
    raise SystemExit(1)
