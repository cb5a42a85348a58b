"""An authority with NTLM, conversations in it, and what its record says of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, TypedDict, Unpack

import pytest

from secpkg.authority import audit
from secpkg.authority.audit import Record
from secpkg.authority.policy import Policy
from secpkg.contract import SecurityError, Status
from secpkg.contract.values import Setting
from secpkg.protocols import ntlm
from secpkg.protocols.ntlm import authenticate, hashes, legacy, target_info
from secpkg.protocols.ntlm import flags as f
from secpkg.protocols.ntlm.av_pairs import AvPairs, encode_pairs
from secpkg.protocols.ntlm.challenge import Challenge
from secpkg.protocols.ntlm.negotiate import Negotiate
from secpkg.protocols.ntlm.responses import encode_temp
from secpkg.sspi.server import Server
from secpkg.testing import FrozenClock, LabAuthority, Pair
from secpkg.testing.pair import PairOptions

DOMAIN: Final = "EXAMPLE"
MACHINE: Final = "SERVER"
PASSWORD: Final = "correct horse"
WRONG: Final = "battery staple"
DENIED: Final = Status.SEC_E_LOGON_DENIED
AvPair = tuple[int, bytes | memoryview]
CHANNEL: Final = b"tls-server-end-point:" + bytes(range(32))
ELSEWHERE: Final = b"tls-server-end-point:" + bytes(range(1, 33))


class ServerOptions(TypedDict, total=False):
    """Of a `Server`."""

    channel_bindings: bytes | None
    requirements: int


def lab_with(
    settings: Mapping[str, Setting] | None = None, *, policy: Policy | None = None, domain: str = DOMAIN
) -> LabAuthority:
    """Alice's authority under these settings, with a clock that stands."""
    given: Mapping[str, Setting] = {"computer_name": MACHINE, **(settings or {})}
    made = LabAuthority(domain=domain, modules=["ntlm"], settings={"ntlm": given}, policy=policy, clock=FrozenClock())
    made.add_user("alice", password=PASSWORD, groups=("staff",))
    return made


def pair(lab: LabAuthority, **options: Unpack[PairOptions]) -> Pair:
    """Alice and her right password, unless another is named."""
    chosen: PairOptions = {"username": "alice", "domain": DOMAIN, "password": PASSWORD, **options}
    return Pair(lab, "NTLM", **chosen)


def met(lab: LabAuthority, **options: Unpack[PairOptions]) -> str:
    """A whole conversation, a message each way included; whom the server saw."""
    with pair(lab, **options) as ends:
        ends.run().talk()
        return ends.server.peer


def refusal(lab: LabAuthority, **options: Unpack[PairOptions]) -> tuple[Status, str]:
    """How the server refused, and the reason on the record. The peer gets no token, and there is one record of it."""
    with pair(lab, **options) as ends:
        ends.step()
        ends.step()
        ends.step()
        return refused(lab, ends.server, ends.tokens[-1])


def refused(lab: LabAuthority, server: Server, token: bytes) -> tuple[Status, str]:
    """The same of one leg."""
    before = len(records(lab))
    with pytest.raises(SecurityError) as caught:
        server.step(token)
    assert caught.value.token is None and not server.complete
    assert caught.value.substatus is Status.SEC_E_OK
    told = {reason_of(record) for record in records(lab)[before:] if record.event in ("audit_logon", "logon")}
    assert len(told) == 1, told
    return caught.value.status, told.pop()


def presented(
    lab: LabAuthority, writer: Writer, answer: Callable[[bytes | None], bytes], **server: Unpack[ServerOptions]
) -> tuple[Status, str]:
    """What becomes of a writer's answer: a refusal as `refusal` has it, or SEC_E_OK."""
    with Server("NTLM", authority=lab, **server) as end:
        token = answer(end.step(writer.negotiate))
        try:
            return refused(lab, end, token)
        except pytest.fail.Exception:
            assert end.complete
            return Status.SEC_E_OK, ""


def reason_of(record: Record) -> str:
    return str(record.claimed.get("reason") or record.facts.get("reason"))


def records(lab: LabAuthority, event: str = "") -> list[Record]:
    authority = lab.embedded.machine.authority
    with lab.embedded.lock:
        found = audit.read(authority.audit.lines(), audit.derive_key(authority.vault))
        return [record for record in found if event in ("", record.event)]


class Writer:
    """A client that writes its messages itself: it has no account here and keeps no rule that it does not want to.

    ``pairs`` changes the AV pairs that it would send, ``mic`` is whether it makes one.
    """

    def __init__(
        self,
        *,
        user: str = "alice",
        domain: str = DOMAIN,
        password: str = PASSWORD,
        flags: int = ntlm.DEFAULT_REQUEST,
        workstation: str = "DESK",
    ) -> None:
        self.credential = ntlm.Credential.from_password(user, domain, password)
        self.workstation = workstation
        self.negotiate = Negotiate(flags, "", "", None).build()
        self.flags = flags

    def answer(
        self,
        challenge: bytes | None,
        *,
        when: float | None = None,
        bindings: bytes | None = None,
        target: str = "",
        untrusted: bool = False,
        mic: bool = True,
        pairs: Callable[[list[AvPair]], list[AvPair]] = list,
        clear: int = 0,
    ) -> bytes:
        """The AUTHENTICATE_MESSAGE; ``when`` in place of the acceptor's time, flags without those of ``clear``."""
        assert challenge is not None
        received = Challenge.parse(challenge)
        sent = received.target_info
        assert sent is not None and sent.timestamp is not None
        flags = received.flags & self.flags & ~clear | received.flags & f.TARGET_INFO
        flags &= ~f.OEM if flags & f.UNICODE else ~0
        made = target_info.answer_pairs(sent, ntlm.Target(target, untrusted), bindings, None)
        chosen = pairs(list(AvPairs.parse(memoryview(made)).items))
        if not mic:
            chosen = [pair for pair in chosen if pair[0] != f.AvId.FLAGS]
        stamp = sent.timestamp if when is None else ntlm.filetime(when)
        temp = encode_temp(stamp, os.urandom(8), encode_pairs(chosen))
        key = hashes.ntowf_v2(self.credential.nt_hash, self.credential.user, self.credential.domain)
        proof = hashes.nt_proof(key, received.server_challenge, temp)
        exported, encrypted = hashes.session_base_key(key, proof), b""
        if flags & f.KEY_EXCH and flags & f.PROTECTION:
            encrypted, exported = hashes.rc4k(exported, bytes(range(16))), bytes(range(16))
        token = authenticate.build(
            flags,
            domain=self.credential.domain,
            user=self.credential.user,
            workstation=self.workstation,
            lm_response=bytes(24),
            nt_response=proof + temp,
            encrypted_session_key=encrypted,
            mic=mic,
        )
        return authenticate.with_mic(token, hashes.mic(exported, self.negotiate, challenge, token)) if mic else token

    def answer_v1(
        self,
        challenge: bytes | None,
        *,
        nt_response: bytes | None = None,
        lm_response: bytes = bytes(range(8)) + bytes(16),
    ) -> bytes:
        """The same by NTLMv1 with session security, or whatever is given as the response."""
        assert challenge is not None
        received = Challenge.parse(challenge)
        flags = received.flags & self.flags & ~f.OEM
        nonce = lm_response[:8]
        if nt_response is None:
            nt_response = legacy.nt_response_v1(self.credential.nt_hash, flags, received.server_challenge, nonce)
        key = legacy.key_exchange_key_v1(
            flags, legacy.session_base_key_v1(self.credential.nt_hash), received.server_challenge, nonce
        )
        return authenticate.build(
            flags,
            domain=self.credential.domain,
            user=self.credential.user,
            workstation=self.workstation,
            lm_response=lm_response,
            nt_response=nt_response,
            encrypted_session_key=hashes.rc4k(key, bytes(range(16))) if flags & f.KEY_EXCH else b"",
        )
