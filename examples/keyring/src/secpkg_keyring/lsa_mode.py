"""Keyring in the authority: a session's key, kept with the session, is what its user proves to servers.

The key is derived from the password. The account keeps it as Keyring's supplemental credential, a session as a
credential under `KEY`: it comes there by SpAcceptCredentials, whichever package logged the user on, and anew with
UpdateCredentials. (An account that keeps the key itself is easy to read and worse than a verifier: see Hello.)
Trusted callers of LsaCallAuthenticationPackage may ask for ``changes`` (packages that came and went), ``ask NAME DATA``
(another package's answer) and ``renew LUID PASSWORD``.
"""

from __future__ import annotations

import hashlib
import hmac

from secpkg import contract as c
from secpkg.contract.flags import NotifierType, NotifyClass
from secpkg.contract.lsa_mode.events import EventNotify
from secpkg_keyring.packed_context import pack

KEY = b"key"
ABSENT = (c.Status.ERROR_GEN_FAILURE, c.Status.STATUS_NO_SUCH_LOGON_SESSION)
GRANTED = int(c.IscRet.INTEGRITY), int(c.AscRet.INTEGRITY)


class Keyring:
    """The LSA half: one object per authority."""

    info = c.PackageInfo(
        "Keyring", "An example: credentials of a session, notifications, other packages, export",
        c.Capability.INTEGRITY | c.Capability.CONNECTION, max_token=512,
    )  # fmt: skip
    authority: c.LsaFunctions

    async def initialize(self, package_id: int, parameters: c.PackageParameters, authority: c.LsaFunctions) -> None:
        """SpInitialize: asks to be told when packages are loaded and unloaded (R251, R252)."""
        self.authority, self.seed, self.changes = authority, parameters.seed, list[str]()
        kind, event = NotifierType.NOTIFY_EVENT, NotifyClass.PACKAGE_CHANGE
        await authority.register_notification(self.package_changed, self.changes, kind, event)

    def package_changed(self, event: object) -> None:
        """Of RegisterNotification: the event carries the parameter that was registered (R254)."""
        if isinstance(event, EventNotify) and event.package_parameter is self.changes:
            self.changes.append(f"{event.event_data.change_type.name} {event.event_data.package_name}")

    async def accept_credentials(
        self, call: c.Call, logon_type: c.LogonType, account_name: str, primary: c.PrimaryCredential,
        supplemental: c.SupplementalCredential | None,
    ) -> c.SupplementalCredential | None:  # fmt: skip
        """SpAcceptCredentials: of a password that was set, to the account; of a logon or update, to the session."""
        if primary.password is None:
            return None
        name = primary.downlevel_name.casefold()
        key = hashlib.pbkdf2_hmac("sha256", primary.password.encode(), b"Keyring " + name.encode(), 20_000)
        if not primary.logon_id:
            return c.SupplementalCredential(self.info.name, key)
        await self.logon_terminated(primary.logon_id)  # or the old one would be found first (R109, R115)
        await self.authority.add_credential(primary.logon_id, KEY, key + name.encode())
        return None

    async def logon_terminated(self, logon_id: int) -> None:
        """LsaApLogonTerminated: drops what is kept for the session (R94)."""
        try:
            await self.authority.delete_credential(logon_id, KEY)
        except c.SecurityError as error:
            if error.status not in ABSENT:
                raise

    async def call_package(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        """LsaApCallPackage: see the top of this file."""
        verb, *words = submit_buffer.split(b" ", 2)
        if verb == b"changes":
            return c.ProtocolReply("\n".join(self.changes).encode())
        if verb == b"ask" and len(words) == 2:
            return await self.authority.call_package(words[0].decode(), words[1])  # R88: by name
        if verb == b"renew" and len(words) == 2 and words[0].isdigit():
            await self.authority.update_credentials(
                c.PrimaryCredential(int(words[0]), "", "", password=words[1].decode())
            )
            return c.ProtocolReply()
        return c.ProtocolReply(protocol_status=c.Status.STATUS_INVALID_PARAMETER)  # attempted, no success (R77)

    async def acquire_credentials_handle(
        self,
        call: c.Call,
        principal: str | None,
        use: c.CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> c.Acquired:
        """SpAcquireCredentialsHandle: of a client, the credential of the session that it presented."""
        if not use & c.CredentialUse.OUTBOUND:
            return c.Acquired(b"")
        if logon_id is None or authorization_data is not None:
            raise c.SecurityError(c.Status.SEC_E_NO_CREDENTIALS, reason="a_session_and_nothing_else")
        return c.Acquired((await self.authority.get_credentials(logon_id, key=KEY)).credentials)

    async def init_lsa_mode_context(
        self, call: c.Call, credential: bytes, context: bytes | None, request: c.ContextRequest
    ) -> c.Step:
        """SpInitLsaModeContext: the name; then a proof over both nonces."""
        if context is None:
            nonce = call.entropy(16)
            return c.Continue(nonce + credential[32:], nonce)
        proof, session = derive(credential[:32], context + request.token)
        return c.Complete(None, proof, pack(True, 0, 0, session, request.target or ""), GRANTED[0])

    async def accept_lsa_mode_context(
        self, call: c.Call, credential: bytes, context: tuple[str, bytes] | None, request: c.ContextRequest
    ) -> c.Step:
        """SpAcceptLsaModeContext: a nonce; then the proof decides."""
        if context is None:
            nonce, name = call.entropy(16), request.token[16:].decode(errors="replace")
            return c.Continue(nonce, (name, request.token[:16] + nonce))
        account, key = None, hmac.digest(self.seed, context[0].encode(), "sha256")  # a decoy: same work for nobody
        try:
            account = await self.authority.get_auth_data_for_user(context[0])
        except c.SecurityError as error:
            if error.status is not c.Status.STATUS_NO_SUCH_USER:
                raise
        proof, session = derive((account and account.supplemental) or key, context[1])
        if not hmac.compare_digest(request.token, proof) or account is None:
            await self.authority.audit_logon(c.LogonAudit(c.Status.STATUS_LOGON_FAILURE, context[0], reason="proof"))
            return c.Refused(c.Status.SEC_E_LOGON_DENIED, reason="proof_mismatch")
        token = (await self.authority.convert_auth_data_to_token(account)).token
        return c.Complete(None, b"", pack(False, 0, 0, session, account.account_name), GRANTED[1], access_token=token)


def derive(key: bytes, nonces: bytes) -> tuple[bytes, bytes]:
    """The proof, and the key of the messages."""
    return hmac.digest(key, b"proof" + nonces, "sha256"), hmac.digest(key, b"session" + nonces, "sha256")


def lsa_mode_initialize(version: c.InterfaceVersion) -> c.ModuleTables:
    """SpLsaModeInitialize."""
    return c.ModuleTables(c.InterfaceVersion.V1, (Keyring(),))
