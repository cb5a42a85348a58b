"""What must hold of every call into a package, whoever makes it: looked at while the probes do what they do."""

from __future__ import annotations

from typing import Final

from secpkg.contract.flags import AscRet, Capability, IscRet
from secpkg.contract.requests import ForeignAwait
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    Complete,
    Continue,
    LogonRefused,
    LogonRequest,
    LogonResult,
    NeedMore,
    PackageInfo,
    Refused,
)
from secpkg.host.lsa_mode.load import LOGON_FUNCTIONS
from secpkg.kit.check.model import Finding, broken
from secpkg.kit.check.watch import Seen

_INITIATES: Final = ("init_lsa_mode_context", "initialize_security_context")
_ACCEPTS: Final = ("accept_lsa_mode_context", "accept_security_context")
_VAGUE: Final = frozenset({Status.SEC_E_INTERNAL_ERROR, Status.STATUS_INTERNAL_ERROR})
_SLOW: Final = 10.0
_IDLE: Final = 1.2
"""Seconds in one call: of work, and of waiting for something that is no LSA function."""
_DETECTION: Final = 0xC
_DELEGATE, _MUTUAL = 0x1, 0x2


class Invariants:
    """Told of every call by `Watch`; one finding for each kind of fault and function."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}
        self._told: set[tuple[str, str]] = set()
        self._info = PackageInfo("")
        self._powers: frozenset[str] = frozenset()
        self.looked: dict[str, int] = {}
        """How often each rule was looked at."""

    def expect(self, info: PackageInfo, powers: frozenset[str]) -> None:
        """What the package says of itself."""
        self._info, self._powers = info, powers

    def drain(self) -> list[Finding]:
        """What is new."""
        new = [finding for key, finding in self._found.items() if key not in self._told]
        self._told.update(self._found)
        return new

    def _fault(self, rule: str, seen: Seen, text: str, *evidence: str) -> None:
        self._found.setdefault(
            (rule, f"{seen.function} {text[:40]}"), broken(rule, f"{seen.function}: {text}", *evidence)
        )

    def _looked(self, rule: str) -> None:
        self.looked[rule] = self.looked.get(rule, 0) + 1

    def look(self, seen: Seen) -> None:
        """At one call that has ended."""
        self._looked("K13")
        self._looked("K15")
        if seen.seconds > _SLOW:
            self._fault("K15", seen, "takes longer than anybody waits", f"{seen.seconds:.1f} s")
        elif seen.seconds - seen.worked > _IDLE:
            self._fault("K15", seen, "waits while everybody else waits for it", f"{seen.seconds:.1f} s")
        if seen.error is not None:
            self._error(seen, seen.error)
        elif seen.function in _INITIATES:
            self._step(seen, accept=False)
        elif seen.function in _ACCEPTS:
            self._step(seen, accept=True)
        elif seen.function in LOGON_FUNCTIONS:
            self._logon(seen)

    def _error(self, seen: Seen, error: BaseException) -> None:
        made = isinstance(error, SecurityError) and _passed_on(seen, error.status)
        if isinstance(error, ForeignAwait):
            self._fault("K13", seen, f"awaits something that is no LSA function ({error.reason})")
        elif not isinstance(error, SecurityError):
            self._fault("K13", seen, f"raises {type(error).__name__}, which no document names")
        elif not isinstance(error.status, Status) or not error.status.is_error:
            self._fault("K13", seen, "raises a SecurityError whose status is no error")
        elif error.status in _VAGUE and not made:
            self._fault("K13", seen, f"fails with {error.status.name}, which tells nobody anything")

    def _step(self, seen: Seen, *, accept: bool) -> None:
        step = seen.result
        if not isinstance(step, Continue | Complete | NeedMore | Refused):
            self._fault("K13", seen, f"returns {type(step).__name__}, which is no step")
            return
        if isinstance(step, NeedMore):
            return
        self._looked("R35")
        if len(step.token) > self._info.max_token:
            self._fault(
                "R35", seen, "makes a token longer than max_token", f"{len(step.token)} > {self._info.max_token} bytes"
            )
        if isinstance(step, Refused):
            self._refused(seen, step)
            return
        if isinstance(step, Continue):
            self._looked("R147")
            if not step.token and "datagram" not in self._powers:
                self._fault("R147", seen, "goes on without a token for the peer")
        elif "user" in self._powers and "lsa" in self._powers:
            self._looked("R154")
            if step.packed_context is None:
                self._fault(
                    "R154", seen, "completes a context without a packed context, and the package has a user half"
                )
        if step.complete_needed:
            self._looked("R189")
            if "complete_token" not in self._powers:
                self._fault("R189", seen, "says COMPLETE_NEEDED, and the package has no CompleteAuthToken")
            elif isinstance(step, Continue) and "lsa" in self._powers:
                self._fault("R189", seen, "says COMPLETE_NEEDED before there is a user-mode context to complete it")
        self._granted(seen, int(step.attributes), accept=accept)

    def _refused(self, seen: Seen, step: Refused) -> None:
        if not isinstance(step.status, Status) or not step.status.is_error:
            self._fault("K13", seen, "refuses with a status that is no error")
        elif step.status in _VAGUE and not _passed_on(seen, step.status):
            self._fault("K13", seen, f"refuses with {step.status.name}, which tells nobody anything")
        self._looked("R185")
        if step.token and not self._info.capabilities & Capability.EXTENDED_ERROR:
            self._fault("R185", seen, "makes an error token without having announced EXTENDED_ERROR")

    def _granted(self, seen: Seen, granted: int, *, accept: bool) -> None:
        integrity = int(AscRet.INTEGRITY if accept else IscRet.INTEGRITY)
        self._looked("R177")
        if granted & _DETECTION and not granted & integrity:
            self._fault("R177", seen, "grants REPLAY_DETECT or SEQUENCE_DETECT without INTEGRITY", f"{granted:#x}")
        self._looked("R176")
        if granted & _DELEGATE and not granted & _MUTUAL:
            self._fault("R176", seen, "grants DELEGATE without MUTUAL_AUTH", f"{granted:#x}")

    def _logon(self, seen: Seen) -> None:
        request = next((one for one in seen.arguments if isinstance(one, LogonRequest)), None)
        result = seen.result
        if not isinstance(result, LogonResult | LogonRefused):
            self._fault("K13", seen, f"returns {type(result).__name__}, which is no outcome of a logon")
            return
        self._looked("R46")
        if request is not None and request.username and not result.account_name:
            self._fault("R46", seen, "returns no AccountName, which the audit record needs whatever the outcome")
        if isinstance(result, LogonRefused):
            if not isinstance(result.status, Status) or not result.status.is_error:
                self._fault("K13", seen, "refuses with a status that is no error")
            elif result.status in _VAGUE and not _passed_on(seen, result.status):
                self._fault("K13", seen, f"refuses with {result.status.name}, which tells nobody anything")
            return
        made = [c.arguments[0] for c in seen.lsa if c.function == "create_logon_session" and c.error is None]
        self._looked("R44")
        if result.logon_id not in made:
            self._fault("R44", seen, "returns a LUID under which it has created no session")
        primary = result.primary_credentials
        if primary is not None:
            self._looked("R60")
            if primary.logon_id != result.logon_id:
                self._fault("R60", seen, "gives primary credentials of another session than the one it made")


def _passed_on(seen: Seen, status: Status) -> bool:
    """Whether an LSA function told the package so."""
    return any(call.error is not None and call.error.status == status for call in seen.lsa)
