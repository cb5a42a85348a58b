"""Section H of the rules: who is calling."""

from __future__ import annotations

import pytest
from tests.rules.packages import Badge, badge, lab_of, records

import secpkg
from secpkg.contract import Call, LogonRefused, LogonRequest, LogonResult, SecurityError, Status


class ActsAsClient(Badge):
    """Would log anybody on, acting as the client."""

    went_on = False

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        await self.authority.impersonate_client()
        self.went_on = True
        return await Badge.logon_user_ex2(self, call, request)


def test_R138_a_request_whose_impersonation_fails_is_abandoned() -> None:
    """No package can act as its client here (lock 11): the request ends with that, and leaves nothing."""
    package = ActsAsClient()
    with lab_of(package) as lab, secpkg.lsa.connect(lab) as lsa:
        before = lsa.enumerate_logon_sessions()
        with pytest.raises(SecurityError) as caught:
            badge(lab)
        assert caught.value.status is Status.STATUS_NOT_IMPLEMENTED and not package.went_on
        assert lsa.enumerate_logon_sessions() == before
        assert records(lab, "logon")[-1].status == "STATUS_NOT_IMPLEMENTED"
