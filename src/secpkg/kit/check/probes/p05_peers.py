"""Whom a context is with: the user who proved it, in name, access token, session and audit record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, cast

import msgspec

from secpkg.contract.flags import Capability, CredentialUse
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthIdentity, TokenReference
from secpkg.kit.check.bench import ALICE, BOB, PASSWORDS, Bench
from secpkg.kit.check.door import LsaDoor
from secpkg.kit.check.exchange import Exchange, Side
from secpkg.kit.check.model import Finding, broken, judged, kept, probe, skipped, untried
from secpkg.kit.check.subject import HOOK, IDENTITY, OWN_SESSION, SESSION, SHARED, Parties, Subject
from secpkg.kit.check.target import Credentials

_NO_RIGHT: Final = frozenset(
    {
        Status.SEC_E_NO_CREDENTIALS,
        Status.SEC_E_NOT_OWNER,
        Status.SEC_E_UNKNOWN_CREDENTIALS,
        Status.SEC_E_LOGON_DENIED,
    }
)


def wrong_credentials(subject: Subject, bench: Bench) -> Iterator[tuple[str, Credentials]]:
    """Credentials that nobody has."""
    assert subject.recipe is not None
    if subject.recipe.kind == HOOK:
        if bench.given.wrong is not None:
            yield "a secret that is not the user's", bench.given.wrong
    elif subject.recipe.kind == SHARED:
        yield "another secret", Credentials(AuthIdentity(ALICE, "", "not the secret"))
        yield "another user's secret", Credentials(AuthIdentity(ALICE, "", PASSWORDS[BOB]))
    elif subject.recipe.kind == IDENTITY:
        yield "a wrong password", Credentials(AuthIdentity(ALICE, "", "not the password"))
        yield "another user's password", Credentials(AuthIdentity(ALICE, "", PASSWORDS[BOB]))
        yield "no password", Credentials(AuthIdentity(ALICE, "", ""))
        yield "a user who is not there", Credentials(AuthIdentity("nobody-here", "", PASSWORDS[ALICE]))
        yield "no name", Credentials(AuthIdentity("", "", PASSWORDS[ALICE]))


@probe("wrong secret", "K5", "K18", "R107", "K13", "K15", needs="handshake")
def wrong_secret(subject: Subject) -> Iterator[Finding]:
    """Who does not know the secret completes nothing, and the audit record has it."""
    faults, unwritten, left, tried = [], [], [], 0
    lsa = {"lsa", "token"} <= subject.powers  # who logs nobody on has nothing to record
    with subject.parties("wrong secret") as parties:
        bench = parties.bench
        for name, given in wrong_credentials(subject, bench):
            before = bench.sessions()
            bench.watch.calls.clear()
            try:
                client = Side(bench, parties.client_door, False, given, target="host/kit")
            except SecurityError:
                continue
            one = Exchange(client, parties.acceptor()).run()
            tried += 1
            if one.server.complete:
                faults.append(f"the server completes with {name}")
            legs = [seen for seen in bench.watch.of("accept_lsa_mode_context") if seen.result is not None]
            if lsa and len(legs) > 1 and one.server.legs[-1].refused and not _audited(legs[-1].lsa):
                unwritten.append(f"{name}: refused with {one.server.status.name}, and AuditLogon was not called")
            one.close()
            if bench.sessions() != before:
                left.append(f"{name}: a logon session is left behind")
        if subject.recipe is not None and subject.recipe.kind in (SESSION, OWN_SESSION):
            tried += 1
            _stale(parties, faults, unwritten)
    if not tried:
        yield untried("K5", "the kit has no wrong credentials for this package: prepare(place) may give one")
        return
    yield judged("K5", faults, f"{tried} handshakes with wrong secrets completed nothing")
    if lsa:
        yield judged("R107", unwritten, "a proof that failed is on the audit record")
        yield judged("K18", left + unwritten, "a refused client leaves no session, and a failure on the record")


def _stale(parties: Parties, faults: list[str], unwritten: list[str]) -> None:
    """The session is of an old password."""
    bench = parties.bench
    assert bench.lab is not None
    bench.lab.set_password(ALICE, "another-Password-since-then/8")
    bench.watch.calls.clear()
    one = parties.exchange().run()
    legs = [seen for seen in bench.watch.of("accept_lsa_mode_context") if seen.result is not None]
    if one.server.complete:
        faults.append("the server completes with a session whose password was changed since")
    elif legs and not _audited(legs[-1].lsa):
        unwritten.append(f"refused with {one.server.status.name}, and AuditLogon was not called")
    one.close()


def _audited(calls: object) -> bool:
    from secpkg.kit.check.watch import LsaCall

    return any(call.function.startswith("audit_logon") for call in cast(list[LsaCall], calls))


@probe("access token", "R102", "K5", "K14", "K18", "R166", needs="handshake lsa")
def access_token(subject: Subject) -> Iterator[Finding]:
    """The access token is the user's who proved it, and its session lives as long as it does."""
    with subject.parties("access token") as parties:
        bench = parties.bench
        for user in (ALICE, BOB):
            try:
                mine = parties if user == ALICE else subject.another(parties, BOB)
            except (LookupError, SecurityError):
                continue
            records = len(bench.records())
            one = mine.exchange().run()
            if not one.server.complete:
                yield broken("K5", f"{user} has good credentials and is refused", one.how())
                continue
            reference = one.server.final.access_token
            if reference is None:
                if subject.info.capabilities & Capability.IMPERSONATION:
                    yield broken("R102", "it announces IMPERSONATION, and a finished acceptor has no access token")
                    yield broken("K14", "impersonation would do nothing: there is no access token")
                else:
                    yield skipped("R102", "the package makes no access tokens and does not announce IMPERSONATION")
                one.close()
                return
            new = bench.records()[records:]
            yield from _of_user(bench, cast(LsaDoor, mine.server_door), user, reference)
            good = [record for record in new if record.status in ("STATUS_SUCCESS", "SEC_E_OK")]
            faults = [] if good else ["a context was completed, and no success is on the audit record"]
            yield judged("K18", faults, f"{len(new)} audit records for a context that was completed")
            if "context_token" in subject.powers:
                handed = one.server.ends().call("get_context_token")
                wrong = isinstance(handed, TokenReference) and handed.value != reference
                yield judged(
                    "R166", ["the user half hands out another token"] if wrong else [], "it is the context's own"
                )
            one.close()


def _of_user(bench: Bench, door: LsaDoor, user: str, reference: bytes) -> Iterator[Finding]:
    assert bench.lab is not None
    before = set(bench.sessions())
    token = door.redeem(reference)
    account = bench.lab.embedded.machine.authority.store.find(user)
    sid = "" if account is None else str(account.sid)
    faults = []
    if token.information.user != sid or token.account_name.casefold() != user:
        faults.append(f"{user} proved it, and the access token is {token.account_name}'s")
    yield judged("K5", faults, f"the access token is {user}'s")
    yield kept("K14", "the access token is there and can be used")
    yield judged("R102", faults, f"the access token is {user}'s")
    live = token.logon_id in before
    door.close_token(token.token)
    gone = token.logon_id not in bench.sessions()
    faults = [] if live else ["its session is not there"]
    faults += [] if gone else ["its session outlives its last token"]
    yield judged("K18", faults, "the session begins with the context and ends with its last token")


@probe("other peers", "K5", "R142", "R143", needs="handshake")
def other_peers(subject: Subject) -> Iterator[Finding]:
    """Tokens of two users do not mix, and nobody acts for another."""
    faults: list[str] = []
    with subject.parties("other peers") as parties:
        bench = parties.bench
        try:
            others = subject.another(parties, BOB)
        except (LookupError, SecurityError):
            others = None
        if others is not None:
            faults += _crossed(parties, others)
            yield judged("K5", faults, "tokens of two users, crossed, complete nothing")
        else:
            yield untried("K5", "the kit has credentials of one user only: prepare(place) may give another's")
        if "lsa" in subject.powers:
            yield from _default(subject, bench)
            yield from _principal(subject, parties)


def _crossed(alice: Parties, bob: Parties) -> Iterator[str]:
    for place in range(3):
        one, two = alice.exchange(), bob.exchange()
        two.run()
        if place >= len(two.tokens):
            break
        by_server, other = two.tokens[place]
        mine: list[bytes] = []

        def exchanged(
            number: int, token: bytes, at: int = place, other: bytes = other, mine: list[bytes] = mine
        ) -> bytes:
            mine.append(token)
            return other if number == at else token

        one.run(exchanged)
        if len(mine) > place and mine[place] == other:  # it says nothing of anybody
            one.close()
            two.close()
            continue
        name = one.server.peer() if one.server.complete else ""
        if one.server.complete and (place or ALICE in name.casefold() or one.client.complete):
            yield f"the server completes as {name!r} when token {place} is of another user's handshake"
        del by_server
        one.close()
        two.close()


def _default(subject: Subject, bench: Bench) -> Iterator[Finding]:
    """Default credentials where there is no session."""
    door = bench.door()
    try:
        client = Side(bench, door, False, Credentials())
    except SecurityError as error:
        good = error.status in _NO_RIGHT
        text = f"credentials of nobody are refused with {error.status.name}"
        yield (
            kept("R142", text) if good else broken("R142", f"{text}; SEC_E_NO_CREDENTIALS or SEC_E_NOT_OWNER says why")
        )
        return
    one = Exchange(client, Side(bench, bench.door(), True, bench.given.server)).run()
    if one.server.complete:
        yield broken("R142", f"a caller without a session has credentials, and is {one.server.peer()!r} to a server")
    else:
        yield kept("R142", "credentials of nobody complete nothing")
    one.close()


def _principal(subject: Subject, parties: Parties) -> Iterator[Finding]:
    """One user's session or password, and another's name."""
    given = msgspec.structs.replace(parties.given, principal=BOB)
    door = parties.client_door
    try:
        credential = door.acquire(CredentialUse.OUTBOUND, given)
    except SecurityError as error:
        yield kept("R143", f"another user's name is refused with {error.status.name}")
        return
    client = Side(parties.bench, door, False, given, credential=credential)
    one = Exchange(client, parties.acceptor()).run()
    name = one.server.peer() if one.server.complete else ""
    bad = BOB in name.casefold()
    yield judged(
        "R143", [f"{ALICE} is {name!r} to a server by naming {BOB}"] if bad else [], "a name alone gives no right"
    )
    one.close()
    door.free(credential)


__all__ = ["wrong_credentials"]
