"""An authority in memory with one tiny package, whose user half is an installed distribution in a temporary folder."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import msgspec
import pytest

from secpkg.contract.digest import distribution_digest
from secpkg.contract.flags import AscRet, Capability, IscRet
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthIdentity, Names, PackageInfo, TokenInformation
from secpkg.ipc import schema
from secpkg.ipc.errors import ChannelClosed
from secpkg.ipc.link import failure

USER_HALF = """
import threading
from secpkg.contract import (
    InterfaceVersion, Names, SecurityError, SessionKey, Sizes, Status, UserModuleTables,
)

CALLS = []
HOLD = {}

class Tiny:
    name = "Tiny"

    def instance_init(self, version, functions):
        CALLS.append("instance_init")

    def init_user_mode_context(self, packed_context):
        CALLS.append("init")
        if packed_context.startswith(b"broken"):
            raise ValueError("broken")
        return {"packed": packed_context, "sent": 0, "received": 0}

    def delete_user_mode_context(self, context):
        CALLS.append("delete")

    def seal_message(self, context, quality_of_protection, message, sequence_number):
        CALLS.append("seal")
        if "seal" in HOLD:
            HOLD["entered"].set()
            HOLD["seal"].wait(30)
        token = next(b for b in message if b.type & 0xFFFFFFF == 2)
        data = next(b for b in message if b.type & 0xFFFFFFF == 1 and not b.type & 0x90000000)
        data.data = bytes(x ^ 0x55 for x in data.data)
        token.data = b"T" + (sum(data.data) % 256).to_bytes(1, "big")
        for b in message:
            if b.type & 0x90000000:
                b.data = b"changed"

    def unseal_message(self, context, message, sequence_number):
        CALLS.append("unseal")
        token, data = message[0], message[1]
        if bytes(token.data) != b"T" + (sum(data.data) % 256).to_bytes(1, "big"):
            raise SecurityError(Status.SEC_E_MESSAGE_ALTERED)
        data.data = bytes(x ^ 0x55 for x in data.data)
        return 0

    def make_signature(self, context, quality_of_protection, message, sequence_number):
        CALLS.append("sign")
        token = next(b for b in message if b.type & 0xFFFFFFF == 2)
        token.data = b"S%03d" % len(message[0].data)

    def verify_signature(self, context, message, sequence_number):
        if message[1].data != b"S%03d" % len(message[0].data):
            raise SecurityError(Status.SEC_E_MESSAGE_ALTERED)
        return 0

    def query_context_attributes(self, context, attribute):
        if attribute == 0:
            return Sizes(64, 0 if b"unsigned" in context["packed"] else 4, 1, 2)
        if attribute == 9:
            return SessionKey(b"k" * 16)
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION)


def user_mode_initialize(version):
    CALLS.append("initialize")
    return UserModuleTables(InterfaceVersion.V1, [Tiny()])
"""


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "tiny_user_half") -> schema.UserHalf:
    """Install the user half and say what an authority would say about it."""
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text(USER_HALF)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[secpkg.user_mode]\n{name} = {name}:user_mode_initialize\n")
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, name, raising=False)
    return schema.UserHalf(name, name, "1.0", distribution_digest(name))


class FakeChannel:
    """A worker of the package Tiny: three legs, as in R149."""

    def __init__(self, authority: FakeAuthority) -> None:
        self.authority = authority
        self.closed = False
        self.last = 0
        self.legs: dict[int, int] = {}

    def call(self, message: schema.ToWorker, /) -> schema.FromWorker:
        if self.closed:
            raise ChannelClosed("gone")
        self.authority.seen.append(message)
        if isinstance(message, schema.AcquireCredentials):
            if message.identity is not None and message.identity.password == "wrong":
                return schema.Failed(message.id, Status.SEC_E_LOGON_DENIED)
            self.last += 1
            return schema.CredentialsAcquired(message.id, self.last, 2e9)
        if isinstance(message, schema.InitializeContext | schema.AcceptContext):
            return self.leg(message, isinstance(message, schema.AcceptContext))
        if isinstance(message, schema.QueryContext):
            if message.attribute != 1:
                return schema.Failed(message.id, Status.SEC_E_UNSUPPORTED_FUNCTION)
            return schema.Answered(message.id, msgspec_raw(Names("alice")))
        return schema.Done(message.id)

    def tell(self, message: schema.ToWorker, /) -> bool:
        if self.closed:
            raise ChannelClosed("gone")
        self.authority.seen.append(message)
        return True

    def leg(self, message: schema.InitializeContext | schema.AcceptContext, accept: bool) -> schema.FromWorker:
        script = self.authority
        context = message.context
        if not context:
            self.last += 1
            context = self.last
            self.legs[context] = 0
        number = self.legs[context] = self.legs[context] + 1
        if message.token == b"die":
            self.closed = True
            raise ChannelClosed("gone")
        if message.token == b"short":
            return schema.Stepped(message.id, Status.SEC_E_INCOMPLETE_MESSAGE, message.context, missing=7)
        if message.token == b"refuse":
            return schema.Stepped(message.id, Status.SEC_E_LOGON_DENIED, context, b"why")
        if message.token == b"refuse at once":
            return schema.Stepped(message.id, Status.SEC_E_LOGON_DENIED, 0, b"why")
        if number == 1:
            return schema.Stepped(message.id, Status.SEC_I_CONTINUE_NEEDED, context, b"2" if accept else b"1")
        granted = int(script.granted_accept if accept else script.granted_init)
        return schema.Stepped(
            message.id,
            script.final,
            context,
            b"" if accept else b"3",
            granted,
            2e9,
            script.packed,
            b"reference" if accept else None,
        )

    def close(self) -> None:
        self.closed = True


class FakeLink:
    domain_name = "EXAMPLE"
    clock = staticmethod(lambda: 1e9)
    in_place = False

    def __init__(self, authority: FakeAuthority, trusted: bool) -> None:
        self.authority = authority
        self.trusted = trusted
        self.closed = False
        self.last_token = 100
        self.tokens: set[int] = set()

    def call(self, message: schema.ToAuthority, /) -> schema.FromAuthority:
        if self.closed:
            raise ChannelClosed("gone")
        self.authority.seen.append(message)
        if isinstance(message, schema.ListPackages):
            return schema.PackageList(message.id, (self.authority.info,))
        if isinstance(message, schema.LookupPackage):
            if message.name != "Tiny":
                return schema.Failed(message.id, Status.STATUS_NO_SUCH_PACKAGE)
            return schema.PackageNumber(message.id, 7)
        if isinstance(message, schema.LogonUser):
            if message.request.password != "right":
                return schema.Failed(message.id, Status.STATUS_ACCOUNT_RESTRICTION, Status.STATUS_ACCOUNT_DISABLED)
            return schema.LoggedOn(message.id, 0xABC, self.token(), b"profile", "alice")
        if isinstance(message, schema.RedeemToken | schema.DuplicateToken):
            if isinstance(message, schema.DuplicateToken) and message.token not in self.tokens:
                return schema.Failed(message.id, Status.STATUS_INVALID_HANDLE)
            return schema.TokenOpened(
                message.id,
                self.token(),
                0xABC,
                "alice",
                "EXAMPLE",
                TokenInformation("S-1-5-21-1", ("S-1-1-0",)),
                2,
                False,
                self.authority.posix_uid,
            )
        if isinstance(message, schema.CloseToken):
            self.tokens.discard(message.token)
        if isinstance(message, schema.CallPackage):
            return schema.PackageAnswered(message.id, message.submit_buffer[::-1], Status.STATUS_UNSUCCESSFUL)
        if isinstance(message, schema.ListSessions):
            return schema.SessionList(message.id, (0xABC,))
        if isinstance(message, schema.Manage):
            return schema.Answered(message.id, msgspec_raw({"did": message.operation}))
        return schema.Done(message.id)

    def tell(self, message: schema.ToAuthority, /) -> bool:
        self.call(message)
        return True

    def token(self) -> int:
        self.last_token += 1
        self.tokens.add(self.last_token)
        return self.last_token

    def open_channel(self, name: str, token: int, /) -> tuple[schema.PackageOpened, FakeChannel]:
        if name != "Tiny":
            raise failure(Status.SEC_E_SECPKG_NOT_FOUND, 0, "")
        message = schema.OpenPackage(0, name, token)
        self.authority.seen.append(message)
        channel = FakeChannel(self.authority)
        self.authority.channels.append(channel)
        return schema.PackageOpened(0, 7, "tiny", self.authority.info, self.authority.user_half), channel

    def token_descriptor(self, token: int, /) -> int:
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION)

    def adopt_token(self, descriptor: int, /) -> schema.TokenOpened:
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION)

    def close(self) -> None:
        self.closed = True


class FakeAuthority:
    """What `where.resolve` takes as an authority."""

    def __init__(self, user_half: schema.UserHalf | None) -> None:
        self.user_half = user_half
        self.info = PackageInfo("Tiny", capabilities=_CAPABILITIES, max_token=64)
        self.seen: list[object] = []
        self.channels: list[FakeChannel] = []
        self.links: list[FakeLink] = []
        self.final = Status.SEC_E_OK
        self.packed: bytes | None = b"packed"
        self.posix_uid: int | None = None
        self.trusts = True
        common = IscRet.MUTUAL_AUTH | IscRet.REPLAY_DETECT | IscRet.SEQUENCE_DETECT | IscRet.CONFIDENTIALITY
        self.granted_init = common | IscRet.INTEGRITY
        self.granted_accept = AscRet(common.value) | AscRet.INTEGRITY

    def link(self, logon_process_name: str | None = None) -> FakeLink:
        made = FakeLink(self, logon_process_name is not None and self.trusts)
        self.links.append(made)
        return made

    def kinds(self) -> list[str]:
        """The names of the messages that were seen."""
        return [type(message).__name__ for message in self.seen]


def msgspec_raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


_CAPABILITIES = Capability.INTEGRITY | Capability.PRIVACY | Capability.MUTUAL_AUTH
ALICE = AuthIdentity("alice", "EXAMPLE", "right")
