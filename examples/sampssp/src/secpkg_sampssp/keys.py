"""The key file: lines ``name:base64 key``, private to the user."""

from __future__ import annotations

import binascii
import os
import stat
from pathlib import Path

from secpkg.contract import SecurityError, Status

_MAX_FILE = 64 * 1024
_MAX_NAME = 255
_MIN_KEY = 32


def default_path() -> Path:
    """``$XDG_CONFIG_HOME/secpkg/sampssp.keys``."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "secpkg" / "sampssp.keys"


def read_keys(path: str | bytes | Path) -> dict[str, bytes]:
    """Name to key, in the order of the file. SEC_E_NO_CREDENTIALS: there is none; SEC_E_NOT_OWNER: another user has it
    or may touch it; SEC_E_UNKNOWN_CREDENTIALS: it is not a key file.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            found, content = os.fstat(file.fileno()), file.read(_MAX_FILE + 1)
    except (OSError, ValueError):
        raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="no_key_file") from None
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise SecurityError(Status.SEC_E_NOT_OWNER, reason="key_file_not_private")
    keys: dict[str, bytes] = {}
    try:
        if len(content) > _MAX_FILE:
            raise ValueError
        for line in content.decode().splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            name, _, encoded = line.strip().rpartition(":")
            key = binascii.a2b_base64(encoded, strict_mode=True)
            if not 0 < len(name.encode()) <= _MAX_NAME or len(key) < _MIN_KEY or name in keys:
                raise ValueError
            keys[name] = key
    except ValueError:  # also UnicodeDecodeError and binascii.Error
        raise SecurityError(Status.SEC_E_UNKNOWN_CREDENTIALS, reason="key_file_malformed") from None
    return keys


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not hold us
