"""With the NT hash of the user: whether proof and MIC hold, and what the session protects, in clear.

The checks are those of `protocols.ntlm`, over the same bytes: what its parsers refuse is not checked, and the reason is
said. The session's messages are opened in the order of the conversation. Who sent one is tried where nobody says: with
extended session security a signature holds for one direction only. A message that does not hold leaves the stream
where it was, so that the next one has its chance: nothing is accepted here, and a recording has gaps.
"""

from __future__ import annotations

import hmac
from typing import Final

import msgspec

from secpkg.kit.decode.seen import Context, NtlmMessage, Protected
from secpkg.kit.decode.tree import Span, contain
from secpkg.protocols.ntlm.acceptor import check_v1, check_v2
from secpkg.protocols.ntlm.authenticate import SESSION_KEY_SIZE, Authenticate
from secpkg.protocols.ntlm.challenge import Challenge
from secpkg.protocols.ntlm.errors import Reason, Rejected
from secpkg.protocols.ntlm.flags import (
    AV_FLAG_MIC,
    DATAGRAM,
    EXTENDED_SESSIONSECURITY,
    KEY_EXCH,
    LM_KEY,
    PROTECTION,
    REQUEST_NON_NT_SESSION_KEY,
    SEAL,
)
from secpkg.protocols.ntlm.hashes import mic, rc4k
from secpkg.protocols.ntlm.legacy import key_exchange_key_v1, nt_response_v1, session_base_key_v1
from secpkg.protocols.ntlm.responses import NtlmV1Response, NtlmV2Response, is_anonymous, read_response
from secpkg.protocols.ntlm.sealing import SIGNATURE_SIZE, Datagram, Half
from secpkg.protocols.ntlm.transitions import Message
from secpkg.protocols.ntlm.values import Role, Session

HOLDS: Final = "holds"
FAILS: Final = "does not hold"
UNKNOWN: Final = "not checked"
_ROLES: Final = (Role.INITIATOR, Role.ACCEPTOR)
_DOMAIN_LESS: Final = "over an empty domain"


class Check(msgspec.Struct, frozen=True):
    """One thing that was checked: of which token (from 1), whether it holds, and why not, or what was found with it."""

    token: int
    name: str
    result: str
    why: str = ""


class _Opener:
    """The session of one handshake, as one who only listens has it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._halves: dict[Role, Half] = {}
        if session.flags & PROTECTION and not session.flags & DATAGRAM:
            self._halves = {role: Half.of(session, role) for role in _ROLES}
            if not session.flags & EXTENDED_SESSIONSECURITY:
                # MS-NLMP 3.4: one stream and one counter serve both directions.
                self._halves[Role.ACCEPTOR] = self._halves[Role.INITIATOR]

    def __repr__(self) -> str:
        return "<_Opener>"

    def open(self, signature: bytes, message: bytes, sender: Role | None, *, sealed: bool) -> tuple[Role, bytes] | str:
        """Who sent it and what it says; or why it does not hold."""
        why = "MS-NLMP 3.4: the session protects no messages"
        if not self._session.flags & PROTECTION or (sealed and not self._session.flags & SEAL):
            return why
        for role in _ROLES if sender is None else (sender,):
            try:
                if self._session.flags & DATAGRAM:
                    return role, self._datagram(signature, message, role, sealed=sealed)
                return role, self._connected(signature, message, role, sealed=sealed)
            except Rejected as rejected:
                why = rejected.rule
        return why

    def _connected(self, signature: bytes, message: bytes, role: Role, *, sealed: bool) -> bytes:
        half = self._halves[role]
        copy = Half.of(self._session, role, counter=half.counter, position=half.position)
        opened = copy.open(((message, sealed),), signature)
        for each in _ROLES:
            if self._halves[each] is half:
                self._halves[each] = copy
        return opened[0] if sealed else message

    def _datagram(self, signature: bytes, message: bytes, role: Role, *, sealed: bool) -> bytes:
        receiver = Datagram(self._session, role.peer)
        number = int.from_bytes(signature[12:], "little")
        if sealed:
            return receiver.unseal(message, signature, number)
        receiver.verify(message, signature, number)
        return message

    def restart(self, role: Role) -> None:
        """MS-SPNG 3.3.5.1: the stream of a direction begins anew after its mechListMIC."""
        if role in self._halves:
            self._halves[role].restart_stream()


def verify(context: Context, nt_hash: bytes) -> list[Check]:
    """Check every handshake of the conversation, and show in clear what its session protects."""
    checks: list[Check] = []
    last: dict[Message, NtlmMessage] = {}
    opener: _Opener | None = None
    for event in list(context.events):
        if isinstance(event, Protected):
            checks.append(_protected(context, event, opener))
            continue
        if event.kind is not Message.AUTHENTICATE:
            last[event.kind] = event
            continue
        opener = None
        try:
            session = _handshake(checks, event, last, nt_hash)
        except Rejected as rejected:
            checks.append(Check(event.token, "handshake", UNKNOWN, rejected.rule))
            session = None
        opener = None if session is None else _Opener(session)
        last = {}
    return checks


def _handshake(
    checks: list[Check], event: NtlmMessage, last: dict[Message, NtlmMessage], nt_hash: bytes
) -> Session | None:
    message = Authenticate.parse(event.raw)
    if is_anonymous(message.user, message.lm_response, message.nt_response):
        checks.append(Check(event.token, "proof", UNKNOWN, "an anonymous initiator proves nothing"))
        return None
    response = read_response(message.lm_response, message.nt_response)
    name = "NTProofStr" if isinstance(response, NtlmV2Response) else "NTLM_RESPONSE"
    asked = last.get(Message.CHALLENGE)
    if asked is None:
        checks.append(Check(event.token, name, UNKNOWN, "the CHALLENGE_MESSAGE is not here"))
        return None
    nonce = Challenge.parse(asked.raw).server_challenge
    why = ""
    try:
        if isinstance(response, NtlmV2Response):
            names = (nt_hash, message.user, message.domain, nonce, response)
            try:
                key = check_v2(*names, empty_domain=False)
            except Rejected:
                key, why = check_v2(*names), _DOMAIN_LESS
        elif message.flags & EXTENDED_SESSIONSECURITY:
            key = check_v1(nt_hash, message.flags, nonce, response)
        else:
            key = _check_oldest(nt_hash, message.flags, nonce, response)
    except Rejected as rejected:
        checks.append(Check(event.token, name, FAILS, rejected.rule))
        return None
    checks.append(Check(event.token, name, HOLDS, why))
    if message.flags & KEY_EXCH and message.flags & PROTECTION:
        if len(message.encrypted_session_key) != SESSION_KEY_SIZE:
            checks.append(Check(event.token, "session key", FAILS, "MS-NLMP 2.2.1.3: it is 16 bytes"))
            return None
        key = rc4k(key, message.encrypted_session_key)
    if isinstance(response, NtlmV2Response):
        checks.append(_mic(event, last, message, response, key))
    return Session(message.flags, key)


def _check_oldest(nt_hash: bytes, flags: int, nonce: bytes, response: NtlmV1Response) -> bytes:
    """NTLMv1 without session security (3.3.1), which the acceptor refuses before it would look at the proof."""
    if not hmac.compare_digest(nt_response_v1(nt_hash, flags, nonce, b""), response.response):
        raise Rejected(Reason.PROOF_MISMATCH, "MS-NLMP 3.3.1: NTChallengeResponse")
    # With either flag the key is made of the LM hash, which nobody here has: what it protects will not hold.
    return key_exchange_key_v1(
        flags & ~(LM_KEY | REQUEST_NON_NT_SESSION_KEY), session_base_key_v1(nt_hash), nonce, bytes(response.lm_response)
    )


def _mic(
    event: NtlmMessage, last: dict[Message, NtlmMessage], message: Authenticate, response: NtlmV2Response, key: bytes
) -> Check:
    """MS-NLMP 3.2.5.1.2."""
    promised = bool((response.pairs.flags or 0) & AV_FLAG_MIC)
    found = message.mic
    if found is None or (not promised and found == bytes(len(found))):
        return Check(event.token, "MIC", FAILS if promised else UNKNOWN, f"{'' if promised else 'none '}promised")
    began = last.get(Message.NEGOTIATE)
    if began is None and not message.flags & DATAGRAM:
        return Check(event.token, "MIC", UNKNOWN, "the NEGOTIATE_MESSAGE is not here")
    passed = (b"" if began is None else began.raw, last[Message.CHALLENGE].raw, message.without_mic())
    holds = hmac.compare_digest(mic(key, *passed), found)
    why = "" if promised else "no MsvAvFlags promises it"
    return Check(event.token, "MIC", HOLDS if holds else FAILS, why)


def _as_text(clear: bytes) -> str:
    """What was sealed as text in quotation marks, where it may be one."""
    for encoding in ("utf-8", "utf-16-le"):
        try:
            text = clear.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text and text.isprintable():
            return f'"{text}"'
    return ""


def _protected(context: Context, event: Protected, opener: _Opener | None) -> Check:
    if opener is None:
        return Check(event.token, event.name, UNKNOWN, "no handshake before it gave a session key")
    raw = event.data[event.start : event.end]
    signature, message = raw[:SIGNATURE_SIZE], raw[SIGNATURE_SIZE:]
    if event.covers is not None:
        if not event.covers:
            return Check(event.token, event.name, UNKNOWN, "the mechTypes that it covers are not here")
        signed = opener.open(signature, event.covers, event.sender, sealed=False)
        if isinstance(signed, str):
            return Check(event.token, event.name, FAILS, signed)
        opener.restart(signed[0])
        return Check(event.token, event.name, HOLDS, f"the {signed[0].value}'s")
    opened = opener.open(signature, message, event.sender, sealed=True)
    how = "sealed"
    if isinstance(opened, str):
        signed = opener.open(signature, message, event.sender, sealed=False)
        if isinstance(signed, str):
            return Check(event.token, event.name, FAILS, opened)
        opened, how = signed, "signed"
    role, clear = opened
    at = event.start + SIGNATURE_SIZE
    with contain(event.node):
        part = event.node.add("in clear", at, len(clear))
        if event.inside is not None and how == "sealed":
            # RC4 keeps lengths: in its place in the token, the clear text has the offsets of the sealed one.
            event.inside(context, part, Span(event.data[:at] + clear + event.data[event.end :], at, event.end))
        else:
            part.value, part.meaning = clear, _as_text(clear)
    return Check(event.token, event.name, HOLDS, f"{how} by the {role.value}")


__all__ = ["FAILS", "HOLDS", "UNKNOWN", "Check", "verify"]
