"""From the protocol's named rejection to what SSPI says of it: the status outside, the reason for the record."""

from __future__ import annotations

from secpkg.contract.status import Status
from secpkg.contract.values import Refused
from secpkg.protocols.ntlm import Fault, Reason, Rejected

_DENIED = frozenset(
    {
        Reason.LM_RESPONSE,
        Reason.NTLM_V1,
        Reason.ANONYMOUS,
        Reason.PROOF_MISMATCH,
        Reason.MIC_MISSING,
        Reason.MIC_MISMATCH,
        Reason.TARGET_INFO_MISMATCH,
        Reason.TARGET_NAME_MISMATCH,
        Reason.TARGET_NAME_MISSING,
        Reason.TARGET_NAME_UNTRUSTED,
        Reason.REFLECTION,
        Reason.CLOCK_SKEW,
    }
)
_WEAK = frozenset(
    {
        Reason.NTLM_MISSING,
        Reason.INTEGRITY_MISSING,
        Reason.CONFIDENTIALITY_MISSING,
        Reason.EXTENDED_SESSION_SECURITY_MISSING,
        Reason.KEY_TOO_SHORT,
        Reason.KEY_EXCHANGE_MISSING,
        Reason.LM_SESSION_KEY,
    }
)


def refused(rejected: Rejected, why: str = "") -> Refused:
    """The refusal of a leg. ``why`` says more of a proof that did not hold: whose it could not be."""
    reason = why if why and rejected.reason is Reason.PROOF_MISMATCH else rejected.reason.value
    return Refused(status_of(rejected), b"", reason)


def status_of(rejected: Rejected) -> Status:
    """SEC_E_LOGON_DENIED for whatever is wrong with a proof; SEC_E_UNSUPPORTED_FUNCTION for a peer that is too weak."""
    if rejected.reason in _DENIED:
        return Status.SEC_E_LOGON_DENIED
    if rejected.reason in _WEAK:
        return Status.SEC_E_UNSUPPORTED_FUNCTION
    return Status.SEC_E_UNKNOWN_CREDENTIALS if rejected.fault is Fault.CALLER else Status.SEC_E_INVALID_TOKEN
