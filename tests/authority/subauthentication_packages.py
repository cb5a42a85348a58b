"""What the tests of subauthentication share: a routine, a filter, and what stands in the place of MSV1_0."""

from __future__ import annotations

import pytest

from secpkg import lsa
from secpkg.authority import audit
from secpkg.authority.audit import Record
from secpkg.authority.subauthentication import Subauthentication
from secpkg.contract import (
    NEVER,
    Call,
    InterfaceVersion,
    LogonRequest,
    LogonResult,
    LogonType,
    ModuleTables,
    PackageInfo,
    ProtocolReply,
    SecurityError,
    Status,
)
from secpkg.contract import subauthentication as subauth
from secpkg.contract.subauthentication import (
    SUBAUTH_PACKAGE,
    ActionsPerformed,
    LogonIdentity,
    LogonInfoClass,
    LogonInformation,
    NetworkInfo,
    SubAuthFlag,
    SubAuthLogon,
    SubAuthResult,
    SubAuthResultEx,
    UserAllField,
    UserAllInformation,
    UserFlag,
    ValidationField,
    ValidationInfo,
    submit,
)
from secpkg.testing import LabAuthority

NUMBER = 7
NOON = 1_700_000_000.0


class Card:
    """A subauthentication package: who answers with the reversed challenge is who he says."""

    info = PackageInfo("Card")

    def __init__(self) -> None:
        self.seen: list[UserAllInformation] = []

    async def initialize(self, package_id: int, parameters: object, authority: object) -> None:
        self.authority = authority

    async def msv1_0_sub_authentication_routine(
        self,
        call: Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
    ) -> SubAuthResult:
        if not isinstance(logon_information, NetworkInfo):
            raise SecurityError(Status.STATUS_INVALID_INFO_CLASS, reason="only_network")
        self.seen.append(user_all)
        right = logon_information.nt_challenge_response == logon_information.lm_challenge[::-1]
        status = Status.STATUS_SUCCESS if right else Status.STATUS_WRONG_PASSWORD
        return SubAuthResult(
            status, right, int(UserFlag.GRACE_LOGON), NOON, NEVER, UserAllField.PARAMETERS, "card 17", "answer_wrong"
        )

    async def msv1_0_sub_authentication_routine_ex(
        self,
        call: Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
        user_handle: int,
        validation_info: ValidationInfo,
    ) -> SubAuthResultEx:
        account = await self.authority.get_user_auth_data(user_handle)  # type: ignore[attr-defined]
        assert account.user_sid == user_all.user_sid
        which = ValidationField.SESSION_KEY | ValidationField.LOGON_DOMAIN
        validation = ValidationInfo(
            session_key=bytes(range(16)), logon_domain_name=validation_info.logon_domain_name[::-1], which_fields=which
        )
        return SubAuthResultEx(Status.STATUS_SUCCESS, validation, int(ActionsPerformed.PASSWORD))

    async def msv1_0_sub_authentication_routine_generic(self, call: Call, submit_buffer: bytes) -> bytes:
        return submit_buffer[::-1]


class Hours:
    """A filter: nobody works on a Sunday, and nobody works late."""

    info = PackageInfo("Hours")

    def __init__(self) -> None:
        self.status = Status.STATUS_SUCCESS
        self.asked: list[tuple[LogonInfoClass, LogonInformation, UserAllInformation]] = []

    async def msv1_0_sub_authentication_filter(
        self,
        call: Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
    ) -> SubAuthResult:
        self.asked.append((logon_level, logon_information, user_all))
        return SubAuthResult(self.status, logoff_time=0.0, kickoff_time=call.now + 60.0)


class Msv:
    """What stands in the place of MSV1_0: asks for the routine, and logs on who knows the password."""

    info = PackageInfo("Msv")

    async def initialize(self, package_id: int, parameters: object, authority: object) -> None:
        self.authority = authority

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        reply: ProtocolReply = await self.authority.call_package(SUBAUTH_PACKAGE, submit_buffer)  # type: ignore[attr-defined]
        return reply

    call_package_untrusted = call_package

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult:
        if request.password != "secret":
            raise SecurityError(Status.STATUS_WRONG_PASSWORD)
        data = await self.authority.get_auth_data_for_user(request.username)  # type: ignore[attr-defined]
        logon_id = call.allocate_locally_unique_id()
        await self.authority.create_logon_session(logon_id)  # type: ignore[attr-defined]
        return LogonResult(logon_id, data.token_information, data.account_name)


class Lab:
    """An authority with the three."""

    def __init__(self) -> None:
        self.card, self.hours, self.msv = Card(), Hours(), Msv()
        self.authority = LabAuthority(domain="EXAMPLE", modules=[self._initialize], clock=lambda: NOON)
        self.authority.add_user("alice")
        self.lsa = self.authority.embedded.machine.authority
        self.lsa.subauthentication = Subauthentication({0: "Hours", NUMBER: "card"}, ("msv",))

    def _initialize(self, version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V1, (self.card, self.hours, self.msv))

    def ask(self, request: subauth.SubAuthSubmit, *, trusted: bool = True) -> ProtocolReply:
        made = lsa.register_logon_process("login", self.authority) if trusted else lsa.connect(self.authority)
        with made as connection:
            return connection.call_authentication_package("Msv", submit(request))

    def refusal(self, request: subauth.SubAuthSubmit, *, trusted: bool = True) -> Status:
        with pytest.raises(SecurityError) as caught:
            self.ask(request, trusted=trusted)
        return caught.value.status

    def logon(self, password: str = "secret", workstation: str = "") -> float:
        """Log alice on, and off: when the token would have expired."""
        kind = LogonType.NETWORK
        with (
            lsa.connect(self.authority) as connection,
            connection.logon_user("Msv", kind, username="ALICE", password=password, workstation=workstation) as logon,
        ):
            token = self.lsa.sessions.get(logon.luid).token
            assert token is not None
            return token.information.expiration

    def records(self, event: str) -> list[Record]:
        lines, key = self.lsa.audit.lines(), audit.derive_key(self.lsa.vault)
        return [record for record in audit.read(lines, key) if record.event == event]

    @property
    def parameters(self) -> str:
        account = self.lsa.store.find("alice")
        assert account is not None
        return self.lsa.store.parameters(account.sid)


def network(
    response: bytes = b"87654321",
    *,
    number: int = NUMBER,
    logon_type: LogonType = LogonType.NETWORK,
    user: str = "alice",
    validation: ValidationInfo | None = None,
) -> SubAuthLogon:
    identity = LogonIdentity(user, "DESK", "IGNORED", parameter_control=number << 24)
    information = NetworkInfo(identity, b"12345678", response)
    level = LogonInfoClass.NETWORK_INFORMATION
    return SubAuthLogon(number, logon_type, level, information, SubAuthFlag(0), validation)
