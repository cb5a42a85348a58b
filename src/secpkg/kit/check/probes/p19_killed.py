"""Clients that are killed, with a worker in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

from secpkg.contract.status import SecurityError
from secpkg.contract.values import AuthIdentity
from secpkg.kit.check.bench import ALICE, PASSWORDS
from secpkg.kit.check.exchange import EVERYTHING, acceptors
from secpkg.kit.check.model import Finding, judged, probe, untried
from secpkg.kit.check.real import kill_after, running, speak
from secpkg.kit.check.subject import IDENTITY, Subject
from secpkg.kit.check.target import Credentials


@probe("killed clients", "K12", "R3", needs="handshake lsa", deadline=90.0)
def killed_clients(subject: Subject) -> Iterator[Finding]:
    """SIGKILL after every leg: the worker lives, and nothing is left of the client."""
    recipe = subject.recipe
    if not subject.target.installed or recipe is None or recipe.kind != IDENTITY:
        yield untried("K12", "a worker in a process of its own needs an installed module and users with passwords")
        return
    given = Credentials(AuthIdentity(ALICE, "", PASSWORDS[ALICE]))
    asked = recipe.requirements & EVERYTHING
    legs = len(subject.transcript) + 1
    steps = [1, legs] if subject.quick else list(range(legs + 1))
    faults = []
    try:
        with running(subject.target.installed) as authority:
            before = authority.counts()
            for number in steps:
                kill_after(
                    lambda number=number: speak(  # type: ignore[misc]
                        authority.address, subject.package, given, (asked, acceptors(asked)), number
                    )
                )
                left = authority.settles(before)
                if left:
                    faults.append(f"killed after {number} legs, it leaves {left}")
                    before = authority.counts()
    except (OSError, SecurityError, TimeoutError) as error:
        text = error.status.name if isinstance(error, SecurityError) else str(error)
        yield untried("K12", f"no authority could be run in a process of its own: {text}")
        return
    yield judged("K12", faults, f"{len(steps)} clients were killed, and the worker noticed nothing else")
