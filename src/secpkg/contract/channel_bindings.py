"""Channel bindings, and how an acceptor judges them: what every package does alike ("EPA support in a service").

The application's data come as `ContextRequest.channel_bindings`. Where the application has set flags
(SspiSetChannelBindingFlags) they have the form that `pack` gives, which begins with a mark that no binding of a
channel begins with: `unpack` takes either. A package that does not know the form finds that nothing matches it.

    judgement = judge(request.channel_bindings, what_the_client_bound, requirements=request.requirements)
    if judgement.status.is_error:
        return Refused(judgement.status, reason=judgement.result.native)
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final

from secpkg.contract.flags import SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS, AscReq
from secpkg.contract.flags_seldom import ChannelBindingsResult
from secpkg.contract.status import Status
from secpkg.contract.values import Value

FLAGS: Final = SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS
"""The flags that have a meaning."""

_MARK: Final = b"\0SEC_CHANNEL_BINDINGS_EX\0\x01"
_ULONG: Final = 4


class ChannelBindings(Value, frozen=True):
    """``SEC_CHANNEL_BINDINGS_EX``: the application data, and flags (SEC_CHANNEL_BINDINGS_*)."""

    application_data: bytes
    flags: int = 0

    @property
    def audit_only(self) -> bool:
        """Whether a mismatch is reported and does no harm (R235)."""
        return bool(self.flags & SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS)

    @property
    def absent(self) -> bool:
        """Whether they say that there is no channel: nothing, or zeros."""
        return not any(self.application_data)


class Judgement(Value, frozen=True):
    """What became of the bindings: ``result`` for the audit record, ``status`` for the caller."""

    result: ChannelBindingsResult
    status: Status


def pack(bindings: ChannelBindings) -> bytes:
    """What goes into a CHANNEL_BINDINGS buffer: without flags the data alone."""
    if not bindings.flags:
        return bindings.application_data
    return _MARK + bindings.flags.to_bytes(_ULONG, "little") + bindings.application_data


def unpack(data: bytes) -> ChannelBindings:
    """The bindings in a CHANNEL_BINDINGS buffer. ValueError for one that is marked and has flags without a meaning."""
    if not data.startswith(_MARK):
        return ChannelBindings(data)
    start = len(_MARK) + _ULONG
    flags = int.from_bytes(data[len(_MARK) : start], "little")
    if len(data) < start or not flags or flags & ~FLAGS:
        raise ValueError("channel bindings with unknown flags")
    return ChannelBindings(data[start:], flags)


def judge(
    ours: bytes,
    theirs: bytes | None,
    *,
    requirements: int = 0,
    client_support: bool = False,
    digest: Callable[[bytes], bytes] = bytes,
) -> Judgement:
    """Judge what a client bound against our own bindings; at least one VALID or NOTVALID bit is always set (R236).

    ``ours`` is `ContextRequest.channel_bindings` of the acceptor and ``requirements`` its ASC_REQ_*. ``theirs`` is what
    the client proved, in the form that ``digest`` gives of the application data; None, nothing and zeros: it is bound
    to no channel. ``client_support``: it said that it knows of channel bindings, so that their absence is a statement
    and no incapacity (R237); only incapacity is spared by ALLOW_MISSING_BINDINGS (R234). PROXY_BINDINGS takes any
    channel (R239). Anything else is SEC_E_BAD_BINDINGS, unless the bindings are audit-only (R235, R238).
    """
    try:
        known = unpack(ours)
    except ValueError:
        return Judgement(ChannelBindingsResult.NOTVALID_MISMATCH, Status.SEC_E_BAD_BINDINGS)
    result = _compare(known, theirs, requirements, client_support, digest)
    failed = bool(result & ChannelBindingsResult.NOTVALID) and not known.audit_only
    return Judgement(result, Status.SEC_E_BAD_BINDINGS if failed else Status.SEC_E_OK)


def _compare(
    ours: ChannelBindings,
    theirs: bytes | None,
    requirements: int,
    client_support: bool,
    digest: Callable[[bytes], bytes],
) -> ChannelBindingsResult:
    if not theirs or not any(theirs):
        support = ChannelBindingsResult.CLIENT_SUPPORT if client_support else ChannelBindingsResult(0)
        missing = ChannelBindingsResult.ABSENT | support
        if ours.absent:
            return missing | ChannelBindingsResult.VALID_MATCHED
        spared = requirements & AscReq.ALLOW_MISSING_BINDINGS and not client_support
        return missing | (ChannelBindingsResult.VALID_MISSING if spared else ChannelBindingsResult.NOTVALID_MISSING)
    if not ours.absent and hmac.compare_digest(digest(ours.application_data), theirs):
        verdict = ChannelBindingsResult.VALID_MATCHED
    elif requirements & AscReq.PROXY_BINDINGS:
        verdict = ChannelBindingsResult.VALID_PROXY
    else:
        verdict = ChannelBindingsResult.NOTVALID_MISMATCH
    return verdict | ChannelBindingsResult.CLIENT_SUPPORT


__all__ = ["FLAGS", "ChannelBindings", "Judgement", "judge", "pack", "unpack"]
