"""The package functions that applications reach beside credentials and legs, as data, and the checks of their calls.

One message carries them all (`CallFunction`), and one method of the dispatcher calls them. What is asked of a caller,
of a handle and of an argument is in the table; types are those of the contract's signature. A function that is not in
the table cannot be reached, whatever a package defines: the host calls it itself, or nobody does.
"""

from __future__ import annotations

import enum
from typing import Final, NoReturn

import msgspec

from secpkg.contract.implements import implements
from secpkg.contract.signatures import Signature, signatures
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ContextAttributes, Value
from secpkg.host.lsa_mode.channel import Channel, Context, Phase
from secpkg.host.lsa_mode.load import PROTOCOLS

MAX_BYTES: Final = 64 * 1024
MAX_CHARACTERS: Final = 1024
_ULONG: Final = 0xFFFF_FFFF
_LUID_MAX: Final = 2**64 - 1
_LUID: Final = "logon_id"
_EXACT: Final = {"credential_type": 16}
"""Byte strings of one length only: a GUID."""

_BY_ATTRIBUTE: Final = frozenset({"query_context_attributes", "query_credentials_attributes"})

SIGNATURES: Final = signatures(PROTOCOLS, supplied=("credential", "context"))
"""What travels: the objects behind the handles are the host's to fill in."""


class Target(enum.Enum):
    """What a function is called for."""

    CREDENTIAL = "credential"
    CONTEXT = "context"
    PACKAGE = "package"
    EITHER = "credential or context"
    """A context, or a credential from which one is made when there is none (R168)."""


class Reach(msgspec.Struct, frozen=True):
    """How one function is reached. ``phases``: those of a context in which it may be called. ``privilege``: its caller
    in the documents is the LSA or a logon process, so it asks for SeTcbPrivilege. ``own_session``: the ``logon_id``
    among its arguments is the caller's own (0 names it), or the caller has the privilege.
    """

    documented: str
    target: Target
    phases: frozenset[Phase] = frozenset({Phase.COMPLETE})
    privilege: bool = False
    own_session: bool = False
    early: frozenset[int] = frozenset()
    """Attributes that may be asked for while the context is still being built (R186)."""


_CREDENTIAL: Final = Target.CREDENTIAL
_CONTEXT: Final = Target.CONTEXT
_PACKAGE: Final = Target.PACKAGE
_EARLY: Final = frozenset({0xC, 0x18, 0x1E})
"""NEGOTIATION_INFO, PROMPTING_NEEDED, LAST_CLIENT_TOKEN_STATUS: they tell of the handshake itself."""
_BUILT: Final = frozenset({Phase.PARTIAL, Phase.COMPLETE})
_BUILDING: Final = frozenset({Phase.NEW, Phase.PARTIAL})

REACHABLE: Final[dict[str, Reach]] = {
    "add_credentials": Reach("SpAddCredentials", _CREDENTIAL),
    "query_credentials_attributes": Reach("SpQueryCredentialsAttributes", _CREDENTIAL),
    "set_credentials_attributes": Reach("SpSetCredentialsAttributes", _CREDENTIAL),
    "save_credentials": Reach("SpSaveCredentials", _CREDENTIAL, privilege=True),
    "get_credentials": Reach("SpGetCredentials", _CREDENTIAL, privilege=True),
    "delete_credentials": Reach("SpDeleteCredentials", _CREDENTIAL, privilege=True),
    "apply_control_token": Reach("SpApplyControlToken", _CONTEXT, _BUILT),
    "query_context_attributes": Reach("SpQueryContextAttributes", _CONTEXT, early=_EARLY),
    "set_context_attributes": Reach("SpSetContextAttributes", _CONTEXT, _BUILT),
    "query_meta_data": Reach("SpQueryMetaData", Target.EITHER, _BUILDING),
    "exchange_meta_data": Reach("SpExchangeMetaData", Target.EITHER, _BUILDING),
    "get_cred_ui_context": Reach("SpGetCredUIContext", _CONTEXT, _BUILT),
    "update_credentials": Reach("SpUpdateCredentials", _CONTEXT, _BUILT),
    "get_user_info": Reach("SpGetUserInfo", _PACKAGE, own_session=True),
    "change_account_password": Reach("SpChangeAccountPassword", _PACKAGE),
    "get_extended_information": Reach("SpGetExtendedInformation", _PACKAGE),
    "set_extended_information": Reach("SpSetExtendedInformation", _PACKAGE, privilege=True),
    "validate_target_info": Reach("SpValidateTargetInfo", _PACKAGE, privilege=True),
    "extract_target_info": Reach("SpExtractTargetInfo", _PACKAGE, privilege=True),
}

UNDOCUMENTED: Final = {
    "get_remote_cred_guard_logon_buffer": "SpGetRemoteCredGuardLogonBuffer",
    "get_remote_cred_guard_supplemental_creds": "SpGetRemoteCredGuardSupplementalCreds",
    "get_tbal_supplemental_creds": "SpGetTbalSupplementalCreds",
}
"""Known from the header alone, and reached by nobody: no page says who asks, or what is asked."""


def refuse(function: str) -> NoReturn:
    """What a function outside the table answers, the undocumented ones among them: SEC_E_UNSUPPORTED_FUNCTION."""
    reason = f"undocumented_{function}" if function in UNDOCUMENTED else "function_not_reachable"
    raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason=reason)


for _name in UNDOCUMENTED.values():
    implements("lsa_mode", _name, "undocumented", "header only, and no ADR gives it a meaning")(refuse)


def reach(function: str, channel: Channel) -> tuple[Reach, Signature]:
    """How to reach a function, when this caller may."""
    found = REACHABLE.get(function)
    if found is None:
        refuse(function)
    if found.privilege and not channel.caller.has_tcb_privilege:
        raise SecurityError(Status.STATUS_PRIVILEGE_NOT_HELD, reason=f"{function}_needs_tcb")
    return found, SIGNATURES[function]


def require_idle(context: Context, found: Reach, *, early: bool = False) -> None:
    """Refuse a function in a phase of the context that is not its own, and beside another call."""
    if context.phase not in found.phases and not (early and context.phase is Phase.PARTIAL):
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason=f"context_is_{context.phase.value}")
    if context.busy:
        raise SecurityError(Status.SEC_E_INVALID_HANDLE, reason="context_is_busy")  # spec/README 7


def arguments_of(found: Reach, signature: Signature, raw: msgspec.Raw, channel: Channel) -> tuple[object, ...]:
    """The arguments of a call, of the types and within the sizes that the package may count on.

    STATUS_INVALID_PARAMETER for anything else; SEC_E_NOT_OWNER for a session of somebody else (R144), and
    SEC_E_NO_CREDENTIALS for the own one of a caller that presented none.
    """
    arguments = list(signature.decode_arguments(raw))
    if any(isinstance(argument, enum.Flag) for argument in arguments):
        _require_as_sent(arguments, raw)
    for place, name in enumerate(signature.parameters):
        if name == _LUID and found.own_session:
            arguments[place] = _session(arguments[place], channel)
        else:
            _check(name, arguments[place])
    return tuple(arguments)


def _require_as_sent(arguments: list[object], raw: msgspec.Raw) -> None:
    """A negative number would become all the flags that it has as bits."""
    for argument, sent in zip(arguments, msgspec.msgpack.decode(raw), strict=True):
        if isinstance(argument, enum.Flag) and argument.value != sent:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="flags_out_of_range")


def _session(logon_id: object, channel: Channel) -> int:
    caller = channel.caller
    own = caller.logon_id
    if not logon_id:
        if own is None:
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS, reason="no_session_presented")
        return own
    if logon_id != own and not caller.has_tcb_privilege:
        raise SecurityError(Status.SEC_E_NOT_OWNER, reason="logon_id_needs_tcb")
    if not isinstance(logon_id, int) or not 0 < logon_id <= _LUID_MAX:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="logon_id_is_no_luid")
    return logon_id


def _check(name: str, argument: object) -> None:
    if isinstance(argument, str):
        fits = len(argument) <= MAX_CHARACTERS
    elif isinstance(argument, bytes):
        fits = len(argument) == _EXACT.get(name, len(argument)) and len(argument) <= MAX_BYTES
    elif isinstance(argument, int):
        fits = 0 <= argument <= _ULONG
    else:
        if isinstance(argument, Value):
            for member in argument.__struct_fields__:
                _check(member, getattr(argument, member))
        return
    if not fits:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=f"{name}_of_a_wrong_size")


def result_of(function: str, signature: Signature, value: object) -> object:
    """What the application is told: the result in MessagePack, None where the signature returns nothing.
    SEC_E_INTERNAL_ERROR for a value that is not what the contract asks.
    """
    if function in _BY_ATTRIBUTE:
        if not isinstance(value, ContextAttributes):
            raise nonsense(value)
        return msgspec.Raw(msgspec.msgpack.encode(value))
    try:
        raw = msgspec.Raw(msgspec.msgpack.encode(value))
        signature.decode_result(raw)
    except (TypeError, ValueError, OverflowError, SecurityError):
        raise nonsense(value) from None
    return None if value is None else raw


def nonsense(value: object) -> SecurityError:
    """What stands for a value that no package may return here."""
    return SecurityError(Status.SEC_E_INTERNAL_ERROR, reason=f"package_returned_{type(value).__name__}")
