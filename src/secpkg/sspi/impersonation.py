"""Impersonation: the calling thread, and it alone, takes the uid and groups of an access token (lock 11).

POSIX gives a process one set of credentials and glibc keeps its threads alike; the kernel has one set for each thread.
So the raw system calls are made (syscall(2)), for this thread. The real uid stays; the effective one changes, the saved
one keeps the way back. A thread that cannot go back must not go on: the process is aborted.
"""

from __future__ import annotations

import ctypes
import grp
import os
import platform
import pwd
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from secpkg.contract.flags import ImpersonationLevel
from secpkg.contract.status import SecurityError, Status

if TYPE_CHECKING:
    from secpkg.ipc.access_token import TokenHandle

P = ParamSpec("P")
T = TypeVar("T")

_SYSTEM_CALLS: Final[dict[str, tuple[int, int, int]]] = {
    "x86_64": (117, 119, 116),
    "aarch64": (147, 149, 159),
    "riscv64": (147, 149, 159),
}
"""setresuid, setresgid, setgroups."""

_KEEP: Final = 0xFFFFFFFF
_local = threading.local()


class _Before:
    __slots__ = ("gid", "groups", "uid")

    def __init__(self) -> None:
        self.uid = os.geteuid()
        self.gid = os.getegid()
        self.groups = os.getgroups()


def impersonate(token: TokenHandle) -> None:
    """Take the identity of ``token`` until `revert`. SEC_E_NO_IMPERSONATION, with the reason, when it cannot be done:
    an event loop runs in this thread, it impersonates already, the token is for identification only, it has no POSIX
    user or that of root, or the process lacks the privilege (uid 0).
    """
    if _loop_runs():
        raise _refused("event_loop_thread")
    if getattr(_local, "before", None) is not None:
        raise _refused("already_impersonating")
    if token.impersonation_level < ImpersonationLevel.IMPERSONATION:
        raise _refused("impersonation_level")
    uid = token.posix_uid
    if uid is None:
        raise _refused("no_posix_user")
    if not 0 < uid < _KEEP:
        raise _refused("uid_refused")
    if os.geteuid() != 0:
        raise _refused("privilege_missing")
    gid, groups = _groups_of(uid)
    before = _Before()
    try:
        _setgroups(groups)
        _call(1, _KEEP, gid, _KEEP)
        _call(0, _KEEP, uid, before.uid)
    except OSError as error:
        _local.before = before
        revert()
        raise _refused("system_call") from error
    _local.before = before


def revert() -> None:
    """RevertSecurityContext: back to the identity from before `impersonate`; nothing when there was none. A failure
    aborts the process.
    """
    before: _Before | None = getattr(_local, "before", None)
    if before is None:
        return
    try:
        _call(0, _KEEP, before.uid, _KEEP)
        _call(1, _KEEP, before.gid, _KEEP)
        _setgroups(before.groups)
        if os.geteuid() != before.uid or os.getegid() != before.gid:
            os.abort()
    except BaseException:
        os.abort()
    _local.before = None


@contextmanager
def impersonating(token: TokenHandle) -> Iterator[None]:
    """`impersonate` for a ``with`` block."""
    impersonate(token)
    try:
        yield
    finally:
        revert()


def run_as(token: TokenHandle, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call ``function`` with the identity of ``token``, on a thread made for it, and give its result or its error: the
    calling thread stays who it is. `secpkg.aio.run_as` is the one for an event loop, which this would block.

    SEC_E_NO_IMPERSONATION as for `impersonate`; ``function`` is not called then.
    """
    outcome: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(call_as(token, function, *arguments, **named))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="secpkg-run-as")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]


def call_as(token: TokenHandle, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call ``function`` impersonated in this thread."""
    with impersonating(token):
        return function(*arguments, **named)


def _refused(reason: str) -> SecurityError:
    return SecurityError(Status.SEC_E_NO_IMPERSONATION, reason=reason)


def _loop_runs() -> bool:
    loops = sys.modules.get("asyncio.events")
    return loops is not None and loops._get_running_loop() is not None


def _groups_of(uid: int) -> tuple[int, list[int]]:
    """Primary and supplementary groups, never that of root; NSS is asked before the thread changes."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise _refused("posix_user_unknown") from error
    if entry.pw_gid == 0:
        raise _refused("gid_refused")
    groups = [g.gr_gid for g in grp.getgrall() if entry.pw_name in g.gr_mem and g.gr_gid != 0]
    return entry.pw_gid, [entry.pw_gid, *groups]


def _setgroups(groups: Sequence[int]) -> None:
    _call(2, len(groups), (ctypes.c_uint32 * len(groups))(*groups))


def _call(which: int, *arguments: object) -> None:
    numbers = _SYSTEM_CALLS.get(platform.machine())
    if numbers is None or sys.maxsize < 1 << 32:
        raise _refused("machine_unknown")
    system_call = ctypes.CDLL(None, use_errno=True).syscall
    system_call.restype = ctypes.c_long
    sent = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    if system_call(ctypes.c_long(numbers[which]), *sent) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
