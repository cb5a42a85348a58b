"""Subauthentication in the package that it was made for (R262-R268, R271, R272): a routine of a card reader's maker, as
number 7, and a filter.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.authority.subauthentication_packages import NOON, NUMBER, Card, Hours
from tests.packages_ntlm.callers import asked, refused_logon, told, trusted
from tests.packages_ntlm.test_logon import responses
from tests.packages_ntlm.world import DOMAIN, MACHINE, PASSWORD, WRONG, met, reason_of, records, refusal

from secpkg import lsa
from secpkg.authority.subauthentication import FILTERED, Subauthentication
from secpkg.contract import (
    Call,
    InterfaceVersion,
    LogonType,
    LsaFunctions,
    ModuleTables,
    SecurityError,
    Status,
    msv1_0,
)
from secpkg.contract.subauthentication import (
    LogonInfoClass,
    LogonInformation,
    NetworkInfo,
    SubAuthFlag,
    SubAuthResult,
    UserAllInformation,
    UserFlag,
)
from secpkg.lsa.client import Lsa
from secpkg.testing import FrozenClock, LabAuthority

CHALLENGE = b"12345678"
NETWORK = LogonType.NETWORK
FAILED = Status.STATUS_LOGON_FAILURE


class House:
    """NTLM with a card reader and hours of business; the filter is asked only where ``filtered``."""

    def __init__(self, *, filtered: bool = False, hours: Hours | None = None) -> None:
        self.card, self.hours = Card(), hours or Hours()
        self.lab = LabAuthority(
            domain=DOMAIN,
            modules=["ntlm", self._initialize],
            settings={"ntlm": {"computer_name": MACHINE}},
            clock=FrozenClock(NOON - 60.0),
        )
        self.lab.add_user("alice", password=PASSWORD)
        numbers = {NUMBER: "Card", 9: "Hours"} | ({0: "Hours"} if filtered else {})
        self.lab.embedded.machine.authority.subauthentication = Subauthentication(numbers, FILTERED)

    def _initialize(self, version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V1, (self.card, self.hours))


@pytest.fixture
def house() -> Iterator[House]:
    made = House()
    yield made
    made.lab.close()


@pytest.fixture
def login(house: House) -> Iterator[Lsa]:
    with trusted(house.lab) as made:
        yield made


def shown(answer: bytes = CHALLENGE[::-1], *, user: str = "alice", number: int = NUMBER, domain: str = DOMAIN) -> bytes:
    return msv1_0.SubAuthenticationLogon(
        domain, user, "DESK", CHALLENGE, answer, b"", 0, sub_auth_package_id=number
    ).pack()


def by_lm20(answer: bytes = CHALLENGE[::-1], number: int = NUMBER) -> bytes:
    return msv1_0.Lm20Logon(DOMAIN, "alice", "DESK", CHALLENGE, answer, parameter_control=number << 24).pack()


@pytest.mark.parametrize("information", [shown(), by_lm20()], ids=["MSV1_0_SUBAUTH_LOGON", "ParameterControl"])
@pytest.mark.breaks("R263", "secpkg.packages.ntlm.lsa_mode.subauth:SubauthenticationHalf.logon_by_routine")
def test_R263_the_routine_alone_decides(house: House, login: Lsa, information: bytes) -> None:
    """In place of the password, with the account's data at hand; what it says of the logon is in the profile."""
    with login.logon_user("NTLM", NETWORK, authentication_information=information) as made:
        profile = msv1_0.Lm20LogonProfile.unpack(made.profile)
        assert profile.user_flags & UserFlag.GRACE_LOGON and profile.logon_domain_name == DOMAIN
        assert (profile.logoff_time, profile.user_session_key) == (NOON, b"")
        info = asked(login, msv1_0.GetUserInfo(made.luid), msv1_0.UserInfo)
        assert (info.user_name, info.logon_type) == ("alice", NETWORK)
    (seen,) = house.card.seen
    assert seen.user_name == "alice" and not seen.account_disabled


def test_R263_neither_is_the_password_asked_for_where_a_routine_refuses(house: House, login: Lsa) -> None:
    """The responses of the right password are not the card's answer. Outside it is one failure (R54)."""
    right = responses(challenge=CHALLENGE)
    for information in (shown(b"?"), by_lm20(right.case_sensitive_challenge_response)):
        failure = refused_logon(login, logon_type=NETWORK, authentication_information=information)
        assert failure.status is FAILED
        assert reason_of(records(house.lab, "logon")[-1]) == "refused_by_subauthentication"


def test_wrong_answers_of_a_card_are_delayed_as_passwords_are(house: House, login: Lsa) -> None:
    for _ in range(12):
        refused_logon(login, logon_type=NETWORK, authentication_information=shown(b"?"))
    assert refused_logon(login, logon_type=NETWORK, authentication_information=shown()).status is FAILED
    assert records(house.lab, "logon")[-1].facts["reason"] == "lockout_delay"


@pytest.mark.breaks("R262", "secpkg.authority.subauthentication:run_routine")
def test_R262_only_where_the_account_lives_and_a_routine_is_registered(house: House, login: Lsa) -> None:
    for information, status in (
        (shown(user="nobody"), FAILED),
        (shown(number=8), Status.STATUS_DLL_NOT_FOUND),
        (shown(number=0), Status.STATUS_DLL_NOT_FOUND),
        (shown(number=9), Status.STATUS_ENTRYPOINT_NOT_FOUND),
        (by_lm20(number=8), Status.STATUS_DLL_NOT_FOUND),
    ):
        assert refused_logon(login, logon_type=NETWORK, authentication_information=information).status is status
    assert house.card.seen == []
    with lsa.connect(house.lab) as untrusted:
        failure = refused_logon(untrusted, logon_type=NETWORK, authentication_information=shown())
        assert failure.status is Status.STATUS_PRIVILEGE_NOT_HELD
    assert house.card.seen == []


@pytest.mark.breaks("R272", "secpkg.packages.ntlm.lsa_mode.logon:LogonHalf.logon_user_ex2")
def test_R272_interactive_logons_cannot_use_subauthentication(house: House, login: Lsa) -> None:
    for kind in (LogonType.INTERACTIVE, LogonType.UNLOCK, LogonType.BATCH, LogonType.SERVICE):
        for information in (shown(), by_lm20()):
            failure = refused_logon(login, logon_type=kind, authentication_information=information)
            assert failure.status is Status.STATUS_BAD_VALIDATION_CLASS
    assert house.card.seen == []


def test_R265_R266_parameters_are_written_back_on_success_alone(house: House, login: Lsa) -> None:
    store = house.lab.embedded.machine.authority.store
    account = store.find("alice")
    assert account is not None
    refused_logon(login, logon_type=NETWORK, authentication_information=shown(b"?"))
    assert store.parameters(account.sid) == ""
    login.logon_user("NTLM", NETWORK, authentication_information=shown()).close()
    assert store.parameters(account.sid) == "card 17"
    said = [
        r.facts.get("authoritative", r.claimed.get("authoritative")) for r in records(house.lab, "subauthentication")
    ]
    assert said == [False, True], "R265: whatever the status"


def test_R268_the_end_that_a_routine_gives_is_utc_seconds(house: House, login: Lsa) -> None:
    with login.logon_user("NTLM", NETWORK, authentication_information=shown()) as made:
        profile = msv1_0.Lm20LogonProfile.unpack(made.profile)
    assert profile.logoff_time == NOON and profile.kick_off_time == float("inf")


def test_restrictions_of_the_account_hold_for_the_routines_logons(house: House, login: Lsa) -> None:
    """docs/adr/0015: its word replaces the password check, and nothing else."""
    house.lab.update_user("alice", enabled=False)
    failure = refused_logon(login, logon_type=NETWORK, authentication_information=shown())
    assert (failure.status, failure.substatus) == (
        Status.STATUS_ACCOUNT_RESTRICTION,
        Status.STATUS_ACCOUNT_DISABLED,
    )


def test_a_service_of_a_routine(house: House, login: Lsa) -> None:
    """MsV1_0SubAuth."""
    made = asked(login, msv1_0.SubAuth(NUMBER, b"abc"), msv1_0.SubAuthResponse)
    assert made.sub_auth_return_buffer == b"cba"
    assert told(login, msv1_0.SubAuth(8, b"abc")) is Status.STATUS_DLL_NOT_FOUND
    assert told(login, msv1_0.SubAuth(9, b"abc")) is Status.STATUS_ENTRYPOINT_NOT_FOUND


# --- the filter ------------------------------------------------------------------------------------------------------


@pytest.fixture
def filtered() -> Iterator[House]:
    made = House(filtered=True)
    yield made
    made.lab.close()


@pytest.mark.breaks("R264", "secpkg.authority.subauthentication:run_filter")
def test_R264_the_filter_can_only_refuse(filtered: House) -> None:
    """After a right proof, of contexts and of logons; its end is the token's, and a wrong proof never gets to it."""
    assert met(filtered.lab) == f"{DOMAIN}\\alice"
    level, information, user = filtered.hours.asked[-1]
    assert (level, user.user_name) == (LogonInfoClass.NETWORK_INFORMATION, "alice")
    assert isinstance(information, NetworkInfo)
    before = len(filtered.hours.asked)
    assert refusal(filtered.lab, password=WRONG)[1] == "wrong_password"
    assert len(filtered.hours.asked) == before
    filtered.hours.status = Status.STATUS_INVALID_LOGON_HOURS
    assert refusal(filtered.lab)[0] is Status.STATUS_INVALID_LOGON_HOURS
    with trusted(filtered.lab) as login:
        for kind in (LogonType.INTERACTIVE, NETWORK):
            failure = refused_logon(login, logon_type=kind, username="alice", password=PASSWORD)
            assert failure.status is Status.STATUS_INVALID_LOGON_HOURS
            wrong = refused_logon(login, logon_type=kind, username="alice", password=WRONG)
            assert wrong.status is FAILED


class Curious(Hours):
    """A filter that would look accounts up."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Status] = []

    async def initialize(self, package_id: int, parameters: object, authority: LsaFunctions) -> None:
        self.authority = authority

    async def msv1_0_sub_authentication_filter(
        self,
        call: Call,
        logon_level: LogonInfoClass,
        logon_information: LogonInformation,
        flags: SubAuthFlag,
        user_all: UserAllInformation,
    ) -> SubAuthResult:
        try:
            await self.authority.get_auth_data_for_user("alice")
            self.found.append(Status.STATUS_SUCCESS)
        except SecurityError as error:
            self.found.append(error.status)
        return SubAuthResult()


@pytest.mark.breaks("R271", "secpkg.authority.functions.table:require_no_directory")
def test_R271_the_filter_causes_no_directory_traffic() -> None:
    curious = Curious()
    house = House(filtered=True, hours=curious)
    assert met(house.lab) == f"{DOMAIN}\\alice"
    house.lab.close()
    assert curious.found == [Status.STATUS_ACCESS_DENIED]
