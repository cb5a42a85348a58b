"""What the tests of Hello share: a fake authority, and a handshake between two ends of one package."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar, cast

from secpkg.contract import (
    AuthData,
    AuthIdentity,
    Call,
    ClientInfo,
    ContextRequest,
    Continue,
    ConvertedToken,
    CredentialUse,
    LogonAudit,
    LsaFunctions,
    PackageParameters,
    SecurityError,
    Status,
    Step,
    StoredCredential,
    TokenInformation,
    TokenReference,
)
from secpkg.contract.requests import Request, run
from secpkg.protocols.scram import Verifier
from secpkg_hello.lsa_mode import Hello
from secpkg_hello.lsa_mode.accounts import ITERATIONS
from secpkg_hello.lsa_mode.ssp import Credential, Handshake

T = TypeVar("T")
ALICE = AuthData("alice", "EXAMPLE", "S-1-5-21-1-2-3-1001", TokenInformation("S-1-5-21-1-2-3-1001", expiration=9e9))


class Functions:
    """Every LSA function: awaiting it asks the lab."""

    def __getattr__(self, name: str) -> Callable[..., Request[object]]:
        return lambda *arguments: Request(name, arguments)


class Lab:
    """A Hello that was initialised, and the authority that it calls."""

    def __init__(self, seed: bytes = b"0123456789abcdef") -> None:
        self.hello = Hello()
        self.authority = cast(LsaFunctions, Functions())
        self.sessions: dict[int, list[tuple[bytes, bytes]]] = {}
        self.accounts: dict[str, AuthData] = {}
        self.asked: list[str] = []
        self.audited: list[LogonAudit] = []
        self.broken: set[str] = set()
        self.disabled = False
        self.token = TokenReference(b"token")
        chance = random.Random(7)
        self.call = Call(ClientInfo(1, 1000, 1000), 1e9, chance.randbytes)
        self.run(self.hello.initialize(1, PackageParameters("EXAMPLE", "S-1-5-21-1-2-3", seed=seed), self.authority))
        self.set_password("alice", "pencil")
        self.add("fresh", None)
        self.add("broken", b"SCRAM-SHA-1$x")

    def add(self, name: str, verifier: bytes | None) -> None:
        self.accounts[name] = AuthData(name, "EXAMPLE", ALICE.user_sid, ALICE.token_information, verifier)

    def set_password(self, name: str, password: str) -> None:
        self.add(name, Verifier.derive(password, salt=self.call.entropy(16), iterations=ITERATIONS).encode())

    def run(self, coroutine: Coroutine[object, object, T]) -> T:
        return run(coroutine, self.answer)

    def answer(self, request: Request[object]) -> object:
        self.asked.append(request.function)
        if request.function in self.broken:
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES)
        return getattr(self, f"_{request.function}")(*request.arguments)

    def _get_auth_data_for_user(self, name: str) -> AuthData:
        try:
            return self.accounts[name.rpartition("\\")[2].lower()]
        except KeyError:
            raise SecurityError(Status.STATUS_NO_SUCH_USER) from None

    def _create_logon_session(self, logon_id: int) -> None:
        assert logon_id not in self.sessions
        self.sessions[logon_id] = []

    def _delete_logon_session(self, logon_id: int) -> None:
        del self.sessions[logon_id]

    def _credentials(self, logon_id: int) -> list[tuple[bytes, bytes]]:
        if logon_id not in self.sessions:
            raise SecurityError(Status.STATUS_NO_SUCH_LOGON_SESSION)
        return self.sessions[logon_id]

    def _add_credential(self, logon_id: int, key: bytes, credentials: bytes) -> None:
        self._credentials(logon_id).append((key, credentials))

    def _get_credentials(self, logon_id: int, query_context: int = 0) -> StoredCredential:
        entries = self._credentials(logon_id)
        if query_context >= len(entries):
            raise SecurityError(Status.ERROR_GEN_FAILURE)
        return StoredCredential(*entries[query_context], query_context + 1)

    def _delete_credential(self, logon_id: int, key: bytes) -> None:
        entries = self._credentials(logon_id)
        del entries[[k for k, _ in entries].index(key)]

    def _convert_auth_data_to_token(self, auth: AuthData) -> ConvertedToken:
        if self.disabled:
            raise SecurityError(Status.STATUS_ACCOUNT_RESTRICTION, substatus=Status.STATUS_ACCOUNT_DISABLED)
        return ConvertedToken(self.token, 5, auth.account_name)

    def _audit_logon(self, record: LogonAudit) -> None:
        self.audited.append(record)

    def acquire(
        self, use: CredentialUse, *, data: object = None, logon_id: int | None = None, principal: str | None = None
    ) -> Credential:
        acquired = self.run(self.hello.acquire_credentials_handle(self.call, principal, use, logon_id, data))
        return cast(Credential, acquired.credential)

    def password_credential(self, user: str = "alice", password: str = "pencil") -> Credential:
        return self.acquire(CredentialUse.OUTBOUND, data=AuthIdentity(user, "EXAMPLE" * (user == "alice"), password))

    def server(self) -> Credential:
        return self.acquire(CredentialUse.INBOUND)


def handshake(
    lab: Lab,
    client: Credential,
    server: Credential,
    *,
    isc: int = 0,
    asc: int = 0,
    bindings: tuple[bytes | None, bytes | None] = (None, None),
    changes: Sequence[Callable[[bytes], bytes]] = (bytes,) * 4,
    tokens: list[bytes] | None = None,
) -> tuple[Step | None, Step | None]:
    """Both ends, until one has nothing to send: (client's last step, server's last step)."""
    steps: list[Step | None] = [None, None]
    token = b""
    for leg in range(5):
        end = leg % 2
        last = steps[end]
        context = cast(Handshake, last.context) if isinstance(last, Continue) else None
        request = ContextRequest(token, "hello/host", asc if end else isc, bindings[end])
        credential = server if end else client
        step = lab.hello.accept_lsa_mode_context if end else lab.hello.init_lsa_mode_context
        made = lab.run(step(lab.call, credential, context, request))
        steps[end] = made
        token = getattr(made, "token", b"")
        if leg == 4 or not token:
            break
        if tokens is not None:
            tokens.append(token)
        token = changes[leg](token)
    return steps[0], steps[1]
