"""Loading a module: order, versions, and packages that fail without taking their siblings down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import pytest
from tests.host_lsa_mode.fakes import PARAMETERS, PARK, Plain, ScriptedLink, load, reasons

from secpkg.contract.attributes import pack_context_thunks
from secpkg.contract.flags import Capability, ExtendedInformationClass, InterfaceVersion
from secpkg.contract.lsa_mode.functions import LsaDispatchTable, LsaFunctions
from secpkg.contract.lsa_mode.ssp import ModuleTables
from secpkg.contract.reference import member_names
from secpkg.contract.requests import Request
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Call, PackageInfo, PackageParameters
from secpkg.host.lsa_mode.functions import LSA_DISPATCH_TABLE, LSA_SECPKG_FUNCTION_TABLE
from secpkg.host.lsa_mode.load import INTERFACE_VERSION, MAX_PACKAGES, LoadFault, explain, tables_of
from secpkg.runtime.lsa_module import LsaModule

Journal = list[str]


class Full:
    """An SSP/AP that defines all of start-up and tells a journal."""

    def __init__(self, name: str, journal: Journal) -> None:
        self.info = PackageInfo(name, max_token=8)
        self.journal = journal
        self.given: list[object] = []

    def note(self, what: str) -> None:
        self.journal.append(f"{self.info.name} {what}")

    async def get_extended_information(self, information_class: ExtendedInformationClass) -> bytes:
        self.note("SpGetExtendedInformation")
        return pack_context_thunks(1, 9)

    async def get_info(self) -> PackageInfo:
        self.note("SpGetInfo")
        return self.info

    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        self.note("LsaApInitializePackage")
        self.given += [package_id, dispatch]
        return self.info.name

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        self.note("SpInitialize")
        self.given += [package_id, parameters, authority]

    async def shutdown(self) -> None:
        self.note("SpShutdown")


ORDER = ["SpInitialize", "LsaApInitializePackage", "SpGetInfo", "SpGetExtendedInformation"]


@pytest.mark.breaks("R30", "secpkg.host.lsa_mode.load:_present")
def test_r19_r25_r30_spec_1_each_package_in_turn_in_the_documented_order() -> None:
    journal: Journal = []
    hosted = load(Full("A", journal), Full("B", journal))
    assert journal == [f"{name} {step}" for name in "AB" for step in ORDER]
    assert reasons(hosted) == ["", ""]
    assert [package.thunks for package in hosted] == [pack_context_thunks(1, 9)] * 2


@pytest.mark.breaks("R25", "secpkg.host.lsa_mode.load:_run")
@pytest.mark.breaks("R26", "secpkg.host.lsa_mode.load:load_packages")
@pytest.mark.breaks("R28", "secpkg.host.lsa_mode.load:_present")
def test_r25_r26_r28_distinct_ids_the_parameters_and_the_two_tables() -> None:
    packages = [Full("A", []), Full("B", [])]
    hosted = load(*packages)
    assert [package.package_id for package in hosted] == [1, 2]
    for number, package in enumerate(packages, 1):
        assert package.given == [number, PARAMETERS, LSA_SECPKG_FUNCTION_TABLE, number, LSA_DISPATCH_TABLE]


@pytest.mark.breaks("R19", "secpkg.host.lsa_mode.load:tables_of")
@pytest.mark.breaks("R21", "secpkg.host.lsa_mode.load:tables_of")
def test_r19_r21_initialize_is_called_once_with_the_authoritys_version() -> None:
    versions: list[InterfaceVersion] = []

    def initialize(version: InterfaceVersion) -> ModuleTables:
        versions.append(version)
        return ModuleTables(version, [Plain()])

    tables_of(initialize)
    assert versions == [INTERFACE_VERSION] == [InterfaceVersion.V11]


class Thing:
    pass


class Odd:
    def __iter__(self) -> Iterator[object]:
        raise SystemExit(3)


def tables(version: object, packages: object) -> Callable[[InterfaceVersion], object]:
    return lambda _version: ModuleTables(version, packages)  # type: ignore[arg-type]  # as an author errs


def raising(error: BaseException) -> Callable[[InterfaceVersion], object]:
    def initialize(_version: InterfaceVersion) -> object:
        raise error

    return initialize


async def asynchronous(_version: InterfaceVersion) -> object:
    return None


V1 = InterfaceVersion.V1
MODULES: list[tuple[Callable[[InterfaceVersion], object], str]] = [
    (lambda _version: None, r"returned NoneType, not ModuleTables \(R20\)"),
    (asynchronous, "must be def"),
    (tables(7, [Thing()]), r"version 7, not an InterfaceVersion \(R22\)"),
    (tables(V1, None), r"no sequence of packages \(R20\)"),
    (tables(V1, Odd()), r"no sequence of packages \(R20\)"),
    (tables(V1, []), r"no tables; 1 to 64 .*\(R20\)"),
    (tables(V1, [Thing()] * (MAX_PACKAGES + 1)), r"more than 64 tables; 1 to 64 .*\(R20\)"),
    (tables(V1, iter(lambda: 1, 2)), "more than 64"),  # endless
    *((raising(error), type(error).__name__) for error in (ValueError("x"), SystemExit(1), KeyboardInterrupt())),
    (raising(SecurityError(Status.SEC_E_CANNOT_INSTALL, reason="no_library")), "SEC_E_CANNOT_INSTALL.*no_library"),
]


@pytest.mark.parametrize(("initialize", "text"), MODULES, ids=[text for _initialize, text in MODULES])
@pytest.mark.breaks("R20", "secpkg.host.lsa_mode.load:tables_of")
@pytest.mark.breaks("R22", "secpkg.host.lsa_mode.load:tables_of")
def test_r20_r21_r22_a_module_that_cannot_be_used_says_why(
    initialize: Callable[[InterfaceVersion], object], text: str
) -> None:
    with pytest.raises(LoadFault, match=text):
        tables_of(initialize)


def test_r20_packages_may_come_from_an_iterator() -> None:
    hosted = load(*tables_of(tables(V1, iter([Plain("A"), Plain("B")]))).packages)
    assert [package.info.name for package in hosted] == ["A", "B"]


def test_r22_interface_versions_are_single_bits_in_order() -> None:
    versions = list(InterfaceVersion)
    assert versions == sorted(versions)
    assert all(version & (version - 1) == 0 for version in versions)


@pytest.mark.breaks("R23", "secpkg.contract.reference:members_of")
def test_r23_a_function_beyond_the_returned_version_is_never_called() -> None:
    class Late(Full):
        async def get_cred_ui_context(self, call: Call, context: object, credential_type: bytes) -> object: ...

    since = member_names("lsa_mode")["get_cred_ui_context"].min_version
    assert isinstance(since, int)
    assert since > InterfaceVersion.V1
    journal: Journal = []
    (old,) = load(Late("Old", journal), version=InterfaceVersion.V1)
    assert old.broken == "get_cred_ui_context is beyond the interface version that the module returned (R23)"
    assert not journal
    (new,) = load(Late("New", journal), version=InterfaceVersion(since))
    assert not new.broken


@pytest.mark.breaks("R24", "secpkg.host.tables:build_table")
def test_r24_a_null_slot_within_the_version_is_no_entry() -> None:
    class Package(Plain):
        delete_context = None  # type: ignore[assignment]

    (hosted,) = load(Package())
    assert not hosted.broken
    assert "delete_context" not in hosted.table


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (None, ""),
        (Status.SEC_E_OK, ""),
        (Status.STATUS_PENDING, ""),
        (Status.SEC_E_CANNOT_INSTALL, "SpInitialize returned SEC_E_CANNOT_INSTALL"),
    ],
)
@pytest.mark.breaks("R27", "secpkg.contract.status:Status.is_error")
def test_r27_success_and_informational_statuses_of_initialize_are_success(status: Status | None, reason: str) -> None:
    class Package(Plain):
        async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> Any:
            return status

    assert reasons(load(Package())) == [reason]


def raises(error: BaseException) -> Callable[[], object]:
    def script() -> object:
        raise error

    return script


def gives(value: object) -> Callable[[], object]:
    return lambda: value


class Failing(Full):
    """Fails at one step of start-up, in the way of ``script``."""

    def __init__(self, step: str, script: Callable[[], object], journal: Journal) -> None:
        super().__init__("Failing", journal)
        self.step = step
        self.script = script

    async def _at(self, step: str, otherwise: Any) -> Any:
        value = await otherwise
        return self.script() if step == self.step else value

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        return await self._at("SpInitialize", super().initialize(package_id, parameters, authority))  # type: ignore[no-any-return]

    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        otherwise = super().initialize_package(package_id, dispatch)
        return await self._at("LsaApInitializePackage", otherwise)  # type: ignore[no-any-return]

    async def get_info(self) -> PackageInfo:
        return await self._at("SpGetInfo", super().get_info())  # type: ignore[no-any-return]

    async def get_extended_information(self, information_class: ExtendedInformationClass) -> bytes:
        otherwise = super().get_extended_information(information_class)
        return await self._at("SpGetExtendedInformation", otherwise)  # type: ignore[no-any-return]

    async def shutdown(self) -> None:
        await super().shutdown()
        raise SystemExit("a failing package may fail here too")


ANYTHING: list[BaseException] = [
    SystemExit(1),
    KeyboardInterrupt(),
    GeneratorExit(),
    RecursionError(),
    ValueError("two\nlines"),
    SecurityError(Status.SEC_E_CANNOT_INSTALL, reason="no_library"),
    LoadFault("its own"),
]
FAULTS: list[tuple[str, Callable[[], object], str]] = [
    *(
        (step, raises(error), "")
        for step in ORDER
        for error in ANYTHING
        if not (step == "SpGetExtendedInformation" and isinstance(error, SecurityError))
    ),
    ("SpInitialize", gives(Status.SEC_E_CANNOT_INSTALL), "SpInitialize returned SEC_E_CANNOT_INSTALL"),
    ("LsaApInitializePackage", gives(None), "returned no name (R32)"),
    ("LsaApInitializePackage", gives(""), "returned no name (R32)"),
    ("SpGetInfo", gives(None), "(R33)"),
    ("SpGetInfo", gives({"name": "x"}), "(R33)"),
    ("SpGetInfo", gives(PackageInfo("")), "(R87)"),
    ("SpGetInfo", gives(PackageInfo("x" * 128)), "(R87)"),
    ("SpGetInfo", gives(PackageInfo("é" * 64)), "(R87)"),
    ("SpGetInfo", gives(PackageInfo("a\nb")), "(R87)"),
    ("SpGetInfo", gives(PackageInfo(7)), "(R87)"),  # type: ignore[arg-type]
    ("SpGetInfo", gives(PackageInfo("x", 7)), "(R33)"),  # type: ignore[arg-type]
    ("SpGetInfo", gives(PackageInfo("x", rpc_id=1 << 32)), "rpc_id"),
    ("SpGetInfo", gives(PackageInfo("x", max_token="8")), "max_token"),  # type: ignore[arg-type]
    ("SpGetInfo", gives(PackageInfo("x", max_token=-1)), "max_token"),
    ("SpGetInfo", gives(PackageInfo("x", max_token=128 * 1024 + 1)), "(R35)"),
    ("SpGetInfo", gives(PackageInfo("x", capabilities=Capability.INTEGRITY)), "(R35)"),
    ("SpGetInfo", gives(PackageInfo("x", version=2)), "(R34)"),
]


@pytest.mark.parametrize(("step", "script", "text"), FAULTS)
@pytest.mark.breaks("R18", "secpkg.host.lsa_mode.load:explain")
def test_r18_r38_spec_1_a_broken_package_is_listed_with_its_reason_and_its_siblings_live(
    step: str, script: Callable[[], object], text: str
) -> None:
    journal: Journal = []
    (first, broken, last) = load(Full("A", journal), Failing(step, script, journal), Full("Z", journal))
    assert (first.broken, last.broken) == ("", "")
    assert text in broken.broken
    assert "\n" not in broken.broken
    assert broken.broken
    assert broken.table == {}
    assert "broken" in repr(broken)
    assert "broken" not in repr(first)
    own = [line.removeprefix("Failing ") for line in journal if line.startswith("Failing")]
    done = ORDER[: ORDER.index(step) + 1]
    # R38: what was initialized is shut down before it is unloaded; what refused SpInitialize never began.
    assert own == (done if step == "SpInitialize" else [*done, "SpShutdown"])


@pytest.mark.breaks("R33", "secpkg.host.lsa_mode.load:_checked")
def test_a_package_whose_information_is_nonsense_is_listed_by_its_class() -> None:
    package = Plain()
    package.info = PackageInfo(7)  # type: ignore[arg-type]
    (hosted,) = load(package)
    assert (hosted.info.name, bool(hosted.broken)) == ("Plain", True)
    (thing,) = load(Thing())
    assert (thing.info.name, "R33" in thing.broken) == ("Thing", True)


def test_a_slip_in_a_name_is_told_by_field_and_rule() -> None:
    class Package(Plain):
        async def delete_contex(self, call: object, context: object) -> None: ...

    (hosted,) = load(Package())
    assert "delete_contex" in hosted.broken
    assert "misspelt" in hosted.broken


def test_extended_information_may_be_unsupported_or_nonsense() -> None:
    for script in (raises(SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION)), gives(None)):
        (hosted,) = load(Failing("SpGetExtendedInformation", script, []))
        assert (hosted.broken, hosted.thunks) == ("", b"")


def test_a_package_that_awaits_what_is_foreign_at_start_is_broken_by_name() -> None:
    class Package(Plain):
        async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
            await asyncio.sleep(0)

    (hosted, sibling) = load(Package(), Plain("B"))
    assert "foreign_await_NoneType" in hosted.broken
    assert not sibling.broken


def test_an_lsa_function_may_be_called_while_loading_and_is_known_to_be_of_the_package() -> None:
    class Package(Plain):
        async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
            await authority.open_sam_user("alice")

    link = ScriptedLink()
    load(Plain(), Package("B"), link=link)
    assert [(asked.package, asked.function) for asked in link.asked] == [(2, "open_sam_user")]


def module(link: ScriptedLink) -> LsaModule:
    return LsaModule(link, clock=lambda: 0.0, entropy=bytes, timeout=1.0)


@pytest.mark.breaks("R38", "secpkg.runtime.lsa_module:LsaModule.shutdown")
def test_r38_spec_1_shutdown_runs_in_reverse_order_and_survives_failures() -> None:
    journal: Journal = []

    class Ends(Full):
        async def shutdown(self) -> None:
            await super().shutdown()
            raise KeyboardInterrupt

    packages = [
        Full("A", journal),
        Ends("B", journal),
        Plain(),
        Failing("SpGetInfo", gives(None), []),
        Full("C", journal),
    ]
    hosted = module(ScriptedLink())
    told: list[str] = []
    hosted.load(tables(InterfaceVersion.V11, packages), 1, PARAMETERS, told.append)
    assert told == [""]
    journal.clear()
    ended: list[bool] = []
    hosted.dispatcher.unload(1)  # R39: it has left already
    hosted.shutdown(lambda: ended.append(True))
    assert journal == ["C SpShutdown", "B SpShutdown"]
    assert ended == [True]


def test_spec_1_loading_waits_for_the_authority_and_then_goes_on() -> None:
    class Package(Plain):
        async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
            await authority.open_sam_user("alice")

    link = ScriptedLink(open_sam_user=PARK)
    hosted = module(link)
    told: list[str] = []
    hosted.load(tables(InterfaceVersion.V11, [Package("A"), Package("B")]), 1, PARAMETERS, told.append)
    assert not told
    link.resume(error=SecurityError(Status.STATUS_NO_SUCH_USER))
    assert not told
    link.resume()
    assert told == [""]
    assert [bool(package.broken) for package in hosted.packages] == [True, False]


def test_explanations_are_one_line_that_names_the_place_and_are_had_in_any_case() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise SystemExit

    try:
        raise ValueError("two\nlines " + "x" * 10_000)
    except ValueError as error:
        text = explain(error)
    assert text.startswith("ValueError: two lines xxx")
    assert "test_load.py:" in text
    assert len(text) < 600
    assert explain(Mute()) == "Mute: (its text cannot be had)"
    assert explain(SecurityError(5)) == "(its text cannot be had)"  # type: ignore[arg-type]  # no Status


def test_r28_r30_the_tables_hold_every_documented_function_and_the_eleven() -> None:
    documented = set(member_names("lsa_secpkg"))
    assert {name for name in dir(LSA_SECPKG_FUNCTION_TABLE) if not name.startswith("_")} == documented
    eleven = {name for name in dir(LSA_DISPATCH_TABLE) if not name.startswith("_")}
    assert eleven == set(member_names("lsa_dispatch"))
    assert len(eleven) == 11


def test_an_entry_of_the_table_makes_a_request_and_no_attribute_can_be_set() -> None:
    request = LSA_SECPKG_FUNCTION_TABLE.open_sam_user("alice", prefix="p")
    assert isinstance(request, Request)
    assert (request.function, request.arguments[0], request.arguments[2]) == ("open_sam_user", "alice", "p")
    with pytest.raises(TypeError):
        LSA_SECPKG_FUNCTION_TABLE.open_sam_user()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        setattr(LSA_SECPKG_FUNCTION_TABLE, "package", 1)  # noqa: B010 - mypy knows that it cannot be set


def test_a_partial_object_is_a_function_like_any_other() -> None:
    async def shutdown(journal: Journal) -> None:
        journal.append("down")

    package = Plain()
    package.shutdown = partial(shutdown, [])  # type: ignore[attr-defined]
    (hosted,) = load(package)
    assert not hosted.broken
    assert "shutdown" in hosted.table


def test_what_a_package_is_listed_with_is_a_message() -> None:
    (hosted,) = load(Plain())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(hosted.info), type=PackageInfo) == hosted.info
