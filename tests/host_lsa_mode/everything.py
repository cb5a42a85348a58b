"""A package that defines every function that applications reach, each with an effect that can be looked at."""

from __future__ import annotations

from secpkg.contract.attributes import (
    ClientSpecifiedTarget,
    CredentialsNames,
    LastClientTokenStatus,
    pack_context_thunks,
)
from secpkg.contract.flags import NO_LONG_NAMES as SHORT
from secpkg.contract.flags import Capability, CredentialUse, ExtendedInformationClass, InterfaceVersion
from secpkg.contract.lsa_mode.ssp import LsaModePackage, MetaData, ModuleTables, TargetInfo, UserInfo
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    NEVER,
    Acquired,
    Attribute,
    AuthIdentity,
    Call,
    Complete,
    ContextAttributes,
    ContextRequest,
    Continue,
    Lifespan,
    Names,
    NeedMore,
    PackageInfo,
    Refused,
    Step,
)

LONG_DOMAIN = "A-DOMAIN-WITH-A-LONG-NAME"


def no() -> SecurityError:
    """What a function answers to what it does not offer."""
    return SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION, reason="not_offered")


class Held:
    """A credential: whose it is, and what was done with it."""

    def __init__(self, owner: str, use: CredentialUse, logon_id: int | None) -> None:
        self.owner = owner
        self.use = use
        self.logon_id = logon_id
        self.added: list[tuple[str | None, str, CredentialUse, AuthIdentity | bytes | None]] = []
        self.attributes: dict[int, bytes] = {}
        self.saved: dict[bytes, bytes] = {}


class Talk:
    """A context: its peer's words, and what was done with it."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.words: list[bytes] = []
        self.controls: list[bytes] = []
        self.attributes: dict[int, bytes] = {}
        self.prompts: list[tuple[bytes, bytes]] = []
        self.target: str | None = None
        self.meta: bytes = b""


class Everything:
    """The token of a leg says how it ends: ``more``, ``refuse``, ``short`` (two bytes are missing), ``extra...`` (what
    follows is left over), or it completes.
    """

    def __init__(self, name: str = "Everything", capabilities: Capability = Capability.CONNECTION) -> None:
        self.info = PackageInfo(name, "all of it", capabilities, max_token=64)
        self.log: list[str] = []
        self.calls: list[Call] = []
        self.credentials: list[Held] = []
        self.contexts: list[Talk] = []
        self.freed: list[object] = []
        self.deleted: list[object] = []
        self.passwords = {"alice": "old"}
        self.extended = {ExtendedInformationClass.CONTEXT_THUNKS: pack_context_thunks()}
        self.validated: list[tuple[bytes, TargetInfo]] = []
        self.requests: list[ContextRequest] = []
        self.expiry = NEVER
        self.result: object = None
        """In place of what the function would return."""

    def did(self, function: str, call: Call) -> None:
        self.log.append(function)
        self.calls.append(call)

    def told(self, result: object) -> object:
        return result if self.result is None else self.result

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        explicit = authorization_data.user if isinstance(authorization_data, AuthIdentity) else ""
        held = Held(explicit or principal or f"session {logon_id}", use, logon_id)
        self.credentials.append(held)
        return Acquired(held, self.expiry)

    async def free_credentials_handle(self, call: Call, credential: object) -> None:
        self.freed.append(credential)

    async def init_lsa_mode_context(self, call: Call, credential: Held, context: Talk, request: ContextRequest) -> Step:
        return self._leg(credential, context, request)

    async def accept_lsa_mode_context(
        self, call: Call, credential: Held, context: Talk, request: ContextRequest
    ) -> Step:
        return self._leg(credential, context, request)

    def _leg(self, credential: Held, context: Talk | None, request: ContextRequest) -> Step:
        self.requests.append(request)
        if request.token == b"short":
            return NeedMore(2)
        talk = context or Talk(credential)
        if context is None:
            self.contexts.append(talk)
            talk.target = request.target
        talk.words.append(request.token)
        if request.token == b"more":
            return Continue(b"go on", talk, expiry=self.expiry)
        if request.token == b"refuse":
            return Refused(Status.SEC_E_LOGON_DENIED, b"why not")
        left = len(request.token) - 5 if request.token.startswith(b"extra") else 0
        return Complete(talk, b"done", leftover=left, attributes=request.requirements, expiry=self.expiry)

    async def delete_context(self, call: Call, context: object) -> None:
        self.deleted.append(context)

    async def add_credentials(
        self,
        call: Call,
        credential: Held,
        principal: str | None,
        package: str,
        use: CredentialUse,
        authorization_data: AuthIdentity | bytes | None,
    ) -> float:
        self.did("add_credentials", call)
        credential.added.append((principal, package, use, authorization_data))
        return self.told(1000.0 + len(credential.added))  # type: ignore[return-value]

    async def query_credentials_attributes(self, call: Call, credential: Held, attribute: int) -> Attribute | bytes:
        self.did("query_credentials_attributes", call)
        if attribute == 1:
            return self.told(CredentialsNames(credential.owner))  # type: ignore[return-value]
        if attribute in credential.attributes:
            return credential.attributes[attribute]
        raise no()

    async def set_credentials_attributes(self, call: Call, credential: Held, attribute: int, value: bytes) -> None:
        self.did("set_credentials_attributes", call)
        if attribute == 1:
            raise no()
        credential.attributes[attribute] = value
        return self.told(None)  # type: ignore[return-value]

    async def save_credentials(self, call: Call, credential: Held, credentials: bytes) -> None:
        self.did("save_credentials", call)
        key, _, value = credentials.partition(b"=")
        credential.saved[key] = value
        return self.told(None)  # type: ignore[return-value]

    async def get_credentials(self, call: Call, credential: Held) -> bytes:
        self.did("get_credentials", call)
        return self.told(b",".join(b"=".join(pair) for pair in sorted(credential.saved.items())))  # type: ignore[return-value]

    async def delete_credentials(self, call: Call, credential: Held, key: bytes) -> None:
        self.did("delete_credentials", call)
        if credential.saved.pop(key, None) is None:
            raise SecurityError(Status.STATUS_NOT_FOUND, reason="no_such_key")
        return self.told(None)  # type: ignore[return-value]

    async def apply_control_token(self, call: Call, context: Talk, token: bytes) -> None:
        self.did("apply_control_token", call)
        if token == b"bad":
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="control_token")
        context.controls.append(token)
        return self.told(None)  # type: ignore[return-value]

    async def query_context_attributes(self, call: Call, context: Talk, attribute: int) -> ContextAttributes:
        self.did("query_context_attributes", call)
        known: dict[int, ContextAttributes] = {
            0x1: Names(context.held.owner),
            0x2: Lifespan(1.0, self.expiry),
            0x1B: ClientSpecifiedTarget(context.target or ""),
            0x1E: LastClientTokenStatus(1),
        }
        value = context.attributes.get(attribute, known.get(attribute))
        if value is None:
            raise no()
        return self.told(value)  # type: ignore[return-value]

    async def set_context_attributes(self, call: Call, context: Talk, attribute: int, value: bytes) -> None:
        self.did("set_context_attributes", call)
        if attribute == 1:
            raise no()
        context.attributes[attribute] = value
        return self.told(None)  # type: ignore[return-value]

    async def get_user_info(self, call: Call, logon_id: int, flags: int) -> UserInfo:
        self.did("get_user_info", call)
        domain = LONG_DOMAIN[:15] if flags & SHORT else LONG_DOMAIN
        return self.told(UserInfo(f"user {logon_id:x}", domain, "server", "S-1-5-21-1-2-3-500"))  # type: ignore[return-value]

    async def change_account_password(
        self,
        call: Call,
        domain_name: str,
        account_name: str,
        old_password: str,
        new_password: str,
        impersonating: bool,
    ) -> bytes:
        self.did("change_account_password", call)
        if self.passwords.get(account_name) != old_password:
            raise SecurityError(Status.STATUS_WRONG_PASSWORD, reason="old_password")
        self.passwords[account_name] = new_password
        return self.told(b"policy")  # type: ignore[return-value]

    async def query_meta_data(
        self, call: Call, credential: Held, context: Talk | None, target: str | None, requirements: int
    ) -> MetaData:
        self.did("query_meta_data", call)
        talk = context or Talk(credential)
        talk.target = target
        return self.told(MetaData(b"from " + credential.owner.encode(), talk))  # type: ignore[return-value]

    async def exchange_meta_data(
        self,
        call: Call,
        credential: Held,
        context: Talk | None,
        target: str | None,
        requirements: int,
        meta_data: bytes,
    ) -> object:
        self.did("exchange_meta_data", call)
        talk = context or Talk(credential)
        talk.meta = meta_data
        if meta_data == b"refuse":
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="meta_data")
        return self.told(talk)

    async def get_cred_ui_context(self, call: Call, context: Talk, credential_type: bytes) -> bytes:
        self.did("get_cred_ui_context", call)
        return self.told(credential_type[::-1] + context.held.owner.encode())  # type: ignore[return-value]

    async def update_credentials(
        self, call: Call, context: Talk, credential_type: bytes, flat_cred_ui_context: bytes
    ) -> None:
        self.did("update_credentials", call)
        context.prompts.append((credential_type, flat_cred_ui_context))
        return self.told(None)  # type: ignore[return-value]

    async def get_extended_information(self, information_class: ExtendedInformationClass) -> bytes:
        try:
            return self.told(self.extended[information_class])  # type: ignore[return-value]
        except KeyError:
            raise no() from None

    async def set_extended_information(self, information_class: ExtendedInformationClass, info: bytes) -> None:
        self.extended[information_class] = info
        return self.told(None)  # type: ignore[return-value]

    async def validate_target_info(self, call: Call, submit_buffer: bytes, target_info: TargetInfo) -> None:
        self.did("validate_target_info", call)
        if target_info.computer_name.encode() not in submit_buffer:
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="target_info")
        self.validated.append((submit_buffer, target_info))
        return self.told(None)  # type: ignore[return-value]

    async def extract_target_info(self, call: Call, submit_buffer: bytes) -> bytes:
        self.did("extract_target_info", call)
        return self.told(submit_buffer.partition(b"@")[2])  # type: ignore[return-value]


class Module:
    """SpLsaModeInitialize of a module with these packages."""

    def __init__(self, *packages: LsaModePackage) -> None:
        self.packages = packages
        self.__qualname__ = f"module_{packages[0].info.name}_{id(packages)}"
        self.__module__ = __name__

    def __call__(self, version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V11, self.packages)
