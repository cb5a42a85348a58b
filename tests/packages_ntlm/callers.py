"""Applications of one lab: a logon process, and somebody with no privilege at all."""

from __future__ import annotations

import os
from typing import TypeVar

import pytest
from tests.packages_ntlm.world import PASSWORD

from secpkg import lsa
from secpkg.contract import ClientInfo, LogonType, SecurityError, Status, msv1_0
from secpkg.lsa.client import Logon, Lsa
from secpkg.runtime.embedded_link import LocalLink
from secpkg.testing import LabAuthority, Pair

T = TypeVar("T", bound=msv1_0.Structure)
UID = 4711


class Untrusted:
    """The lab, for a process of another uid without SeTcbPrivilege."""

    def __init__(self, lab: LabAuthority, uid: int = UID) -> None:
        self.lab, self.uid = lab, uid

    def link(self, logon_process_name: str | None = None) -> LocalLink:
        return LocalLink(self.lab.embedded, ClientInfo(os.getpid(), self.uid, self.uid), logon_process_name)


def trusted(lab: LabAuthority) -> Lsa:
    return lsa.register_logon_process("login", lab)


def asked(caller: Lsa, request: msv1_0.Structure, kind: type[T]) -> T:
    """The reply to a message of MSV1_0."""
    reply = caller.call_authentication_package("NTLM", request.pack())
    assert reply.protocol_status is Status.STATUS_SUCCESS, reply.protocol_status
    return kind.unpack(reply.data)


def told(caller: Lsa, request: msv1_0.Structure | bytes) -> Status:
    """What becomes of a message: ProtocolStatus, or the status with which it was not attempted at all."""
    data = request if isinstance(request, bytes) else request.pack()
    try:
        return caller.call_authentication_package("NTLM", data).protocol_status
    except SecurityError as error:
        return error.status


def logon(
    caller: Lsa,
    kind: LogonType = LogonType.INTERACTIVE,
    user: str = "alice",
    domain: str = "",
    password: str = PASSWORD,
) -> Logon:
    return caller.logon_user("NTLM", kind, username=user, domain=domain, password=password)


def refused_logon(caller: Lsa, **arguments: object) -> SecurityError:
    with pytest.raises(SecurityError) as caught:
        caller.logon_user("NTLM", **arguments).close()  # type: ignore[arg-type]
    return caught.value


def no_credentials(lab: LabAuthority) -> bool:
    """Whether a client of the present session has nothing to prove itself with."""
    with pytest.raises(SecurityError) as caught, Pair(lab, "NTLM") as ends:
        ends.run()
    return caught.value.status is Status.SEC_E_NO_CREDENTIALS


def lm20(challenge: bytes, made: msv1_0.ChallengeResponse, **changes: object) -> bytes:
    """MSV1_0_LM20_LOGON with these responses."""
    fields: dict[str, object] = {
        "logon_domain_name": made.logon_domain_name,
        "user_name": made.user_name,
        "workstation": "DESK",
        "challenge_to_client": challenge,
        "case_sensitive_challenge_response": made.case_sensitive_challenge_response,
        "case_insensitive_challenge_response": made.case_insensitive_challenge_response,
        **changes,
    }
    return msv1_0.Lm20Logon(**fields).pack()  # type: ignore[arg-type]
