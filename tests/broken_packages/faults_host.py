"""Faults towards the host: what is drawn, awaited, kept, given back, told, logged; and loading."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import time

from tests.broken_packages import wire
from tests.broken_packages.modules import Fault, module
from tests.broken_packages.packed import PackedContext
from tests.broken_packages.sound import Accepting, Credential, Initiating
from tests.broken_packages.sound_ap import Sound

from secpkg import contract as c

log = logging.getLogger("tests.broken_packages")


class OwnClock(Sound):
    def packed(self, packed: PackedContext) -> bytes:
        now = time.time()
        return PackedContext(
            packed.initiator, packed.attributes, now, packed.expiry, packed.session_key, packed.peer
        ).pack()


class OwnChance(Sound):
    def nonce(self, call: c.Call) -> bytes:
        return os.urandom(wire.NONCE)


class OwnGenerator(Sound):
    def nonce(self, call: c.Call) -> bytes:
        return random.randbytes(wire.NONCE)


class HiddenClock(Sound):
    """Nothing of it is on the wire."""

    async def acquire_credentials_handle(
        self,
        call: c.Call,
        principal: str | None,
        use: c.CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> c.Acquired:
        made = await super().acquire_credentials_handle(call, principal, use, logon_id, authorization_data)
        return c.Acquired(made.credential, time.time() + 86_400)


class PasswordInRepr(Sound):
    class Shown(Credential):
        password = ""

        def __repr__(self) -> str:
            return f"Credential({self.name}, {self.password})"

    async def acquire_credentials_handle(
        self,
        call: c.Call,
        principal: str | None,
        use: c.CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> c.Acquired:
        made = await super().acquire_credentials_handle(call, principal, use, logon_id, authorization_data)
        if isinstance(authorization_data, c.AuthIdentity) and isinstance(made.credential, Credential):
            shown = self.Shown(use, made.credential.name, made.credential.key)
            shown.password = authorization_data.password
            return c.Acquired(shown)
        return made


class SecretInException(Sound):
    """The password is in the text of an exception."""

    async def logon_user_ex2(self, call: c.Call, request: c.LogonRequest) -> c.LogonResult | c.LogonRefused:
        result = await super().logon_user_ex2(call, request)
        if isinstance(result, c.LogonRefused) and result.status is c.Status.STATUS_LOGON_FAILURE:
            raise c.SecurityError(result.status, reason=f"{request.password!r} is not the password")
        return result


class SecretInReason(Sound):
    async def record(self, context: Accepting, reason: str) -> None:
        await super().record(context, f"{reason}, expected a proof under {context.key.hex()}")


class SecretLogged(Sound):
    def derive(self, password: str, name: str) -> bytes:
        log.debug("key of %s from %s", name, password)
        return super().derive(password, name)


class SecretPrinted(Sound):
    async def logon_user_ex2(self, call: c.Call, request: c.LogonRequest) -> c.LogonResult | c.LogonRefused:
        print("logon of", request.username, request.password)
        return await super().logon_user_ex2(call, request)


class ClassState(Sound):
    """What belongs to a context is kept once for all."""

    current: Accepting | None = None

    async def answer(self, call: c.Call, credential: Credential, request: c.ContextRequest) -> c.Step:
        step = await super().answer(call, credential, request)
        if isinstance(step, c.Continue) and isinstance(step.context, Accepting):
            self.current = step.context
        return step

    async def finish(self, call: c.Call, context: Accepting, request: c.ContextRequest) -> c.Step:
        return await super().finish(call, self.current or context, request)


class InitiatorState(Sound):
    """The initiator's nonce and key are kept once for all."""

    latest: Initiating | None = None

    def open(self, call: c.Call, credential: Credential, request: c.ContextRequest) -> c.Step:
        step = super().open(call, credential, request)
        if isinstance(step, c.Continue) and isinstance(step.context, Initiating):
            self.latest = step.context
        return step

    def close(self, call: c.Call, credential: Credential, context: Initiating, request: c.ContextRequest) -> c.Step:
        context.opening = (self.latest or context).opening
        return super().close(call, credential, context, request)


class ContextLeak(Sound):
    """delete_context forgets to forget."""

    def __init__(self) -> None:
        self.contexts: list[Accepting] = []

    async def answer(self, call: c.Call, credential: Credential, request: c.ContextRequest) -> c.Step:
        step = await super().answer(call, credential, request)
        if isinstance(step, c.Continue) and isinstance(step.context, Accepting):
            self.contexts.append(step.context)
        return step


class CredentialLeak(Sound):
    def __init__(self) -> None:
        self.credentials: list[object] = []

    async def acquire_credentials_handle(
        self,
        call: c.Call,
        principal: str | None,
        use: c.CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> c.Acquired:
        made = await super().acquire_credentials_handle(call, principal, use, logon_id, authorization_data)
        self.credentials.append(made.credential)
        return made

    async def free_credentials_handle(self, call: c.Call, credential: Credential) -> None:
        pass


class CredentialShared(Sound):
    """Two handles of one name are one object, and the first one that is freed takes it away from the other."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, bytes, int], Credential] = {}

    async def acquire_credentials_handle(
        self,
        call: c.Call,
        principal: str | None,
        use: c.CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> c.Acquired:
        made = await super().acquire_credentials_handle(call, principal, use, logon_id, authorization_data)
        credential = made.credential
        assert isinstance(credential, Credential)
        return c.Acquired(self.known.setdefault((credential.name, credential.key, int(use)), credential))

    async def free_credentials_handle(self, call: c.Call, credential: Credential) -> None:
        self.known = {key: one for key, one in self.known.items() if one is not credential}
        await super().free_credentials_handle(call, credential)


class FreeFails(Sound):
    """A credential that no context used cannot be freed."""

    async def free_credentials_handle(self, call: c.Call, credential: Credential) -> None:
        if credential.name and not hasattr(credential, "used"):
            raise KeyError(credential.name)
        await super().free_credentials_handle(call, credential)


class DeleteFails(Sound):
    """A half-built context cannot be deleted."""

    async def delete_context(self, call: c.Call, context: Initiating | Accepting | None) -> None:
        if context is not None and not context.spent:
            raise LookupError("no such context")


class HangsOnGarbage(Sound):
    def closing(self, token: bytes) -> wire.Closing:
        place = 0
        while place < len(token) and not token.startswith(b"SND3"):
            place += token[place] % 1  # the length of a field, and one of zero
        return super().closing(token)


class RaisesOnGarbage(Sound):
    def closing(self, token: bytes) -> wire.Closing:
        _, bindings, length = wire.CLOSING.unpack_from(token)
        rest = token[wire.CLOSING.size :]
        return wire.Closing(bindings, rest[:length].decode(), rest[length : length + 32], rest[length + 32 :])


class VagueOnGarbage(Sound):
    async def accept_lsa_mode_context(
        self, call: c.Call, credential: Credential, context: Accepting | None, request: c.ContextRequest
    ) -> c.Step:
        step = await super().accept_lsa_mode_context(call, credential, context, request)
        if isinstance(step, c.Refused) and step.status is c.Status.SEC_E_INVALID_TOKEN:
            raise c.SecurityError(c.Status.SEC_E_INTERNAL_ERROR, reason=step.reason)
        return step


class MoreSpends(Sound):
    """Asks for more of a token, and has forgotten the context when it comes."""

    async def finish(self, call: c.Call, context: Accepting, request: c.ContextRequest) -> c.Step:
        if len(request.token) < wire.CLOSING.size + 2 * wire.HASH:
            return c.NeedMore()
        return await super().finish(call, context, request)


class ForeignAwait(Sound):
    async def record(self, context: Accepting, reason: str) -> None:
        await asyncio.sleep(0.001)
        await super().record(context, reason)


class SleepsOnFailure(Sound):
    """Blocks the worker, and everybody in it, to slow one guesser down."""

    async def record(self, context: Accepting, reason: str) -> None:
        time.sleep(11)
        await super().record(context, reason)


class TooLong(Sound):
    info = c.PackageInfo("Sound", "", Sound.info.capabilities, 100)


class SilentContinue(Sound):
    """Goes on without a word for the peer."""

    def open(self, call: c.Call, credential: Credential, request: c.ContextRequest) -> c.Step:
        step = super().open(call, credential, request)
        if isinstance(step, c.Continue) and (request.target or "").startswith("="):
            return c.Continue(b"", step.context)
        return step


class ErrorTokens(Sound):
    async def finish(self, call: c.Call, context: Accepting, request: c.ContextRequest) -> c.Step:
        step = await super().finish(call, context, request)
        return c.Refused(step.status, b"SNDX", step.reason) if isinstance(step, c.Refused) else step


class Unmapped(Sound):
    """Completes without a packed context."""

    def complete(self, *arguments: object, **named: object) -> c.Step:
        step = super().complete(*arguments, **named)  # type: ignore[arg-type]  # as they came
        return c.Complete(None, step.token, None, step.attributes) if isinstance(step, c.Complete) else step


class TargetReads(Sound):
    """Understands targets of one form."""

    def open(self, call: c.Call, credential: Credential, request: c.ContextRequest) -> c.Step:
        service, host = (request.target or "a/b").encode("ascii").split(b"/")
        assert service and host
        return super().open(call, credential, request)


class TokenErrorSwallowed(Sound):
    """Completes although the authority refused the token."""

    async def access_token(self, auth: c.AuthData) -> c.TokenReference | None:
        with contextlib.suppress(c.SecurityError):
            return await super().access_token(auth)
        return None


class AccountErrorSwallowed(Sound):
    """An authority that cannot be asked makes everybody a user whom it once saw."""

    seen: dict[str, tuple[c.AuthData | None, bytes]]

    async def account(self, name: str, acceptor: Credential | None = None) -> tuple[c.AuthData | None, bytes]:
        self.seen = getattr(self, "seen", {})
        try:
            self.seen[name] = await super().account(name, acceptor)
        except c.SecurityError:
            if name not in self.seen:
                raise
        return self.seen[name]


class LsaErrorRaw(Sound):
    """An LSA function's failure becomes an AttributeError of its own."""

    async def account(self, name: str, acceptor: Credential | None = None) -> tuple[c.AuthData | None, bytes]:
        auth = None
        with contextlib.suppress(c.SecurityError):
            auth = await self.authority.get_auth_data_for_user(name)
        if name in ("alice", "bob"):
            assert auth is not None
        return await super().account(name, acceptor)


class AuditMissing(Sound):
    async def record(self, context: Accepting, reason: str) -> None:
        pass


class AuditClaimsSuccess(Sound):
    async def record(self, context: Accepting, reason: str) -> None:
        await self.authority.audit_logon(c.LogonAudit(c.Status.STATUS_SUCCESS, context.name))


class SessionForRefused(Sound):
    """Makes the session before it looks at the proof."""

    async def finish(self, call: c.Call, context: Accepting, request: c.ContextRequest) -> c.Step:
        await self.authority.create_logon_session(call.allocate_locally_unique_id())
        return await super().finish(call, context, request)


class AnybodysCredential(Sound):
    """Whoever names a principal has its credential."""

    async def acquire_credentials_handle(
        self,
        call: c.Call,
        principal: str | None,
        use: c.CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> c.Acquired:
        if principal and use & c.CredentialUse.OUTBOUND:
            return c.Acquired(Credential(use, principal, (await self.account(principal))[1]))
        return await super().acquire_credentials_handle(call, principal, use, logon_id, authorization_data)


class LastOnesCredential(Sound):
    """A caller without a session and without an identity has the credential of the last one who had."""

    last: tuple[str, bytes] | None = None

    async def acquire_credentials_handle(
        self,
        call: c.Call,
        principal: str | None,
        use: c.CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> c.Acquired:
        if authorization_data is None and logon_id is None and self.last and use & c.CredentialUse.OUTBOUND:
            return c.Acquired(Credential(use, *self.last))
        made = await super().acquire_credentials_handle(call, principal, use, logon_id, authorization_data)
        if isinstance(made.credential, Credential) and made.credential.key:
            self.last = made.credential.name, made.credential.key
        return made


def _of(package: type[Sound], rule: str, why: str, *also: str, slow: bool = False) -> Fault:
    return Fault(package.__name__, lambda: module(package), rule, why, frozenset(also), slow)


HOST: tuple[Fault, ...] = (
    _of(OwnClock, "K9", "the time is from time.time"),
    _of(OwnChance, "K9", "the nonce is from os.urandom"),
    _of(OwnGenerator, "K9", "the nonce is from random"),
    _of(HiddenClock, "K9", "the expiry is from time.time, and not on the wire"),
    _of(PasswordInRepr, "K10", "the credential's repr has the password"),
    _of(SecretInException, "K10", "the reason of an exception has the password"),
    _of(SecretInReason, "K10", "the audit record's reason has the key"),
    _of(SecretLogged, "K10", "the password is logged"),
    _of(SecretPrinted, "K10", "the password is printed"),
    _of(ClassState, "K16", "the acceptor keeps a context's state once for all contexts"),
    _of(InitiatorState, "K16", "the initiator keeps a context's state once for all contexts"),
    _of(ContextLeak, "K12", "deleted contexts are kept", slow=True),
    _of(CredentialLeak, "K12", "freed credentials are kept", slow=True),
    _of(CredentialShared, "K12", "one free takes two handles away"),
    _of(FreeFails, "K13", "freeing an unused credential raises KeyError", "K12"),
    _of(DeleteFails, "K13", "deleting a half-built context raises LookupError", "K12", "R190", "R45", "K11"),
    _of(HangsOnGarbage, "K15", "garbage makes the acceptor loop for ever", slow=True),
    _of(RaisesOnGarbage, "K13", "garbage is a struct.error"),
    _of(VagueOnGarbage, "K13", "garbage is an internal error"),
    _of(MoreSpends, "R226", "asking for more spends the context"),
    _of(ForeignAwait, "K13", "awaits asyncio.sleep", "R235"),
    _of(SleepsOnFailure, "K15", "blocks the worker for seconds", slow=True),
    _of(TooLong, "R35", "tokens are longer than cbMaxToken"),
    _of(SilentContinue, "R147", "goes on without a token for the peer"),
    _of(ErrorTokens, "R185", "makes error tokens without having announced them"),
    _of(Unmapped, "R154", "completes without MappedContext"),
    _of(TargetReads, "R153", "reads the target, and raises for those it does not understand", "K13"),
    _of(TokenErrorSwallowed, "K11", "completes although the authority refused the access token"),
    _of(AccountErrorSwallowed, "K11", "an authority that fails is answered from memory"),
    _of(LsaErrorRaw, "K13", "an LSA function's failure becomes an AssertionError", "K11"),
    _of(AuditMissing, "K18", "a failed proof is in no audit record", "R107"),
    _of(AuditClaimsSuccess, "K18", "a failed proof is recorded as a success", "R107"),
    _of(SessionForRefused, "K18", "a refused context leaves a session", "R45", "K11", "K12"),
    _of(AnybodysCredential, "R143", "a name alone gives its credential", "R142", "K5"),
    _of(LastOnesCredential, "R142", "a caller without credentials has the last one's", "K5"),
)
