"""The inbox worker is killed: a session's credential is the authority's (lock 4), and outlives it; contexts that were
finished go on sealing, one in the making says so (lock 7).
"""

from __future__ import annotations

import os
import signal

import pytest
from tests.daemon.harness import PASSWORD, gone, running

import secpkg
from secpkg.contract import LogonType, SecurityError, Status, msv1_0
from secpkg.runtime.supervisor import Limits

pytestmark = pytest.mark.slow


def finished(client: secpkg.Client, server: secpkg.Server) -> None:
    challenge = server.step(client.step())
    server.step(client.step(challenge))
    assert server.peer == "EXAMPLE\\alice"


def test_what_outlives_the_inbox_worker() -> None:
    with running(limits=Limits(crashes=1000, back_off=(0.0,))) as daemon:
        address = daemon.address
        with (
            secpkg.lsa.register_logon_process("tests", address) as lsa,
            lsa.logon_user("NTLM", LogonType.INTERACTIVE, username="alice", password=PASSWORD) as logon,
            secpkg.Client("NTLM", username="alice", password=PASSWORD, authority=address) as client,
            secpkg.Server("NTLM", authority=address) as server,
            secpkg.Client("NTLM", username="alice", password=PASSWORD, authority=address) as late,
            secpkg.Server("NTLM", authority=address) as waiting,
        ):
            finished(client, server)
            challenge = waiting.step(late.step())
            worker = daemon.worker("ntlm")
            os.kill(worker, signal.SIGKILL)
            assert gone(worker)
            assert server.decrypt(client.encrypt(b"still sealed")) == b"still sealed"
            with pytest.raises(SecurityError) as caught:
                late.step(challenge)
            assert caught.value.status is Status.SEC_E_INVALID_HANDLE
            daemon.until(lambda: daemon.worker("ntlm") != worker)
            with (
                logon.session(),
                secpkg.Client("NTLM", authority=address) as again,
                secpkg.Server("NTLM", authority=address) as acceptor,
            ):
                finished(again, acceptor)
            reply = lsa.call_authentication_package("NTLM", msv1_0.EnumerateUsers().pack())
            assert msv1_0.EnumeratedUsers.unpack(reply.data).logon_ids == (), "whom it logged on, it has forgotten"
            luid = logon.luid
        with secpkg.lsa.register_logon_process("tests", address) as lsa:
            request = msv1_0.GetChallengeResponse(luid, bytes(8)).pack()
            gone_with_it = lsa.call_authentication_package("NTLM", request).protocol_status
            assert gone_with_it is Status.SEC_E_NO_CREDENTIALS
