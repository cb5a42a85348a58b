"""What the operator says when the authority is started as a daemon."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from secpkg.contract.values import Setting
from secpkg.runtime.state import StateFault

_NETBIOS_LENGTH: Final = 15
_MAX_FILE: Final = 1024 * 1024
NOBODY: Final = 65534
"""The uid that owns nothing."""


def default_directory() -> Path:
    """Where the daemon keeps its socket and state: /run/secpkg for root, $XDG_RUNTIME_DIR/secpkg for anybody else.

    LookupError for a user without XDG_RUNTIME_DIR: there is no other directory that is surely theirs alone.
    """
    if os.geteuid() == 0:
        return Path("/run/secpkg")
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if not runtime.startswith("/"):
        raise LookupError("XDG_RUNTIME_DIR is not set")
    return Path(runtime) / "secpkg"


def default_domain() -> str:
    """The account domain of a machine that is in no other: its own flat name, as for local accounts."""
    host = re.sub(r"[^A-Za-z0-9-]", "", os.uname().nodename.partition(".")[0])
    return host[:_NETBIOS_LENGTH].upper() or "LOCAL"


class PassthroughDomain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[passthrough.domains."NAME"]``: the authority of another domain. ``address`` is ``192.0.2.1:4711`` or
    ``[2001:db8::1]:4711``; ``name`` the DNS name that its certificate must have, whoever called whom; ``server_name``
    the name to ask for when that is another one, which the certificate must have as well. ``sid`` is the SID of that
    domain (`secpkg authority status` there): its users and groups have SIDs under it and no others. Without it that
    authority can be asked, and none of its users is let in.
    """

    address: str
    name: str
    server_name: str = ""
    sid: str = ""


class PassthroughConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[passthrough]``: pass-through between authorities (docs/adr/0014). ``certificate`` and ``key`` are this
    authority's, ``authorities`` the CA of all of them: absolute paths of PEM files, the key its owner's alone to read.
    Without ``listen`` (an address as above) nobody can call in. Limits are seconds: of a handshake, and of a call.
    """

    certificate: str
    key: str
    authorities: str
    domains: dict[str, PassthroughDomain]
    listen: str = ""
    handshake_limit: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    call_limit: Annotated[float, msgspec.Meta(gt=0, le=600)] = 10.0


class ProcessQuotas(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[logon.quotas]``: QUOTA_LIMITS of a logon with a primary token, in bytes and seconds."""

    paged_pool_limit: Annotated[int, msgspec.Meta(ge=0)] = 0
    non_paged_pool_limit: Annotated[int, msgspec.Meta(ge=0)] = 0
    minimum_working_set_size: Annotated[int, msgspec.Meta(ge=0)] = 0
    maximum_working_set_size: Annotated[int, msgspec.Meta(ge=0)] = 0
    pagefile_limit: Annotated[int, msgspec.Meta(ge=0)] = 0
    time_limit: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class LogonConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[logon]``: the packages of LogonUser's providers, the forests that this domain trusts, and whether users of
    other domains' authorities are let in (`Policy`).
    """

    default_provider: str = "NTLM"
    winnt40_provider: str = "NTLM"
    winnt50_provider: str = "Negotiate"
    trusted_domains: tuple[str, ...] = ()
    allow_foreign_principals: bool = False
    quotas: ProcessQuotas = ProcessQuotas()


class AuditConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[audit]``: a file of the record is closed at ``segment_bytes``; of the closed ones ``keep_segments`` stay (0:
    all of them). ``durable``: a record is on the disk before its outcome is released, which costs every logon a wait.
    """

    segment_bytes: Annotated[int, msgspec.Meta(ge=1 << 20, le=1 << 33)] = 64 << 20
    keep_segments: Annotated[int, msgspec.Meta(ge=0)] = 0
    durable: bool = False


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``authority.toml`` says."""

    passthrough: PassthroughConfig | None = None
    logon: LogonConfig = LogonConfig()
    audit: AuditConfig = AuditConfig()
    settings: dict[str, dict[str, Setting]] = {}
    """``[settings.MODULE]``: what a module is told (`PackageParameters.settings`)."""


def read_passthrough(path: Path) -> PassthroughConfig | None:
    """The part of `read_settings` that is about other authorities."""
    return read_settings(path).passthrough


def read_settings(path: Path) -> Settings:
    """The operator's ``authority.toml`` beside the registry; defaults when it is not there. `StateFault` for a file
    that somebody else could have written, or in which something is not understood: it is never passed over.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
            info = os.fstat(file.fileno())
            data = file.read(_MAX_FILE + 1)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise StateFault(f"{path}: {error.strerror}") from None
    if info.st_uid not in (0, os.geteuid()) or info.st_mode & 0o022:
        raise StateFault(f"{path} must be a file of uid {os.geteuid()} that nobody else can write")
    if len(data) > _MAX_FILE:
        raise StateFault(f"{path} is larger than {_MAX_FILE} bytes")
    try:
        return msgspec.toml.decode(data, type=Settings)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StateFault(f"{path}: {error}") from None


class DaemonConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How `secpkg authority run` starts the authority.

    ``directory`` holds the state and, unless ``socket`` says otherwise, the socket ``lsa.sock``. ``domain`` is the name
    of the account domain, ``accounts`` where its accounts are kept. ``trusted_uids`` hold SeTcbPrivilege beside uid 0
    (lock 2). As soon as applications are answered, a line is written to the descriptor ``ready_fd``, then it is closed.
    """

    directory: Path = msgspec.field(default_factory=default_directory)
    socket: Path | None = None
    domain: str = msgspec.field(default_factory=default_domain)
    accounts: Literal["memory", "sqlite"] = "sqlite"
    trusted_uids: tuple[int, ...] = ()
    ready_fd: int | None = None
    master_key_fd: int | None = None
    """A descriptor that gives the 32 bytes of the master key; None is the file ``master.key`` in ``directory``."""
    worker_uid: int | None = None
    """Whom workers run as when the authority runs as root (lock 8): None is `NOBODY`. Otherwise they run as it does."""

    @property
    def settings_path(self) -> Path:
        """The operator's file: see `read_passthrough`."""
        return self.directory / "authority.toml"

    @property
    def socket_path(self) -> Path:
        """Where applications reach the authority."""
        return self.directory / "lsa.sock" if self.socket is None else self.socket
