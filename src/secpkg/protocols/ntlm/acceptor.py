"""The acceptor (MS-NLMP 3.2.5, the server). `initiator` is its mirror.

Each state is a value of its own that owns what is true in it, and its one method leads to the next. A state is for one
use: a second answer to the same challenge would be a free guess. Time and entropy are arguments.

What is refused before the proof depends on nothing but the message; what the proved response says of time, names,
channel and MIC is looked at when it is proved. A user who does not exist is verified with `hashes.decoy_nt_hash`,
which takes the same way and the same time. The reason of a refusal is for the audit record: the peer is told that
the logon was denied, whatever it was.
"""

import hmac
from typing import ClassVar, Final

import msgspec

from .authenticate import SESSION_KEY_SIZE, Authenticate
from .bindings import NO_BINDINGS, BindingPolicy, check_bindings
from .challenge import CHALLENGE_SIZE, Challenge
from .errors import Reason, Rejected, bad_argument
from .flags import (
    ALWAYS_SIGN,
    ANONYMOUS,
    AV_FLAG_MIC,
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
    VERSION,
)
from .hashes import mic, nt_proof, ntowf_v2, rc4k, session_base_key
from .legacy import key_exchange_key_v1, nt_response_v1, session_base_key_v1
from .messages import ANNOUNCED, OEM_CODE_PAGE, Version, check_code_page
from .negotiate import Negotiate
from .policy import AcceptorPolicy, MicPolicy, TargetNamePolicy
from .responses import NONCE_SIZE, NtlmV1Response, NtlmV2Response, is_anonymous, read_response
from .target_info import TargetInfo, check_echo, check_target_name
from .transitions import CONNECTION, Message, State, Table, advance
from .transitions import DATAGRAM as DATAGRAM_TABLE
from .values import Done, Sealed, Session

_GRANTED: Final = SIGN | SEAL | ALWAYS_SIGN | NTLM | EXTENDED_SESSIONSECURITY | IDENTIFY | KEY_128 | KEY_EXCH | KEY_56
"""What an initiator gets when it asks (3.2.5.1.1). LM_KEY and REQUEST_NON_NT_SESSION_KEY, never."""


class Channel(msgspec.Struct, frozen=True):
    """What the acceptor knows of itself at one connection, to compare with what the initiator meant to reach.

    ``bindings`` are hashes (`ChannelBindings.hash`), one for each type that the channel has. ``names``
    are SPNs, compared without case.
    ``machine_id`` is that of MsvAvSingleHost, None where this machine has none.
    """

    bindings: tuple[bytes, ...] = ()
    names: frozenset[str] = frozenset()
    machine_id: bytes | None = None


NO_CHANNEL: Final = Channel()


class Acceptor(msgspec.Struct, frozen=True, kw_only=True):
    """The beginning of the acceptor's side."""

    state: ClassVar[State] = State.INITIAL
    target: TargetInfo
    policy: AcceptorPolicy = AcceptorPolicy()
    version: Version | None = ANNOUNCED
    oem: str = OEM_CODE_PAGE

    def __post_init__(self) -> None:
        check_code_page(self.oem)

    def start(self, negotiate: bytes | memoryview, *, server_challenge: bytes, now: int) -> "tuple[Challenged, bytes]":
        """The CHALLENGE_MESSAGE (3.2.5.1.1). `server_challenge` is 8 fresh bytes of entropy, `now` a FILETIME."""
        state = advance(CONNECTION, self.state, Message.NEGOTIATE)
        token = bytes(negotiate)
        asked = Negotiate.parse(token, oem=self.oem).flags
        if asked & DATAGRAM:
            raise Rejected(Reason.DATAGRAM_MISMATCH, "MS-NLMP 3.2.5.2: a connectionless exchange begins with us")
        flags = asked & _GRANTED
        if asked & UNICODE:
            flags |= UNICODE
        elif asked & OEM:
            flags |= OEM
        else:
            raise Rejected(Reason.CHARACTER_SET_MISSING, "MS-NLMP 2.2.2.5: neither UNICODE nor OEM")
        if asked & REQUEST_TARGET:
            flags |= REQUEST_TARGET
        # The challenge's own version is announced to who announced one (3.2.5.1.1).
        version = self.version if asked & VERSION else None
        return self._challenge(flags, version, token, CONNECTION, state, server_challenge, now)

    def start_datagram(self, *, server_challenge: bytes, now: int) -> "tuple[Challenged, bytes]":
        """The CHALLENGE_MESSAGE of a connectionless exchange (3.2.5.2.1), which offers everything."""
        flags = _GRANTED & ~IDENTIFY | DATAGRAM | UNICODE | REQUEST_TARGET
        return self._challenge(flags, self.version, b"", DATAGRAM_TABLE, self.state, server_challenge, now)

    def _challenge(
        self,
        flags: int,
        version: Version | None,
        negotiate: bytes,
        table: Table,
        state: State,
        server_challenge: bytes,
        now: int,
    ) -> "tuple[Challenged, bytes]":
        advance(table, state, Message.CHALLENGE)
        self.policy.strength.check(flags)
        if len(server_challenge) != CHALLENGE_SIZE:
            raise bad_argument("MS-NLMP 2.2.1.2: ServerChallenge is 8 bytes")
        name = self.target.name if flags & REQUEST_TARGET else ""
        flags |= TARGET_INFO | (self.target.type.value if name else 0)
        made = Challenge(flags, server_challenge, name, self.target.encode(now), version)
        token = made.build(oem=self.oem)
        return Challenged(self, table, negotiate, made, token), token


class Challenged(Sealed, frozen=True):
    """The initiator's proof is due."""

    state: ClassVar[State] = State.CHALLENGED
    acceptor: Acceptor
    table: Table
    negotiate: bytes
    challenge: Challenge
    challenge_token: bytes

    def receive(self, authenticate: bytes | memoryview) -> "Presented | Done":
        """Who the initiator says it is; to be verified. An anonymous one is done, where the policy allows it.

        The token is copied once if it is not `bytes`, so that what is checked is what was read. Raises Rejected.
        """
        advance(self.table, self.state, Message.AUTHENTICATE)
        policy = self.acceptor.policy
        message = Authenticate.parse(bytes(authenticate), oem=self.acceptor.oem)
        flags = message.flags
        if (flags ^ self.challenge.flags) & DATAGRAM:
            raise Rejected(Reason.DATAGRAM_MISMATCH, "MS-NLMP 2.2.2.5 F: both sides are connectionless, or none")
        if flags & ANONYMOUS or is_anonymous(message.user, message.lm_response, message.nt_response):
            return self._anonymous(message)
        response = read_response(message.lm_response, message.nt_response, self.challenge.target_info)
        if isinstance(response, NtlmV1Response):
            if not (policy.ntlm_v1 and flags & EXTENDED_SESSIONSECURITY):
                raise Rejected(Reason.NTLM_V1, "MS-NLMP 2.2.2.6: an NTLMv1 response is refused")
            _nothing_proved(policy)
        policy.strength.check(flags)
        if flags & KEY_EXCH and flags & PROTECTION and len(message.encrypted_session_key) != SESSION_KEY_SIZE:
            raise Rejected(Reason.FIELD_LENGTH, "MS-NLMP 2.2.1.3: EncryptedRandomSessionKey is 16 bytes")
        return Presented(self, message, response)

    def _anonymous(self, message: Authenticate) -> Done:
        """3.2.5.1.2: no user and no response; there is no session security for nobody (3.4)."""
        policy = self.acceptor.policy
        if not is_anonymous(message.user, message.lm_response, message.nt_response):
            raise Rejected(
                Reason.MALFORMED, "MS-NLMP 2.2.2.5 J: an anonymous initiator sends neither user nor response"
            )
        if not policy.anonymous:
            raise Rejected(Reason.ANONYMOUS, "this acceptor refuses anonymous initiators")
        if policy.strength.integrity or policy.strength.confidentiality:
            raise Rejected(Reason.INTEGRITY_MISSING, "MS-NLMP 3.4: anonymous users have no session security")
        _nothing_proved(policy)
        session = Session(message.flags, bytes(SESSION_KEY_SIZE)).without_protection()
        return Done("", "", message.workstation, session, anonymous=True)


class Presented(Sealed, frozen=True):
    """The initiator has named a user and given a proof, which is not verified yet."""

    state: ClassVar[State] = State.CHALLENGED
    challenged: Challenged
    message: Authenticate
    response: NtlmV2Response | NtlmV1Response

    @property
    def user(self) -> str:
        """The user as claimed."""
        return self.message.user

    @property
    def domain(self) -> str:
        """The domain as claimed; may be empty."""
        return self.message.domain

    @property
    def workstation(self) -> str:
        """The machine as claimed, which nothing proves."""
        return self.message.workstation

    def verify(self, nt_hash: bytes, *, now: int, channel: Channel = NO_CHANNEL) -> Done:
        """The end, where the proof is that of the NT hash. For an unknown user it is a decoy's. Raises Rejected."""
        policy = self.challenged.acceptor.policy
        nonce = self.challenged.challenge.server_challenge
        if isinstance(self.response, NtlmV1Response):
            key = check_v1(nt_hash, self.message.flags, nonce, self.response)
        else:
            key = check_v2(
                nt_hash,
                self.message.user,
                self.message.domain,
                nonce,
                self.response,
                empty_domain=policy.empty_domain_in_proof,
            )
        return self.complete(key, now=now, channel=channel)

    def complete(self, key_exchange_key: bytes, *, now: int, channel: Channel = NO_CHANNEL) -> Done:
        """The end, where somebody else has verified the proof and gives its key (a pass-through). Raises Rejected."""
        message, response, policy = self.message, self.response, self.challenged.acceptor.policy
        exported, sent = key_exchange_key, message.encrypted_session_key
        # 3.2.5.1.2 has a key only where messages are protected; Samba sends and uses one even where none are.
        if message.flags & KEY_EXCH and (message.flags & PROTECTION or len(sent) == SESSION_KEY_SIZE):
            exported = rc4k(key_exchange_key, sent)
        session = Session(message.flags, exported)
        if isinstance(response, NtlmV1Response):
            return Done(self.user, self.domain, self.workstation, session)
        protected = self._check_mic(exported, response)
        pairs = response.pairs
        ours = self.challenged.challenge.target_info
        if ours is not None:
            check_echo(ours, pairs, whole=policy.echo)
        policy.check_skew(response.timestamp, now)
        bound = check_bindings(policy.bindings, pairs.channel_bindings, channel.bindings)
        name = check_target_name(policy.target_name, pairs, channel.names)
        host = pairs.single_host
        if not policy.loopback and host is not None and host.machine_id == channel.machine_id:
            raise Rejected(Reason.REFLECTION, "MS-NLMP 2.2.2.2: the initiator is this machine")
        names = message.user, message.domain, message.workstation
        return Done(*names, session, mic=protected, bound=bound, target_name=name)

    def _check_mic(self, exported: bytes, response: NtlmV2Response) -> bool:
        """3.2.5.1.2: the MIC over the three messages as they passed, wherever the proved response promises one.

        Samba sends one that it does not promise: where it holds it protects as well as any. Where it does not hold it
        may be anything, and there is none.
        """
        policy, pairs, found = self.challenged.acceptor.policy, response.pairs, self.message.mic
        promised = (pairs.flags or 0) & AV_FLAG_MIC
        if found is not None:
            passed = (self.challenged.negotiate, self.challenged.challenge_token, self.message.without_mic())
            if hmac.compare_digest(mic(exported, *passed), found):
                return True
            if promised:
                raise Rejected(Reason.MIC_MISMATCH, "MS-NLMP 3.2.5.1.2: the messages are not those that passed")
        elif promised:
            raise Rejected(Reason.MIC_MISSING, "MS-NLMP 3.2.5.1.2: a MIC was promised and there is none")
        able = (
            pairs.flags is not None
            or pairs.single_host is not None
            or pairs.target_name is not None
            or pairs.channel_bindings not in (None, NO_BINDINGS)
        )
        if policy.mic is MicPolicy.REQUIRE or (policy.mic is MicPolicy.WHEN_ABLE and able):
            raise Rejected(Reason.MIC_MISSING, "this acceptor requires a MIC")
        return False


def _nothing_proved(policy: AcceptorPolicy) -> None:
    """Rejected where `policy` asks for what only AV pairs can say, of an initiator that sends none."""
    if policy.mic is MicPolicy.REQUIRE:
        raise Rejected(Reason.MIC_MISSING, "this acceptor requires a MIC")
    if policy.bindings is BindingPolicy.REQUIRE:
        raise Rejected(Reason.BINDING_REQUIRED, "this acceptor requires channel bindings")
    if policy.target_name is TargetNamePolicy.REQUIRE:
        raise Rejected(Reason.TARGET_NAME_MISSING, "this acceptor requires a target name")


def check_v2(
    nt_hash: bytes,
    user: str,
    domain: str,
    server_challenge: bytes,
    response: NtlmV2Response,
    *,
    empty_domain: bool = True,
) -> bytes:
    """The SessionBaseKey of an NTLMv2 response (3.3.2), proved over the bytes as they came; Rejected(PROOF_MISMATCH).

    With `empty_domain` a proof that fails is tried once more without the domain, as 3.2.5.1.2 asks.
    """
    for name in (domain, "") if empty_domain and domain else (domain,):
        key = ntowf_v2(nt_hash, user, name)
        if hmac.compare_digest(nt_proof(key, server_challenge, response.temp), response.proof):
            return session_base_key(key, response.proof)
    raise Rejected(Reason.PROOF_MISMATCH, "MS-NLMP 3.3.2: NTProofStr")


def check_v1(nt_hash: bytes, flags: int, server_challenge: bytes, response: NtlmV1Response) -> bytes:
    """The KeyExchangeKey of an NTLMv1 response with extended session security (3.3.1, 3.4.5.1); Rejected otherwise."""
    client_challenge = bytes(response.lm_response[:NONCE_SIZE])
    if not flags & EXTENDED_SESSIONSECURITY or len(client_challenge) != NONCE_SIZE:
        raise Rejected(Reason.NTLM_V1, "MS-NLMP 3.3.1: NTLMv1 without extended session security is refused")
    if not hmac.compare_digest(nt_response_v1(nt_hash, flags, server_challenge, client_challenge), response.response):
        raise Rejected(Reason.PROOF_MISMATCH, "MS-NLMP 3.3.1: NTChallengeResponse")
    return key_exchange_key_v1(flags, session_base_key_v1(nt_hash), server_challenge, client_challenge)
