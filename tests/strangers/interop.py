"""Who talks with whom and what was negotiated: docs/interop.md, by `python -m tests.strangers.interop --write`."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.http.visit import LIBRARIES
from tests.needs import missing
from tests.strangers.meeting import Meeting
from tests.strangers.over_http import VISITORS, Client, chromium, curl, example, ours, relayed, spnego
from tests.strangers.peers import PEERS, Peer, debian_version
from tests.strangers.talk import PASSWORD, TLS, Seen, handshake, same_key

from secpkg.protocols.ntlm import NegotiateFlag

PAGE: Final = Path(__file__).parents[2] / "docs" / "interop.md"
_HEAD: Final = """\
# Who talks with whom

Made by `python -m tests.strangers.interop --write` from conversations that it holds; a test holds them again and
compares. Every row of the first table is an NTLM handshake by raw tokens between our end and an implementation that is
not ours, and the messages after it: read from the tokens that passed, not from what either end says of itself.

`→ us` is the stranger's initiator with our acceptor, `us →` the other way. *Bound*: both know the same channel, and
ours requires its binding. *MIC*: the last message promises one over all three.
*Session*: extended session security (ESS), the size of the keys, an exchanged key (KEX). *Key*: both ends tell the same
session key. *Sealed* and *signed*: messages both ways, in turn. A dash: the stranger has no such thing.
Wrong passwords, unknown users, other channels and flipped bits are refused in each of these pairs
(`tests/strangers/test_talking.py`); what strangers do otherwise than the pages is in `tests/strangers/test_manners.py`.

"""
_HTTP: Final = """
## Over HTTP and TLS

Visits to `examples/http_service`, and of our `auth=` objects to an HTTP server that lets in whom pyspnego's acceptor
lets in. *Policy*: what the server asks of channel bindings to its certificate. *Protected*: whether signing or sealing
was negotiated (TLS protects the messages, and nobody asks for more). *Wrong*: a wrong password. *Relay*: the right
password through a relay whose certificate the client takes, and which passes everything on. Tests beyond these rows:
`tests/strangers/test_http.py`.

"""
_HTTP_COLUMNS: Final = (
    "client",
    "server",
    "policy",
    "bound",
    "MIC",
    "target name",
    "protected",
    "right",
    "wrong",
    "relay",
)
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


NEEDS: Final = (
    *(package for peer in PEERS.values() for package in peer.needs),
    *(package for _, package, _ in VISITORS),
)
"""Debian packages that a run takes."""


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


def http_row(client: str, server: str, policy: str, visit: Client) -> str:
    """Pays the visits and says what came of them."""
    with tempfile.TemporaryDirectory() as folder:
        service = example(Path(folder), policy) if server == "us" else spnego(Path(folder))
        with service as place:
            right = visit(place, "alice", PASSWORD)
            seen = place.seen
            wrong = visit(place, "guest", "wrong")
            with relayed(place) as between:
                relay = visit(between, "alice", PASSWORD)
    admitted = ["refused" if name is None else "let in" for name in (right, wrong, relay)]
    protected = bool(seen.flags & (NegotiateFlag.SIGN | NegotiateFlag.SEAL))
    facts = (seen.bound, seen.mic, bool(seen.response.pairs.target_name), protected)
    return f"| {' | '.join((client, server, policy, *map(yes, facts), *admitted))} |"


def http_rows() -> Iterator[str]:
    """Each client once for each policy under which it comes in."""
    yield http_row("curl", "us", "when-supported", curl)
    yield http_row("curl", "us", "require", curl)
    for policy in ("when-supported", "require"):
        yield http_row("Chromium", "us", policy, chromium)
    for name in LIBRARIES:
        yield http_row(f"{name} (ours)", "pyspnego", "its own", ours(name))


def table(columns: Sequence[str], rows: Iterable[str]) -> str:
    """A table in Markdown."""
    return "\n".join([f"| {' | '.join(columns)} |", "|" + "---|" * len(columns), *rows]) + "\n"


def page() -> str:
    """The page, from conversations held now."""
    raw = table(_COLUMNS, (row(*conversation) for conversation in conversations()))
    notes = [f"- {peer.name} {peer.version}: {peer.note}." for peer in PEERS.values()]
    notes += [f"- {name} {debian_version(package)}: {note}." for name, package, note in VISITORS]
    return (
        _HEAD + raw + _HTTP + table(_HTTP_COLUMNS, http_rows()) + "\n".join(["", "## The strangers", "", *notes]) + "\n"
    )


def without_versions(text: str) -> str:
    """A page as it is compared: a new version of a stranger that does the same changes nothing."""
    return re.sub(r"(?m)^(- [\w-]+) [\d.]+:", r"\1:", text)


if __name__ == "__main__":
    absent = [reason for package in NEEDS if (reason := missing(package))]
    if absent:
        sys.exit("\n".join(absent))
    made = page()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(made)
    else:
        print(made, end="")
