"""SpInitLsaModeContext: NEGOTIATE, then AUTHENTICATE. In a datagram exchange the acceptor speaks first."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from secpkg.contract.channel_bindings import unpack
from secpkg.contract.flags import IscReq, IscRet
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, Call, Complete, ContextRequest, Continue, Refused, Step
from secpkg.packages.ntlm.lsa_mode.credentials import CredentialsHalf, CredentialsHandle, HalfBuilt
from secpkg.packages.ntlm.lsa_mode.refusals import refused
from secpkg.packages.ntlm.lsa_mode.settings import VERSION
from secpkg.packages.ntlm.packed_context import PackedContext
from secpkg.protocols import ntlm
from secpkg.protocols.ntlm import NegotiateFlag, Rejected
from secpkg.protocols.ntlm.messages import check_text

_INTEGRITY: Final = int(IscReq.INTEGRITY | IscReq.REPLAY_DETECT | IscReq.SEQUENCE_DETECT)
_CONFIDENTIALITY: Final = int(IscReq.CONFIDENTIALITY)
_DATAGRAM: Final = int(IscReq.DATAGRAM)
_IDENTIFY: Final = int(IscReq.IDENTIFY)
_NO_INTEGRITY: Final = int(IscReq.NO_INTEGRITY)
_NULL_SESSION: Final = int(IscReq.NULL_SESSION)
_UNTRUSTED: Final = int(IscReq.UNVERIFIED_TARGET_NAME)
_SIGN, _SEAL = int(NegotiateFlag.SIGN), int(NegotiateFlag.SEAL)
_GRANTED_SIGN: Final = int(IscRet.INTEGRITY | IscRet.REPLAY_DETECT | IscRet.SEQUENCE_DETECT)
_GRANTED_INTEGRITY: Final = int(IscRet.INTEGRITY)
_BASE: Final = ntlm.DEFAULT_REQUEST & ~(_SIGN | _SEAL)
_WHATEVER: Final = ntlm.Strength()


@lru_cache(maxsize=64)
def _initiator(machine: str, flags: int) -> ntlm.Initiator:
    # What the acceptor grants is for the application to judge (R173): no strength is demanded here beyond the keys'.
    return ntlm.Initiator(request=flags, strength=_WHATEVER, workstation=machine, version=VERSION)


class InitiateHalf(CredentialsHalf):
    """The client side."""

    async def init_lsa_mode_context(
        self,
        call: Call,
        credential: CredentialsHandle,
        context: HalfBuilt[ntlm.NegotiateSent] | None,
        request: ContextRequest,
    ) -> Step:
        """SpInitLsaModeContext. At most one call to the authority: for the credential of a session."""
        try:
            if context is not None:
                return await self._authenticate(call, credential, context, request)
            if not credential.outbound:
                return Refused(Status.SEC_E_NO_CREDENTIALS, reason="not_outbound")
            if request.target and not _sayable(request.target):
                return Refused(Status.SEC_E_TARGET_UNKNOWN, reason="target_not_sayable")
            initiator = _initiator(self.machine, _wanted(request.requirements))
            if not request.requirements & _DATAGRAM:
                sent, token = initiator.start()
                return Continue(token, HalfBuilt(sent))
            waiting = initiator.start_datagram()
            if not request.token:
                return Continue(b"", HalfBuilt(waiting))  # R228, as far as it goes: NTLM has no key before a challenge
            return await self._authenticate(call, credential, HalfBuilt(waiting), request)
        except Rejected as rejected:
            return refused(rejected)

    async def _authenticate(
        self, call: Call, credential: CredentialsHandle, context: HalfBuilt[ntlm.NegotiateSent], request: ContextRequest
    ) -> Step:
        state = context.take()
        if state is None:
            return Refused(Status.SEC_E_INVALID_HANDLE, reason="context_is_spent")
        requirements = request.requirements
        if credential.nobody or requirements & _NULL_SESSION:
            done, token = state.receive_as_nobody(request.token)
        else:
            own = credential.own if credential.own is not None else await self.own(credential.logon_id)
            done, token = state.receive(
                request.token,
                own,
                entropy=call.entropy(ntlm.ENTROPY),
                now=ntlm.filetime(call.now),
                target=ntlm.Target(request.target or "", bool(requirements & _UNTRUSTED)),
                bindings=bindings_hash(request.channel_bindings),
            )
        return _complete(call, done, token, request)

    async def delete_context(
        self, call: Call, context: HalfBuilt[ntlm.NegotiateSent] | HalfBuilt[ntlm.Challenged] | None
    ) -> None:
        """SpDeleteContext: the LSA half of a finished context is nothing."""
        if context is not None:
            context.take()


def _wanted(requirements: int) -> int:
    """The flags to negotiate for ISC_REQ_*: R177, R179, MS-NLMP 3.1.5.1.1."""
    flags = _BASE
    if requirements & _CONFIDENTIALITY:
        flags |= _SEAL | _SIGN
    if requirements & _INTEGRITY and not requirements & _NO_INTEGRITY:
        flags |= _SIGN
    if requirements & _IDENTIFY:
        flags |= int(NegotiateFlag.IDENTIFY)
    return flags


def _complete(call: Call, done: ntlm.Done, token: bytes, request: ContextRequest) -> Complete:
    session, requirements = done.session, request.requirements
    granted = 0
    if session.flags & _SIGN and not requirements & _NO_INTEGRITY:
        granted |= requirements & _GRANTED_SIGN
        if granted:
            granted |= _GRANTED_INTEGRITY  # R177
    if session.flags & _SEAL:
        granted |= requirements & _CONFIDENTIALITY
    granted |= requirements & (_IDENTIFY | _DATAGRAM)
    if done.anonymous:
        granted |= int(IscRet.NULL_SESSION)
    client = f"{done.domain}\\{done.user}" if done.domain else done.user
    packed = PackedContext(
        True, granted, session.flags, call.now, NEVER, session.exported_session_key, client, "", request.target or ""
    ).pack()
    return Complete(None, token, packed, granted)


def _sayable(target: str) -> bool:
    try:
        check_text(target)
    except Rejected:
        return False
    return True


def bindings_hash(given: bytes | None) -> bytes | None:
    """The value of MsvAvChannelBindings for a SECBUFFER_CHANNEL_BINDINGS; None where there is nothing to bind to.
    SEC_E_BAD_BINDINGS.
    """
    if not given:
        return None
    try:
        bindings = unpack(given)
    except ValueError:
        raise SecurityError(Status.SEC_E_BAD_BINDINGS, reason="channel_bindings_flags") from None
    return None if bindings.absent else hash_of(bindings.application_data)


def hash_of(application_data: bytes) -> bytes:
    """MD5 of the bindings of a channel (MS-NLMP 2.2.2.1). SEC_E_BAD_BINDINGS for what is too long to be one."""
    try:
        return ntlm.ChannelBindings(application_data).hash()
    except Rejected as rejected:
        raise SecurityError(Status.SEC_E_BAD_BINDINGS, reason=rejected.reason.value) from None
