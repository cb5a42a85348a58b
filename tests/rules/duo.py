"""An SSP/AP module of two packages that writes down every call: `install` makes it an installed distribution.

`LSA_HALF` and `USER_HALF` are two files, so that a test sees which of them a process has imported. Each call is a line
"pid function argument" in the file ``calls`` beside the distribution.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from pathlib import Path
from typing import Final

import pytest

_COMMON: Final = """
import os
from pathlib import Path

CALLS = Path(__file__).parents[1] / "calls"

def note(*words):
    with CALLS.open("a") as file:
        print(os.getpid(), *words, file=file)
"""

LSA_HALF: Final = """
from secpkg.contract import (
    Acquired, Capability, Complete, Continue, InterfaceVersion, LogonResult, ModuleTables, Names, PackageInfo,
    ProtocolReply, SecurityError, Status,
)
import itertools
from .common import note

C = Capability


class Package:
    def __init__(self, name, legs):
        self.legs = legs
        self.number = itertools.count(1)
        self.info = PackageInfo(name=name, capabilities=C.INTEGRITY | C.PRIVACY | C.CONNECTION | C.LOGON, max_token=64)

    async def initialize(self, package_id, parameters, authority):
        note("SpInitialize", self.info.name)
        self.authority = authority

    async def initialize_package(self, package_id, dispatch):
        note("LsaApInitializePackage", self.info.name)
        return self.info.name

    async def get_info(self):
        note("SpGetInfo", self.info.name)
        return self.info

    async def logon_user_ex2(self, call, request):
        note("LsaApLogonUserEx2", self.info.name)
        auth = await self.authority.get_auth_data_for_user(request.username)
        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)
        return LogonResult(logon_id, auth.token_information, auth.account_name)

    async def acquire_credentials_handle(self, call, principal, use, logon_id, authorization_data):
        return Acquired(authorization_data and authorization_data.user)

    async def init_lsa_mode_context(self, call, credential, context, request):
        note("SpInitLsaModeContext", self.info.name, ascii(request.target))
        return self.leg(b"initiator", context, request)

    async def accept_lsa_mode_context(self, call, credential, context, request):
        note("SpAcceptLsaModeContext", self.info.name)
        return self.leg(b"acceptor", context, request)

    def leg(self, role, context, request):
        number = int(request.token or b"0") + 1
        token = b"%d" % number if number < self.legs else b""
        state = context or {"name": "%s-%d" % (self.info.name, next(self.number))}
        if number >= self.legs - 1:
            packed = role + b" secret of " + state["name"].encode()
            return Complete(state, token, packed_context=packed, attributes=request.requirements)
        return Continue(token, state)

    async def query_context_attributes(self, call, context, attribute):
        note("SpQueryContextAttributes", self.info.name)
        if attribute == 1:
            return Names(context["name"])
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION)


def lsa_mode_initialize(version):
    note("SpLsaModeInitialize")
    return ModuleTables(InterfaceVersion.V1, (Package("One", 4), Package("Two", 2)))
"""

USER_HALF: Final = """
from secpkg.contract import InterfaceVersion, SecurityError, SessionKey, Sizes, Status, UserModuleTables
from .common import note


class Package:
    def __init__(self, name):
        self.name = name

    def instance_init(self, version, functions):
        note("SpInstanceInit", self.name)

    def init_user_mode_context(self, packed_context):
        note("SpInitUserModeContext", self.name)
        return packed_context

    def delete_user_mode_context(self, context):
        note("SpDeleteContext", self.name)

    def make_signature(self, context, quality_of_protection, message, sequence_number):
        note("SpMakeSignature", self.name)
        message[-1 if message[0].type & 0xFFFF == 1 else 0].data = b"sign"

    def verify_signature(self, context, message, sequence_number):
        note("SpVerifySignature", self.name)
        return 0

    def seal_message(self, context, quality_of_protection, message, sequence_number):
        note("SpSealMessage", self.name)
        for buffer in message:
            if buffer.type & 0xFFFF == 2:
                buffer.data = b"seal"

    def unseal_message(self, context, message, sequence_number):
        note("SpUnsealMessage", self.name)
        return 0

    def query_context_attributes(self, context, attribute):
        note("SpQueryContextAttributes", self.name, attribute)
        if attribute == 0:
            return Sizes(64, 4, 1, 4)
        if attribute == 9:
            return SessionKey(bytes(context))
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION)


def user_mode_initialize(version):
    note("SpUserModeInitialize")
    return UserModuleTables(InterfaceVersion.V1, (Package("One"), Package("Two")))
"""

_number = itertools.count(1)


class Duo:
    """The distribution as it was installed. Every one has a name of its own: a process keeps the halves it loaded."""

    def __init__(self, place: Path, *, user_half: bool = True) -> None:
        self.place = place
        self.name = f"rules_duo_{os.getpid()}_{next(_number)}"
        package = place / self.name
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "common.py").write_text(_COMMON)
        (package / "lsa.py").write_text(LSA_HALF)
        (package / "user.py").write_text(USER_HALF)
        info = place / f"{self.name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {self.name}\nVersion: 1.0\n")
        points = f"[secpkg.lsa_mode]\n{self.name} = {self.name}.lsa:lsa_mode_initialize\n"
        if user_half:
            points += f"[secpkg.user_mode]\n{self.name} = {self.name}.user:user_mode_initialize\n"
        (info / "entry_points.txt").write_text(points)

    def use(self, monkeypatch: pytest.MonkeyPatch) -> Duo:
        """Let this process find it."""
        monkeypatch.syspath_prepend(str(self.place))
        importlib.invalidate_caches()
        return self

    def imported(self, half: str) -> bool:
        """Whether this process has imported the half ``lsa`` or ``user``."""
        return f"{self.name}.{half}" in sys.modules

    def lines(self) -> list[tuple[int, str]]:
        """(process, what was called) so far."""
        calls = self.place / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [(int(pid), what) for pid, _, what in (line.partition(" ") for line in lines)]

    def calls(self, after: int = 0) -> list[str]:
        """What was called, after the first ``after`` calls."""
        return [what for _, what in self.lines()[after:]]
