"""A handshake, kept leg by leg, to be compared with later ones byte by byte.

A package takes time and chance from its call alone, so a leg is a function of the token, the time, the bytes drawn, and
what the authority knows. A recording has the first three and what came of them. A replay lets time stand still at the
recorded instants and gives the recorded bytes to the package, in their order; what the authority knows (accounts, and
what packages keep with them, salts too) the test prepares as it did for the recording: with a `SeededEntropy` of the
same seed. What the authority draws for itself is not in it, so that a recording outlives changes there.

A recording has no passwords and no keys, but who has the nonces and the password of a lab can compute its keys. It is
for tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from secpkg.contract.status import SecurityError
from secpkg.testing.lab import LabAuthority
from secpkg.testing.pair import Pair

FORMAT: Final = 1
_MAX_FILE: Final = 4 * 1024 * 1024
_MAX_DRAWN: Final = 1024 * 1024


class Leg(msgspec.Struct, frozen=True):
    """One leg: who made it, when, what it drew and what came of it. Bytes are hexadecimal."""

    who: Literal["client", "server"]
    now: float
    drawn: tuple[str, ...]
    status: str
    token: str


class Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A handshake, whether it was completed or refused."""

    package: str
    legs: tuple[Leg, ...]
    format: int = FORMAT

    def save(self, path: str | Path) -> None:
        """Write it as JSON."""
        Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Read it. ValueError for what is no recording of this format; OSError."""
        with open(path, "rb") as file:
            data = file.read(_MAX_FILE + 1)
        if len(data) > _MAX_FILE:
            raise ValueError(f"{path} is larger than {_MAX_FILE} bytes")
        try:
            found = msgspec.json.decode(data, type=cls)
            for leg in found.legs:
                bytes.fromhex(leg.token + "".join(leg.drawn))
        except (msgspec.MsgspecError, ValueError) as error:
            raise ValueError(f"{path} is no recording: {error}") from None
        if found.format != FORMAT:
            raise ValueError(f"{path} has format {found.format}, not {FORMAT}")
        return found


class Difference(AssertionError):
    """Where a replay is another handshake: ``leg`` from 1, ``who``, ``what`` (``token``, ``entropy``, ``status``,
    ``legs``), and of a token or of drawn bytes ``offset``, the first byte that differs.
    """

    def __init__(self, leg: int, who: str, what: str, text: str, offset: int | None = None) -> None:
        super().__init__(f"leg {leg} ({who}): {text}")
        self.leg = leg
        self.who = who
        self.what = what
        self.offset = offset


class _Tape:
    """The draws of a recording, given out again."""

    def __init__(self, number: int, leg: Leg) -> None:
        self._number = number
        self._leg = leg
        self._next = 0
        self.difference: Difference | None = None

    def __call__(self, size: int) -> bytes:
        drawn = self._leg.drawn
        was = bytes.fromhex(drawn[self._next]) if self._next < len(drawn) else None
        self._next += 1
        if was is None or len(was) != size:
            text = f"draw {self._next} is of {size} bytes, recorded " + ("none" if was is None else f"{len(was)}")
            # The package sees its call fail; who replays is told this.
            self.difference = self.difference or Difference(self._number, self._leg.who, "entropy", text)
            raise self.difference
        return was

    def check(self) -> None:
        """Raise what was different."""
        if self.difference is not None:
            raise self.difference
        left = len(self._leg.drawn) - self._next
        if left:
            raise Difference(self._number, self._leg.who, "entropy", f"{left} fewer draws than recorded")


def record(pair: Pair) -> Recording:
    """Run a pair that has not begun, and keep what happens. A refusal is an outcome too, and ends the recording."""
    legs: list[Leg] = []
    while not pair.complete and pair.error is None:
        drawn: list[str] = []
        draw = pair.lab.entropy.source

        def kept(size: int, draw: Callable[[int], bytes] = draw, drawn: list[str] = drawn) -> bytes:
            bytes_drawn = draw(size)
            drawn.append(bytes_drawn.hex())
            if sum(map(len, drawn)) > 2 * _MAX_DRAWN:
                raise ValueError("a leg that draws more than a MiB is not recorded")
            return bytes_drawn

        who: Literal["client", "server"] = "server" if pair.turn == "server" else "client"
        now = pair.lab.time()
        with _held(pair.lab, now, kept):
            status, token = _leg(pair)
        legs.append(Leg(who, now, tuple(drawn), status, token.hex()))
    return Recording(pair.package, tuple(legs))


def replay(recording: Recording, pair: Pair) -> None:
    """Run a pair that has not begun as it was recorded. `Difference` says the first byte that differs."""
    for number, leg in enumerate(recording.legs, 1):
        if pair.complete or pair.error is not None:
            raise Difference(number, leg.who, "legs", f"the handshake ended after {number - 1}")
        tape = _Tape(number, leg)
        with _held(pair.lab, leg.now, tape):
            status, token = _leg(pair)
        if tape.difference is not None:
            raise tape.difference
        _compare(number, leg, token)
        if status != leg.status:
            raise Difference(number, leg.who, "status", f"{status}, recorded {leg.status}")
        tape.check()
    if not pair.complete and pair.error is None:
        raise Difference(len(recording.legs) + 1, pair.turn, "legs", "the recording ends here, the handshake goes on")


def _leg(pair: Pair) -> tuple[str, bytes]:
    end = pair.server if pair.turn == "server" else pair.client
    try:
        token = pair.step() or b""
    except SecurityError as error:
        return error.status.native, error.token or b""
    return "SEC_E_OK" if end.complete else "SEC_I_CONTINUE_NEEDED", token


def _compare(number: int, leg: Leg, token: bytes) -> None:
    was = bytes.fromhex(leg.token)
    if was == token:
        return
    offset = next((at for at, (old, new) in enumerate(zip(was, token, strict=False)) if old != new), -1)
    if offset < 0:
        offset = min(len(was), len(token))
        text = f"the token has {len(token)} bytes, recorded {len(was)}; so far they are the same"
    else:
        text = (
            f"the token differs at byte {offset}: {token[offset]:02x}, recorded {was[offset]:02x}"
            f" (of {len(token)} and {len(was)} bytes)"
        )
    raise Difference(number, leg.who, "token", text, offset)


@contextmanager
def _held(lab: LabAuthority, now: float, chance: Callable[[int], bytes]) -> Iterator[None]:
    source, lab.entropy.source = lab.entropy.source, chance
    before, lab.time.fixed = lab.time.fixed, now
    try:
        yield
    finally:
        lab.entropy.source, lab.time.fixed = source, before
