"""What the operator says when the authority is started as a daemon."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final, Literal

import msgspec

_NETBIOS_LENGTH: Final = 15
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
    worker_uid: int | None = None
    """Whom workers run as when the authority runs as root (lock 8): None is `NOBODY`. Otherwise they run as it does."""

    @property
    def socket_path(self) -> Path:
        """Where applications reach the authority."""
        return self.directory / "lsa.sock" if self.socket is None else self.socket
