"""When the authority fails: each LSA function call in turn, with several statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from secpkg.contract.status import SecurityError, Status
from secpkg.kit.check.bench import ALICE, Bench, unused
from secpkg.kit.check.model import Finding, judged, probe, skipped
from secpkg.kit.check.probes.p10_logons import working_kind
from secpkg.kit.check.subject import Parties, Subject

_STATUSES: Final = (
    Status.STATUS_INSUFFICIENT_RESOURCES,
    Status.STATUS_ACCESS_DENIED,
    Status.STATUS_INTERNAL_ERROR,
    Status.STATUS_NO_SUCH_USER,
    Status.STATUS_NO_SUCH_LOGON_SESSION,
)
_MOST: Final = 40
_TIDYING: Final = ("logon_terminated", "delete_context", "free_credentials_handle", "accept_credentials", "shutdown")
"""What fails in these is recorded and changes nothing (spec/README 6)."""


@probe("failing authority", "K11", "K13", "R45", "R138", needs="lsa", deadline=60.0)
def failing_authority(subject: Subject) -> Iterator[Finding]:
    """The n-th LSA function call fails, for every n: nothing succeeds, nothing is left."""
    faults: list[str] = []
    left: list[str] = []
    tried: list[str] = []
    if "handshake" in subject.powers:
        with subject.parties("failing authority") as parties:
            _each(parties.bench, lambda: _handshake(parties), faults, left, tried)
    if "logon" in subject.powers:
        with subject.bench("failing logons") as bench:
            link = bench.link()
            kind = working_kind(bench, link)
            if kind is not None:
                _each(bench, lambda: unused(link, bench.logon(link, ALICE, kind=kind)), faults, left, tried)
    if not tried:
        yield skipped("K11", "the package called no LSA function in what the kit can do with it")
        yield skipped("R138", "the package does not call ImpersonateClient")
        return
    asked = ", ".join(dict.fromkeys(tried))
    yield judged("K11", faults + left, f"{len(tried)} times an LSA function failed, and the package with it: {asked}")
    yield judged("R45", left, "no session was left behind")
    clients = [line for line in faults if "impersonate_client" in line]
    if "impersonate_client" in tried or clients:
        yield judged("R138", clients, "without ImpersonateClient the request is given up")
    else:
        yield skipped("R138", "the package does not call ImpersonateClient")


def _handshake(parties: Parties) -> None:
    """SecurityError when the server does not complete."""
    one = parties.exchange().run()
    status = one.server.status
    one.close()
    if not one.server.complete:
        raise SecurityError(status)


def _each(bench: Bench, action: Callable[[], object], faults: list[str], left: list[str], tried: list[str]) -> None:
    watch = bench.watch
    watch.fail(0, Status.STATUS_INTERNAL_ERROR)
    action()
    count = watch.asked
    before = bench.holdings()
    # Some calls answer others' failures (audit_logon after a refusal): those may fail and change nothing.
    for number in range(1, min(count, _MOST) + 1):
        for status in _STATUSES:
            watch.fail(number, status)
            watch.calls.clear()
            failed = False
            try:
                action()
            except SecurityError:
                failed = True
            function = watch.failed
            watch.fail_at = None
            if not function:
                continue
            tried.append(function)
            if not failed and not _harmless(function) and watch.failed_in not in _TIDYING:
                faults.append(f"{function} fails with {status.name}, and the package goes on to success")
            after = bench.holdings()
            grown = [f"{name} {before[name]} became {after[name]}" for name in before if after[name] > before[name]]
            if grown:
                left.append(f"{function} fails with {status.name}: {', '.join(grown)}")
                before = after


def _harmless(function: str) -> bool:
    """Whether what fails is only the tidying up."""
    return function.startswith(("delete_", "close_", "free_", "audit_", "cancel_", "unregister_", "revert_"))
