"""The initiator (MS-NLMP 3.1.5, the client). `acceptor` is its mirror.

Each state is a value of its own that owns what is true in it, and its one method leads to the next. A state is for one
use; its machine cannot know whether the caller kept a copy. Time and entropy are arguments.
"""

from functools import lru_cache
from typing import ClassVar, Final

import msgspec

from .authenticate import build, with_mic
from .av_pairs import SingleHost, encode_pairs
from .bindings import HASH_SIZE
from .challenge import Challenge
from .errors import Fault, Reason, Rejected, bad_argument
from .flags import (
    ALWAYS_SIGN,
    ANONYMOUS,
    DATAGRAM,
    EXTENDED_SESSIONSECURITY,
    IDENTIFY,
    KEY_56,
    KEY_128,
    KEY_EXCH,
    NTLM,
    OEM,
    PROTECTION,
    REQUEST_TARGET,
    SEAL,
    SIGN,
    TARGET_INFO,
    UNICODE,
    AvId,
)
from .flags import VERSION as VERSION_FLAG
from .hashes import lm_v2_response, mic, nt_proof, ntowf_v2, rc4k, session_base_key
from .messages import ANNOUNCED, OEM_CODE_PAGE, Version, check_code_page, check_text
from .negotiate import Negotiate
from .policy import Strength
from .responses import NONCE_SIZE, encode_temp
from .target_info import MAX_FILETIME, Target, answer_pairs
from .transitions import CONNECTION, Message, State, Table, advance
from .transitions import DATAGRAM as DATAGRAM_TABLE
from .values import Credential, Done, Sealed, Session

ENTROPY: Final = 24
"""Bytes of entropy that an answer takes: the nonce and the session key."""
DEFAULT_REQUEST: Final = (
    UNICODE
    | OEM
    | REQUEST_TARGET
    | SIGN
    | SEAL
    | NTLM
    | ALWAYS_SIGN
    | EXTENDED_SESSIONSECURITY
    | TARGET_INFO
    | KEY_128
    | KEY_EXCH
    | KEY_56
)
_REQUESTABLE: Final = DEFAULT_REQUEST | IDENTIFY
_NO_LM: Final = bytes(24)


class Initiator(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of the initiator's side.

    ``request`` are the flags to ask for; ``strength`` is the least to accept, by default what was asked of signing and
    sealing. SEAL asks for SIGN too (3.4.3). ``workstation`` is this machine's name, sent with the response.
    """

    state: ClassVar[State] = State.INITIAL
    request: int = DEFAULT_REQUEST
    strength: Strength | None = None
    workstation: str = ""
    version: Version | None = ANNOUNCED
    oem: str = OEM_CODE_PAGE

    def __post_init__(self) -> None:
        check_text(self.workstation, Fault.CALLER)
        check_code_page(self.oem)
        if self.request & ~_REQUESTABLE or not self.request & (UNICODE | OEM) or not self.request & NTLM:
            raise bad_argument("NTLM and a character set are requested, and no flag that is not a request")

    def start(self, *, domain: str = "", name_workstation: bool = False) -> "tuple[NegotiateSent, bytes]":
        """The NEGOTIATE_MESSAGE (3.1.5.1.1). Names in it are for acceptors of old: by default there are none."""
        advance(CONNECTION, self.state, Message.NEGOTIATE)
        request = self._request()
        workstation = self.workstation if name_workstation else ""
        token = _negotiate(request, domain, workstation, self.version, self.oem)
        return NegotiateSent(self, request, self._strength(), CONNECTION, State.NEGOTIATED, token), token

    def start_datagram(self) -> "NegotiateSent":
        """The beginning of a connectionless exchange (3.1.5.2): the acceptor's challenge comes first."""
        request = self._request() | DATAGRAM | KEY_EXCH
        return NegotiateSent(self, request, self._strength(), DATAGRAM_TABLE, State.INITIAL, b"")

    def _request(self) -> int:
        return self.request | SIGN if self.request & SEAL else self.request

    def _strength(self) -> Strength:
        if self.strength is not None:
            return self.strength
        request = self.request
        return Strength(integrity=bool(request & PROTECTION), confidentiality=bool(request & SEAL))


@lru_cache(maxsize=64)
def _negotiate(request: int, domain: str, workstation: str, version: Version | None, oem: str) -> bytes:
    """The message is the same every time: nothing in it is fresh."""
    return Negotiate(request, domain, workstation, version).build(oem=oem)


class NegotiateSent(Sealed, frozen=True):
    """The acceptor's challenge is due."""

    initiator: Initiator
    request: int
    strength: Strength
    table: Table
    state: State
    negotiate: bytes

    def receive(
        self,
        challenge: bytes | memoryview,
        credential: Credential,
        *,
        entropy: bytes,
        now: int,
        target: Target | None = None,
        bindings: bytes | None = None,
        single_host: SingleHost | None = None,
    ) -> tuple[Done, bytes]:
        """The AUTHENTICATE_MESSAGE (3.1.5.1.2, 3.1.5.2.1), by NTLMv2.

        `entropy` is 24 fresh bytes, `now` a FILETIME; the acceptor's time is used where it sent one. `bindings` are
        the hash of the channel's bindings (`ChannelBindings.hash`). Raises Rejected: what a bad or weak
        challenge gives, or BAD_ARGUMENT.
        """
        if len(entropy) != ENTROPY:
            raise bad_argument("an answer takes 24 bytes of entropy")
        if not 0 <= now <= MAX_FILETIME:
            raise bad_argument("MS-DTYP 2.3.3: a FILETIME is 63 bits")
        if bindings is not None and len(bindings) != HASH_SIZE:
            raise bad_argument("the hash of channel bindings is 16 bytes")
        received, flags = self._open(challenge)
        pairs = received.target_info
        timestamp = pairs.timestamp if pairs is not None else None
        promised = timestamp is not None
        target = target or Target()

        nonce, random_key = entropy[:8], entropy[8:]
        response_key = ntowf_v2(credential.nt_hash, credential.user, credential.domain)
        answered = answer_pairs(pairs, target, bindings, single_host)
        temp = encode_temp(now if timestamp is None else timestamp, nonce, answered)
        proof = nt_proof(response_key, received.server_challenge, temp)
        # 3.1.5.1.2: who sent a time wants no LMv2 response, only the space of one.
        lm = _NO_LM if promised else lm_v2_response(response_key, received.server_challenge, nonce)
        exported = session_base_key(response_key, proof)
        encrypted = b""
        if flags & KEY_EXCH and flags & PROTECTION:
            encrypted, exported = rc4k(exported, random_key), random_key
        token = build(
            flags,
            domain=credential.domain,
            user=credential.user,
            workstation=self.initiator.workstation,
            lm_response=lm,
            nt_response=proof + temp,
            encrypted_session_key=encrypted,
            version=self.initiator.version if flags & VERSION_FLAG else None,
            mic=promised,
            oem=self.initiator.oem,
        )
        if promised:
            token = with_mic(token, mic(exported, self.negotiate, challenge, token))
        return (
            Done(
                credential.user,
                credential.domain,
                self.initiator.workstation,
                Session(flags, exported),
                mic=promised,
                bound=bindings is not None and any(bindings),
                target_name=target.name or None,
            ),
            token,
        )

    def receive_as_nobody(self, challenge: bytes | memoryview) -> tuple[Done, bytes]:
        """The AUTHENTICATE_MESSAGE of an anonymous initiator (3.1.5.1.2): it proves nothing and protects nothing."""
        _, flags = self._open(challenge)
        if self.strength.integrity or self.strength.confidentiality:
            raise Rejected(Reason.INTEGRITY_MISSING, "MS-NLMP 3.4: anonymous users have no session security")
        flags = flags & ~PROTECTION | ANONYMOUS
        version = self.initiator.version if flags & VERSION_FLAG else None
        workstation = self.initiator.workstation
        token = build(
            flags,
            domain="",
            user="",
            workstation=workstation,
            lm_response=b"\0",
            nt_response=b"",
            version=version,
            oem=self.initiator.oem,
        )
        return Done("", "", workstation, Session(flags, bytes(16)), anonymous=True), token

    def _open(self, challenge: bytes | memoryview) -> tuple[Challenge, int]:
        """The challenge, and the flags that it and the request have in common."""
        advance(self.table, advance(self.table, self.state, Message.CHALLENGE), Message.AUTHENTICATE)
        received = Challenge.parse(challenge, oem=self.initiator.oem)
        offered = received.flags
        if (offered ^ self.request) & DATAGRAM:
            raise Rejected(Reason.DATAGRAM_MISMATCH, "MS-NLMP 2.2.2.5 F: both sides are connectionless, or none")
        flags = offered & (self.request | TARGET_INFO | VERSION_FLAG) | self.request & REQUEST_TARGET
        if flags & UNICODE:
            flags &= ~OEM
        elif not flags & OEM:
            raise Rejected(Reason.CHARACTER_SET_MISSING, "MS-NLMP 2.2.2.5: no character set that was asked for")
        self.strength.check(flags)
        pairs = received.target_info
        if flags & PROTECTION and not (
            pairs is not None and AvId.NB_COMPUTER_NAME in pairs.texts and AvId.NB_DOMAIN_NAME in pairs.texts
        ):
            raise Rejected(Reason.TARGET_INFO_MISSING, "MS-NLMP 3.1.5.1.2: protection takes the acceptor's two names")
        return received, flags


class ResponsesV2(Sealed, frozen=True):
    """NTLMv2 responses to a bare challenge, without messages around it, and their session base key."""

    nt_response: bytes
    lm_response: bytes
    session_base_key: bytes


def respond_v2(credential: Credential, server_challenge: bytes, nonce: bytes, now: int) -> ResponsesV2:
    """The responses (3.3.2) where only a challenge passed, as in MSV1_0_LM20_LOGON. `nonce` is 8 fresh bytes, `now` a
    FILETIME. There are no AV pairs, hence no name, no channel and no MIC.
    """
    if len(server_challenge) != len(nonce) or len(nonce) != NONCE_SIZE:
        raise bad_argument("MS-NLMP 3.3.2: ServerChallenge and ClientChallenge are 8 bytes")
    key = ntowf_v2(credential.nt_hash, credential.user, credential.domain)
    temp = encode_temp(now, nonce, encode_pairs([]))
    proof = nt_proof(key, server_challenge, temp)
    return ResponsesV2(proof + temp, lm_v2_response(key, server_challenge, nonce), session_base_key(key, proof))
