"""Contexts once more: tokens twice, half tokens, users who are not there, handles that are alike, what is packed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.contract.flags import CredentialUse
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import MAX_PACKED_CONTEXT, AuthIdentity, Complete, LogonAudit
from secpkg.kit.check.bench import ALICE, PASSWORDS
from secpkg.kit.check.exchange import Exchange, Side
from secpkg.kit.check.model import Finding, broken, judged, kept, probe, skipped
from secpkg.kit.check.probes.p05_peers import wrong_credentials
from secpkg.kit.check.subject import HOOK, IDENTITY, NOTHING, OWN_SESSION, SESSION, Parties, Subject
from secpkg.kit.check.target import Credentials

_WAYS: Final = (HOOK, IDENTITY, OWN_SESSION, SESSION, NOTHING)


def _stopped(parties: Parties, place: int) -> tuple[Exchange, Side, bytes]:
    """A handshake whose token ``place`` was made and not yet given to its receiver."""
    one = parties.exchange().run(stop=place + 1)
    by_server, token = one.tokens[place]
    return one, one.client if by_server else one.server, token


@probe("tokens twice", "K4", needs="handshake")
def tokens_twice(subject: Subject) -> Iterator[Finding]:
    """A token that was taken is not due again."""
    if subject.powers & {"datagram", "stream"}:
        yield skipped("K4", "tokens of datagram and stream contexts may come again")
        return
    faults = []
    with subject.parties("tokens twice") as parties:
        genuine = parties.exchange().run()
        number = len(genuine.tokens)
        genuine.close()
        for place in range(number):
            one, side, token = _stopped(parties, place)
            first = side.step(token)
            if not first.refused and not side.complete:
                again = side.step(token)
                if again.complete or again.status is Status.SEC_I_CONTINUE_NEEDED:
                    name = "server" if side.accept else "client"
                    faults.append(f"the {name} takes token {place} a second time, where another one is due")
            one.close()
    yield judged("K4", faults, f"{number} tokens were not taken a second time")


@probe("half tokens", "R226", "K4", needs="handshake")
def half_tokens(subject: Subject) -> Iterator[Finding]:
    """A package that asks for more has forgotten nothing when more comes."""
    faults, asked = [], 0
    with subject.parties("half tokens") as parties:
        genuine = parties.exchange().run()
        lengths = [len(token) for _, token in genuine.tokens]
        genuine.close()
        for place, length in enumerate(lengths):
            for cut in sorted({1, length // 2, length - 1} - {0, length}):
                one, side, token = _stopped(parties, place)
                if side.step(token[:cut]).status is Status.SEC_E_INCOMPLETE_MESSAGE:
                    asked += 1
                    leg = side.step(token)
                    if leg.refused or leg.status is Status.SEC_E_INCOMPLETE_MESSAGE:
                        faults.append(
                            f"token {place} is incomplete after {cut} bytes, and the whole one is {leg.status.name}"
                        )
                one.close()
    if asked:
        yield judged("R226", faults, f"{asked} times more was asked for, and the whole token was taken")
    elif "stream" not in subject.powers:
        yield kept("K4", "half tokens are refused, not waited for")


@probe("unknown users", "R54", needs="handshake")
def unknown_users(subject: Subject) -> Iterator[Finding]:
    """To a client, a user who is not there looks like a wrong password: statuses, legs, lengths of tokens."""
    recipe = subject.recipe
    if recipe is None or recipe.kind != IDENTITY:
        yield skipped("R54", "the package does not know its users by name and password")
        return
    password = PASSWORDS[ALICE][::-1]
    nobody = "zq" * len(ALICE)
    with subject.parties("unknown users") as parties:
        shapes = []
        for user in (ALICE, ALICE, nobody[: len(ALICE)], nobody[-len(ALICE) - 1 : -1]):
            try:
                client = Side(parties.bench, parties.client_door, False, Credentials(AuthIdentity(user, "", password)))
            except SecurityError as error:
                shapes.append(f"no credentials: {error.status.name}")
                continue
            one = Exchange(client, parties.acceptor()).run()
            shapes.append(", ".join(f"{leg.status.name} {len(leg.token)}" for leg in one.server.legs))
            one.close()
    if shapes[0] != shapes[1]:
        shapes = [" ".join(word for word in shape.split() if not word.strip(",").isdigit()) for shape in shapes]
    faults = [f"a wrong password: {shapes[0]}; an unknown user: {shape}" for shape in shapes[2:] if shape != shapes[0]]
    yield judged("R54", faults, f"an unknown user and a wrong password look alike: {shapes[0]}")


@probe("failures on the record", "K18", "R107", needs="handshake lsa")
def failures_on_the_record(subject: Subject) -> Iterator[Finding]:
    """What a package claims of a client that it refused is a failure."""
    faults, tried = [], 0
    with subject.parties("failures on the record") as parties:
        for name, given in wrong_credentials(subject, parties.bench):
            parties.bench.watch.calls.clear()
            try:
                client = Side(parties.bench, parties.client_door, False, given)
            except SecurityError:
                continue
            one = Exchange(client, parties.acceptor()).run()
            claims = [
                call.arguments[0]
                for seen in parties.bench.watch.of("accept_lsa_mode_context")
                for call in seen.lsa
                if call.function in ("audit_logon", "audit_logon_ex") and call.arguments
            ]
            if not one.server.complete:
                tried += 1
                if any(isinstance(claim, LogonAudit) and not claim.status.is_error for claim in claims):
                    faults.append(f"{name} is refused, and AuditLogon is told of a success")
            one.close()
    if tried:
        yield judged("K18", faults, f"{tried} refusals, and no success was claimed for them")


@probe("handles alike", "K12", needs="handshake")
def handles_alike(subject: Subject) -> Iterator[Finding]:
    """Two credentials handles of one user are two: the end of one is not the end of the other."""
    faults = []
    with subject.parties("handles alike") as parties:
        bench = parties.bench
        first = Side(bench, parties.client_door, False, parties.given)
        second = Side(bench, parties.client_door, False, parties.given, target=parties.initiator().target or "")
        first.close()
        one = Exchange(second, parties.acceptor()).run()
        if not one.complete:
            faults.append(f"one client's handle was freed, and another of the same user ends with {one.how()}")
        one.close()
        parties.server_door.free(parties.server_door.acquire(CredentialUse.INBOUND, parties.served))
        one = parties.exchange().run()
        if not one.complete:
            faults.append(f"one server's handle was freed, and another ends with {one.how()}")
        one.close()
    yield judged("K12", faults, "each handle is one by itself")


@probe("size of packed contexts", "R156", needs="contexts lsa")
def size_of_packed_contexts(subject: Subject) -> Iterator[Finding]:
    """What is packed fits: a packed context that does not is refused by the host, and no context stands."""
    sizes: list[int] = []
    for kind in _WAYS:
        with subject.bench("packed contexts " + kind) as bench:
            try:
                door, given = subject.client(bench, ALICE, kind)
                client, server = Side(bench, door, False, given), Side(bench, bench.door(), True, bench.given.server)
                Exchange(client, server).run().close()
            except (SecurityError, LookupError):
                continue
            steps = [seen.result for seen in bench.watch.calls if isinstance(seen.result, Complete)]
            sizes += [len(step.packed_context) for step in steps if step.packed_context is not None]
        if sizes:
            break
    large = [f"a packed context has {size} bytes, {MAX_PACKED_CONTEXT} are allowed" for size in sizes]
    large = [line for line, size in zip(large, sizes, strict=True) if size > MAX_PACKED_CONTEXT]
    if large:
        yield broken("R156", large[0], *large[1:])
    elif sizes:
        yield kept("R156", f"packed contexts of {max(sizes)} bytes")
