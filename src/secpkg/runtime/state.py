"""The directory of an authority that keeps something: whose it is, and the master key in it (lock 4)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from secpkg.accounts.vault import MASTER_KEY_SIZE
from secpkg.contract.status import SecurityError, Status
from secpkg.runtime.master_keys import MAX_ENCODED, MasterKeys


class StateFault(SecurityError):
    """The authority cannot be started; ``detail`` says why and what to do."""

    def __init__(self, detail: str) -> None:
        super().__init__(Status.STATUS_UNSUCCESSFUL, reason="authority_cannot_start")
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


def prepare(directory: Path, *, mode: int = 0o700) -> None:
    """Make the directory where it is not there. `StateFault` unless it is this uid's and nobody else can write it."""
    try:
        try:
            directory.mkdir(mode=mode, parents=True)
        except FileExistsError:
            pass
        else:
            directory.chmod(mode)  # whatever the umask took away
        info = os.lstat(directory)
    except OSError as error:
        raise StateFault(f"{directory}: {error.strerror}") from None
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
        raise StateFault(f"{directory} must be a directory of uid {os.geteuid()} that nobody else can write")


def exclusive(directory: Path) -> int:
    """The lock of whoever runs the authority of this directory; the caller closes it. `StateFault` where one runs."""
    lock = os.open(directory / "authority.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StateFault(f"another authority uses {directory}: secpkg authority stop ends it") from None
    return lock


def master_key(path: Path) -> MasterKeys:
    """The keys that everything at rest is sealed with: one is made at the first start, readable by this uid alone. Of
    several processes that start at once, one makes it, and it is never seen half written.
    """
    try:
        fd = _open(path)
    except FileNotFoundError:
        _make(path)
        fd = _open(path)
    with open(fd, "rb") as file:
        info = os.fstat(file.fileno())
        if info.st_uid != os.geteuid() or info.st_mode & 0o077:
            raise StateFault(f"{path} must be readable by uid {os.geteuid()} alone: chmod 600 {path}")
        data = file.read(MAX_ENCODED + 1)
    try:
        return MasterKeys.decode(data)
    except ValueError:
        raise StateFault(f"{path} must hold {MASTER_KEY_SIZE} bytes or a list of master keys") from None


def master_key_of(descriptor: int) -> MasterKeys:
    """The master key that whoever started this process hands over (lock 4): exactly 32 bytes or a list of keys,
    then the end. The descriptor, of a pipe or a file, is read once and closed, so that no worker can have it.
    """
    try:
        with open(descriptor, "rb") as file:
            data = file.read(MAX_ENCODED + 1)
    except OSError as error:
        raise StateFault(f"the descriptor of the master key cannot be read: {error.strerror}") from None
    try:
        return MasterKeys.decode(data)
    except ValueError:
        what = f"{MASTER_KEY_SIZE} bytes and end, or a list of master keys"
        raise StateFault(f"the descriptor of the master key must give {what}") from None


def replace_master_keys(path: Path, keys: MasterKeys) -> None:
    """Put these keys where `master_key` reads them, whole or not at all: when this returns they are on disk, and only
    then may anything be sealed under a key that is new. `StateFault` leaves the old file, or the new one whole.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(keys.encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        sync(path.parent)
    except OSError as error:
        raise StateFault(f"{path} cannot be replaced: {error.strerror}") from None


def sync(directory: Path) -> None:
    """The names in a directory are on disk when this returns. OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)


def _make(path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(os.urandom(MASTER_KEY_SIZE))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was quicker: its key it is
            os.link(temporary, path)
        temporary.unlink()
    except OSError as error:
        raise StateFault(f"{path} cannot be made: {error.strerror}") from None
