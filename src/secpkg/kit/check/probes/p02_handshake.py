"""The handshake as it should be: it ends, its tokens fit, and names do not matter to its form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.contract.flags import IscRet
from secpkg.contract.status import SecurityError
from secpkg.contract.values import NEVER
from secpkg.kit.check.bench import ALICE, START
from secpkg.kit.check.model import Finding, broken, judged, kept, probe, skipped
from secpkg.kit.check.subject import Parties, Subject

_TARGETS: Final = (
    "",
    "host/kit",
    "HTTP/ä\u0301\u202e\u0000x",
    "=,;:\\\"'\r\n",
    "x" * 300,
    "ö" * 2000,
)


@probe("handshake", "R35", "R147", "R148", "R150", "R153", "R154", "R156", "R187", "R190", "K15", needs="handshake")
def handshake(subject: Subject) -> Iterator[Finding]:
    """Both sides complete, with any target, and again and again."""
    faults: list[str] = []
    with subject.parties("handshake") as parties:
        made = parties.exchange().run()
        if made.endless:
            yield broken("R148", "the handshake does not end", made.how())
        else:
            yield kept("R148", f"it ends after {len(made.tokens)} tokens")
        taken = len(made.client.legs) - 1 + len(made.server.legs)
        late = [] if taken >= len(made.tokens) else ["the last token comes to a side that has completed already"]
        yield judged("R187", late, "the last token is taken")
        for side in (made.client, made.server):
            expiry = side.final.expiry
            if expiry != NEVER and expiry <= START:
                faults.append(f"the context of the {'server' if side.accept else 'client'} has expired at its birth")
        yield judged("R190", faults, "contexts live until they are deleted")
        if "user" in subject.powers:
            try:
                made.client.ends(), made.server.ends()
                yield kept("R156", "both packed contexts are mapped by the user half")
            except SecurityError as error:
                yield broken("R156", f"its own packed context is refused by its user half: {error.status.name}")
        made.close()
        yield judged("R150", list(_spoken_to(parties)), "a client that is spoken to first answers nobody but its peer")
        strange = []
        for target in _TARGETS:
            try:
                one = parties.exchange(target=target or "host/other").run()
            except (SecurityError, UnicodeError) as error:
                strange.append(f"target {target[:12]!a}: {type(error).__name__}")
                continue
            crash = [seen for seen in parties.bench.watch.calls if _crashed(seen.error)]
            if crash:
                strange.append(f"target {target[:12]!a}: {type(crash[0].error).__name__}")
                break
            one.close()
        yield judged("R153", strange, "a target is a string and nothing more")


def _spoken_to(parties: Parties) -> Iterator[str]:
    """A client whose first leg has an input, which most protocols never give."""
    for token in (b"\0", b"x" * 64, bytes(range(256))):
        client = parties.initiator()
        leg = client.step(token)
        if leg.complete and leg.attributes & IscRet.MUTUAL_AUTH:
            yield f"a client completes at once when it is given {len(token)} bytes of nobody"
        client.close()


def _crashed(error: BaseException | None) -> bool:
    return error is not None and not isinstance(error, SecurityError)


@probe("keys", "K5", "K2", needs="handshake")
def keys(subject: Subject) -> Iterator[Finding]:
    """Each handshake has tokens and keys of its own."""
    with subject.parties("keys") as parties:
        one, two = parties.exchange().run(), parties.exchange().run()
        same = [
            f"the {'server' if server else 'client'} says the same {len(token)} bytes twice"
            for (server, token), (_, again) in zip(one.tokens[1:], two.tokens[1:], strict=False)
            if token == again and len(token) >= 8
        ]
        ours, theirs, again = one.client.key(), one.server.key(), two.client.key()
        if ours and ours == again:
            same.append("two handshakes of one user have one session key")
        yield judged("K2", same, "two handshakes of one user have nothing in common")
        if ours and theirs:
            faults = [] if ours == theirs else ["both sides of one context have different session keys"]
            yield judged("K5", faults, "both sides have one session key")
        peer = one.server.peer()
        if peer:
            faults = [] if ALICE in peer.casefold() else [f"the server's peer is {peer!r}, and {ALICE} proved it"]
            yield judged("K5", faults, f"the server's peer is {peer!r}")
        else:
            yield skipped("K5", "the package does not say with whom a context is")
        one.close()
        two.close()
