"""Throw-away modules: a package and the metadata that a distribution of it would have, in a directory outside the
environment (R8), so that a real worker loads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

PRELUDE: Final = """\
import os
from secpkg.contract import (
    Acquired, Capability, Complete, Continue, InterfaceVersion, ModuleTables, Names, NeedMore, PackageInfo,
    ProtocolReply, SecurityError, Status,
)


class Package:
    def __init__(self, name, **info):
        self.info = PackageInfo(name=name, capabilities=Capability.CONNECTION, **{"max_token": 64, **info})

    async def initialize(self, package_id, parameters, authority):
        self.authority = authority

    async def acquire_credentials_handle(self, call, principal, use, logon_id, authorization_data):
        return Acquired([])

    async def init_lsa_mode_context(self, call, credential, context, request):
        return Continue(b"hello", [])

    async def accept_lsa_mode_context(self, call, credential, context, request):
        if request.token == b"first":
            return Continue(b"more", [])
        if request.token == b"more":
            return NeedMore(1)
        return Complete(None if context else [], request.token[:64])

    async def query_context_attributes(self, call, context, attribute):
        return Names("somebody")

    async def delete_context(self, call, context):
        pass


def tables(*packages):
    return ModuleTables(InterfaceVersion.V1, packages)
"""

PLAIN: Final = """
def initialize(version):
    return tables(Package({name!r}))
"""

ROGUE: Final = """
import asyncio, signal
KEPT = []


class Rogue(Package):
    async def accept_lsa_mode_context(self, call, credential, context, request):
        what = request.token.decode()
        if what == "hang":
            while True:
                pass
        elif what == "exit":
            os._exit(7)
        elif what == "kill":
            os.kill(os.getpid(), 9)
        elif what == "SystemExit":
            raise SystemExit(3)
        elif what == "KeyboardInterrupt":
            raise KeyboardInterrupt
        elif what == "foreign":
            await asyncio.sleep(0)
        elif what == "future":
            await asyncio.Future(loop=asyncio.new_event_loop())
        elif what == "large":
            return Complete([], b"x" * 65)
        elif what == "nonsense":
            return "nonsense"
        elif what == "secret":
            raise ValueError("the password is hunter2")
        elif what == "print":
            print("printed by a package", flush=True)
            os.write(1, b"written by a package")
        elif what == "memory":
            while True:
                KEPT.append(bytearray(1 << 20))
        elif what == "descriptors":
            while True:
                KEPT.append(os.dup(2))
        elif what == "close":
            os.closerange(3, 4096)
        elif what == "fork":
            read, write = os.pipe()
            child = os.fork()
            if not child:
                os.write(write, b"%d" % os.getpid())
                while True:
                    signal.pause()
            return Complete([], os.read(read, 20))
        elif what == "fork and go on":
            child = os.fork()
            if child:
                KEPT.append(child)
            return Complete([], b"%d" % child)
        elif what == "first":
            return Continue(b"more", [])
        return Complete(None if context else [], b"done")

    async def query_context_attributes(self, call, context, attribute):
        if attribute == 1:
            return Names("n" * 300_000)
        return Names("somebody")

    async def call_package_untrusted(self, call, submit_buffer):
        return ProtocolReply(b"x" * 300_000)


def initialize(version):
    return tables(Rogue({name!r}))
"""


def write_module(directory: Path, name: str, body: str = PLAIN, *, version: str = "1.0", prelude: str = PRELUDE) -> str:
    """Write module ``name`` under ``directory``; ``{name!r}`` in the body stands for the name of its package, which is
    the module's with a capital. Returns the directory as `packages.add` takes it.
    """
    package = directory / name
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(prelude + body.replace("{name!r}", repr(name.capitalize())))
    information = directory / f"{name}-{version}.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (information / "entry_points.txt").write_text(f"[secpkg.lsa_mode]\n{name} = {name}:initialize\n")
    return str(directory)
