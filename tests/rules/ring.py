"""A module whose LSA half rings its user half: `install` makes it a distribution in a directory."""

from __future__ import annotations

import importlib
import itertools
import os
from pathlib import Path
from typing import Final

_LSA: Final = """
from secpkg.contract import (
    Acquired, Capability, Complete, InterfaceVersion, ModuleTables, PackageInfo, Refused, SecurityError,
)


class Ring:
    def __init__(self, name):
        self.info = PackageInfo(name, capabilities=Capability.CONNECTION, max_token=70_000)
        self.outcomes = []

    async def initialize(self, package_id, parameters, authority):
        self.authority = authority

    async def acquire_credentials_handle(self, call, principal, use, logon_id, authorization_data):
        return Acquired([])

    async def accept_lsa_mode_context(self, call, credential, context, request):
        number, _, data = request.token.partition(b" ")
        if number == b"map":
            return Complete([], b"mapped", packed_context=b"keys")
        if data.startswith(b"times "):
            data = data[-1:] * int(data[6:-1])
        try:
            answer = await self.authority.client_callback(int(number), 7, 2**40, data)
        except SecurityError as error:
            self.outcomes.append(error.reason)
            return Refused(error.status, reason=error.reason)
        return Complete([], answer)

    async def delete_context(self, call, context):
        try:
            await self.authority.client_callback(1, 0, 0, b"")
        except SecurityError as error:
            self.outcomes.append(error.reason)


RING, BELL = Ring({name!r}), Ring({name!r} + "Bell")


def initialize(version):
    return ModuleTables(InterfaceVersion.V1, (RING, BELL))
"""

_USER: Final = """
import os
from secpkg.contract import InterfaceVersion, SecurityError, Status, UserModuleTables

FUNCTIONS = []


def echo(argument1, argument2, data):
    return b"%d %d %d " % (os.getpid(), argument1, argument2) + data[::-1]


def raises(argument1, argument2, data):
    raise ValueError("a secret")


def refuses(argument1, argument2, data):
    raise SecurityError(Status.STATUS_NOT_SUPPORTED)


def succeeds(argument1, argument2, data):
    raise SecurityError(Status.STATUS_SUCCESS)


def goes(argument1, argument2, data):
    os._exit(0)


class Ring:
    def __init__(self, name):
        self.name = name

    def instance_init(self, version, functions):
        FUNCTIONS.append(functions)
        too_much, no_bytes, much = (lambda *_: bytes(65_537)), (lambda *_: "text"), (lambda *_: bytes(65_536))
        for number, function in enumerate((echo, raises, refuses, succeeds, too_much, no_bytes, much, goes), 1):
            functions.register_callback(number, function)

    def init_user_mode_context(self, packed_context):
        return packed_context

    def delete_user_mode_context(self, context):
        pass


def initialize(version):
    return UserModuleTables(InterfaceVersion.V1, (Ring({name!r}), Ring({name!r} + "Bell")))
"""

_number = itertools.count(1)


def install(place: Path) -> str:
    """Write the distribution under ``place``; its name, which is the module's and that of its first package."""
    name = f"ring_{os.getpid()}_{next(_number)}"
    package = place / name
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "lsa.py").write_text(_LSA.replace("{name!r}", repr(name)))
    (package / "user.py").write_text(_USER.replace("{name!r}", repr(name)))
    info = place / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[secpkg.lsa_mode]\n{name} = {name}.lsa:initialize\n[secpkg.user_mode]\n{name} = {name}.user:initialize\n"
    )
    importlib.invalidate_caches()
    return name
