"""The contract: what a package author implements and may call. It imports nothing else of ours.

``from secpkg.contract import ...`` gives an author every name of the usual path, loaded when it is first used; the
functions stand by power in `secpkg.contract.lsa_mode`, `secpkg.contract.user_mode` and
`secpkg.contract.security_provider`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secpkg.contract.flags import AscReq as AscReq
    from secpkg.contract.flags import AscRet as AscRet
    from secpkg.contract.flags import BufferFlag as BufferFlag
    from secpkg.contract.flags import BufferType as BufferType
    from secpkg.contract.flags import Capability as Capability
    from secpkg.contract.flags import ContextAttribute as ContextAttribute
    from secpkg.contract.flags import CredentialUse as CredentialUse
    from secpkg.contract.flags import ImpersonationLevel as ImpersonationLevel
    from secpkg.contract.flags import InterfaceVersion as InterfaceVersion
    from secpkg.contract.flags import IscReq as IscReq
    from secpkg.contract.flags import IscRet as IscRet
    from secpkg.contract.flags import LogonType as LogonType
    from secpkg.contract.flags import PrimaryCredentialFlag as PrimaryCredentialFlag
    from secpkg.contract.lsa_mode.functions import LsaDispatchTable as LsaDispatchTable
    from secpkg.contract.lsa_mode.functions import LsaFunctions as LsaFunctions
    from secpkg.contract.lsa_mode.ssp import ModuleTables as ModuleTables
    from secpkg.contract.status import SecurityError as SecurityError
    from secpkg.contract.status import Status as Status
    from secpkg.contract.user_mode.functions import DllFunctions as DllFunctions
    from secpkg.contract.user_mode.ssp import UserModuleTables as UserModuleTables
    from secpkg.contract.values import NEVER as NEVER
    from secpkg.contract.values import Acquired as Acquired
    from secpkg.contract.values import AuthData as AuthData
    from secpkg.contract.values import AuthIdentity as AuthIdentity
    from secpkg.contract.values import Buffer as Buffer
    from secpkg.contract.values import Call as Call
    from secpkg.contract.values import ClientInfo as ClientInfo
    from secpkg.contract.values import Complete as Complete
    from secpkg.contract.values import ContextAttributes as ContextAttributes
    from secpkg.contract.values import ContextFlags as ContextFlags
    from secpkg.contract.values import ContextRequest as ContextRequest
    from secpkg.contract.values import Continue as Continue
    from secpkg.contract.values import ConvertedToken as ConvertedToken
    from secpkg.contract.values import Lifespan as Lifespan
    from secpkg.contract.values import LogonAudit as LogonAudit
    from secpkg.contract.values import LogonRefused as LogonRefused
    from secpkg.contract.values import LogonRequest as LogonRequest
    from secpkg.contract.values import LogonResult as LogonResult
    from secpkg.contract.values import Message as Message
    from secpkg.contract.values import Names as Names
    from secpkg.contract.values import NativeNames as NativeNames
    from secpkg.contract.values import NeedMore as NeedMore
    from secpkg.contract.values import PackageInfo as PackageInfo
    from secpkg.contract.values import PackageParameters as PackageParameters
    from secpkg.contract.values import PrimaryCredential as PrimaryCredential
    from secpkg.contract.values import ProtocolReply as ProtocolReply
    from secpkg.contract.values import Refused as Refused
    from secpkg.contract.values import SecBuffer as SecBuffer
    from secpkg.contract.values import SessionKey as SessionKey
    from secpkg.contract.values import Sizes as Sizes
    from secpkg.contract.values import Step as Step
    from secpkg.contract.values import StoredCredential as StoredCredential
    from secpkg.contract.values import SupplementalCredential as SupplementalCredential
    from secpkg.contract.values import TokenInformation as TokenInformation
    from secpkg.contract.values import TokenReference as TokenReference
    from secpkg.contract.values import Value as Value

_FROM = {
    "flags": """AscReq AscRet BufferFlag BufferType Capability ContextAttribute CredentialUse ImpersonationLevel
        InterfaceVersion IscReq IscRet LogonType PrimaryCredentialFlag""",
    "lsa_mode.functions": "LsaDispatchTable LsaFunctions",
    "lsa_mode.ssp": "ModuleTables",
    "status": "SecurityError Status",
    "user_mode.functions": "DllFunctions",
    "user_mode.ssp": "UserModuleTables",
    "values": """NEVER Acquired AuthData AuthIdentity Buffer Call ClientInfo Complete ContextAttributes ContextFlags
        ContextRequest Continue ConvertedToken Lifespan LogonAudit LogonRefused LogonRequest LogonResult Message Names
        NativeNames NeedMore PackageInfo PackageParameters PrimaryCredential ProtocolReply Refused SecBuffer SessionKey
        Sizes Step StoredCredential SupplementalCredential TokenInformation TokenReference Value""",
}
_WHERE = {name: f"secpkg.contract.{module}" for module, names in _FROM.items() for name in names.split()}


__all__ = [
    "NEVER",
    "Acquired",
    "AscReq",
    "AscRet",
    "AuthData",
    "AuthIdentity",
    "Buffer",
    "BufferFlag",
    "BufferType",
    "Call",
    "Capability",
    "ClientInfo",
    "Complete",
    "ContextAttribute",
    "ContextAttributes",
    "ContextFlags",
    "ContextRequest",
    "Continue",
    "ConvertedToken",
    "CredentialUse",
    "DllFunctions",
    "ImpersonationLevel",
    "InterfaceVersion",
    "IscReq",
    "IscRet",
    "Lifespan",
    "LogonAudit",
    "LogonRefused",
    "LogonRequest",
    "LogonResult",
    "LogonType",
    "LsaDispatchTable",
    "LsaFunctions",
    "Message",
    "ModuleTables",
    "Names",
    "NativeNames",
    "NeedMore",
    "PackageInfo",
    "PackageParameters",
    "PrimaryCredential",
    "PrimaryCredentialFlag",
    "ProtocolReply",
    "Refused",
    "SecBuffer",
    "SecurityError",
    "SessionKey",
    "Sizes",
    "Status",
    "Step",
    "StoredCredential",
    "SupplementalCredential",
    "TokenInformation",
    "TokenReference",
    "UserModuleTables",
    "Value",
]


def __getattr__(name: str) -> object:
    try:
        module = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module 'secpkg.contract' has no attribute {name!r}") from None
    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
