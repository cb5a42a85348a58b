"""What a package may return from a leg, and what a step stands for: a status, an event of the context.

What is not what the contract asks becomes a refusal here, before anyone sees it.
"""

from __future__ import annotations

from typing import Final

from secpkg.contract.flags import Capability
from secpkg.contract.status import Status
from secpkg.contract.values import (
    MAX_PACKED_CONTEXT,
    NEVER,
    Complete,
    Continue,
    NeedMore,
    Refused,
    Step,
    TokenReference,
)
from secpkg.host.lsa_mode.channel import Context, Event
from secpkg.host.lsa_mode.load import HostedPackage

# By name, a member of an enumeration costs twenty times as much; this one is met in every leg.
_CONTINUE_NEEDED: Final = Status.SEC_I_CONTINUE_NEEDED
ULONG: Final = 0xFFFF_FFFF
_FAR: Final = 2.0**53
"""Seconds that no time reaches: beyond them a number is not one."""

EVENTS: Final[dict[type, Event]] = {
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
        not ((type(value.attributes) is int and 0 <= value.attributes <= ULONG) or _is_ulong(value.attributes))
        or (expiry is not NEVER and not is_time(expiry))
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
    left = value.leftover
    if type(left) is not int or not 0 <= left <= received:
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
    return isinstance(number, int) and 0 <= number <= ULONG


def is_time(seconds: object) -> bool:
    return isinstance(seconds, float | int) and (seconds == NEVER or -_FAR < seconds < _FAR)


def _fits(package: HostedPackage, token: object) -> bool:
    return isinstance(token, bytes) and len(token) <= package.info.max_token


def _broken(reason: str) -> Refused:
    return Refused(Status.SEC_E_INTERNAL_ERROR, reason=reason)
