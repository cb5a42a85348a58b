"""Impersonation changes the calling thread, and goes back or ends the process (lock 11)."""

from __future__ import annotations

import asyncio
import os
import pwd
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.sspi.fakes import FakeAuthority

from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import TokenInformation
from secpkg.ipc import schema
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.connection import Connection
from secpkg.sspi import impersonation

NOBODY = next((e.pw_uid for e in pwd.getpwall() if e.pw_uid > 0 and e.pw_gid > 0), None)
needs_root = pytest.mark.skipif(os.geteuid() != 0 or NOBODY is None, reason="needs uid 0 and a user")


@pytest.fixture
def token() -> Iterator[Callable[..., AccessToken]]:
    authority = FakeAuthority(None)
    connection = Connection(authority, authority.link())

    def make(uid: int | None, level: int = 2) -> AccessToken:
        opened = schema.TokenOpened(1, 1, 1, "a", "D", TokenInformation("S-1-5-21-1"), level, False, uid)
        return AccessToken(connection, opened)

    yield make


@pytest.mark.parametrize(
    ("uid", "level", "reason"),
    [
        (None, 2, "no_posix_user"),
        (0, 2, "uid_refused"),
        (2**32 - 1, 2, "uid_refused"),
        (NOBODY, 1, "impersonation_level"),
    ],
)
def test_what_is_never_impersonated(
    token: Callable[..., AccessToken], uid: int | None, level: int, reason: str
) -> None:
    with pytest.raises(SecurityError, match=reason) as caught:
        impersonation.impersonate(token(uid, level))
    assert caught.value.status is Status.SEC_E_NO_IMPERSONATION


def test_not_on_a_thread_with_an_event_loop(token: Callable[..., AccessToken]) -> None:
    async def main() -> None:
        with pytest.raises(SecurityError, match="event_loop_thread"):
            impersonation.impersonate(token(NOBODY))

    asyncio.run(main())


@needs_root
def test_this_thread_and_no_other(token: Callable[..., AccessToken]) -> None:
    before = (os.getresuid(), os.getresgid(), os.getgroups())
    inside, leave = threading.Event(), threading.Event()
    seen: list[object] = []

    def work() -> None:
        with impersonation.impersonating(token(NOBODY)):
            seen.extend([os.geteuid(), os.getegid() != 0, 0 in os.getgroups()])
            with pytest.raises(SecurityError, match="already_impersonating"):
                impersonation.impersonate(token(NOBODY))
            with pytest.raises(PermissionError):
                os.open("/etc/shadow", os.O_RDONLY)
            inside.set()
            assert leave.wait(30)
        seen.append((os.getresuid(), os.getresgid(), os.getgroups()))

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(30)
    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before
    leave.set()
    thread.join(30)
    assert seen == [NOBODY, True, False, before]


@needs_root
def test_an_error_inside_the_block_goes_back_too(token: Callable[..., AccessToken]) -> None:
    with pytest.raises(ZeroDivisionError), impersonation.impersonating(token(NOBODY)):
        _ = 1 // 0
    assert os.geteuid() == 0


def _in_a_child(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(9)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@needs_root
def test_a_failed_revert_aborts(token: Callable[..., AccessToken]) -> None:
    given = token(NOBODY)

    def work() -> None:
        import faulthandler
        import resource

        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        impersonation.impersonate(given)
        impersonation._local.before.uid = 12345
        impersonation.revert()

    assert _in_a_child(work) == -6


@needs_root
def test_an_ordinary_user_lacks_the_privilege(token: Callable[..., AccessToken]) -> None:
    given = token(NOBODY)

    def work() -> None:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        with pytest.raises(SecurityError, match="privilege_missing"):
            impersonation.impersonate(given)

    assert _in_a_child(work) == 0
