"""Channel bindings with flags: those that only report, and those of a channel that ends elsewhere.

What a package makes of bindings is told to the audit record, by AuditLogon: its reason has the names of
SEC_CHANNEL_BINDINGS_RESULT_* (`secpkg.contract.channel_bindings.judge` gives them).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from secpkg.contract.channel_bindings import ChannelBindings, pack
from secpkg.contract.flags import SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS, AscReq
from secpkg.contract.flags_seldom import ChannelBindingsResult
from secpkg.contract.status import SecurityError
from secpkg.contract.values import LogonAudit
from secpkg.kit.check.exchange import Exchange, Side
from secpkg.kit.check.model import Finding, broken, judged, probe, skipped
from secpkg.kit.check.probes.p05_peers import wrong_credentials
from secpkg.kit.check.probes.p06_bindings import aware
from secpkg.kit.check.subject import Parties, Subject

_ONE: Final = b"secpkg check: channel one......."
_TWO: Final = b"secpkg check: channel two......."
_AUDITED: Final = pack(ChannelBindings(_ONE, SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS))
_RULES: Final = ("R236", "R237", "R238", "R239")
_CLIENTS: Final = (("those of another channel", _TWO), ("none", None), ("empty ones", b""))
_BIT: Final = re.compile(r"SEC_CHANNEL_BINDINGS_RESULT_(\w+)")
_SUPPORT, _ABSENT = ChannelBindingsResult.CLIENT_SUPPORT, ChannelBindingsResult.ABSENT
_VALID, _NOTVALID = ChannelBindingsResult.VALID, ChannelBindingsResult.NOTVALID


class _Tried:
    """One handshake: whether it completed, what the package had audited, and the result bits that it named."""

    def __init__(self, parties: Parties, client: bytes | None, server: bytes, extra: int = 0) -> None:
        watch = parties.bench.watch
        watch.calls.clear()
        one: Exchange = parties.exchange(bindings=(client, server))
        one.server.requirements |= extra
        one.run()
        self.complete, self.how = one.server.complete, one.how()
        self.tokens = [token for _, token in one.tokens]
        one.close()
        claims = [
            call.arguments[0]
            for seen in watch.of("accept_lsa_mode_context")
            for call in seen.lsa
            if call.function in ("audit_logon", "audit_logon_ex") and call.arguments
        ]
        self.claims = [claim for claim in claims if isinstance(claim, LogonAudit)]
        self.results = [result for claim in self.claims if (result := _bits(claim.reason))]


def _bits(text: str) -> ChannelBindingsResult:
    found = ChannelBindingsResult(0)
    for name in _BIT.findall(text):
        found |= ChannelBindingsResult.__members__.get(name, ChannelBindingsResult(0))
    return found


@probe("binding flags", *_RULES, "R234", "K5", needs="handshake")
def binding_flags(subject: Subject) -> Iterator[Finding]:
    """Bindings that are tolerated are reported, and tolerance is for bindings alone."""
    with subject.parties("binding flags") as parties:
        if not aware(subject, parties):
            for rule in _RULES:
                yield skipped(rule, "the package takes no channel bindings: they change nothing that can be seen")
            return
        audits = _Tried(parties, _ONE, _AUDITED).complete
        proxies = _Tried(parties, _TWO, _ONE, int(AscReq.PROXY_BINDINGS)).complete
        if not audits and not proxies:
            for rule in _RULES:
                yield skipped(rule, "it knows no flags of bindings: what has some is refused (see judge())")
            return
        if audits:
            yield from _audited(subject, parties)
        else:
            yield broken("R238", "audit-only bindings are refused, even where they match")
        yield from _proxied(parties, taken=proxies)
        yield judged("K5", list(_strangers(subject, parties)), "who has no secret completes nothing, tolerated or not")


def _audited(subject: Subject, parties: Parties) -> Iterator[Finding]:
    failed, silent, vague, results = [], [], [], []
    lsa = "lsa" in subject.powers
    for name, client in _CLIENTS:
        tried = _Tried(parties, client, _AUDITED)
        if not tried.complete:
            failed.append(f"audit-only bindings fail for a client with {name}: {tried.how}")
        if lsa and tried.complete and not tried.claims:
            silent.append(f"a client with {name} passes audit-only bindings, and AuditLogon is told nothing")
        results += [(name, client, result) for result in tried.results]
        vague += [claim.reason for claim in tried.claims if not _bits(claim.reason)]
    refused = _Tried(parties, _TWO, _ONE)
    good = "audit-only bindings fail nobody" + (" and report" if lsa else "; a plain SSP has no record to report to")
    yield judged("R238", failed + silent, good)
    if not results:
        text = "it reports bindings in words of its own" if lsa else "a plain SSP has no record to report to"
        yield skipped("R236", text, *vague[:3])
        yield skipped("R237", text, *vague[:3])
        return
    results += [("those of another channel", _TWO, result) for result in refused.results]
    faults = [
        f"a client with {name} is reported as {result.native}: not one of VALID and NOTVALID"
        for name, _, result in results
        if bool(result & _VALID) == bool(result & _NOTVALID)
    ]
    yield judged("R236", faults, f"{len(results)} reports have a verdict each")
    yield from _missing(subject, results)


def _missing(subject: Subject, results: list[tuple[str, bytes | None, ChannelBindingsResult]]) -> Iterator[Finding]:
    """Whether the client can bind at all: known only where its tokens say so."""
    spare = int(AscReq.ALLOW_MISSING_BINDINGS)
    told = []
    for client in (None, None, b""):
        with subject.parties("what clients say") as parties:
            told.append(_Tried(parties, client, _ONE, spare))
    incapable, control, informed = told
    known = incapable.tokens == control.tokens  # else its tokens differ for reasons of their own
    says = known and incapable.tokens != informed.tokens
    faults = []
    for name, client, result in results:
        if client:
            continue
        if not result & (_ABSENT | ChannelBindingsResult.NOTVALID_MISSING | ChannelBindingsResult.VALID_MISSING):
            faults.append(f"a client with {name} is reported as {result.native}: nothing says that they are missing")
        elif result & _SUPPORT and (client is None or (known and not says)):
            faults.append(f"a client with {name} is reported with CLIENT_SUPPORT, which it never claimed")
        elif not result & _SUPPORT and client is not None and says:
            faults.append("a client that says there is no channel is reported as one that cannot bind")
    said = "its clients say so" if says else "its clients do not say whether they can bind"
    yield judged("R237", faults, f"missing bindings are reported as they are; {said}")
    if says and informed.complete:
        yield broken("R234", "ALLOW_MISSING_BINDINGS spares a client that knows of bindings and has none")


def _proxied(parties: Parties, *, taken: bool) -> Iterator[Finding]:
    proxy = int(AscReq.PROXY_BINDINGS)
    faults = [] if taken else ["a client that is bound to another channel is refused with PROXY_BINDINGS"]
    for name, client in (("none", None), ("empty ones", b""), ("zeros", bytes(32))):
        if _Tried(parties, client, _ONE, proxy).complete:
            faults.append(f"with PROXY_BINDINGS a client with {name} completes, which is bound to nothing")
    for name, client in (("those of the channel", _ONE), ("those of another channel", _TWO)):
        bad = [result for result in _Tried(parties, client, _ONE, proxy).results if result & _NOTVALID]
        faults += [f"with PROXY_BINDINGS a client with {name} is reported as {result.native}" for result in bad]
    yield judged("R239", faults, "PROXY_BINDINGS takes any client that is bound, and none that is not")


def _strangers(subject: Subject, parties: Parties) -> Iterator[str]:
    for name, given in wrong_credentials(subject, parties.bench):
        for manner, server, extra in (
            ("audit-only bindings", _AUDITED, 0),
            ("PROXY_BINDINGS", _ONE, int(AscReq.PROXY_BINDINGS)),
        ):
            try:
                client = Side(parties.bench, parties.client_door, False, given, bindings=_TWO)
            except SecurityError:
                continue
            one = Exchange(client, parties.acceptor(bindings=server))
            one.server.requirements |= extra
            one.run()
            if one.server.complete:
                yield f"{name} completes under {manner}"
            one.close()
