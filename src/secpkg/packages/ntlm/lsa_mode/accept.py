"""SpAcceptLsaModeContext: CHALLENGE, then the verdict.

The order of the verdict: what the message itself shows (`Challenged.receive`), the channel, the proof against the
account or a decoy, then what the proved response says (MIC, echo, time, name), and then the authority's word, which
makes the token. The channel comes before the proof because it has a status of its own: told after it, a client of the
wrong channel would learn whether its password was right, as often as it liked and whatever delay was running. Two calls
to the authority at most: the account, and the outcome; bindings that only report (R238) are a third.
"""

from __future__ import annotations

from typing import Final

import msgspec

from secpkg.contract.channel_bindings import Judgement, judge
from secpkg.contract.flags import AscReq, AscRet, ImpersonationLevel
from secpkg.contract.flags_seldom import ChannelBindingsResult
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    NEVER,
    AuthData,
    Call,
    Complete,
    ContextRequest,
    Continue,
    LogonAudit,
    Refused,
    Step,
    TokenReference,
)
from secpkg.packages.ntlm.lsa_mode.accounts import Found
from secpkg.packages.ntlm.lsa_mode.credentials import CredentialsHandle, HalfBuilt
from secpkg.packages.ntlm.lsa_mode.initiate import hash_of
from secpkg.packages.ntlm.lsa_mode.passthrough import PassthroughHalf
from secpkg.packages.ntlm.lsa_mode.refusals import refused
from secpkg.packages.ntlm.lsa_mode.settings import Bindings
from secpkg.packages.ntlm.packed_context import PackedContext
from secpkg.protocols import ntlm
from secpkg.protocols.ntlm import NegotiateFlag, NtlmV2Response, Reason, Rejected

_SIGN, _SEAL = int(NegotiateFlag.SIGN), int(NegotiateFlag.SEAL)
_DATAGRAM: Final = int(AscReq.DATAGRAM)
_GRANTED_SIGN: Final = int(AscRet.INTEGRITY | AscRet.REPLAY_DETECT | AscRet.SEQUENCE_DETECT)
_INTEGRITY: Final = int(AscRet.INTEGRITY)
_CONFIDENTIALITY: Final = int(AscRet.CONFIDENTIALITY)
_IDENTIFY: Final = int(AscRet.IDENTIFY)
_NULL_SESSION: Final = int(AscRet.NULL_SESSION)
_ALLOW_NULL_SESSION: Final = int(AscReq.ALLOW_NULL_SESSION)
_ALLOW_MISSING: Final = int(AscReq.ALLOW_MISSING_BINDINGS)
_CHALLENGE: Final = 8


class Verified(msgspec.Struct, frozen=True):
    """A proof that held: the end of the exchange, and who the authority has to admit."""

    done: ntlm.Done
    auth: AuthData
    report: str = ""
    """A mismatch of channel bindings that does no harm (R238)."""


class AcceptHalf(PassthroughHalf):
    """The server side."""

    async def accept_lsa_mode_context(
        self,
        call: Call,
        credential: CredentialsHandle,
        context: HalfBuilt[ntlm.Challenged] | None,
        request: ContextRequest,
    ) -> Step:
        """SpAcceptLsaModeContext. SEC_E_LOGON_DENIED for every proof that does not hold, SEC_E_BAD_BINDINGS for one
        that is of another channel.
        """
        try:
            if context is None:
                if not credential.inbound:
                    return Refused(Status.SEC_E_NO_CREDENTIALS, reason="not_inbound")
                return self._challenge(call, request)
            state = context.take()
            if state is None:
                return Refused(Status.SEC_E_INVALID_HANDLE, reason="context_is_spent")
            presented = state.receive(request.token)
        except Rejected as rejected:
            return refused(rejected)
        if isinstance(presented, ntlm.Done):
            if not request.requirements & _ALLOW_NULL_SESSION:
                return Refused(Status.SEC_E_LOGON_DENIED, reason=Reason.ANONYMOUS.value)
            return self._anonymous(call, presented, request)
        return await self._decide(call, presented, request)

    def _challenge(self, call: Call, request: ContextRequest) -> Continue:
        now, nonce = ntlm.filetime(call.now), call.entropy(_CHALLENGE)
        if request.requirements & _DATAGRAM:
            if request.token:
                raise Rejected(Reason.DATAGRAM_MISMATCH, "MS-NLMP 3.2.5.2: a connectionless exchange begins with us")
            state, token = self.acceptor.start_datagram(server_challenge=nonce, now=now)
        else:
            state, token = self.acceptor.start(request.token, server_challenge=nonce, now=now)
        return Continue(token, HalfBuilt(state))

    async def _decide(self, call: Call, presented: ntlm.Presented, request: ContextRequest) -> Step:
        try:
            verified = await self._verify(call, presented, request)
        except SecurityError as error:  # of the authority that has the account
            return await self._refuse(presented, Refused(error.status, b"", error.reason, error.substatus))
        if isinstance(verified, Refused):
            return await self._refuse(presented, verified)
        done, auth = verified.done, verified.auth
        if verified.report:
            await self._record(presented, Status.SEC_E_BAD_BINDINGS, verified.report)
        level = ImpersonationLevel.IDENTIFICATION if done.session.identify else ImpersonationLevel.IMPERSONATION
        try:
            converted = await self.authority.convert_auth_data_to_token(
                auth, level, authority_name=auth.domain_name, workstation=done.workstation
            )
        except SecurityError as error:
            # Lock 9: while a delay runs, a right proof looks like a wrong one.
            status = Status.SEC_E_LOGON_DENIED if error.status is Status.STATUS_LOGON_FAILURE else error.status
            return Refused(status, b"", error.reason, error.substatus)
        client = f"{auth.domain_name}\\{auth.account_name}"
        return self._complete(call, done, client, request, converted.token, auth.token_information.expiration)

    async def _verify(self, call: Call, presented: ntlm.Presented, request: ContextRequest) -> Verified | Refused:
        judgement = self._judge(presented, request)
        if judgement is not None and judgement.status.is_error:
            return Refused(judgement.status, b"", judgement.result.native)
        now, channel = ntlm.filetime(call.now), self.channel
        why = ""
        try:
            if self.is_ours(presented.domain):
                found = await self.account(presented.user, presented.domain)
                why = found.reason
                done = presented.verify(found.nt_hash, now=now, channel=channel)
                auth = _usable(found)
            else:
                auth, key = await self.ask_account_authority(presented)
                done = presented.complete(key, now=now, channel=channel)
        except Rejected as rejected:
            return refused(rejected, why)
        if judgement is None:
            return Verified(done, auth)
        report = judgement.result.native if judgement.result & ChannelBindingsResult.NOTVALID else ""
        return Verified(done, auth, report)

    def _judge(self, presented: ntlm.Presented, request: ContextRequest) -> Judgement | None:
        """What becomes of the client's channel bindings; None where they are not looked at (`Bindings`)."""
        policy, given = self.settings.channel_bindings, request.channel_bindings
        if policy is Bindings.NEVER or (given is None and policy is not Bindings.REQUIRE):
            return None
        response = presented.response
        theirs = response.pairs.channel_bindings if isinstance(response, NtlmV2Response) else None
        if policy is Bindings.REQUIRE and (theirs is None or not any(theirs)):
            return Judgement(ChannelBindingsResult.NOTVALID_MISSING, Status.SEC_E_BAD_BINDINGS)
        requirements = request.requirements
        if policy is Bindings.WHEN_SUPPORTED:
            requirements |= _ALLOW_MISSING
        # MS-NLMP 3.1.5.1.2 has every initiator of today send zeros where it has no bindings: they claim nothing (R237).
        return judge(given or b"", theirs, requirements=requirements, digest=hash_of)

    async def _refuse(self, presented: ntlm.Presented, refusal: Refused) -> Refused:
        status = refusal.status
        await self._record(
            presented, Status.STATUS_LOGON_FAILURE if status is Status.SEC_E_LOGON_DENIED else status, refusal.reason
        )
        return refusal

    async def _record(self, presented: ntlm.Presented, status: Status, reason: str) -> None:
        name = presented.user if self.is_ours(presented.domain) else f"{presented.domain}\\{presented.user}"
        await self.authority.audit_logon(LogonAudit(status, name, workstation=presented.workstation, reason=reason))

    def _anonymous(self, call: Call, done: ntlm.Done, request: ContextRequest) -> Complete:
        """Nobody, where the settings and the service (ASC_REQ_ALLOW_NULL_SESSION) allow it: a context without an access
        token and without protection.
        """
        return self._complete(call, done, "", request, None, NEVER)

    def _complete(
        self,
        call: Call,
        done: ntlm.Done,
        client: str,
        request: ContextRequest,
        token: TokenReference | None,
        expiry: float,
    ) -> Complete:
        session, requirements = done.session, request.requirements
        granted = 0
        if session.flags & _SIGN:
            granted |= requirements & _GRANTED_SIGN
            if granted:
                granted |= _INTEGRITY  # R177
        if session.flags & _SEAL:
            granted |= requirements & _CONFIDENTIALITY
        if session.identify:
            granted |= _IDENTIFY
        if done.anonymous:
            granted |= _NULL_SESSION
        granted |= requirements & _DATAGRAM
        packed = PackedContext(
            False, granted, session.flags, call.now, max(expiry, call.now), session.exported_session_key,
            client, self.machine, done.target_name or "", done.workstation,
        ).pack()  # fmt: skip
        return Complete(None, b"", packed, granted, expiry, token)


def _usable(found: Found) -> AuthData:
    if not found.usable or found.auth is None:
        raise Rejected(Reason.PROOF_MISMATCH, "a decoy has no password")
    return found.auth
