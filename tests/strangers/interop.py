"""Who talks with whom and what was negotiated: docs/interop.md, by `python -m tests.strangers.interop --write`."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.needs import missing
from tests.strangers.meeting import Meeting
from tests.strangers.peers import PEERS, Peer
from tests.strangers.talk import PASSWORD, TLS, Seen, handshake, same_key

from secpkg.protocols.ntlm import NegotiateFlag

PAGE: Final = Path(__file__).parents[2] / "docs" / "interop.md"
_HEAD: Final = """\
# Who talks with whom

Made by `python -m tests.strangers.interop --write` from conversations that it holds; a test holds them again and
compares. Every row is an NTLM handshake by raw tokens between our end and an implementation that is not ours, and the
messages after it: read from the tokens that passed, not from what either end says of itself.

`→ us` is the stranger's initiator with our acceptor, `us →` the other way. *Bound*: both know the same channel, and
ours requires its binding. *MIC*: the last message promises one over all three.
*Session*: extended session security (ESS), the size of the keys, an exchanged key (KEX). *Key*: both ends tell the same
session key. *Sealed* and *signed*: messages both ways, in turn. A dash: the stranger has no such thing.
Wrong passwords, unknown users, other channels and flipped bits are refused in each of these pairs
(`tests/strangers/test_talking.py`); what strangers do otherwise than the pages is in `tests/strangers/test_manners.py`.

"""
_COLUMNS: Final = (
    "stranger",
    "direction",
    "secret",
    "bound",
    "MIC",
    "target name",
    "session",
    "key",
    "sealed",
    "signed",
)


def conversations() -> Iterator[tuple[Peer, str, str | None, bytes]]:
    """Stranger, its side, the initiator's password (None: the NT hash), the channel."""
    for peer in PEERS.values():
        for side in peer.sides:
            secrets = (PASSWORD, None) if peer.by_hash and side == "initiator" else (PASSWORD,)
            for password in secrets:
                for bindings in (b"", TLS) if peer.binds else (b"",):
                    yield peer, side, password, bindings


def yes(holds: bool) -> str:
    return "yes" if holds else "no"


def session(seen: Seen) -> str:
    """What of session security both agreed on."""
    flags = seen.flags
    bits = "128" if NegotiateFlag.KEY_128 in flags else "56" if NegotiateFlag.KEY_56 in flags else "40"
    words = ["ESS"] * (NegotiateFlag.EXTENDED_SESSIONSECURITY in flags) + [bits]
    return ", ".join([*words, *["KEX"] * (NegotiateFlag.KEY_EXCH in flags)])


def row(peer: Peer, side: str, password: str | None, bindings: bytes) -> str:
    """Holds the conversation and says what it was."""
    with tempfile.TemporaryDirectory() as folder, Meeting(Path(folder)) as meeting:
        initiator, acceptor = meeting.pair(peer, side, password=password, bindings=bindings, require=bool(bindings))
        seen = handshake(initiator, acceptor)
        key = "same" if same_key(initiator, acceptor) else "–"
        peer.talk(initiator, acceptor)
    cells = (
        peer.name,
        "→ us" if side == "initiator" else "us →",
        "NT hash" if password is None else "password",
        yes(seen.bound) if peer.binds else "–",
        yes(seen.mic),
        yes(bool(seen.response.pairs.target_name)),
        session(seen),
        key,
        "yes" if peer.seals else "–",
        "yes" if peer.signs else "–",
    )
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """The page, from conversations held now."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|" + "---|" * len(_COLUMNS)]
    lines += [row(*conversation) for conversation in conversations()]
    notes = [f"- {peer.name} {peer.version}: {peer.note}." for peer in PEERS.values()]
    return _HEAD + "\n".join([*lines, "", "## The strangers", "", *notes]) + "\n"


def without_versions(text: str) -> str:
    """A page as it is compared: a new version of a stranger that does the same changes nothing."""
    return re.sub(r"(?m)^(- [\w-]+) [\d.]+:", r"\1:", text)


if __name__ == "__main__":
    absent = [reason for peer in PEERS.values() for package in peer.needs if (reason := missing(package))]
    if absent:
        sys.exit("\n".join(absent))
    made = page()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(made)
    else:
        print(made, end="")
