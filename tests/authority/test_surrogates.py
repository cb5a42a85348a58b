"""Surrogate packages around a logon, and packages that are told of it: the order and the failures of docs/adr/0010."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.authority.world import PASSWORD, Function, World, raising
from tests.rules.packages import Badge, Initialize, badge, records

import secpkg
from secpkg.authority.policy import Policy
from secpkg.contract import (
    Call,
    InterfaceVersion,
    LogonRefused,
    LogonRequest,
    LogonResult,
    LogonType,
    ModuleTables,
    PrimaryCredential,
    PrimaryCredentialFlag,
    SecurityError,
    Status,
    SupplementalCredential,
)
from secpkg.contract.lsa_mode.ap import PostLogonUserInfo, SurrogateLogon
from secpkg.contract.lsa_mode.ssp import LsaModePackage
from secpkg.testing import LabAuthority

GUID = bytes(range(16))
Log = list[tuple[object, ...]]


class Surrogate:
    """Adds an entry with its name, and writes down what it is asked and told."""

    def __init__(self, name: str, log: Log) -> None:
        self.info = Badge(name).info
        self.log = log
        self.refuses: SecurityError | None = None
        self.answer: Callable[[SurrogateLogon], object] | None = None
        self.outcomes: list[LogonResult | LogonRefused] = []
        self.requests: list[LogonRequest] = []

    async def get_info(self) -> object:
        return self.info

    async def pre_logon_user_surrogate(
        self, call: Call, request: LogonRequest, surrogate_logon: SurrogateLogon
    ) -> SurrogateLogon:
        self.log.append(("before", self.info.name, surrogate_logon.entries))
        self.requests.append(request)
        if self.refuses is not None:
            raise self.refuses
        if self.answer is not None:
            return self.answer(surrogate_logon)  # type: ignore[return-value]
        entries = (*surrogate_logon.entries, (GUID, self.info.name.encode()))
        return SurrogateLogon(surrogate_logon.surrogate_logon_id, entries)

    async def post_logon_user_surrogate(
        self,
        call: Call,
        request: LogonRequest,
        surrogate_logon: SurrogateLogon,
        result: LogonResult | LogonRefused,
    ) -> None:
        self.log.append(("after", self.info.name, surrogate_logon.entries))
        self.outcomes.append(result)

    async def post_logon_user(self, call: Call, info: PostLogonUserInfo) -> None:
        self.log.append(("told", self.info.name, info.logon_id))


class Newest(Badge):
    """Takes part in surrogate logons: the third form is called in place of the second."""

    def __init__(self, log: Log, **result: object) -> None:
        super().__init__(**result)  # type: ignore[arg-type]
        self.log = log

    async def logon_user_ex3(
        self, call: Call, request: LogonRequest, surrogate_logon: SurrogateLogon
    ) -> LogonResult | LogonRefused:
        self.log.append(("logon", surrogate_logon.surrogate_logon_id != 0, surrogate_logon.entries))
        return await self.logon_user_ex2(call, request)


def module(*packages: object) -> Initialize:
    def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V10, packages)  # type: ignore[arg-type]

    return lsa_mode_initialize


def lab_with(package: LsaModePackage, *surrogates: Surrogate, granted: bool = True) -> LabAuthority:
    lab = LabAuthority(domain="EXAMPLE", modules=[module(package, *surrogates)], primary_credentials=granted)
    lab.add_user("alice")
    return lab


@pytest.mark.proves(
    "lsa_mode.LsaApPreLogonUserSurrogate",
    "lsa_mode.LsaApPostLogonUserSurrogate",
    "lsa_mode.LsaApPostLogonUser",
    "lsa_mode.LsaApLogonUserEx3",
)
def test_surrogates_stand_around_the_logon_in_their_order() -> None:
    log: Log = []
    with lab_with(Newest(log, profile=b"home"), Surrogate("A", log), Surrogate("B", log)) as lab, badge(lab) as logon:
        a, both = ((GUID, b"A"),), ((GUID, b"A"), (GUID, b"B"))
        assert log == [
            ("before", "A", ()),
            ("before", "B", a),
            ("logon", True, both),
            ("after", "B", both),
            ("after", "A", both),
            ("told", "A", logon.luid),
            ("told", "B", logon.luid),
        ]


def test_the_outcome_is_what_the_caller_learns() -> None:
    log: Log = []
    one = Surrogate("A", log)
    with lab_with(Newest(log, profile=b"home"), one) as lab:
        with badge(lab) as logon:
            (outcome,) = one.outcomes
            assert isinstance(outcome, LogonResult) and (outcome.logon_id, outcome.profile) == (logon.luid, b"home")
        with pytest.raises(SecurityError):
            badge(lab, b"wrong:alice")
        refused = one.outcomes[-1]
        assert isinstance(refused, LogonRefused) and refused.status is Status.STATUS_LOGON_FAILURE
        assert refused.reason == "", "the reason is the audit record's"
        lab.embedded.machine.authority.store.update("alice", enabled=False)
        with pytest.raises(SecurityError):
            badge(lab)
        refused = one.outcomes[-1]
        assert isinstance(refused, LogonRefused) and refused.substatus is Status.STATUS_ACCOUNT_DISABLED
        assert [entry[0] for entry in log if entry[0] == "told"] == ["told"], "only the logon that stands"


@pytest.mark.proves("lsa_mode.LsaApPreLogonUserSurrogate", "lsa_mode.LsaApPostLogonUserSurrogate")
def test_a_surrogate_that_refuses_ends_the_logon_and_those_before_it_hear_so() -> None:
    log: Log = []
    package, one, two, three = Newest(log), Surrogate("A", log), Surrogate("B", log), Surrogate("C", log)
    two.refuses = SecurityError(Status.STATUS_LOGON_TYPE_NOT_GRANTED, reason="not_at_night")
    with lab_with(package, one, two, three) as lab:
        with pytest.raises(SecurityError) as caught:
            badge(lab)
        assert caught.value.status is Status.STATUS_LOGON_TYPE_NOT_GRANTED
        assert [entry[:2] for entry in log] == [("before", "A"), ("before", "B"), ("after", "A")]
        (record,) = records(lab, "logon")
        assert (record.facts["reason"], record.claimed["reason"]) == ("refused_by_surrogate", "not_at_night")
        assert not lab.embedded.machine.authority.sessions


def test_a_surrogates_refusal_is_no_wrong_proof() -> None:
    """Lock 9: nobody is delayed by a package that has seen no proof."""
    world = World()
    world.add_user()
    hello = world.add_hello()
    refuses = raising(SecurityError(Status.STATUS_LOGON_FAILURE))
    world.add_package("Guard", pre_logon_user_surrogate=refuses)
    for _ in range(4):
        with pytest.raises(SecurityError):
            world.logon(world.connect(), hello)
    assert world.store.lockout("alice", "uid:1000", world.now) == 0.0


@pytest.mark.parametrize(
    "answer",
    [
        lambda shared: None,
        lambda shared: SurrogateLogon(shared.surrogate_logon_id + 1, shared.entries),
        lambda shared: SurrogateLogon(shared.surrogate_logon_id, ()),
        lambda shared: SurrogateLogon(shared.surrogate_logon_id, ((GUID, b"changed"),)),
        lambda shared: SurrogateLogon(shared.surrogate_logon_id, (*shared.entries, (b"short", b""))),
        lambda shared: SurrogateLogon(shared.surrogate_logon_id, (*shared.entries, (GUID, bytes(65537)))),
        lambda shared: SurrogateLogon(shared.surrogate_logon_id, shared.entries + ((GUID, b""),) * 64),
    ],
)
def test_a_surrogate_adds_and_changes_nothing(answer: Callable[[SurrogateLogon], object]) -> None:
    log: Log = []
    one, two = Surrogate("A", log), Surrogate("B", log)
    two.answer = answer
    with lab_with(Newest(log), one, two) as lab:
        with pytest.raises(SecurityError) as caught:
            badge(lab)
        assert caught.value.status.is_error and ("logon", True, ()) not in [entry[:3] for entry in log]
        assert [entry[0] for entry in log] == ["before", "before", "after"]


def test_what_fails_afterwards_is_recorded_and_changes_nothing() -> None:
    world = World()
    world.add_user()
    failing = raising(SecurityError(Status.STATUS_UNSUCCESSFUL, reason="broken"))
    hello = world.add_hello()
    world.add_package("Late", post_logon_user_surrogate=failing, post_logon_user=failing)
    logon = world.logon(world.connect(), hello)
    assert world.lsa.sessions.get(logon.logon_id).account_name == "alice"
    for event in ("post_logon_user_surrogate", "post_logon_user"):
        (record,) = world.records(event)
        assert (record.package, record.claimed["reason"]) == ("Late", "broken")


def test_secrets_are_for_modules_that_may_see_them() -> None:
    """Lock 4: password and submit buffer, primary credentials, and the supplemental credentials of others."""
    world = World(Policy())
    world.add_user()
    hello = world.add_hello()
    seen: dict[str, list[object]] = {"Guard": [], "Trusted": []}
    for name, granted in (("Guard", False), ("Trusted", True)):

        def before(_: object, request: LogonRequest, shared: SurrogateLogon, name: str = name) -> SurrogateLogon:
            seen[name].append(request.password)
            return shared

        def after(_: object, request: LogonRequest, shared: SurrogateLogon, result: object, name: str = name) -> None:
            assert isinstance(result, LogonResult) and isinstance(result.primary_credentials, PrimaryCredential)
            seen[name] += [request.password, result.primary_credentials.password, result.supplemental_credentials]

        more: dict[str, Function] = {"pre_logon_user_surrogate": before, "post_logon_user_surrogate": after}
        world.add_package(name, more, granted=granted)
    world.logon(world.connect(), hello)
    assert seen == {"Guard": [None, None, None, ()], "Trusted": [PASSWORD, PASSWORD, PASSWORD, ()]}


def test_the_whole_is_over_before_the_caller_hears_of_it_and_the_session_lives_through_it() -> None:
    world = World()
    world.add_user()
    hello, connection = world.add_hello(), world.connect()
    world.add_package(
        "Late",
        accept_credentials=lambda *_: world.lsa.connections.close(connection),
        post_logon_user=lambda *_: None,
        logon_terminated=lambda *_: None,
    )
    world.logon(connection, hello)
    names = [name for package, name, _ in world.calls if package == "Late"]
    assert names == ["accept_credentials", "post_logon_user", "logon_terminated"]


def test_supplemental_credentials_and_flags_are_what_they_were_without_surrogates() -> None:
    """A surrogate that adds nothing leaves the fan-out as it is."""
    told: Log = []

    class Told(Surrogate):
        async def accept_credentials(
            self,
            call: Call,
            logon_type: LogonType,
            account_name: str,
            primary: PrimaryCredential,
            supplemental: SupplementalCredential | None,
        ) -> SupplementalCredential | None:
            told.append((account_name, primary.password, supplemental and supplemental.credentials))
            return None

    flags = PrimaryCredentialFlag.CLEAR_PASSWORD
    primary = PrimaryCredential(0, "alice", "EXAMPLE", password="p", flags=flags)
    package = Badge(primary_credentials=primary, supplemental_credentials=(SupplementalCredential("A", b"for A"),))
    with lab_with(package, Told("A", [])) as lab, badge(lab), secpkg.lsa.connect(lab):
        assert told == [("alice", "p", b"for A")]


@pytest.mark.breaks("R93", "secpkg.authority.surrogates:post_logon_user")
def test_whoever_is_told_of_a_logon_afterwards_hears_of_its_end_R93() -> None:
    """Also a package that takes no credentials."""
    world = World()
    world.add_user()
    hello, connection = world.add_hello(), world.connect()
    world.add_package("Late", post_logon_user=lambda *_: None, logon_terminated=lambda *_: None)
    world.logon(connection, hello)
    world.lsa.connections.close(connection)
    names = [name for package, name, _ in world.calls if package == "Late"]
    assert names == ["post_logon_user", "logon_terminated"]
