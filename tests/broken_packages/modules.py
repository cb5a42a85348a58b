"""Modules of the sound packages and of those derived from them, as the kit takes them; and what a fault is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec
from tests.broken_packages import plain
from tests.broken_packages.plain import SoundPlain
from tests.broken_packages.pure import SoundPure
from tests.broken_packages.sound_ap import Sound

from secpkg import contract as c
from secpkg.contract.security_provider import SecurityProvider
from secpkg.kit.check.target import Target

Make: TypeAlias = Callable[[], Target]


class Fault(msgspec.Struct, frozen=True):
    """A broken package. ``rule`` is the one under which the kit must report it, ``also`` are others that the same
    fault breaks, and ``why`` what is wrong in one line.
    """

    name: str
    make: Make
    rule: str
    why: str
    also: frozenset[str] = frozenset()
    slow: bool = False
    """It takes seconds to see."""


def module(package: type[Sound], version: c.InterfaceVersion = c.InterfaceVersion.V1) -> Target:
    """An SSP/AP with its user half; ``version`` says how far the tables of the latter reach."""

    def lsa_mode_initialize(ours: c.InterfaceVersion) -> c.ModuleTables:
        return c.ModuleTables(version, (package(),))

    def user_mode_initialize(ours: c.InterfaceVersion) -> c.UserModuleTables:
        return c.UserModuleTables(version, (package.half(),))

    return Target(package.__name__, lsa_mode_initialize, user_mode_initialize, roots=("tests",))


def provider(package: type[SoundPlain]) -> Target:
    """A plain SSP."""

    def init_security_interface() -> SecurityProvider:
        return package()

    return Target(package.__name__, provider=init_security_interface, prepare=plain.prepare, roots=("tests",))


def pure(package: type[Sound] | type[SoundPure]) -> Target:
    """A module without a user half."""

    def lsa_mode_initialize(version: c.InterfaceVersion) -> c.ModuleTables:
        return c.ModuleTables(max(c.InterfaceVersion), (package(),))

    return Target(package.__name__, lsa_mode_initialize, roots=("tests",))
