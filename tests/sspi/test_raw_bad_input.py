"""Every function of `secpkg.sspi.raw`, given what it cannot take: each answers its documented status, raises nothing,
and has changed nothing anywhere. The functions are those of the reference, so none is forgotten.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from tests.sspi import wrong
from tests.sspi.stage import GOOD, PASSWORD, Stage, good, status_of, token

from secpkg.contract import reference
from secpkg.contract.flags import SECPKG_CONTEXT_EXPORT_DELETE_OLD, BufferFlag, BufferType, CredentialUse
from secpkg.contract.flags_seldom import Win32Error
from secpkg.contract.status import Status
from secpkg.contract.values import NEVER, AuthIdentity, Message, SecBuffer
from secpkg.sspi import raw

BAD_HANDLE, BAD_PARAMETER = Status.SEC_E_INVALID_HANDLE, Status.SEC_E_INVALID_PARAMETER
BAD_TOKEN, OK = Status.SEC_E_INVALID_TOKEN, Status.SEC_E_OK
UNSUPPORTED = Status.SEC_E_UNSUPPORTED_FUNCTION
NO_PACKAGE, UNKNOWN = Status.SEC_E_SECPKG_NOT_FOUND, Status.SEC_E_UNKNOWN_CREDENTIALS

FUNCTIONS: Final = {row.function: row for row in reference.table("sspi")}


def function(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(raw, FUNCTIONS[name].python_name)
    return found


PARAMETERS: Final = [(name, p) for name in FUNCTIONS for p in inspect.signature(function(name)).parameters.values()]

HANDLES: Final = {"context", "credential", "handle", "async_context"}
MESSAGES: Final = {"input", "message"}
ANYTHING: Final = {"buffer", "callback_data"}
"""Takes whatever it is given."""

SPECIAL: Final[dict[tuple[str, str], object]] = {
    # sspi/nf-sspi-acquirecredentialshandlew: no such package
    ("AcquireCredentialsHandle", "package"): NO_PACKAGE,
    ("SspiAcquireCredentialsHandleAsync", "package"): NO_PACKAGE,
    ("AddCredentials", "package"): NO_PACKAGE,
    # sspi/nf-sspi-querysecuritypackageinfow
    ("QuerySecurityPackageInfo", "package"): NO_PACKAGE,
    # sspi/nf-sspi-saslgetprofilepackagew
    ("SaslGetProfilePackage", "profile_name"): NO_PACKAGE,
    # sspi/nf-sspi-saslgetcontextoption
    ("SaslGetContextOption", "option"): UNSUPPORTED,
    ("SaslSetContextOption", "option"): UNSUPPORTED,
    # R204: what was not exported by this package
    ("ImportSecurityContext", "package"): UNKNOWN,
    ("ImportSecurityContext", "packed_context"): UNKNOWN,
    ("ImportSecurityContext", "token"): BAD_HANDLE,
    # sspi/nf-sspi-completeauthtoken
    ("CompleteAuthToken", "token"): BAD_TOKEN,
    # sspi/nf-sspi-sspireinitasynccontext: an NTSTATUS
    ("SspiReinitAsyncContext", "handle"): Status.STATUS_INVALID_PARAMETER,
    # They return nothing, or a BOOL.
    ("SspiFreeAsyncContext", "handle"): None,
    ("SspiZeroAuthIdentity", "identity"): None,
    ("SspiFreeAuthIdentity", "identity"): None,
    ("SspiIsAuthIdentityEncrypted", "identity"): False,
    ("SspiAsyncContextRequiresNotify", "async_context"): False,
    ("SspiIsPromptingNeeded", "error_or_nt_status"): False,
}
NULL: Final = {
    "auth_data", "authorize", "authority", "buffer", "callback_data", "domain_name", "identity1", "identity2",
    "input_auth_identity", "logon_id", "options", "package_parameters", "packed_credentials", "principal", "save",
    "target_name", "ui_info", "user_name",
}  # fmt: skip
"""May be NULL in C; the cases where that is wrong too stand in `NULL_IN`."""
NULL_IN: Final = {
    ("SspiGetTargetHostName", "target_name"): True,
    ("SspiPromptForCredentials", "target_name"): True,
    ("ChangeAccountPassword", "domain_name"): True,
    ("SspiEncryptAuthIdentityEx", "options"): True,
    ("SspiDecryptAuthIdentityEx", "options"): True,
    ("SspiExcludePackage", "identity"): False,
    ("InitializeSecurityContext", "input"): False,
    ("SaslInitializeSecurityContext", "input"): False,
    ("AcceptSecurityContext", "input"): False,
    ("SspiInitializeSecurityContextAsync", "input"): False,
    ("SspiAcceptSecurityContextAsync", "input"): False,
    ("InitializeSecurityContext", "context"): False,
    ("AcceptSecurityContext", "context"): False,
    ("RevertSecurityContext", "context"): False,
    ("SspiInitializeSecurityContextAsync", "context"): False,
    ("SspiAcceptSecurityContextAsync", "context"): False,
    ("SaslInitializeSecurityContext", "context"): False,
    ("SaslAcceptSecurityContext", "context"): False,
    ("SspiInitializeSecurityContextAsync", "credential"): False,
    ("SspiAcceptSecurityContextAsync", "credential"): False,
    ("ImportSecurityContext", "token"): False,
}


def wrong_values(name: str, parameter: inspect.Parameter) -> Iterator[object]:
    nullable = not NULL_IN.get((name, parameter.name), parameter.name not in NULL)
    return wrong.values(parameter, nullable=nullable)


def expected(name: str, parameter: str) -> object:
    if (name, parameter) in SPECIAL:
        return SPECIAL[name, parameter]
    if name == "SspiPromptForCredentials":
        return Win32Error.GEN_FAILURE  # its page has Windows errors
    if parameter in HANDLES:
        return BAD_HANDLE
    return BAD_TOKEN if parameter in MESSAGES else BAD_PARAMETER


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        made.works()
        yield made
        made.works()


@pytest.fixture(autouse=True)
def unchanged(stage: Stage) -> Iterator[None]:
    before = stage.state()
    yield
    assert stage.state() == before


def arguments(name: str, stage: Stage, /, **changed: object) -> dict[str, object]:
    names = inspect.signature(function(name)).parameters
    return {each: changed[each] if each in changed else good(name, each, stage) for each in names}


def empty(outputs: tuple[object, ...], given: dict[str, object]) -> bool:
    back = [value for value in given.values() if value is not None]
    return all(not out or out in (NEVER, token(b"")) or any(out is value for value in back) for out in outputs)


def test_the_tables_know_every_parameter() -> None:
    assert {parameter.name for _, parameter in PARAMETERS} == set(GOOD)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [pytest.param(name, p, id=f"{name}-{p.name}") for name, p in PARAMETERS if p.name not in ANYTHING],
)
def test_a_parameter_of_a_wrong_type_or_missing(stage: Stage, name: str, parameter: inspect.Parameter) -> None:
    due = expected(name, parameter.name)
    for value in wrong_values(name, parameter):
        if name == "SspiValidateAuthIdentity" and value is None:
            continue  # the same as the others: that is what it is asked
        given = arguments(name, stage, **{parameter.name: value})
        answer = function(name)(**given)
        assert status_of(answer) is due, (name, parameter.name, value)
        if isinstance(answer, tuple):
            assert empty(answer[1:], given), (answer, value)


# --- too large -------------------------------------------------------------------------------------------------------

TOO_LARGE: Final[dict[tuple[str, str], object]] = {
    ("AddCredentials", "principal"): Status.STATUS_INVALID_PARAMETER,  # by the host
    ("AddCredentials", "package"): Status.STATUS_INVALID_PARAMETER,
    ("AddCredentials", "auth_data"): Status.STATUS_INVALID_PARAMETER,
    ("ApplyControlToken", "input"): Status.STATUS_INVALID_PARAMETER,  # the host's limit
    ("AddSecurityPackage", "package"): NO_PACKAGE,
    ("DeleteSecurityPackage", "package"): NO_PACKAGE,
    # sspi/nf-sspi-initializesecuritycontextw
    ("InitializeSecurityContext", "target_name"): Status.SEC_E_TARGET_UNKNOWN,
    ("SaslInitializeSecurityContext", "target_name"): Status.SEC_E_TARGET_UNKNOWN,
    ("CompleteAuthToken", "token"): UNSUPPORTED,  # Hello has no such function
    ("DelegateSecurityContext", "target"): UNSUPPORTED,
    ("SaslIdentifyPackage", "input"): NO_PACKAGE,
    ("SaslSetContextOption", "value"): BAD_HANDLE,  # no SASL context
    ("SspiGetTargetHostName", "target_name"): OK,  # nothing is kept of it
}


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        pytest.param(name, p, id=f"{name}-{p.name}")
        for name, p in PARAMETERS
        if {"str", "bytes", "Buffer", "Message"} & wrong.members(p)
        and not name.endswith("Async")  # their result comes later: see below
    ],
)
def test_too_large(stage: Stage, name: str, parameter: inspect.Parameter) -> None:
    members = wrong.members(parameter)
    values: list[object] = ["x" * 200_000] if "str" in members else []
    values += [bytes(200_000)] if members & {"bytes", "Buffer"} else []
    values += [[SecBuffer(2, b"x" * 200_000)], [SecBuffer(9)] * 5000] if "Message" in members else []
    for value in values:
        answer = function(name)(**arguments(name, stage, **{parameter.name: value}))
        due = TOO_LARGE.get((name, parameter.name), expected(name, parameter.name))
        assert status_of(answer) is (
            BAD_TOKEN if due is not BAD_PARAMETER and isinstance(value, list) and len(value) > 1 else due
        )


# --- handles ---------------------------------------------------------------------------------------------------------

LEGS: Final = (
    "InitializeSecurityContext",
    "AcceptSecurityContext",
    "SaslInitializeSecurityContext",
    "SaslAcceptSecurityContext",
)
OF_CONTEXTS: Final = sorted(
    {
        name
        for name, parameter in PARAMETERS
        if parameter.name == "context" and "ContextHandle" in str(parameter.annotation) and not name.endswith("Async")
    }
    - {"RevertSecurityContext"}  # it needs none, and looks at none
)
OF_CREDENTIALS: Final = sorted(
    {name for name, parameter in PARAMETERS if parameter.name == "credential" and not name.endswith("Async")}
)
LEGAL: Final = {
    "deleted": {"DeleteSecurityContext"},  # R191
    "failed": {"DeleteSecurityContext"},
    "half": {
        "ApplyControlToken",
        "CompleteAuthToken",
        "DelegateSecurityContext",
        "DeleteSecurityContext",
        "InitializeSecurityContext",
        "QueryContextAttributes",
        "QueryContextAttributesEx",
        "SetContextAttributes",
        "SspiGetCredUIContext",
        "SspiUpdateCredentials",
    },
    "finished": set(OF_CONTEXTS) - set(LEGS) - {"SaslGetContextOption", "SaslSetContextOption"},
}
"""What may be called in a state (R186 to R192); everything else is SEC_E_INVALID_HANDLE."""


@pytest.mark.parametrize("state", LEGAL)
@pytest.mark.parametrize("name", OF_CONTEXTS)
def test_R190_R191_a_context_in_the_wrong_state(stage: Stage, name: str, state: str) -> None:
    if name in LEGAL[state]:
        return
    given = arguments(name, stage, context=getattr(stage, state))
    if name in LEGS:
        given["credential"] = None
    answer = function(name)(**given)
    assert status_of(answer) is BAD_HANDLE
    assert name in LEGS or not isinstance(answer, tuple) or empty(answer[1:], given)


@pytest.mark.parametrize("name", OF_CREDENTIALS)
def test_a_credential_that_was_freed(stage: Stage, name: str) -> None:
    assert status_of(function(name)(**arguments(name, stage, credential=stage.freed))) is BAD_HANDLE


@pytest.mark.parametrize("name", LEGS)
def test_R151_both_handles_missing(stage: Stage, name: str) -> None:
    given = arguments(name, stage, credential=None, context=None)
    assert status_of(function(name)(**given)) is BAD_HANDLE


def test_a_leg_of_the_other_role(stage: Stage) -> None:
    for name, context in (("InitializeSecurityContext", stage.partial), ("AcceptSecurityContext", stage.half)):
        given = arguments(name, stage, context=context, credential=None)
        assert status_of(function(name)(**given)) is BAD_HANDLE


def test_a_credential_of_another_package_or_authority(stage: Stage) -> None:
    """Its number would be another one's there. The context goes on with its own."""
    with Stage() as elsewhere:
        for foreign in (stage.inbound, elsewhere.credential_of_everything, elsewhere.inbound):
            answer = raw.accept_security_context(foreign, stage.partial, token(), 0)
            assert answer == (Status.SEC_E_WRONG_CREDENTIAL_HANDLE, stage.partial, [], 0, NEVER)
    status, *_ = raw.accept_security_context(stage.credential_of_everything, stage.partial, token(b"short"), 0)
    assert status is Status.SEC_E_INCOMPLETE_MESSAGE
    stage.everything.requests.pop()


def test_what_was_exported_here_is_nothing_elsewhere(stage: Stage) -> None:
    client, server = stage.pair()
    status, packed, access_token = raw.export_security_context(server, SECPKG_CONTEXT_EXPORT_DELETE_OLD)
    assert status is OK and packed is not None and access_token is not None
    with Stage() as elsewhere:
        foreign = raw.import_security_context("Hello", packed, elsewhere.access_token, authority=stage.lab)
        assert foreign[0].is_error and foreign[1] is None
        assert raw.import_security_context("Hello", packed, authority=elsewhere.lab) == (
            Status.SEC_E_NO_CREDENTIALS,
            None,
        )
    access_token.close()
    assert raw.import_security_context("Hello", packed, access_token, authority=stage.lab)[0].is_error
    status, copy = raw.import_security_context("Hello", packed, authority=stage.lab)
    assert status is OK, "no refusal has used it up"
    assert raw.import_security_context("Hello", packed, authority=stage.lab) == (Status.SEC_E_NO_CREDENTIALS, None)
    assert raw.delete_security_context(copy) is raw.delete_security_context(client) is OK


def test_R191_the_second_time(stage: Stage) -> None:
    client, server = stage.pair()
    credential = stage.credential("Everything", CredentialUse.BOTH)
    assert raw.free_credentials_handle(credential) is OK
    assert raw.free_credentials_handle(credential) is BAD_HANDLE
    for context in (client, server):
        assert raw.delete_security_context(context) is raw.delete_security_context(context) is OK
    handle = raw.sspi_create_async_context()
    assert raw.sspi_free_async_context(handle) is raw.sspi_free_async_context(handle) is None
    assert raw.sspi_reinit_async_context(handle) is Status.STATUS_INVALID_PARAMETER
    assert raw.sspi_set_async_notify_callback(handle, print) is BAD_HANDLE
    assert raw.sspi_get_async_call_status(handle) is BAD_HANDLE
    assert raw.seci_allocate_and_set_ip_address(bytes(16)) == (OK, True)
    assert raw.seci_free_call_context() is raw.seci_free_call_context() is None
    assert raw.revert_security_context() is raw.revert_security_context() is OK
    assert raw.delete_security_package("nothing", stage.lab) is NO_PACKAGE
    stage.everything.credentials.pop()


def test_R207_asynchronous_calls_tell_it_in_the_end(stage: Stage) -> None:
    """Queueing takes them; SspiGetAsyncCallStatus has what the blocking function would say."""
    lab, query = stage.lab, raw.sspi_get_async_call_status
    calls: list[tuple[Callable[[raw.SspiAsyncContext], Status], Status]] = [
        (lambda h: raw.sspi_delete_security_context_async(h, stage.deleted), OK),
        (lambda h: raw.sspi_free_credentials_handle_async(h, stage.freed), BAD_HANDLE),
        (lambda h: raw.sspi_accept_security_context_async(h, None, None, token(), 0), BAD_HANDLE),
        (lambda h: raw.sspi_initialize_security_context_async(h, stage.freed, None, "host", 0), BAD_HANDLE),
        (lambda h: raw.sspi_accept_security_context_async(h, None, stage.deleted, token(), 0), BAD_HANDLE),
        (lambda h: raw.sspi_accept_security_context_async(h, stage.inbound, None, token() * 2, 0), BAD_TOKEN),
        (lambda h: raw.sspi_acquire_credentials_handle_async(h, None, "x" * 200_000, 1, authority=lab), NO_PACKAGE),
        (
            lambda h: raw.sspi_acquire_credentials_handle_async(h, "x" * 200_000, "Hello", 1, authority=lab),
            BAD_PARAMETER,
        ),
    ]

    async def run() -> None:
        for call, due in calls:
            handle = raw.sspi_create_async_context()
            assert call(handle) is OK and call(handle) is BAD_HANDLE, "a context serves one call"
            while query(handle) is Status.SEC_I_ASYNC_CALL_PENDING:
                await asyncio.sleep(0)
            assert query(handle) is due and handle.credential is None
            raw.sspi_free_async_context(handle)
            assert call(handle) is BAD_HANDLE

    asyncio.run(run())


# --- buffers ---------------------------------------------------------------------------------------------------------

TOKEN, DATA, READONLY = BufferType.TOKEN, BufferType.DATA, int(BufferFlag.READONLY)


def sealing(message: Callable[[], Message]) -> list[Callable[[Stage], object]]:
    return [
        lambda stage: raw.make_signature(stage.client, 0, message()),
        lambda stage: raw.verify_signature(stage.client, message()),
        lambda stage: raw.encrypt_message(stage.client, 0, message()),
        lambda stage: raw.decrypt_message(stage.client, message()),
    ]


def leg(name: str, given: Message) -> Callable[[Stage], object]:
    return lambda stage: function(name)(**arguments(name, stage, input=given, context=None))


NOT_MESSAGES: Final[list[Callable[[], Message]]] = [
    list,
    lambda: [SecBuffer(DATA, b"x")],
    lambda: [SecBuffer(TOKEN)],
    lambda: [SecBuffer(TOKEN), SecBuffer(TOKEN), SecBuffer(DATA, b"x")],
    lambda: [SecBuffer(TOKEN | READONLY), SecBuffer(DATA, b"x")],
    lambda: [SecBuffer(BufferType.STREAM_TRAILER), SecBuffer(DATA, b"x"), SecBuffer(BufferType.STREAM_HEADER)],
]
PASSWORDS: Final = ("Everything", "EXAMPLE", "alice", "old", "new", False)

REFUSED: Final[list[tuple[Callable[[Stage], object], object]]] = [
    *((call, BAD_TOKEN) for call in sealing(NOT_MESSAGES[0])),
    *((call, None) for message in NOT_MESSAGES[1:] for call in sealing(message)),
    *((leg(name, token() * 2), BAD_TOKEN) for name in LEGS),
    *((leg(name, [SecBuffer(BufferType.CHANNEL_BINDINGS, b"x")] * 2), BAD_TOKEN) for name in LEGS),
    (lambda stage: raw.complete_auth_token(stage.client, [SecBuffer(DATA, b"x")]), BAD_TOKEN),
    (lambda stage: raw.apply_control_token(stage.finished, []), BAD_TOKEN),
    (lambda stage: raw.apply_control_token(stage.finished, token() * 2), BAD_TOKEN),
    (lambda stage: raw.apply_control_token(stage.finished, [SecBuffer(DATA, b"x")]), BAD_TOKEN),
    (lambda stage: raw.sasl_identify_package([], stage.lab), BAD_TOKEN),
    (lambda stage: raw.sasl_identify_package(token() * 2, stage.lab), BAD_TOKEN),
    (lambda stage: raw.change_account_password(*PASSWORDS, [], authority=stage.lab), BAD_PARAMETER),
    (lambda stage: raw.change_account_password(*PASSWORDS, token(), authority=stage.lab), BAD_PARAMETER),
    (lambda stage: raw.sspi_set_channel_binding_flags(SecBuffer(TOKEN, b"x"), 1), BAD_PARAMETER),
    (lambda stage: raw.encrypt_message(stage.client, 7, [SecBuffer(TOKEN), SecBuffer(DATA, b"x")]), None),
]
"""None: an error, and which one the package says."""


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_R209_buffers_of_the_wrong_type_number_and_order(stage: Stage, number: int) -> None:
    call, due = REFUSED[number]
    status = status_of(call(stage))
    assert isinstance(status, Status) and status.is_error and due in (None, status)


@pytest.mark.parametrize(
    "identity",
    [
        AuthIdentity(7),  # type: ignore[arg-type]
        AuthIdentity("alice", None),  # type: ignore[arg-type]
        AuthIdentity("alice", "", b"secret"),  # type: ignore[arg-type]
        AuthIdentity("x" * 2000),
        AuthIdentity("\ud800"),
        AuthIdentity("alice", "", PASSWORD, "", 0, b"half sealed"),
        AuthIdentity("alice", "", "", "", 1 << 40),
    ],
)
def test_an_identity_that_is_none(stage: Stage, identity: AuthIdentity) -> None:
    named = {"auth_data", "identity", "identity1", "identity2", "input_auth_identity"}
    for name, parameter in PARAMETERS:
        if parameter.name in named and name not in UNASKING:
            answer = function(name)(**arguments(name, stage, **{parameter.name: identity}))
            assert status_of(answer) is expected(name, parameter.name), name


UNASKING: Final = {
    "SspiCopyAuthIdentity",
    "SspiFreeAuthIdentity",
    "SspiIsAuthIdentityEncrypted",
    "SspiZeroAuthIdentity",
}
"""They do not look at what is in it."""
