"""SSPI functions that are not built, each with its reason: they answer SEC_E_UNSUPPORTED_FUNCTION, whatever they are
given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.implements import implements
from secpkg.contract.status import Status

_SASL: Final = "there is no SASL floor yet"
_ASYNC: Final = "for kernel-mode callers; programs have secpkg.aio"
_IDENTITY: Final = "identities are plain values here; there is no session or process key to seal them with"
_MARSHAL: Final = "the documents give the flat form no layout"
_UI: Final = "there is no credential user interface and no credential manager here"

REASONS: Final[dict[str, str]] = {
    "SaslEnumerateProfiles": _SASL,
    "SaslGetProfilePackage": _SASL,
    "SaslIdentifyPackage": _SASL,
    "SaslInitializeSecurityContext": _SASL,
    "SaslAcceptSecurityContext": _SASL,
    "SaslGetContextOption": _SASL,
    "SaslSetContextOption": _SASL,
    "SspiMarshalAuthIdentity": _MARSHAL,
    "SspiUnmarshalAuthIdentity": _MARSHAL,
    "SspiEncryptAuthIdentity": _IDENTITY,
    "SspiDecryptAuthIdentity": _IDENTITY,
    "SspiEncryptAuthIdentityEx": _IDENTITY,
    "SspiDecryptAuthIdentityEx": _IDENTITY,
    "SspiExcludePackage": "there is no Negotiate package yet",
    "SspiPrepareForCredRead": _UI,
    "SspiPrepareForCredWrite": _UI,
    "SspiIsPromptingNeeded": _UI,
    "SspiPromptForCredentials": _UI,
    "SspiGetCredUIContext": _UI,
    "SspiUpdateCredentials": _UI,
    "SspiUnmarshalCredUIContext": _UI,
    "SspiSetChannelBindingFlags": "channel bindings are the application's bytes alone; they carry no flags yet",
    "SeciAllocateAndSetIPAddress": "there is no per-thread call context",
    "SeciFreeCallContext": "there is no per-thread call context",
    "SspiCreateAsyncContext": _ASYNC,
    "SspiFreeAsyncContext": _ASYNC,
    "SspiReinitAsyncContext": _ASYNC,
    "SspiSetAsyncNotifyCallback": _ASYNC,
    "SspiAsyncContextRequiresNotify": _ASYNC,
    "SspiGetAsyncCallStatus": _ASYNC,
    "SspiAcquireCredentialsHandleAsync": _ASYNC,
    "SspiInitializeSecurityContextAsync": _ASYNC,
    "SspiAcceptSecurityContextAsync": _ASYNC,
    "SspiDeleteSecurityContextAsync": _ASYNC,
    "SspiFreeCredentialsHandleAsync": _ASYNC,
}


def _make(function: str, reason: str) -> Callable[..., Status]:
    from secpkg.contract.reference import python_name

    def unsupported(*_arguments: object, **_named: object) -> Status:
        return Status.SEC_E_UNSUPPORTED_FUNCTION

    unsupported.__name__ = python_name("sspi", function)
    unsupported.__qualname__ = unsupported.__name__
    unsupported.__module__ = __name__
    unsupported.__doc__ = f"{function}: SEC_E_UNSUPPORTED_FUNCTION; {reason}."
    return implements("sspi", function, "unsupported", reason)(unsupported)


_MADE: Final = [_make(function, reason) for function, reason in REASONS.items()]

globals().update({made.__name__: made for made in _MADE})

__all__ = [made.__name__ for made in _MADE]  # made from the table above
