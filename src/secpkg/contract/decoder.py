"""What a package may offer so that ``secpkg decode`` reads its tokens: a decoder, and the tree that it answers with.

It stands in the contract because an author imports nothing else of ours. The documents have nothing like it; it is a
tool for people, runs in no authority and no application, and decides nothing. The entry point is of the group
``secpkg.decoder``, its name is the package's::

    [project.entry-points."secpkg.decoder"]
    Hello = "secpkg_hello.decoder"          # a module with a function decode(token), or an object with that method

An entry point only offers. The decoder is loaded, into the process of the command, where the user names the package
(``--package``), and it is asked about bytes that no built-in format knows (ADR 21).
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from secpkg.contract.values import Value

GROUP = "secpkg.decoder"
"""The group of the entry points."""


class Fault(Value, frozen=True):
    """Why the reading ended: ``offset`` in bytes from the beginning of the token, ``what`` one line for people."""

    offset: int
    what: str


class Field(Value, frozen=True):
    """A stretch of a token: where it is, what stands there, and of what it is made.

    ``offset`` and ``length`` are bytes, counted from the beginning of the token that `Decoder.decode` was given.
    ``value`` is a number, a text or bytes as they stand there, None for what has only parts; ``meaning`` is its name or
    its form for people. Each of ``notes`` is one line that says what is odd. ``fault`` is set where the reading of this
    field ended before its end.
    """

    _secrets: ClassVar[tuple[str, ...]] = ("value", "meaning")

    name: str
    offset: int
    length: int
    value: str | int | bytes | None = None
    meaning: str = ""
    notes: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    fault: Fault | None = None


class Decoder(Protocol):
    """Reads tokens of one package for people."""

    def decode(self, token: bytes) -> Field:
        """The tree of `token`, which is anything at all: bad bytes give a tree up to the fault, and no exception."""
        ...


__all__ = ["GROUP", "Decoder", "Fault", "Field"]
