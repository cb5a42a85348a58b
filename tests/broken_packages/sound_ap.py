"""Sound's AP half, and Sound as a whole."""

from __future__ import annotations

import hmac

from tests.broken_packages import wire
from tests.broken_packages.sound import ABSENT, KEY, Contexts, qualified
from tests.broken_packages.sound_user import SoundUser

from secpkg import contract as c

_LOGONS = (c.LogonType.INTERACTIVE, c.LogonType.NETWORK, c.LogonType.UNLOCK)


class Logons(Contexts):
    """LsaAp* and SpAcceptCredentials."""

    async def logon_user_ex2(self, call: c.Call, request: c.LogonRequest) -> c.LogonResult | c.LogonRefused:
        name = f"{request.domain}\\{request.username}" if request.domain else request.username
        if request.logon_type not in _LOGONS:
            return c.LogonRefused(c.Status.STATUS_INVALID_LOGON_TYPE, name, reason="logon_type_not_offered")
        if not request.username or request.password is None or request.authentication_information:
            return c.LogonRefused(c.Status.STATUS_BAD_VALIDATION_CLASS, name, reason="not_name_and_password")
        auth, key = await self.account(name)
        right = hmac.compare_digest(self.derive(request.password, name), key)
        if auth is None:
            return self.refused("unknown_user", name)
        if not right:
            return self.refused("wrong_password", name)
        return await self.log_on(call, request, auth, key)

    def refused(self, reason: str, name: str) -> c.LogonRefused:
        return c.LogonRefused(c.Status.STATUS_LOGON_FAILURE, name, reason=reason)

    async def log_on(
        self, call: c.Call, request: c.LogonRequest, auth: c.AuthData, key: bytes
    ) -> c.LogonResult | c.LogonRefused:
        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)
        if request.logon_type is c.LogonType.INTERACTIVE:
            try:
                await self.keep(logon_id, key, qualified(auth))
            except BaseException:
                await self.authority.delete_logon_session(logon_id)  # R45
                raise
        primary = c.PrimaryCredential(
            logon_id, auth.account_name, auth.domain_name, auth.user_sid, request.password,
            flags=c.PrimaryCredentialFlag.CLEAR_PASSWORD,
        )  # fmt: skip
        return c.LogonResult(
            logon_id, auth.token_information, auth.account_name, auth.domain_name, primary_credentials=primary
        )

    async def keep(self, logon_id: int, key: bytes, name: str) -> None:
        await self.authority.add_credential(logon_id, KEY, key + name.encode("utf-8", "surrogatepass"))

    async def accept_credentials(
        self,
        call: c.Call,
        logon_type: c.LogonType,
        account_name: str,
        primary: c.PrimaryCredential,
        supplemental: c.SupplementalCredential | None,
    ) -> c.SupplementalCredential | None:
        if primary.logon_id or primary.password is None or not primary.flags & c.PrimaryCredentialFlag.UPDATE:
            return None
        return c.SupplementalCredential("Sound", self.derive(primary.password, primary.downlevel_name))

    async def logon_terminated(self, logon_id: int) -> None:
        try:
            await self.authority.delete_credential(logon_id, KEY)
        except c.SecurityError as error:
            if error.status not in ABSENT:
                raise

    async def call_package(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        """Of a trusted caller: ``version``, ``key-size``."""
        if submit_buffer == b"key-size":
            return c.ProtocolReply(b"%d" % wire.HASH)
        return await self.call_package_untrusted(call, submit_buffer)

    async def call_package_untrusted(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        """Of any caller: ``version``."""
        if submit_buffer == b"version":
            return c.ProtocolReply(b"1")
        return c.ProtocolReply(protocol_status=c.Status.STATUS_INVALID_PARAMETER)  # attempted, no success (R77)


class Sound(Logons):
    """The LSA half."""

    half: type[SoundUser] = SoundUser
    """The user half that belongs to it."""

    info = c.PackageInfo(
        "Sound", "Without a fault",
        c.Capability.INTEGRITY | c.Capability.PRIVACY | c.Capability.CONNECTION | c.Capability.LOGON
        | c.Capability.MUTUAL_AUTH | c.Capability.IMPERSONATION | c.Capability.ACCEPT_WIN32_NAME,
        max_token=wire.MAX_TOKEN,
    )  # fmt: skip

    async def initialize(self, package_id: int, parameters: c.PackageParameters, authority: c.LsaFunctions) -> None:
        self.authority, self.seed = authority, parameters.seed

    async def initialize_package(self, package_id: int, dispatch: c.LsaDispatchTable) -> str:
        return self.info.name
