"""A finished context that moves to another process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from secpkg.contract.flags import SECPKG_CONTEXT_EXPORT_DELETE_OLD, SECPKG_CONTEXT_EXPORT_RESET_NEW
from secpkg.contract.status import SecurityError
from secpkg.contract.user_mode.ssp import ExportedContext
from secpkg.kit.check.exchange import Ends
from secpkg.kit.check.model import Finding, broken, judged, probe
from secpkg.kit.check.probes.p07_grants import Granted
from secpkg.kit.check.probes.p08_messages import Kind, fresh, kinds
from secpkg.kit.check.subject import Subject

_TEXT: Final = b"a message around a move, 32 byt."


def _moved(ends: Ends, flags: int) -> Ends:
    exported = ends.call("export_security_context", flags)
    if not isinstance(exported, ExportedContext):
        raise TypeError("SpExportSecurityContext returns no ExportedContext")
    return Ends(ends.table, ends.table["import_security_context"](exported.packed_context, exported.token), "")


@probe("transfer", "R203", "R204", "K7", needs="handshake export messages")
def transfer(subject: Subject) -> Iterator[Finding]:
    """It goes on where it was: nothing again, nothing with a key and a number that were used."""
    faults: list[str] = []
    chance = random.Random(subject.seed)
    with subject.parties("transfer") as parties:
        probed = fresh(parties)
        names = [kind.name for kind in kinds(probed)]
        granted = Granted(probed)
        probed.close()
        for kind in map(Kind, names):
            made = fresh(parties)
            one, other = made.client.ends(), made.server.ends()
            old = kind.send(other, _TEXT)
            kind.take(one, old)
            before = kind.send(one, _TEXT)
            kind.take(other, before)
            try:
                new = _moved(one, SECPKG_CONTEXT_EXPORT_DELETE_OLD)
            except SecurityError as error:
                yield broken("R203", f"SECPKG_CONTEXT_EXPORT_DELETE_OLD is refused with {error.status.name}")
                made.close()
                return
            try:
                first = kind.send(new, _TEXT)
                if granted.replay and first == before:
                    faults.append(f"after the move a {kind.name} is the one from before: key and number come again")
                kind.take(other, first)
                kind.take(new, kind.send(other, _TEXT))
            except SecurityError as error:
                faults.append(f"after the move a {kind.name} is refused with {error.status.name}")
            if granted.replay and kind.status(new, old) is None:
                faults.append(f"after the move a {kind.name} from before is taken again")
            faults += _reset(parties_reset := fresh(parties), kind, granted)
            parties_reset.close()
            made.close()
        yield judged("R203", list(dict.fromkeys(faults)), "a context goes on where it was")
        made = fresh(parties)
        table = made.client.ends().table
        taken = []
        for name, data in (
            ("nothing", b""),
            ("a byte", b"\1"),
            ("chance", chance.randbytes(100)),
            ("zeros", bytes(80)),
        ):
            try:
                table["import_security_context"](data, None)
                taken.append(f"{name} is taken for an exported context")
            except SecurityError:
                continue
        made.close()
        yield judged("R204", taken, "what was not exported is not imported")


def _reset(made: object, kind: Kind, granted: Granted) -> Iterator[str]:
    """RESET_NEW must not let used keys and numbers come again."""
    from secpkg.kit.check.exchange import Exchange

    assert isinstance(made, Exchange)
    one, other = made.client.ends(), made.server.ends()
    before = kind.send(one, _TEXT)
    kind.take(other, before)
    try:
        new = _moved(one, SECPKG_CONTEXT_EXPORT_DELETE_OLD | SECPKG_CONTEXT_EXPORT_RESET_NEW)
    except SecurityError:
        return
    if granted.replay and kind.send(new, _TEXT) == before:
        yield f"RESET_NEW makes the {kind.name} from before again: key and number come again"
