"""Section E of the rules: logon sessions and tokens."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable

import pytest
from tests.rules.packages import Badge, badge, lab_of, module

from secpkg.contract import Status
from secpkg.lsa import raw
from secpkg.testing import FrozenClock, LabAuthority


def chance() -> Callable[[int], bytes]:
    """The same "chance" for every lab."""
    number = itertools.count()
    return lambda count: hashlib.shake_128(b"%d" % next(number)).digest(count)


def luids() -> list[int]:
    with LabAuthority(modules=[module(Badge())], clock=FrozenClock(), entropy=chance()) as lab:
        lab.add_user("alice")
        made = []
        for kept in (True, False, False, True):
            logon = badge(lab)
            made.append(logon.luid)
            if not kept:
                logon.close()
        return made


@pytest.mark.breaks("R99", "secpkg.contract.values:Call.allocate_locally_unique_id")
def test_R99_a_luid_is_unique_while_the_authority_runs_and_forgotten_with_it() -> None:
    first, second = luids(), luids()
    assert len(set(first)) == 4, "also that of a session that has ended"
    assert first == second, "nothing of one authority is known to the next"


@pytest.mark.breaks("R100", "secpkg.lsa.return_buffers:Lease.free")
def test_R100_what_the_session_functions_return_is_given_back() -> None:
    with lab_of(Badge()) as lab, badge(lab) as logon:
        _, handle = raw.connect_untrusted(lab)
        assert handle is not None
        status, listed = raw.enumerate_logon_sessions(handle)
        assert status is Status.STATUS_SUCCESS and logon.luid in listed
        status, data = raw.get_logon_session_data(handle, logon.luid)
        assert status is Status.STATUS_SUCCESS and data is not None and data.user_name == "alice"
        assert raw.free_return_buffer(listed) is raw.free_return_buffer(data) is Status.STATUS_SUCCESS
        for buffer in (listed, data):
            assert raw.free_return_buffer(buffer) is Status.STATUS_INVALID_PARAMETER, "once"
        handle.close()
