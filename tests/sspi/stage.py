"""What the tables of bad input stand on: a lab with handles in every state, and what a refused call may not change."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, Self
from uuid import UUID

from tests.host_lsa_mode.everything import Everything, Module

from secpkg.contract.flags import BufferType, CredentialUse
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity, Message, SecBuffer
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

PASSWORD: Final = "correct horse"
PROTECTED: Final = 0x2001E, 0x1001E
"""What both ends ask for: acceptor, initiator."""
USER_HALF: Final = UUID(int=1)
IDENTITY: Final = AuthIdentity("alice", "EXAMPLE", PASSWORD)


def token(data: bytes = b"more") -> Message:
    return [SecBuffer(BufferType.TOKEN, data)]


class Stage:
    """One lab with Hello and Everything. Its handles are raw ones."""

    def __init__(self) -> None:
        self.everything = Everything()
        self.lab = LabAuthority(domain="EXAMPLE", modules=["hello", Module(self.everything)])
        self.lab.add_user("alice", password=PASSWORD)
        self.outbound = self.credential("Hello", CredentialUse.OUTBOUND, IDENTITY)
        self.inbound = self.credential("Hello", CredentialUse.INBOUND)
        self.credential_of_everything = self.credential("Everything", CredentialUse.BOTH)
        self.freed = self.credential("Hello", CredentialUse.INBOUND)
        assert raw.free_credentials_handle(self.freed) is Status.SEC_E_OK
        self.client, self.server = self.pair()
        self.half, _ = self.begun()
        self.partial = self.legged(self.credential_of_everything, b"more")
        self.finished = self.legged(self.credential_of_everything, b"done")
        self.deleted, other = self.pair()
        assert raw.delete_security_context(self.deleted) is raw.delete_security_context(other) is Status.SEC_E_OK
        self.failed = self.legged(self.credential_of_everything, b"more")
        status, *_ = raw.accept_security_context(None, self.failed, token(b"refuse"), 0)
        assert status is Status.SEC_E_LOGON_DENIED
        status, opened = raw.query_security_context_token(self.server)
        assert status is Status.SEC_E_OK and opened is not None
        self.access_token = opened

    def credential(self, package: str, use: CredentialUse, identity: AuthIdentity | None = None) -> Any:
        status, made, _ = raw.acquire_credentials_handle(None, package, use, None, identity, authority=self.lab)
        assert status is Status.SEC_E_OK, status
        return made

    def begun(self) -> tuple[Any, Message]:
        status, client, out, *_ = raw.initialize_security_context(self.outbound, None, "host", PROTECTED[1])
        assert status is Status.SEC_I_CONTINUE_NEEDED
        return client, out

    def legged(self, credential: Any, data: bytes) -> Any:
        status, context, *_ = raw.accept_security_context(credential, None, token(data), 0)
        assert not status.is_error
        return context

    def pair(self) -> tuple[Any, Any]:
        client, message = self.begun()
        server: Any = None
        status = Status.SEC_I_CONTINUE_NEEDED
        while message:
            status, server, message, *_ = raw.accept_security_context(self.inbound, server, message, PROTECTED[0])
            status, client, message, *_ = raw.initialize_security_context(
                self.outbound, client, "host", PROTECTED[1], message
            )
        assert status is Status.SEC_E_OK
        return client, server

    def state(self) -> object:
        """Everything that a refused call leaves as it was: at the host, at the authority, in the packages, and here."""
        machine = self.lab.embedded.machine
        authority = machine.authority
        ports: list[Any] = [module.port for module in machine.modules.values()]
        channels = [
            (number, channel.half_open, sorted(channel.credentials), self._contexts(channel))
            for port in ports
            for number, channel in sorted(port._channels.items())
            if channel.credentials or channel.contexts
        ]
        taken = [authority.quotas.taken(os.getuid(), resource) for resource in ("references", "bytes")]
        package = self.everything
        asked = len(package.log), len(package.requests), len(package.credentials), len(package.deleted)
        return channels, sorted(s.logon_id for s in authority.sessions.live()), taken, asked, self._here()

    @staticmethod
    def _contexts(channel: Any) -> list[object]:
        return [(handle, context.phase, id(context.state)) for handle, context in sorted(channel.contexts.items())]

    def _here(self) -> object:
        contexts = self.client, self.server, self.half, self.partial, self.finished, self.deleted, self.failed
        credentials = self.outbound, self.inbound, self.credential_of_everything, self.freed
        halves = [each.user._context for each in (self.client, self.server)]
        return (
            [(each.state, each.native, len(each.turn)) for each in contexts],
            [each.native for each in credentials],
            [(half.outgoing.number, half.incoming.number) for half in halves],
            self.access_token.closed,
        )

    def works(self) -> None:
        """The valid handles do what they did."""
        message = [SecBuffer(BufferType.TOKEN), SecBuffer(BufferType.DATA, b"data")]
        assert raw.encrypt_message(self.client, 0, message) is Status.SEC_E_OK
        assert raw.decrypt_message(self.server, message) == (Status.SEC_E_OK, 0)
        assert message[1].data == b"data"
        assert raw.query_credentials_attributes(self.credential_of_everything, 1)[0] is Status.SEC_E_OK
        assert raw.query_context_attributes(self.finished, 1)[0] is Status.SEC_E_OK

    def close(self) -> None:
        self.access_token.close()
        for context in (self.client, self.server, self.half, self.partial, self.finished, self.failed):
            raw.delete_security_context(context)
        self.lab.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def status_of(answer: object) -> object:
    """What a function said: its status, its Windows error, or whether it did it."""
    return answer[0] if isinstance(answer, tuple) else answer


GOOD: Final[dict[str, Callable[[Stage], object]]] = {
    "account_name": lambda _: "alice",
    "async_context": lambda _: raw.sspi_create_async_context(),
    "attribute": lambda _: 1,
    "auth_data": lambda _: None,
    "auth_error": lambda _: 0,
    "auth_identity_byte_array": lambda _: raw.sspi_marshal_auth_identity(IDENTITY)[1],
    "authority": lambda stage: stage.lab,
    "authorize": lambda _: None,
    "bindings": lambda _: SecBuffer(BufferType.CHANNEL_BINDINGS, b"data"),
    "buffer": lambda _: None,
    "buffer_size": lambda _: 0,
    "callback": lambda _: print,
    "callback_data": lambda _: None,
    "context": lambda stage: stage.client,
    "context_req": lambda _: 0,
    "credential": lambda stage: stage.credential_of_everything,
    "credential_type": lambda _: USER_HALF,
    "credential_use": lambda _: int(CredentialUse.BOTH),
    "delegation_type": lambda _: 0,
    "domain_name": lambda _: "EXAMPLE",
    "error_or_nt_status": lambda _: 0,
    "expiry": lambda _: 0.0,
    "flags": lambda _: 0,
    "flat_cred_ui_context": lambda _: b"flat",
    "handle": lambda _: raw.sspi_create_async_context(),
    "identity": lambda _: AuthIdentity("alice", "EXAMPLE", PASSWORD),
    "identity1": lambda _: IDENTITY,
    "identity2": lambda _: IDENTITY,
    "impersonating": lambda _: False,
    "input": lambda _: token(),
    "input_auth_identity": lambda _: None,
    "ip_address": lambda _: bytes(16),
    "logon_id": lambda _: None,
    "marshaled_cred_ui_context": lambda _: b"",
    "message": lambda _: [SecBuffer(BufferType.TOKEN), SecBuffer(BufferType.DATA, b"data")],
    "message_seq_no": lambda _: 0,
    "new_password": lambda _: "new",
    "old_password": lambda _: "old",
    "option": lambda _: 1,
    "options": lambda _: None,
    "output": lambda _: [SecBuffer(BufferType.CHANGE_PASS_RESPONSE)],
    "package": lambda _: "Everything",
    "package_name": lambda _: "Hello",
    "package_parameters": lambda _: None,
    "packed_context": lambda _: b"packed",
    "packed_credentials": lambda _: "secret",
    "principal": lambda _: None,
    "profile_name": lambda _: "NTLM",
    "quality_of_protection": lambda _: 0,
    "save": lambda _: None,
    "size": lambda _: 4,
    "target": lambda _: "host",
    "target_data_rep": lambda _: 16,
    "target_name": lambda _: "host",
    "token": lambda _: token(),
    "ui_info": lambda _: None,
    "user_name": lambda _: "alice",
    "value": lambda _: bytes(4),
}
"""A value that is right in its place, by parameter."""

GOOD_IN: Final[dict[tuple[str, str], Callable[[Stage], object]]] = {
    ("ImportSecurityContext", "token"): lambda _: None,
    ("SspiSetAsyncNotifyCallback", "context"): lambda _: raw.sspi_create_async_context(),
    ("SspiEncryptAuthIdentityEx", "options"): lambda _: 2,
    ("SspiDecryptAuthIdentityEx", "options"): lambda _: 2,
    ("AcceptSecurityContext", "context"): lambda _: None,
    ("InitializeSecurityContext", "context"): lambda _: None,
    ("ApplyControlToken", "context"): lambda stage: stage.finished,
    ("SaslAcceptSecurityContext", "context"): lambda _: None,
    ("SaslInitializeSecurityContext", "context"): lambda _: None,
    ("SaslInitializeSecurityContext", "input"): lambda _: None,
}


def good(function: str, parameter: str, stage: Stage) -> object:
    return (GOOD_IN.get((function, parameter)) or GOOD[parameter])(stage)
