"""CreateTokenEx, and the functions that are in the header only and whose meaning docs/adr/0011 fixes."""

from __future__ import annotations

import pytest
from tests.authority.test_packages import failure
from tests.authority.test_sessions import call, status_of
from tests.authority.world import World

from secpkg.authority.connections import Connection
from secpkg.authority.targets import Origin
from secpkg.contract.flags import ImpersonationLevel, LogonType, PrimaryCredentialFlag
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import LogonAudit, PrimaryCredential, TokenInformation, TokenReference

LUID = 0x1234567
CLEAR = PrimaryCredentialFlag.CLEAR_PASSWORD
LIES = PrimaryCredential(1, "root", "LIES", "S-1-5-18", password="clear", flags=CLEAR | PrimaryCredentialFlag.UPDATE)


class Setting:
    """A package with a session of its own, and two that hear of credentials: one of them may see them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.given: dict[str, list[tuple[object, ...]]] = {"Granted": [], "Other": []}
        self.user = TokenInformation(str(world.add_user().sid))
        world.add_package("Granted", granted=True, accept_credentials=lambda t, *a: self.given["Granted"].append(a))
        world.add_package("Other", accept_credentials=lambda t, *a: self.given["Other"].append(a))
        self.connection: Connection = world.connect()
        self.origin: Origin = world.origin(world.add_package("Maker"), self.connection)
        call(world, self.origin, "create_logon_session", LUID)

    def make(self, *arguments: object) -> TokenReference:
        made: object = self.world.run(self.asked(*arguments))  # type: ignore[arg-type]
        assert isinstance(made, TokenReference)
        return made

    def asked(self, *arguments: object) -> object:
        return self.world.lsa.lsa_function(self.origin, "create_token_ex", (LUID, self.user, *arguments))

    def told(self, name: str) -> PrimaryCredential:
        ((_type, account, primary, own),) = self.given[name]
        assert isinstance(primary, PrimaryCredential) and account == "alice" and own is None
        return primary


@pytest.fixture
def setting(world: World) -> Setting:
    return Setting(world)


@pytest.mark.proves("lsa_secpkg.CreateTokenEx")
def test_session_information_reaches_every_package_as_after_a_logon_R102_R69(setting: Setting) -> None:
    made = setting.make(LIES, LogonType.INTERACTIVE)
    granted, other = setting.told("Granted"), setting.told("Other")
    assert (granted.password, granted.flags) == ("clear", CLEAR), "an update is not what it is"
    assert (other.password, other.flags) == (None, PrimaryCredentialFlag(0)), "lock 4"
    for primary in (granted, other):
        assert (primary.logon_id, primary.downlevel_name, primary.domain_name) == (LUID, "alice", "EXAMPLE")
        assert primary.user_sid == setting.user.user, "who it is stays the authority's word (R60)"
    handle = setting.world.lsa.tokens.redeem(setting.connection, made.value)
    assert setting.world.lsa.tokens.token(setting.connection, handle).source == "Maker", "R103"
    assert setting.world.records("logon")[0].claimed["account_name"] == "root"


def test_a_session_that_carries_none_takes_no_secret_lock3(setting: Setting) -> None:
    setting.make(LIES)
    assert setting.told("Granted").password is None
    assert not setting.world.lsa.sessions.get(LUID).outbound


def test_a_token_that_is_refused_tells_nobody(setting: Setting) -> None:
    setting.world.store.update("alice", enabled=False)
    assert failure(setting.world, setting.asked(LIES, LogonType.INTERACTIVE))[0] == Status.STATUS_ACCOUNT_RESTRICTION
    setting.world.store.update("alice", enabled=True)
    for wrong in (LogonType.PROXY, LogonType.UNDEFINED_LOGON_TYPE):
        assert failure(setting.world, setting.asked(LIES, wrong))[0] == Status.STATUS_INVALID_LOGON_TYPE
    assert setting.given == {"Granted": [], "Other": []}
    assert setting.world.lsa.sessions.get(LUID).state == "created"


def test_a_package_that_fails_to_accept_fails_nothing(setting: Setting) -> None:
    def fails(*_: object) -> object:
        raise SecurityError(Status.SEC_E_INTERNAL_ERROR, reason="inside")

    broken = setting.world.packages.find("Granted").package_id
    setting.world.scripts[broken]["accept_credentials"] = fails
    setting.make(LIES, LogonType.INTERACTIVE)
    assert setting.told("Other").logon_id == LUID
    assert setting.world.records("accept_credentials")[0].claimed["reason"] == "inside"


# --- docs/adr/0011 -----------------------------------------------------------------------------------------------


@pytest.mark.proves("lsa_secpkg.DuplicateTokenHandle")
def test_duplicate_token_handle_is_duplicate_handle_of_a_token(setting: Setting) -> None:
    first = setting.make(LIES)
    second = call(setting.world, setting.origin, "duplicate_token_handle", first)
    assert isinstance(second, TokenReference) and second != first
    tokens, connection = setting.world.lsa.tokens, setting.connection
    handles = [tokens.redeem(connection, reference.value) for reference in (first, second)]
    assert tokens.token(connection, handles[0]) is tokens.token(connection, handles[1])
    refused = status_of(setting.world, setting.origin, "duplicate_token_handle", first)
    assert refused[0] == Status.STATUS_INVALID_HANDLE, "redeemed"


@pytest.mark.proves("lsa_secpkg.AuditLogonEx")
def test_audit_logon_ex_is_audit_logon_with_the_level(world: World) -> None:
    world.add_user()
    origin = world.origin(world.add_package("Maker"), world.connect())
    level = ImpersonationLevel.DELEGATION
    for _ in range(3):
        call(world, origin, "audit_logon_ex", LogonAudit(Status.SEC_E_LOGON_DENIED, "alice"), level)
    record = world.records("audit_logon")[-1]
    assert record.claimed["impersonation_level"] == 3 and record.claimed["account_name"] == "alice"
    assert world.store.lockout("alice", f"uid:{origin.call.uid}", world.now) > 0, "a wrong proof counts (lock 9)"


@pytest.mark.parametrize("name", ["get_service_account_password", "check_protected_user_by_token"])
def test_what_the_header_alone_does_not_explain_is_refused(world: World, name: str) -> None:
    origin = world.origin(world.add_package("Maker"))
    assert status_of(world, origin, name, "x")[0] == Status.STATUS_NOT_IMPLEMENTED
