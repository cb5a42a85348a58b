"""Metadata of a negotiation: made on one side, taken on the other, before there is a token."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from secpkg.contract.status import SecurityError
from secpkg.kit.check.door import LsaDoor
from secpkg.kit.check.exchange import Exchange, Side
from secpkg.kit.check.model import Finding, judged, probe, skipped
from secpkg.kit.check.subject import Parties, Subject


def _query(side: Side) -> bytes:
    """SpQueryMetaData: what it says to the peer; the context is the side's from now on."""
    door = cast(LsaDoor, side.door)
    made = cast(
        tuple[int, bytes],
        door.function(
            "query_meta_data", side.target, side.requirements, credential=side.credential, context=side.context
        ),
    )
    side.context, data = made
    return data


def _exchange(side: Side, data: bytes) -> None:
    """SpExchangeMetaData."""
    door = cast(LsaDoor, side.door)
    made = cast(
        tuple[int, object],
        door.function(
            "exchange_meta_data", side.target, side.requirements, data,
            credential=side.credential, context=side.context,
        ),
    )  # fmt: skip
    side.context = made[0]


@probe("metadata", "R168", "R169", "K13", needs="handshake metadata lsa")
def metadata(subject: Subject) -> Iterator[Finding]:
    """Each side makes a context for it where there is none; what one says the other takes; the handshake goes on."""
    unmade, untaken, made_data = [], [], 0
    with subject.parties("metadata") as parties:
        for from_server in (False, True):
            one = parties.exchange()
            maker, taker = (one.server, one.client) if from_server else (one.client, one.server)
            name = "server" if from_server else "client"
            try:
                data = _query(maker)
            except SecurityError as error:
                unmade.append(f"SpQueryMetaData of the {name}, without a context, ends with {error.status.name}")
                one.close()
                continue
            made_data += 1
            try:
                _exchange(taker, data)
                _exchange(maker, _query(taker))
            except SecurityError as error:
                untaken.append(
                    "what SpQueryMetaData of one side gives, SpExchangeMetaData of the other refuses: "
                    + error.status.name
                )
            else:
                one.run()
                if not one.complete:
                    unmade.append(f"contexts that were made for metadata of the {name} do not complete: {one.how()}")
            one.close()
        if not made_data:
            yield judged("R168", unmade, "")
            return
        refused_by_one = made_data == 1 and len(unmade) == 1
        yield judged(
            "R168", [] if refused_by_one else unmade, "metadata makes a context, which its first leg continues"
        )
        yield judged("R169", untaken, f"metadata of {made_data} sides was taken by the other")
        if made_data and not untaken:
            yield from _garbage(subject, parties)


def _garbage(subject: Subject, parties: Parties) -> Iterator[Finding]:
    """Metadata that nobody made ends in a documented error, or is taken for nothing: a handshake says which."""
    chance, faults, told = random.Random(subject.seed), [], 0
    source = parties.exchange()
    with suppress(SecurityError):
        genuine = _query(source.client)
        altered = [genuine[:-1], genuine + b"x", bytes([genuine[0] ^ 1]) + genuine[1:]] if genuine else []
        for data in (b"", b"\0", chance.randbytes(64), bytes(60_000), *altered):
            one: Exchange = parties.exchange()
            try:
                _exchange(one.server, data)
            except SecurityError:
                told += 1
            else:
                one.run()
                if one.client.complete != one.server.complete:
                    faults.append(f"after altered metadata one side completes and the other does not: {one.how()}")
            one.close()
    source.close()
    if told:
        yield judged("R169", faults, f"{told} times metadata that nobody made was refused")
    else:
        yield skipped("K13", "whatever metadata comes is taken")
