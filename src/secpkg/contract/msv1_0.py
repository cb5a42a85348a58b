"""The messages of MSV1_0 (ntsecapi.h): what LsaLogonUser and LsaCallAuthenticationPackage carry to the package.

Each is a value with ``pack`` and ``unpack``; on the way it is one MessagePack array that begins with the name of the
documented structure, in place of the C layout with pointers into itself (docs/adr/0022). Hashes and responses are
bytes, times UTC seconds, `NEVER` for never. What a structure of the documents has for the caller's bookkeeping only
(lengths, counts, MessageType) is in the form.

Logons: the usual interactive form is `LogonRequest` itself; `Lm20Logon` and `SubAuthenticationLogon` go into
``authentication_information``. Services: one of `Submit` in, the reply named beside it out.
"""

from __future__ import annotations

from typing import Any, Final, Self, TypeAlias

import msgspec

from secpkg.contract.flags import LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, Value

MSV1_0_PACKAGE_NAME: Final = "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0"
"""The documents' name of the authentication package; `NTLM` is that of the security package. Both are one here."""
CHALLENGE_LENGTH: Final = 8
"""MSV1_0_CHALLENGE_LENGTH."""
OWF_PASSWORD_LENGTH: Final = 16
"""MSV1_0_OWF_PASSWORD_LENGTH."""
MAX_TEXT: Final = 1024
"""Characters of a name or password in a message."""
MAX_SUBMIT: Final = 64 * 1024
"""Bytes of a whole message."""

_encode: Final = msgspec.msgpack.Encoder().encode


class Structure(Value, frozen=True, tag=True):
    """Base of the messages."""

    def pack(self) -> bytes:
        """The buffer to submit, or to reply."""
        return _encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Accepts what `pack` makes and nothing else: STATUS_INVALID_PARAMETER (``structure_malformed``)."""
        found: Self = decoded(data, cls)
        return found


def decoded(data: bytes, kind: Any) -> Any:
    """``data`` as one of the structures of ``kind``, with every text within `MAX_TEXT`: STATUS_INVALID_PARAMETER."""
    try:
        if len(data) <= MAX_SUBMIT:
            found = msgspec.msgpack.decode(data, type=kind)
            texts = (value for value in msgspec.structs.astuple(found) if isinstance(value, str))
            if all(len(text) <= MAX_TEXT for text in texts):
                return found
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="structure_malformed")


# --- logons ---------------------------------------------------------------------------------------------------------


class Lm20Logon(Structure, frozen=True):
    """``MSV1_0_LM20_LOGON``: the second half of a challenge and response, for a network logon.

    ``challenge_to_client`` has 8 bytes. ``parameter_control``: its top byte names a subauthentication package.
    """

    _secrets = ("case_sensitive_challenge_response", "case_insensitive_challenge_response")

    logon_domain_name: str
    user_name: str
    workstation: str
    challenge_to_client: bytes
    case_sensitive_challenge_response: bytes
    case_insensitive_challenge_response: bytes = b""
    parameter_control: int = 0

    @property
    def sub_auth_package_id(self) -> int:
        """MSV1_0_SUBAUTHENTICATION_DLL: the top byte of ParameterControl; 0 is none."""
        return self.parameter_control >> 24 & 0xFF


class SubAuthenticationLogon(Structure, frozen=True):
    """``MSV1_0_SUBAUTH_LOGON``: a network logon that a subauthentication package decides (R262, R263)."""

    _secrets = ("authentication_info1", "authentication_info2")

    logon_domain_name: str
    user_name: str
    workstation: str
    challenge_to_client: bytes
    authentication_info1: bytes
    authentication_info2: bytes
    parameter_control: int
    sub_auth_package_id: int


Logon: TypeAlias = Lm20Logon | SubAuthenticationLogon


class InteractiveProfile(Structure, frozen=True):
    """``MSV1_0_INTERACTIVE_PROFILE``: the profile buffer of an interactive logon."""

    logon_count: int = 0
    logoff_time: float = NEVER
    kick_off_time: float = NEVER
    logon_server: str = ""
    user_flags: int = 0


class Lm20LogonProfile(Structure, frozen=True):
    """``MSV1_0_LM20_LOGON_PROFILE``: the profile buffer of a network logon. ``user_flags`` are LOGON_*
    (`secpkg.contract.subauthentication.UserFlag`).
    """

    _secrets = ("user_session_key", "lanman_session_key", "user_parameters")

    logon_domain_name: str
    logon_server: str
    user_session_key: bytes = b""
    kick_off_time: float = NEVER
    logoff_time: float = NEVER
    user_flags: int = 0
    lanman_session_key: bytes = b""
    user_parameters: str = ""


# --- services -------------------------------------------------------------------------------------------------------


class Lm20ChallengeRequest(Structure, frozen=True):
    """``MSV1_0_LM20_CHALLENGE_REQUEST``; the reply is `Lm20ChallengeResponse`."""


class Lm20ChallengeResponse(Structure, frozen=True):
    """``MSV1_0_LM20_CHALLENGE_RESPONSE``."""

    challenge_to_client: bytes


class GetChallengeResponse(Structure, frozen=True):
    """``MSV1_0_GETCHALLENRESP_REQUEST``: responses to a server's challenge, made with the credentials of the session
    ``logon_id``. The reply is `ChallengeResponse`.
    """

    logon_id: int
    challenge_to_client: bytes
    parameter_control: int = 0


class ChallengeResponse(Structure, frozen=True):
    """``MSV1_0_GETCHALLENRESP_RESPONSE``: NTLMv2 and LMv2 responses, whose they are, and their session base key."""

    _secrets = ("case_sensitive_challenge_response", "case_insensitive_challenge_response", "user_session_key")

    case_sensitive_challenge_response: bytes
    case_insensitive_challenge_response: bytes
    user_name: str
    logon_domain_name: str
    user_session_key: bytes


class EnumerateUsers(Structure, frozen=True):
    """``MSV1_0_ENUMUSERS_REQUEST``; the reply is `EnumeratedUsers`."""


class EnumeratedUsers(Structure, frozen=True):
    """``MSV1_0_ENUMUSERS_RESPONSE``: the sessions that this package logged on."""

    logon_ids: tuple[int, ...]


class GetUserInfo(Structure, frozen=True):
    """``MSV1_0_GETUSERINFO_REQUEST``; the reply is `UserInfo`."""

    logon_id: int


class UserInfo(Structure, frozen=True):
    """``MSV1_0_GETUSERINFO_RESPONSE``."""

    user_sid: str
    user_name: str
    logon_domain_name: str
    logon_server: str
    logon_type: LogonType


class ChangePassword(Structure, frozen=True):
    """``MSV1_0_CHANGEPASSWORD_REQUEST``: the old password is the right to set the new one. The reply is empty."""

    _secrets = ("old_password", "new_password")

    domain_name: str
    account_name: str
    old_password: str
    new_password: str
    impersonating: bool = False


class ChangeCachedPassword(Structure, frozen=True):
    """``MSV1_0_CHANGEPASSWORD_REQUEST`` with MsV1_0ChangeCachedPassword: of the session ``logon_id`` and the cache,
    and of no account: it was changed elsewhere. The reply is empty.
    """

    _secrets = ("new_password",)

    domain_name: str
    account_name: str
    new_password: str
    logon_id: int


class GenericPassthrough(Structure, frozen=True):
    """``MSV1_0_PASSTHROUGH_REQUEST``: a message for a package of another domain's authority. The reply is
    `PassthroughResponse`.
    """

    _secrets = ("data",)

    domain_name: str
    package_name: str
    data: bytes


class PassthroughResponse(Structure, frozen=True):
    """``MSV1_0_PASSTHROUGH_RESPONSE``."""

    _secrets = ("validation_data",)

    validation_data: bytes


class CacheLookup(Structure, frozen=True):
    """MsV1_0CacheLookup: whether a cached logon of this user would hold. The reply is `CachedLogon`."""

    user_name: str
    domain_name: str


class CachedLogon(Structure, frozen=True):
    """What of a cached logon may be told: whose it is, and since when."""

    user_sid: str
    cached_at: float


class ClearCachedCredentials(Structure, frozen=True):
    """MsV1_0ClearCachedCredentials. The reply is empty."""


class SubAuth(Structure, frozen=True):
    """``MSV1_0_SUBAUTH_REQUEST``: a buffer for a local subauthentication package. The reply is `SubAuthResponse`."""

    _secrets = ("sub_auth_submit_buffer",)

    sub_auth_package_id: int
    sub_auth_submit_buffer: bytes


class SubAuthResponse(Structure, frozen=True):
    """``MSV1_0_SUBAUTH_RESPONSE``."""

    _secrets = ("sub_auth_return_buffer",)

    sub_auth_return_buffer: bytes


Submit: TypeAlias = (
    Lm20ChallengeRequest
    | GetChallengeResponse
    | EnumerateUsers
    | GetUserInfo
    | ChangePassword
    | ChangeCachedPassword
    | GenericPassthrough
    | CacheLookup
    | ClearCachedCredentials
    | SubAuth
)
"""MSV1_0_PROTOCOL_MESSAGE_TYPE: what LsaCallAuthenticationPackage takes."""


# --- between two authorities ----------------------------------------------------------------------------------------


class NetworkValidationRequest(Structure, frozen=True):
    """What MSV1_0 asks the MSV1_0 of the authority that has the account (R244): NETLOGON_NETWORK_INFO, as it is known
    to the server that was asked to log somebody on. No password and no hash is in it.
    """

    _secrets = ("nt_challenge_response", "lm_challenge_response")

    logon_type: LogonType
    logon_domain_name: str
    user_name: str
    workstation: str
    lm_challenge: bytes
    nt_challenge_response: bytes
    lm_challenge_response: bytes = b""
    negotiate_flags: int = 0


class NetworkValidation(Structure, frozen=True):
    """The answer to a proof that holds (NETLOGON_VALIDATION_SAM_INFO2, as far as it has a counterpart).

    ``user_session_key`` is the session base key of the proof, with which the server goes on.
    """

    _secrets = ("user_session_key",)

    account_name: str
    domain_name: str
    user_sid: str
    group_sids: tuple[str, ...]
    user_session_key: bytes
    kick_off_time: float = NEVER
    upn: str = ""
