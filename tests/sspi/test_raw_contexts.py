"""Context management of the documented floor, over an embedded authority: attributes by half, control tokens, metadata,
contexts that are established again, leftovers and short messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.host_lsa_mode.everything import Everything, Module
from tests.sspi.fakes import FakeAuthority

import secpkg
from secpkg.contract import Capability, CredentialUse, Names, SecBuffer, SecurityError, Status
from secpkg.contract.attributes import (
    CONTEXT_TYPES,
    ClientSpecifiedTarget,
    ContextThunks,
    LastClientTokenStatus,
    NegotiationInfo,
    StreamSizes,
    pack_context_thunks,
)
from secpkg.contract.flags import SECPKG_ATTR_THUNK_ALL, BufferType, ExtendedInformationClass
from secpkg.contract.values import ContextFlags, Sizes
from secpkg.host.user_mode.contexts import UserContext
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.link import run
from secpkg.sspi import metadata, operations, raw
from secpkg.testing import LabAuthority

OK = Status.SEC_E_OK
UNSUPPORTED = Status.SEC_E_UNSUPPORTED_FUNCTION
BAD_HANDLE = Status.SEC_E_INVALID_HANDLE
BAD_PARAMETER = Status.SEC_E_INVALID_PARAMETER
CONTINUE = Status.SEC_I_CONTINUE_NEEDED
TOKEN = BufferType.TOKEN
NAMES, CLIENT_TARGET, LAST_TOKEN = 1, 0x1B, 0x1E


class World:
    """A lab with one package, and a credential."""

    def __init__(self, *thunks: int, capabilities: Capability = Capability.CONNECTION) -> None:
        self.package = Everything(capabilities=capabilities)
        self.package.extended[ExtendedInformationClass.CONTEXT_THUNKS] = pack_context_thunks(*thunks)
        self.lab = LabAuthority(domain="EXAMPLE", modules=[Module(self.package)])
        _, credential, _ = raw.acquire_credentials_handle(None, "Everything", CredentialUse.BOTH, authority=self.lab)
        assert credential is not None
        self.credential = credential

    def leg(
        self, token: bytes = b"", context: raw.ContextHandle | None = None, *buffers: SecBuffer, accept: bool = False
    ) -> tuple[Status, raw.ContextHandle | None, list[tuple[int, bytes]]]:
        given = [SecBuffer(TOKEN, token), *buffers]
        if accept:
            status, made, output, _, _ = raw.accept_security_context(self.credential, context, given, 0)
        else:
            status, made, output, _, _ = raw.initialize_security_context(
                self.credential, context, "HTTP/host", 0x10, given
            )
        return status, made, [(buffer.type, bytes(buffer.data)) for buffer in output]

    def context(self, token: bytes = b"") -> raw.ContextHandle:
        _, made, _ = self.leg(token)
        assert made is not None
        return made


@pytest.fixture
def worlds() -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def world(*thunks: int, capabilities: Capability = Capability.CONNECTION) -> World:
        made.append(World(*thunks, capabilities=capabilities))
        return made[-1]

    yield world
    for one in made:
        one.lab.close()


@pytest.fixture
def world(worlds: Callable[..., World]) -> World:
    return worlds()


# --- attributes -----------------------------------------------------------------------------------------------------


@pytest.mark.proves("sspi.QueryContextAttributes", "sspi.QueryContextAttributesEx", "lsa_mode.SpQueryContextAttributes")
def test_attributes_come_from_the_lsa_half(world: World) -> None:
    context = world.context()
    for query in (raw.query_context_attributes, lambda c, a: raw.query_context_attributes_ex(c, a, 64)):
        assert query(context, NAMES) == (OK, Names("session None"))
        assert query(context, CLIENT_TARGET) == (OK, ClientSpecifiedTarget("HTTP/host"))
        assert query(context, 0x5A) == (UNSUPPORTED, None)


@pytest.mark.proves("sspi.SetContextAttributes", "lsa_mode.SpSetContextAttributes")
@pytest.mark.breaks("R205", "secpkg.sspi.attributes:set_context")
def test_R205_an_attribute_is_set_where_the_package_lets_it_be(world: World) -> None:
    context = world.context()
    assert raw.set_context_attributes(context, 0x5E, b"application data") is OK
    assert raw.query_context_attributes(context, 0x5E) == (OK, b"application data")
    assert raw.set_context_attributes(context, NAMES, b"root") is UNSUPPORTED
    assert world.package.contexts[0].attributes == {0x5E: b"application data"}


def test_R205_a_package_without_the_function_sets_nothing() -> None:
    class Bare(Everything):
        set_context_attributes = None  # type: ignore[assignment]  # a NULL entry

    package = Bare()
    with LabAuthority(domain="EXAMPLE", modules=[Module(package)]) as lab:
        _, credential, _ = raw.acquire_credentials_handle(None, "Everything", 2, authority=lab)
        _, context, _, _, _ = raw.initialize_security_context(credential, None, "host", 0)
        assert raw.set_context_attributes(context, 0x22, b"\0\4\0\0") is UNSUPPORTED


def test_R186_what_tells_of_the_handshake_is_known_before_its_end(world: World) -> None:
    context = world.context(b"more")
    assert raw.query_context_attributes(context, LAST_TOKEN) == (OK, LastClientTokenStatus(1))
    info = world.package.info
    assert raw.query_context_attributes(context, 0xC) == (OK, NegotiationInfo(info, 2))
    assert raw.query_context_attributes(context, 0xA) == (BAD_HANDLE, None)
    assert raw.query_context_attributes(context, NAMES) == (BAD_HANDLE, None)


def test_the_host_knows_what_the_package_does_not_say(world: World) -> None:
    context = world.context()
    info = world.package.info
    assert raw.query_context_attributes(context, 0xA) == (OK, info)
    assert raw.query_context_attributes(context, 0xC) == (OK, NegotiationInfo(info, 0))
    assert raw.query_context_attributes(context, 0xE) == (OK, ContextFlags(0x10))
    assert raw.query_context_attributes(context, 0x12) == (Status.SEC_E_NO_IMPERSONATION, None)


def _with_user_half(context: raw.ContextHandle) -> list[int]:
    """Give the context a user half that answers sizes and names; the attributes that it was asked for."""
    asked: list[int] = []

    def query(_context: object, attribute: int) -> object:
        asked.append(attribute)
        if attribute == 0:
            return Sizes(1, 2, 3, 4)
        if attribute == NAMES:
            return Names("of the user half")
        raise SecurityError(UNSUPPORTED)

    context.user = UserContext(
        {"query_context_attributes": query}, object(), integrity=True, confidentiality=True, delete=""
    )
    return asked


def test_R164_attributes_are_split_between_the_halves(world: World) -> None:
    context = world.context()
    asked = _with_user_half(context)
    assert raw.query_context_attributes(context, NAMES) == (OK, Names("of the user half"))
    assert raw.query_context_attributes(context, CLIENT_TARGET) == (OK, ClientSpecifiedTarget("HTTP/host"))
    assert asked == [NAMES, CLIENT_TARGET]


@pytest.mark.breaks("R164", "secpkg.sspi.backends:WorkerBackend.is_thunked")
@pytest.mark.parametrize("thunks", [(NAMES,), (SECPKG_ATTR_THUNK_ALL,)])
def test_R164_context_thunks_go_to_the_lsa_half_alone(worlds: Callable[..., World], thunks: tuple[int, ...]) -> None:
    world = worlds(*thunks)
    context = world.context()
    asked = _with_user_half(context)
    assert raw.query_context_attributes(context, NAMES) == (OK, Names("session None"))
    assert asked == []
    expected = (UNSUPPORTED, None) if thunks != (NAMES,) else (OK, Sizes(1, 2, 3, 4))
    assert raw.query_context_attributes(context, 0) == expected


def test_R164_the_layout_of_context_thunks() -> None:
    assert pack_context_thunks(1, 9) == bytes.fromhex("02000000 01000000 09000000")
    thunks = ContextThunks(pack_context_thunks(1, 9))
    assert [number in thunks for number in (0, 1, 9, SECPKG_ATTR_THUNK_ALL)] == [False, True, True, False]
    assert 0 not in ContextThunks() and 77 in ContextThunks(pack_context_thunks(SECPKG_ATTR_THUNK_ALL))
    for wrong in (b"\1\0\0\0", b"\0\0\0", b"\1\0\0\0\1\0\0", pack_context_thunks(*range(1025))):
        with pytest.raises(SecurityError, match="context_thunks"):
            ContextThunks(wrong)


def test_a_structure_that_does_not_belong_to_the_attribute(world: World) -> None:
    context = world.context()
    for structure in (b"\0\0\0\0", StreamSizes(5, 16, 16384)):
        world.package.result = structure
        assert raw.query_context_attributes(context, NAMES) == (Status.SEC_E_INTERNAL_ERROR, None)


@pytest.mark.parametrize("attribute", sorted(CONTEXT_TYPES))
def test_an_attribute_is_of_its_structure(world: World, attribute: int) -> None:
    """Every seldom structure travels as it is."""
    kind = CONTEXT_TYPES[attribute]
    samples = {
        "int": 7,
        "str": "text",
        "bytes": b"bytes",
        "float": 2e9,
        "bool": True,
        "PackageInfo": world.package.info,
    }
    value = kind(*(samples[kind.__annotations__[name]] for name in kind.__struct_fields__))
    context = world.context()
    world.package.contexts[0].attributes[attribute] = value  # type: ignore[assignment]  # the package keeps any
    assert raw.query_context_attributes(context, attribute) == (OK, value)


# --- control tokens and delegation ----------------------------------------------------------------------------------


@pytest.mark.proves("sspi.ApplyControlToken", "lsa_mode.SpApplyControlToken")
@pytest.mark.breaks("R171", "secpkg.host.lsa_mode.dispatcher:Dispatcher.call_function")
def test_R171_a_control_token_reaches_the_lsa_half(world: World) -> None:
    context = world.context()
    assert raw.apply_control_token(context, [SecBuffer(TOKEN, b"shut down")]) is OK
    assert world.package.contexts[0].controls == [b"shut down"]
    assert raw.apply_control_token(context, [SecBuffer(TOKEN, b"bad")]) is Status.SEC_E_INVALID_TOKEN


def test_a_control_token_is_one_buffer(world: World) -> None:
    context = world.context()
    token = SecBuffer(TOKEN, b"x")
    for message in ([], [token, token], [SecBuffer(BufferType.DATA, b"x")]):
        assert raw.apply_control_token(context, message) is Status.SEC_E_INVALID_TOKEN
    assert raw.apply_control_token(context, [SecBuffer(TOKEN, b"x" * 65537)]) is Status.STATUS_INVALID_PARAMETER
    assert world.package.log == []


def test_delegation_after_the_fact_is_refused(world: World) -> None:
    context = world.context()
    assert raw.delegate_security_context(context, "host") == (UNSUPPORTED, [])
    assert raw.delegate_security_context(None, "host") == (BAD_HANDLE, [])


def test_bad_handles_and_parameters_of_contexts(world: World) -> None:
    deleted, failed = world.context(), world.context(b"more")
    raw.delete_security_context(deleted)
    assert world.leg(b"refuse", failed)[0] is Status.SEC_E_LOGON_DENIED
    for context in (None, deleted, failed, "handle"):
        assert raw.query_context_attributes(context, NAMES)[0] is BAD_HANDLE  # type: ignore[arg-type]
        assert raw.query_context_attributes(context, 0x12)[0] is BAD_HANDLE  # type: ignore[arg-type]
        assert raw.query_context_attributes_ex(context, NAMES)[0] is BAD_HANDLE  # type: ignore[arg-type]
        assert raw.set_context_attributes(context, 5, b"") is BAD_HANDLE  # type: ignore[arg-type]
        assert raw.apply_control_token(context, [SecBuffer(TOKEN, b"x")]) is BAD_HANDLE  # type: ignore[arg-type]
        assert raw.delegate_security_context(context, "host")[0] is BAD_HANDLE  # type: ignore[arg-type]
    context = world.context()
    for attribute in (-1, 2**32, "1"):
        assert raw.set_context_attributes(context, attribute, b"") is BAD_PARAMETER  # type: ignore[arg-type]
    for value in ("text", None, b"x" * 65537):
        assert raw.set_context_attributes(context, 2, value) is BAD_PARAMETER  # type: ignore[arg-type]
    assert world.package.log == []


def test_R192_a_context_in_use_takes_no_control_token(world: World) -> None:
    context = world.context()
    turn = context.turn.pop()
    assert raw.apply_control_token(context, [SecBuffer(TOKEN, b"x")]) is BAD_HANDLE
    context.turn.append(turn)
    assert raw.apply_control_token(context, [SecBuffer(TOKEN, b"x")]) is OK


# --- metadata -------------------------------------------------------------------------------------------------------


@pytest.mark.proves("lsa_mode.SpQueryMetaData", "lsa_mode.SpExchangeMetaData")
@pytest.mark.breaks("R169", "secpkg.sspi.metadata:exchange")
def test_R168_R169_metadata_of_one_side_goes_to_the_other(world: World) -> None:
    client, offered = run(metadata.query(False, world.credential, None, "HTTP/host"))
    server = run(metadata.exchange(True, world.credential, None, offered))
    server, answer = run(metadata.query(True, None, server))
    assert run(metadata.exchange(False, world.credential, client, answer)) is client
    assert world.leg(b"more", client) == (CONTINUE, client, [(TOKEN, b"go on")])
    assert world.leg(b"first", server, accept=True) == (OK, server, [(TOKEN, b"done")])
    first, second = (request.token for request in world.package.requests)
    assert (first, second) == (b"more", b"first")
    for context in (client, server):
        assert raw.delete_security_context(context) is OK
    assert [talk.meta for talk in world.package.deleted] == [b"from session None"] * 2  # type: ignore[attr-defined]


def test_metadata_needs_a_handle_that_is_good(world: World) -> None:
    finished = world.context()
    for credential, context in ((None, None), (None, finished)):
        with pytest.raises(SecurityError) as refused:
            run(metadata.query(False, credential, context))
        assert refused.value.status is BAD_HANDLE
    raw.free_credentials_handle(world.credential)
    with pytest.raises(SecurityError, match="credential_freed"):
        run(metadata.exchange(False, world.credential, None, b"x"))


# --- the paths of trusted callers -----------------------------------------------------------------------------------


@pytest.mark.proves("lsa_mode.SpSaveCredentials", "lsa_mode.SpGetCredentials", "lsa_mode.SpDeleteCredentials")
def test_credentials_are_kept_with_a_handle(world: World) -> None:
    def call(function: str, *arguments: object, kind: type) -> object:
        return run(operations.call_credential(world.credential, function, *arguments, kind=kind))

    call("save_credentials", b"a=1", kind=type(None))
    call("save_credentials", b"b=2", kind=type(None))
    call("delete_credentials", b"a", kind=type(None))
    assert call("get_credentials", kind=bytes) == b"b=2"
    with pytest.raises(SecurityError, match="result_type"):
        call("get_credentials", kind=int)


# --- legs -----------------------------------------------------------------------------------------------------------


def test_R226_a_short_message_changes_nothing(world: World) -> None:
    context = world.context(b"more")
    before = dict(vars(world.package.contexts[0]))
    for accept_more in range(2):
        status, again, output = world.leg(b"short", context)
        assert (status, again) == (Status.SEC_E_INCOMPLETE_MESSAGE, context), accept_more
        assert output == [(BufferType.MISSING, (2).to_bytes(4, "little"))]
    assert vars(world.package.contexts[0]) == before
    assert world.leg(b"short and the rest", context)[0] is OK


def test_R225_what_was_not_processed_comes_back(world: World) -> None:
    status, context, output = world.leg(b"extra and the next record")
    assert (status, output) == (OK, [(TOKEN, b"done"), (BufferType.EXTRA, b" and the next record")])
    assert context is not None and context.state == "complete"


def test_R183_package_parameters_go_to_the_package(world: World) -> None:
    world.leg(b"", None, SecBuffer(BufferType.PKG_PARAMS, b"parameters"))
    (request,) = world.package.requests
    assert [(buffer.type, bytes(buffer.data)) for buffer in request.buffers] == [(BufferType.PKG_PARAMS, b"parameters")]


def test_R229_a_datagram_context_is_established_again(worlds: Callable[..., World]) -> None:
    world = worlds(capabilities=Capability.DATAGRAM)
    context = world.context()
    assert world.leg(b"more", context) == (CONTINUE, context, [(TOKEN, b"go on")])
    assert context.state == "complete"
    assert world.leg(b"last", context)[0] is OK
    assert len(world.package.contexts) == 1
    assert world.leg(b"refuse", context)[0] is Status.SEC_E_LOGON_DENIED
    assert context.state == "failed"
    assert world.leg(b"more", context)[0] is BAD_HANDLE


def test_R229_the_old_user_half_goes_when_the_new_one_is_there(worlds: Callable[..., World]) -> None:
    world = worlds(capabilities=Capability.STREAM)
    context = world.context()
    deleted: list[object] = []
    old = object()
    context.user = UserContext({"end": deleted.append}, old, integrity=True, confidentiality=True, delete="end")
    world.leg(b"more", context)
    assert deleted == []
    world.leg(b"last", context)
    assert deleted == [old]
    assert context.user is None


def test_a_connection_context_is_finished_for_good(world: World) -> None:
    context = world.context()
    assert world.leg(b"again", context)[0] is BAD_HANDLE
    assert len(world.package.requests) == 1
    assert context.state == "complete"


def test_an_expired_context_takes_no_leg(world: World) -> None:
    world.package.expiry = 1.0
    context = world.context(b"more")
    assert world.leg(b"last", context)[0] is Status.SEC_E_CONTEXT_EXPIRED
    assert len(world.package.requests) == 1


def test_R229_the_paved_path_goes_on_after_the_context_was_established_again(worlds: Callable[..., World]) -> None:
    world = worlds(capabilities=Capability.DATAGRAM)
    with secpkg.Client("Everything", requirements=0, authority=world.lab) as client:
        assert client.step() == b"done" and client.peer == "session None"
        assert client.step(b"more") == b"go on" and client.complete
        assert client.step(b"last") == b"done" and client.complete
        assert client.peer == "session None"


def test_R202_the_access_token_is_an_attribute_too(authority: FakeAuthority) -> None:
    _, credential, _ = raw.acquire_credentials_handle(None, "Tiny", CredentialUse.INBOUND, authority=authority)
    _, server, *_ = raw.accept_security_context(credential, None, [SecBuffer(TOKEN, b"1")], 0)
    _, server, *_ = raw.accept_security_context(None, server, [SecBuffer(TOKEN, b"3")], 0)
    status, token = raw.query_context_attributes(server, 0x12)
    assert status is OK and isinstance(token, AccessToken)
    token.close()
    assert raw.query_context_attributes(server, 0x12)[0] is OK
