"""Section C of the rules: logon requests."""

from __future__ import annotations

import pytest
from tests.rules.packages import Badge, badge, lab_of, records

import secpkg
from secpkg.contract import (
    Call,
    LogonRefused,
    LogonRequest,
    LogonResult,
    LogonType,
    PrimaryCredential,
    PrimaryCredentialFlag,
    SecurityError,
    Status,
    SupplementalCredential,
)
from secpkg.lsa import raw

SYSTEM = 0x3E7
"""The session of the machine itself."""


@pytest.mark.breaks("R41", "secpkg.authority.calls:call_authentication_package")
def test_R41_logon_functions_are_for_the_initial_logon_alone() -> None:
    package = Badge()
    with lab_of(package) as lab, badge(lab), secpkg.lsa.connect(lab) as lsa:
        assert package.calls.count("logon_user_ex2") == 1
        assert lsa.call_authentication_package("Badge", b"later").data == b"later"
        with secpkg.lsa.register_logon_process("tests", lab) as trusted:
            assert trusted.call_authentication_package("Badge", b"again").data == b"again"
        assert package.calls[-2:] == ["call_package_untrusted", "call_package"]
        assert package.calls.count("logon_user_ex2") == 1


@pytest.mark.breaks("R42", "secpkg.lsa.operations:logon_request")
def test_R42_the_package_has_a_copy_of_the_callers_data() -> None:
    package, shown = Badge(), bytearray(b"badge:alice")
    with lab_of(package) as lab, badge(lab, shown):  # type: ignore[arg-type]  # an application's own, changeable
        shown[:] = b"x" * len(shown)
        kept = package.requests[0].authentication_information
        assert type(kept) is bytes and kept == b"badge:alice"


@pytest.mark.parametrize("validated_by", ["", "FOREST"])
@pytest.mark.breaks("R47", "secpkg.authority.sessions:SessionTable.establish")
def test_R47_the_authenticating_authority_is_optional(validated_by: str) -> None:
    with lab_of(Badge(authenticating_authority=validated_by)) as lab, secpkg.lsa.connect(lab) as lsa:
        with badge(lab) as logon:
            assert logon.account_name == "alice"
            assert lsa.get_logon_session_data(logon.luid).logon_server == validated_by
        assert records(lab, "logon")[-1].claimed["authenticating_authority"] == validated_by


@pytest.mark.parametrize("name", ["", "DESK-7"])
@pytest.mark.breaks("R48", "secpkg.authority.logon:_ask_package")
def test_R48_the_machine_name_is_optional_and_for_the_audit_record_only(name: str) -> None:
    with lab_of(Badge(machine_name=name)) as lab, secpkg.lsa.connect(lab) as lsa:
        with badge(lab) as logon:
            data = lsa.get_logon_session_data(logon.luid)
            assert not name or name not in repr((data, logon.access_token))
        assert records(lab, "logon")[-1].claimed["machine_name"] == name


def test_R52_the_profile_is_the_callers_to_give_back() -> None:
    with lab_of(Badge(profile=b"home=/")) as lab:
        status, handle = raw.connect_untrusted(lab)
        assert status is Status.STATUS_SUCCESS and handle is not None
        number = raw.lookup_authentication_package(handle, "Badge")[1]
        status, _, made, token = raw.logon_user(handle, "tests", LogonType.NETWORK, number, b"badge:alice")
        assert status is Status.STATUS_SUCCESS and made is not None and token is not None
        assert made.profile == b"home=/"
        assert raw.free_return_buffer(made.profile) is Status.STATUS_SUCCESS
        token.close()
        handle.close()


class Choosy(Badge):
    """Knows no other submit buffer than its own, nor any logon type but one."""

    async def logon_user_ex2(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        if not request.authentication_information.startswith(b"badge"):
            return LogonRefused(Status.STATUS_BAD_VALIDATION_CLASS, request.username, reason="another_form")
        if request.logon_type != LogonType.BATCH:
            return LogonRefused(Status.STATUS_INVALID_LOGON_TYPE, "alice", reason="another_type")
        return await super().logon_user_ex2(call, request)


@pytest.mark.breaks("R56", "secpkg.authority.logon:_refuse")
def test_R56_what_a_package_does_not_understand_is_no_wrong_proof() -> None:
    """R57: the statuses reach the caller as they are, and nobody is delayed."""
    with lab_of(Choosy()) as lab, secpkg.lsa.connect(lab) as lsa:
        for _ in range(9):
            with pytest.raises(SecurityError) as caught:
                lsa.logon_user("Badge", LogonType.BATCH, username="alice", password="p")
            assert caught.value.status is Status.STATUS_BAD_VALIDATION_CLASS
            with pytest.raises(SecurityError) as caught:
                badge(lab)
            assert caught.value.status is Status.STATUS_INVALID_LOGON_TYPE
        badge(lab, kind=LogonType.BATCH).close()
        assert records(lab, "logon")[0].claimed["account_name"] == "alice"


def test_R59_a_profile_beyond_the_quota() -> None:
    """R45, R51: nothing is left of the logon."""
    with lab_of(Badge(profile=bytes(64 * 1024 + 1))) as lab, secpkg.lsa.connect(lab) as lsa:
        with pytest.raises(SecurityError) as caught:
            badge(lab)
        assert caught.value.status is Status.STATUS_QUOTA_EXCEEDED
        assert lsa.enumerate_logon_sessions() == (SYSTEM,)
    with lab_of(Badge(profile=bytes(64 * 1024))) as lab, badge(lab) as logon:
        assert len(logon.profile) == 64 * 1024


def test_R67_an_untrusted_connection_suffices_for_a_logon() -> None:
    with lab_of(Badge()) as lab, secpkg.lsa.connect(lab) as lsa:
        assert not lsa.trusted
        lsa.logon_user("Badge", LogonType.NETWORK, authentication_information=b"badge:alice").close()


class Told(Badge):
    """Keeps what SpAcceptCredentials brings, and tries to write into it."""

    def __init__(self, name: str) -> None:
        primary = PrimaryCredential(0, "alice", "EXAMPLE", password="p", flags=PrimaryCredentialFlag.CLEAR_PASSWORD)
        entry = SupplementalCredential("Second", b"for the second")
        super().__init__(name, primary_credentials=primary, supplemental_credentials=(entry,))
        self.told: list[tuple[PrimaryCredential, SupplementalCredential | None]] = []

    async def accept_credentials(
        self,
        call: Call,
        logon_type: LogonType,
        account_name: str,
        primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> SupplementalCredential | None:
        for value, field in ((primary, "password"), (primary, "logon_id"), (supplemental, "credentials")):
            if value is not None:
                with pytest.raises(AttributeError):
                    setattr(value, field, None)
        self.told.append((primary, supplemental))
        return None


@pytest.mark.breaks("R71", "secpkg.authority.fanout:accept_credentials")
def test_R71_what_accept_credentials_is_given_stays_the_authoritys() -> None:
    """A package cannot change what the next one is told; what it keeps outlives the call."""
    first, second = Told("First"), Told("Second")
    with lab_of(first, second) as lab:
        logon = badge(lab, package="First")
        luid = logon.luid
        logon.close()
        ((primary, none),), ((again, own),) = first.told, second.told
        assert none is None and own is not None and own.credentials == b"for the second"
        assert primary == again and primary.logon_id == luid and primary.password == "p"


@pytest.mark.parametrize("secret", [b"\x00\x01\xff" * 9, b"", "Kärtchen №7".encode(), bytes(range(58))])
@pytest.mark.breaks("R74", "secpkg.lsa.operations:logon_request")
def test_R74_any_logon_data_reaches_the_package_as_it_is(secret: bytes) -> None:
    package = Badge(secret=secret)
    with lab_of(package) as lab, badge(lab, secret + b":alice") as logon:
        assert logon.account_name == "alice"
        assert package.requests[0].authentication_information == secret + b":alice"
        assert secret == b"" or secret.decode("latin-1") not in repr(package.requests[0])
