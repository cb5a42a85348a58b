"""Faults of acceptors and initiators: what is proved, to whom, over which bytes, in which order."""

from __future__ import annotations

import hmac

from tests.broken_packages import wire
from tests.broken_packages.modules import Fault, module, provider
from tests.broken_packages.plain import PlainContexts, SoundPlain
from tests.broken_packages.sound import Accepting, Credential, Initiating
from tests.broken_packages.sound_ap import Sound
from tests.broken_packages.wire import Closing, Malformed, Opening, Schedule

from secpkg import contract as c


class MicAbsent(Sound):
    def closing(self, token: bytes) -> Closing:
        try:
            return super().closing(token)
        except Malformed:
            whole = super().closing(token + bytes(wire.HASH))
            return Closing(whole.bindings, whole.target, whole.proof)

    def proved(self, expected: bytes, received: bytes) -> bool:
        return hmac.compare_digest(expected[: len(received)], received)


class MicIgnored(Sound):
    def proved(self, expected: bytes, received: bytes) -> bool:
        return hmac.compare_digest(expected[: wire.HASH], received[: wire.HASH])


class ProofNotCompared(Sound):
    def proved(self, expected: bytes, received: bytes) -> bool:
        return True


class ProofByPrefix(Sound):
    def proved(self, expected: bytes, received: bytes) -> bool:
        return hmac.compare_digest(expected[:4], received[:4])


class ProofTruncated(Sound):
    """Compares as many bytes as were sent."""

    def closing(self, token: bytes) -> Closing:
        whole = super().closing(token + bytes(max(0, wire.CLOSING.size + 8 + 2 * wire.HASH - len(token))))
        sent = token[wire.CLOSING.size + len(whole.target.encode()) :]
        return Closing(whole.bindings, whole.target, sent[: wire.HASH], sent[wire.HASH :])

    def proved(self, expected: bytes, received: bytes) -> bool:
        return hmac.compare_digest(expected[: len(received)], received)


class MicOverReencoded(Sound):
    """Verifies what it would have sent, not what it received: bytes that it does not read are free."""

    def schedule(self, key: bytes, opening: bytes, answer: bytes) -> Schedule:
        read = Opening.decode(opening)
        return Schedule(key, Opening(read.flags, read.nonce, read.name).encode(), answer)


class FlagsUnprotected(Sound):
    """Nobody notices when the flags are changed on the way."""

    def schedule(self, key: bytes, opening: bytes, answer: bytes) -> Schedule:
        return Schedule(key, opening[:4] + opening[5:], answer[:4] + answer[5:])


class ServerUnproved(Sound):
    def server_proved(self, expected: bytes, received: bytes) -> bool:
        return True


class ServerByPrefix(Sound):
    def server_proved(self, expected: bytes, received: bytes) -> bool:
        return received.startswith(expected[:12])


class ServerNotAwaited(Sound):
    """Grants MUTUAL_AUTH before the server has proved anything."""

    def close(self, call: c.Call, credential: Credential, context: Initiating, request: c.ContextRequest) -> c.Step:
        step = super().close(call, credential, context, request)
        if not isinstance(step, c.Continue) or context.keys is None:
            return step
        context.spent = True
        target = request.target or ""
        return self.complete(call, True, context.keys, context.answer, target, request.requirements, step.token)


class NonceConstant(Sound):
    def nonce(self, call: c.Call) -> bytes:
        return bytes(wire.NONCE)


class ChallengeUnused(Sound):
    """The acceptor's nonce is in no key: what was recorded once is good for ever."""

    def schedule(self, key: bytes, opening: bytes, answer: bytes) -> Schedule:
        return Schedule(key, opening, answer[:5])


class Reflected(Sound):
    """The acceptor confirms by sending the closing back, which the initiator has already."""

    def final(self, keys: Schedule, closing: bytes) -> bytes:
        return closing


class OpeningAgain(Sound):
    """An acceptor that takes another opening where the closing is due."""

    async def finish(self, call: c.Call, context: Accepting, request: c.ContextRequest) -> c.Step:
        if request.token.startswith(b"SND1"):
            return await self.answer(call, Credential(c.CredentialUse.INBOUND), request)
        return await super().finish(call, context, request)


class AnswerAgain(Sound):
    """An initiator that takes another answer where the final is due."""

    async def init_lsa_mode_context(
        self, call: c.Call, credential: Credential, context: Initiating | None, request: c.ContextRequest
    ) -> c.Step:
        if context is not None and request.token.startswith(b"SND2"):
            context.keys = None
        return await super().init_lsa_mode_context(call, credential, context, request)


class BindingsAbsent(Sound):
    def bound(self, theirs: bytes, request: c.ContextRequest) -> bool:
        return theirs == wire.NO_BINDINGS or super().bound(theirs, request)


class BindingsZero(Sound):
    """Absent ones are told apart from zeros, and zeros pass."""

    def bindings(self, request: c.ContextRequest) -> bytes:
        return super().bindings(request) if request.channel_bindings else b"\xff" * wire.HASH

    def bound(self, theirs: bytes, request: c.ContextRequest) -> bool:
        if theirs == b"\xff" * wire.HASH:
            return super().bound(wire.NO_BINDINGS, request)
        return theirs == wire.NO_BINDINGS or super().bound(theirs, request)


class BindingsDifferent(Sound):
    def bound(self, theirs: bytes, request: c.ContextRequest) -> bool:
        return theirs != wire.NO_BINDINGS or super().bound(theirs, request)


class BindingsStatus(Sound):
    """Refuses, under a name that sends its user after the wrong thing."""

    async def finish(self, call: c.Call, context: Accepting, request: c.ContextRequest) -> c.Step:
        step = await super().finish(call, context, request)
        if isinstance(step, c.Refused) and step.status is c.Status.SEC_E_BAD_BINDINGS:
            return c.Refused(c.Status.SEC_E_LOGON_DENIED, reason=step.reason)
        return step


class AnotherUsersToken(Sound):
    """The token of whoever came first."""

    first: c.AuthData | None = None

    async def access_token(self, auth: c.AuthData) -> c.TokenReference | None:
        self.first = self.first or auth
        return await super().access_token(self.first)


class NoToken(Sound):
    """Announces IMPERSONATION, and there is nobody to be."""

    async def access_token(self, auth: c.AuthData) -> c.TokenReference | None:
        return None


class UnknownByStatus(Sound):
    async def finish(self, call: c.Call, context: Accepting, request: c.ContextRequest) -> c.Step:
        if context.auth is None:
            await self.record(context, "unknown_user")
            return c.Refused(c.Status.SEC_E_NO_AUTHENTICATING_AUTHORITY, reason="unknown_user")
        return await super().finish(call, context, request)


class UnknownByLength(Sound):
    """An unknown user's answer has one byte more."""

    async def answer(self, call: c.Call, credential: Credential, request: c.ContextRequest) -> c.Step:
        step = await super().answer(call, credential, request)
        if isinstance(step, c.Continue) and isinstance(step.context, Accepting) and step.context.auth is None:
            return c.Continue(step.token + b"\0", step.context)
        return step


class UnknownBySteps(Sound):
    """An unknown user is refused one leg earlier."""

    async def answer(self, call: c.Call, credential: Credential, request: c.ContextRequest) -> c.Step:
        step = await super().answer(call, credential, request)
        if isinstance(step, c.Continue) and isinstance(step.context, Accepting) and step.context.auth is None:
            await self.record(step.context, "unknown_user")
            return c.Refused(c.Status.STATUS_LOGON_FAILURE, reason="unknown_user")
        return step


class PlainUncompared(SoundPlain):
    class Half(PlainContexts):
        def proved(self, expected: bytes, received: bytes) -> bool:
            return True

    def __init__(self) -> None:
        self.half = self.Half()


class PlainBindings(SoundPlain):
    class Half(PlainContexts):
        def bound(self, theirs: bytes, request: c.ContextRequest) -> bool:
            return True

    def __init__(self) -> None:
        self.half = self.Half()


def _of(package: type[Sound], rule: str, why: str, *also: str) -> Fault:
    return Fault(package.__name__, lambda: module(package), rule, why, frozenset(also))


def _plain(package: type[SoundPlain], rule: str, why: str, *also: str) -> Fault:
    return Fault(package.__name__, lambda: provider(package), rule, why, frozenset(also))


PROOF: tuple[Fault, ...] = (
    _of(MicAbsent, "K1", "a closing without its MIC is accepted"),
    _of(MicIgnored, "K1", "the MIC is parsed and never compared"),
    _of(ProofNotCompared, "K1", "the initiator's proof is parsed and never compared", "K2", "K5", "K18", "R54"),
    _of(ProofByPrefix, "K1", "four bytes of the proof are compared"),
    _of(ProofTruncated, "K1", "as many bytes of the proof are compared as were sent", "K5"),
    _of(MicOverReencoded, "K1", "re-encoded instead of received bytes are verified"),
    _of(FlagsUnprotected, "K1", "flags changed on the way downgrade the context, unnoticed"),
    _of(ServerUnproved, "K1", "MUTUAL_AUTH is granted for whatever the server says", "K2", "K3", "K4"),
    _of(ServerByPrefix, "K1", "the server's proof is compared by its beginning"),
    _of(ServerNotAwaited, "K1", "MUTUAL_AUTH is granted before the server has proved anything", "K2", "R187"),
    _of(NonceConstant, "K2", "the nonces are always the same", "K5"),
    _of(ChallengeUnused, "K2", "the acceptor's nonce is not in what is proved", "K1", "K5"),
    _of(Reflected, "K3", "an initiator completes for its own closing"),
    _of(OpeningAgain, "K4", "an acceptor begins anew in the middle"),
    _of(AnswerAgain, "K4", "an initiator takes a second answer"),
    _of(BindingsAbsent, "K17", "absent bindings pass where the server has some", "R234", "R239"),
    _of(BindingsZero, "K17", "all-zero bindings pass where the server has some", "R237", "R239"),
    _of(BindingsDifferent, "R235", "bindings of another channel pass"),
    _of(BindingsStatus, "R235", "a mismatch is not told as SEC_E_BAD_BINDINGS"),
    _of(AnotherUsersToken, "K5", "the access token is that of the first user", "R102"),
    _of(NoToken, "K14", "IMPERSONATION is announced and there is no access token", "R102"),
    _of(UnknownByStatus, "R54", "unknown users have a status of their own"),
    _of(UnknownByLength, "R54", "unknown users have a token of another length"),
    _of(UnknownBySteps, "R54", "unknown users are refused a leg earlier"),
    _plain(PlainUncompared, "K1", "a plain SSP's proof is never compared", "K2", "K5"),
    _plain(PlainBindings, "K17", "a plain SSP's bindings are never compared", "R234", "R235", "R239"),
)
