"""Each function of a package is called when the documents say, with what they say, and what it answers counts."""

from __future__ import annotations

import pytest
from tests.rules.packages import Badge, badge, lab_of

import secpkg
from secpkg.contract import (
    Acquired,
    AuthIdentity,
    Call,
    Capability,
    Complete,
    ContextRequest,
    Continue,
    CredentialUse,
    InterfaceVersion,
    LogonRefused,
    LogonRequest,
    LogonResult,
    LogonType,
    LsaDispatchTable,
    LsaFunctions,
    ModuleTables,
    Names,
    PackageInfo,
    PackageParameters,
    PrimaryCredential,
    ProtocolReply,
    Status,
    Step,
)
from secpkg.contract.flags import ExtendedInformationClass
from secpkg.contract.values import NEVER, SecBuffer, SupplementalCredential
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

TOKEN = 2


class Whole(Badge):
    """An SSP/AP that keeps what it is told. Its handshake is the initiator's name, and the acceptor's answer."""

    def __init__(self, name: str = "Whole") -> None:
        super().__init__(name)
        self.info = PackageInfo(name, "not computed", Capability.LOGON | Capability.CONNECTION, max_token=64)
        self.told: list[tuple[object, ...]] = []

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        await super().initialize(package_id, parameters, authority)
        self.told.append(("initialize", package_id, parameters.domain_name))

    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        self.told.append(("initialize_package", package_id, hasattr(dispatch, "create_logon_session")))
        return self.info.name

    async def shutdown(self) -> None:
        self.told.append(("shutdown",))

    async def get_info(self) -> PackageInfo:
        return PackageInfo(self.info.name, "computed", self.info.capabilities, self.info.max_token)

    async def get_extended_information(self, information_class: ExtendedInformationClass) -> bytes:
        self.told.append(("get_extended_information", information_class))
        return b"thunks"

    async def accept_credentials(
        self,
        call: Call,
        logon_type: LogonType,
        account_name: str,
        primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> SupplementalCredential | None:
        self.told.append(("accept_credentials", logon_type, account_name, primary.logon_id))
        return None

    async def logon_terminated(self, logon_id: int) -> None:
        self.told.append(("logon_terminated", logon_id))

    async def call_package(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        return ProtocolReply(b"trusted " + submit_buffer)

    async def call_package_untrusted(self, call: Call, submit_buffer: bytes) -> ProtocolReply:
        return ProtocolReply(b"untrusted " + submit_buffer)

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        assert isinstance(authorization_data, AuthIdentity)
        return Acquired({"user": authorization_data.user}, 1e9)

    async def free_credentials_handle(self, call: Call, credential: object) -> None:
        self.told.append(("free_credentials_handle", credential))

    async def init_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        assert isinstance(credential, dict)
        if context is None:
            return Continue(credential["user"].encode(), {"target": request.target})
        return Complete(context, b"", expiry=2e9)

    async def accept_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        return Complete({"peer": request.token.decode()}, b"welcome " + request.token)

    async def query_context_attributes(self, call: Call, context: object, attribute: int) -> Names:
        assert isinstance(context, dict)
        return Names(context["peer"])

    async def delete_context(self, call: Call, context: object) -> None:
        self.told.append(("delete_context", context))

    def heard(self, function: str) -> list[tuple[object, ...]]:
        """With what a function was called, each time."""
        return [told[1:] for told in self.told if told[0] == function]


@pytest.mark.proves("lsa_mode.SpLsaModeInitialize", "lsa_mode.SpGetInfo")
def test_R19_R33_a_module_gives_its_packages_and_each_its_information() -> None:
    with lab_of(Whole()) as lab:
        _, packages = raw.enumerate_security_packages(lab)
        assert [(each.name, each.comment) for each in packages] == [("Whole", "computed")]


@pytest.mark.proves(
    "lsa_mode.SpInitialize",
    "lsa_mode.SpShutdown",
    "lsa_mode.SpGetExtendedInformation",
    "authentication_package.LsaApInitializePackage",
)
@pytest.mark.parametrize("function", ["initialize", "initialize_package", "get_extended_information", "shutdown"])
def test_R25_R30_R38_each_function_of_a_packages_life_is_called_once(function: str) -> None:
    package = Whole()
    with lab_of(package) as lab:
        number = secpkg.lsa.connect(lab).lookup_authentication_package("Whole")
        assert not package.heard("shutdown")
    expected: dict[str, tuple[object, ...]] = {
        "initialize": (number, "EXAMPLE"),
        "initialize_package": (number, True),
        "get_extended_information": (ExtendedInformationClass.CONTEXT_THUNKS,),
        "shutdown": (),
    }
    assert package.heard(function) == [expected[function]]


class Oldest(Badge):
    async def logon_user(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        return await Badge.logon_user_ex2(self, call, request)

    logon_user_ex2 = None  # type: ignore[assignment]  # a NULL entry


class Middle(Badge):
    async def logon_user_ex(self, call: Call, request: LogonRequest) -> LogonResult | LogonRefused:
        return await Badge.logon_user_ex2(self, call, request)

    logon_user_ex2 = None  # type: ignore[assignment]


class Newest(Badge):
    async def logon_user_ex3(
        self, call: Call, request: LogonRequest, surrogate_logon: object
    ) -> LogonResult | LogonRefused:
        return await Badge.logon_user_ex2(self, call, request)

    logon_user_ex2 = None  # type: ignore[assignment]


def logs_on(package: Badge) -> None:
    def initialize(version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(version, (package,))

    with LabAuthority(modules=[initialize]) as lab:
        lab.add_user("alice")
        logon = badge(lab)
        assert logon.account_name == "alice" and logon.luid
        assert [request.authentication_information for request in package.requests] == [b"badge:alice"]
        assert logon.luid in secpkg.lsa.connect(lab).enumerate_logon_sessions()


@pytest.mark.proves("authentication_package.LsaApLogonUser")
def test_R40_the_oldest_form_of_a_logon() -> None:
    logs_on(Oldest())


@pytest.mark.proves("authentication_package.LsaApLogonUserEx")
def test_R40_the_form_with_a_machine_name() -> None:
    logs_on(Middle())


@pytest.mark.proves("authentication_package.LsaApLogonUserEx2")
def test_R40_the_form_with_credentials() -> None:
    logs_on(Badge())


@pytest.mark.proves("lsa_mode.LsaApLogonUserEx3")
def test_R40_the_form_with_surrogates() -> None:
    logs_on(Newest())


@pytest.mark.proves("lsa_mode.SpAcceptCredentials")
def test_R69_a_package_hears_of_the_logons_of_others() -> None:
    package = Whole()
    with lab_of(Badge(), package) as lab:
        logon = badge(lab)
        assert package.heard("accept_credentials") == [(LogonType.INTERACTIVE, "alice", logon.luid)]


@pytest.mark.proves("authentication_package.LsaApLogonTerminated")
def test_R93_a_package_hears_of_the_end_of_a_session() -> None:
    package = Whole()
    with lab_of(Badge(), package) as lab:
        logon = badge(lab)
        assert package.heard("logon_terminated") == []
        logon.close()
        secpkg.lsa.connect(lab).enumerate_logon_sessions()
        assert package.heard("logon_terminated") == [(logon.luid,)]


@pytest.mark.proves("authentication_package.LsaApCallPackage")
def test_R75_a_service_for_trusted_connections() -> None:
    with lab_of(Whole()) as lab, secpkg.lsa.register_logon_process("test", lab) as lsa:
        assert lsa.call_authentication_package("Whole", b"me").data == b"trusted me"


@pytest.mark.proves("authentication_package.LsaApCallPackageUntrusted")
def test_R75_a_service_for_everybody() -> None:
    with lab_of(Whole()) as lab, secpkg.lsa.connect(lab) as lsa:
        assert lsa.call_authentication_package("Whole", b"me").data == b"untrusted me"


# --- contexts ----------------------------------------------------------------------------------------------------


def credential(lab: LabAuthority) -> raw.CredentialHandle:
    status, handle, expiry = raw.acquire_credentials_handle(
        None, "Whole", CredentialUse.BOTH, auth_data=AuthIdentity("alice"), authority=lab
    )
    assert status is Status.SEC_E_OK and handle is not None and expiry == 1e9
    return handle


@pytest.mark.proves(
    "lsa_mode.SpAcquireCredentialsHandle", "lsa_mode.SpInitLsaModeContext", "sspi.AcquireCredentialsHandle"
)
def test_R145_the_initiators_first_token_is_made_from_its_credential() -> None:
    with lab_of(Whole()) as lab:
        status, context, output, _, expiry = raw.initialize_security_context(credential(lab), None, "host", 0)
        assert status is Status.SEC_I_CONTINUE_NEEDED and [buffer.data for buffer in output] == [b"alice"]
        status, same, output, _, expiry = raw.initialize_security_context(
            None, context, "host", 0, [SecBuffer(TOKEN, b"x")]
        )
        assert (status, same, output, expiry) == (Status.SEC_E_OK, context, [], 2e9)


def accepted(lab: LabAuthority, handle: raw.CredentialHandle) -> raw.ContextHandle:
    status, context, output, _, expiry = raw.accept_security_context(handle, None, [SecBuffer(TOKEN, b"bob")], 0)
    assert status is Status.SEC_E_OK and context is not None and expiry == NEVER
    assert [buffer.data for buffer in output] == [b"welcome bob"]
    return context


@pytest.mark.proves(
    "lsa_mode.SpAcceptLsaModeContext",
    "lsa_mode.SpQueryContextAttributes",
    "sspi.AcceptSecurityContext",
    "sspi.QueryContextAttributesEx",
)
def test_R145_R164_the_acceptor_answers_and_knows_its_peer() -> None:
    with lab_of(Whole()) as lab:
        context = accepted(lab, credential(lab))
        assert raw.query_context_attributes_ex(context, 1) == (Status.SEC_E_OK, Names("bob"))


@pytest.mark.proves("lsa_mode.SpDeleteContext", "lsa_mode.SpFreeCredentialsHandle")
@pytest.mark.parametrize("function", ["delete_context", "free_credentials_handle"])
def test_R190_R193_context_and_credential_are_given_back_each_once(function: str) -> None:
    package = Whole()
    with lab_of(package) as lab:
        handle = credential(lab)
        context = accepted(lab, handle)
        assert raw.free_credentials_handle(handle) is Status.SEC_E_OK
        assert package.heard(function) == []
        assert raw.delete_security_context(context) is Status.SEC_E_OK
        raw.enumerate_security_packages(lab)
    given_back = {"delete_context": {"peer": "bob"}, "free_credentials_handle": {"user": "alice"}}
    assert package.heard(function) == [(given_back[function],)]
