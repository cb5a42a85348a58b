"""The contract: what a package author implements and may call. It imports nothing else of ours.

``from secpkg.contract import ...`` gives an author every name of the usual path; the functions stand by power in
`secpkg.contract.lsa_mode`, `secpkg.contract.user_mode` and `secpkg.contract.security_provider`.
"""

from secpkg.contract.flags import (
    AscReq,
    AscRet,
    Capability,
    ContextAttribute,
    CredentialUse,
    ImpersonationLevel,
    InterfaceVersion,
    IscReq,
    IscRet,
    LogonType,
    PrimaryCredentialFlag,
)
from secpkg.contract.lsa_mode.functions import LsaDispatchTable, LsaFunctions
from secpkg.contract.lsa_mode.ssp import ModuleTables
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.user_mode.functions import DllFunctions
from secpkg.contract.user_mode.ssp import UserModuleTables
from secpkg.contract.values import (
    Acquired,
    AuthData,
    AuthIdentity,
    Buffer,
    Call,
    ClientInfo,
    Complete,
    ContextAttributes,
    ContextFlags,
    ContextRequest,
    Continue,
    ConvertedToken,
    Lifespan,
    LogonAudit,
    LogonRefused,
    LogonRequest,
    LogonResult,
    Message,
    Names,
    NativeNames,
    NeedMore,
    PackageInfo,
    PackageParameters,
    PrimaryCredential,
    ProtocolReply,
    Refused,
    SecBuffer,
    SessionKey,
    Sizes,
    Step,
    StoredCredential,
    SupplementalCredential,
    TokenInformation,
    TokenReference,
)

__all__ = [
    "Acquired", "AscReq", "AscRet", "AuthData", "AuthIdentity", "Buffer", "Call", "Capability", "ClientInfo", "Complete",
    "ContextAttribute", "ContextAttributes", "ContextFlags", "ContextRequest", "Continue", "ConvertedToken",
    "CredentialUse", "DllFunctions", "ImpersonationLevel", "InterfaceVersion", "IscReq", "IscRet", "Lifespan",
    "LogonAudit", "LogonRefused", "LogonRequest", "LogonResult", "LogonType", "LsaDispatchTable", "LsaFunctions",
    "Message", "ModuleTables", "Names", "NativeNames", "NeedMore", "PackageInfo", "PackageParameters",
    "PrimaryCredential", "PrimaryCredentialFlag", "ProtocolReply", "Refused", "SecBuffer", "SecurityError", "SessionKey",
    "Sizes", "Status", "Step", "StoredCredential", "SupplementalCredential", "TokenInformation", "TokenReference",
    "UserModuleTables",
]
