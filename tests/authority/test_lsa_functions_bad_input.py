"""Every LSA function that the authority answers, with everything that can be wrong with its arguments: the documented
status, and nothing has changed. The lists are by function, and a function that is missing here fails a test.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, get_origin, get_type_hints

import msgspec
import pytest
from tests.authority.world import OTHER, World

from secpkg.authority.functions import LSA_FUNCTIONS
from secpkg.authority.targets import Origin, PackageTarget
from secpkg.contract.flags import ImpersonationLevel, LogonType, NameType
from secpkg.contract.lsa_mode import functions as contract
from secpkg.contract.lsa_mode.functions import EncryptedCredential
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import (
    AuthData,
    ConvertedToken,
    LogonAudit,
    PrimaryCredential,
    ProtocolReply,
    SamUser,
    SupplementalCredential,
    TokenInformation,
    TokenReference,
    Value,
)

S = Status
PENDING, UNKNOWN = 0x7777000, 0x6666000
FOREIGN_SID = "S-1-5-21-9-9-9-1000"


class Full(World):
    """A world with something in every table, in the middle of a call of Hello for a client."""

    def __init__(self) -> None:
        super().__init__()
        self.alice = self.add_user(groups=["Users"], upn="alice@example.com")
        self.bob = self.add_user("bob")
        self.hello_id = self.add_hello(accept_credentials=lambda *_: None)
        self.callee = self.add_package("Callee", call_package=lambda t, b: ProtocolReply(b))
        self.deaf = self.add_package("Deaf")
        self.connection = self.connect()
        self.luid = self.logon(self.connection, self.hello_id).logon_id
        self.target = PackageTarget.of_request(self.lsa, self.hello_id, self.connection, b"what was sent")
        self.origin_ = self.target.origin
        self.luid_of_callee = PENDING + 1
        self.call("create_logon_session", PENDING)
        self.lsa.lsa_function(self.origin(self.callee), "create_logon_session", (self.luid_of_callee,))
        self.call("add_credential", self.luid, b"key", b"kept")
        sam = self.call("open_sam_user", "alice")
        assert isinstance(sam, SamUser)
        self.sam = sam.handle
        self.auth_data = self.call("get_auth_data_for_user", "alice")
        self.region = self.call("allocate_client_buffer", 16)
        self.reference = self.call("create_token", PENDING, self.user(), LogonType.INTERACTIVE)
        self.call("credi_write", self.luid, 0, self.entry("host"))
        self.read = self.call("credi_read", self.luid, 1, "host", 1)
        replied: object = self.run(self.call("call_package", "Callee", b"reply"))  # type: ignore[arg-type]
        assert isinstance(replied, ProtocolReply)
        self.reply = replied.data
        stranger = self.connect(OTHER)
        converted = self.lsa.lsa_function(
            self.origin(self.callee, stranger), "convert_auth_data_to_token", (self.auth_data,)
        )
        assert isinstance(converted, ConvertedToken)
        self.foreign_reference = converted.token

    def user(self, sid: str = "") -> TokenInformation:
        return TokenInformation(sid or str(self.alice.sid))

    def entry(self, target: str) -> EncryptedCredential:
        return EncryptedCredential(target, 1, "alice", b"secret")

    def call(self, name: str, *arguments: object, origin: Origin | None = None) -> object:
        return self.lsa.lsa_function(origin or self.origin_, name, arguments)

    def refused(self, name: str, *arguments: object, origin: Origin | None = None) -> Status:
        """The status of a call that fails and changes nothing."""
        before = self.snapshot()
        with pytest.raises(SecurityError) as caught:
            answer = self.call(name, *arguments, origin=origin)
            if isinstance(answer, Coroutine):
                self.run(answer)
        assert self.snapshot() == before, f"{name}{arguments!r} changed something"
        return caught.value.status

    def snapshot(self) -> object:
        lsa, scratch = self.lsa, self.origin_.scratch
        assert scratch.memory is not None
        open_ = lsa.connections._open.values()
        return {
            "sessions": {
                i: (s.state, s.references, s.package_id, tuple(sorted(s.told)), s.sid)
                for i, s in lsa.sessions._sessions.items()
            },
            "credentials": {i: {p: tuple(e) for p, e in of.items()} for i, of in lsa.credentials._entries.items()},
            "stored": (lsa.store.credentials(self.alice.sid), dict(lsa.stored_credentials._sessions)),
            "references": set(lsa.tokens._references),
            "connections": [(c.number, dict(c.handles), set(c.references), c.charged, c.closed) for c in open_],
            "quotas": dict(lsa.quotas._taken),
            "accounts": (lsa.store.accounts(), lsa.store.groups(), lsa.store.supplemental(self.alice.sid, "Hello")),
            "packages": lsa.packages.entries(),
            "sam users": dict(scratch.sam_users),
            "memory": {base: bytes(region.data) for base, region in scratch.memory._regions.items()},
            "lent": tuple(scratch.lent or ()),
            "unfinished": set(scratch.sessions),
        }


@pytest.fixture(scope="module")
def shared() -> Full:
    """One world for all that is refused: since nothing changes, nobody notices the others."""
    return Full()


Arguments = Callable[[Full], tuple[object, ...]]

VALID: dict[str, Arguments] = {
    "create_logon_session": lambda w: (UNKNOWN,),
    "delete_logon_session": lambda w: (PENDING,),
    "add_credential": lambda w: (w.luid, b"k", b"c"),
    "get_credentials": lambda w: (w.luid, 0, b"key"),
    "delete_credential": lambda w: (w.luid, b"key"),
    "allocate_client_buffer": lambda w: (8,),
    "free_client_buffer": lambda w: (w.region,),
    "copy_to_client_buffer": lambda w: (w.region, b"data"),
    "copy_from_client_buffer": lambda w: (w.region, 4),
    "open_sam_user": lambda w: ("alice", NameType.FLAT, "", False),
    "get_user_auth_data": lambda w: (w.sam,),
    "close_sam_user": lambda w: (w.sam,),
    "get_auth_data_for_user": lambda w: ("alice", NameType.FLAT, ""),
    "get_user_credentials": lambda w: (w.sam,),
    "save_supplemental_credentials": lambda w: (w.luid, b"", True),
    "dummy_function6": lambda w: (bytearray(4),),
    "dummy_function7": lambda w: (bytearray(4),),
    "expand_auth_data_for_domain": lambda w: (w.auth_data,),
    "crack_single_name": lambda w: (2, "alice", 8, "", False),
    "convert_auth_data_to_token": lambda w: (w.auth_data, ImpersonationLevel.IMPERSONATION, LogonType.NETWORK, "", ""),
    "create_token": lambda w: (PENDING, w.user(), LogonType.NETWORK, ImpersonationLevel.IMPERSONATION, "", "", ""),
    "create_token_ex": lambda w: (
        PENDING,
        w.user(),
        PrimaryCredential(0, "alice", "EXAMPLE"),
        LogonType.NETWORK,
        ImpersonationLevel.IMPERSONATION,
        "",
    ),
    "open_token_by_logon_id": lambda w: (w.luid,),
    "duplicate_handle": lambda w: (w.reference,),
    "duplicate_token_handle": lambda w: (w.reference,),
    "audit_logon": lambda w: (LogonAudit(S.SEC_E_OK, "alice"),),
    "audit_logon_ex": lambda w: (LogonAudit(S.SEC_E_OK, "alice"), ImpersonationLevel.IMPERSONATION),
    "audit_account_logon": lambda w: (1, True, "", "", "", S.SEC_E_OK),
    "call_package": lambda w: ("Callee", b""),
    "call_package_ex": lambda w: ("Callee", 0, b""),
    "call_package_passthrough": lambda w: ("Callee", 0, b""),
    "free_return_buffer": lambda w: (w.reply,),
    "update_credentials": lambda w: (PrimaryCredential(w.luid, "alice", "EXAMPLE"), ()),
    "credi_read": lambda w: (w.luid, 1, "host", 1, 0),
    "credi_read_domain_credentials": lambda w: (w.luid, 1, "host", 0),
    "credi_free_credentials": lambda w: ((w.read,),),
    "credi_write": lambda w: (w.luid, 0, w.entry("other"), 0),
    "credi_unmarshaland_decode_string": lambda w: ("@@D",),
}
"""What each function takes; for the functions that may be refused all the same, that is in `REFUSED`."""


def test_every_function_of_the_table_is_tried_here() -> None:
    assert set(VALID) == set(LSA_FUNCTIONS)
    assert set(REFUSED) == set(LSA_FUNCTIONS)


def parameters(name: str) -> list[inspect.Parameter]:
    (documented,) = [vars(p)[name] for p in contract.PROTOCOLS if name in vars(p)]
    hints = get_type_hints(documented)
    declared = list(inspect.signature(documented).parameters.values())[1:]
    return [parameter.replace(annotation=hints[parameter.name]) for parameter in declared]


def wrong(kind: Any) -> Iterator[object]:
    """Values that are none of a type, as near to it as possible."""
    if not isinstance(kind, types.UnionType):
        yield None
    yield object()
    if get_origin(kind) is tuple:
        yield from (5, (5,), (b"",))
    elif isinstance(kind, type) and issubclass(kind, int):
        yield from ("1", 1.5, b"1", 1 << 64)
        if kind is not int:
            yield 0x5A5A5A5A
    if kind is int:
        yield True
    if kind is bool:
        yield from (2, "yes")
    if kind is str:
        yield from (b"alice", 5, "\ud800", ("alice",))
    if kind in (bytes, bytearray):
        yield from ("text", 5, [1, 2])
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from ((), "S-1-5-18", 5, {})


@pytest.mark.parametrize("name", sorted(VALID))
def test_too_few_and_too_many_arguments(shared: Full, name: str) -> None:
    given = VALID[name](shared)
    least = sum(parameter.default is parameter.empty for parameter in parameters(name))
    for count in range(least):
        assert shared.refused(name, *given[:count]) == S.STATUS_INVALID_PARAMETER
    assert len(given) == len(parameters(name))
    assert shared.refused(name, *given, 0) == S.STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("name", sorted(VALID))
def test_each_argument_of_a_wrong_type(shared: Full, name: str) -> None:
    given = VALID[name](shared)
    for at, parameter in enumerate(parameters(name)):
        for value in wrong(parameter.annotation):
            changed = (*given[:at], value, *given[at + 1 :])
            assert shared.refused(name, *changed) == S.STATUS_INVALID_PARAMETER, (parameter.name, value)


@pytest.mark.parametrize("name", sorted(VALID))
def test_a_structure_with_a_member_of_a_wrong_type(shared: Full, name: str) -> None:
    given = VALID[name](shared)
    for at, value in enumerate(given):
        if not isinstance(value, Value):
            continue
        for field in msgspec.structs.fields(type(value)):
            bad = msgspec.structs.replace(value, **{field.name: object()})
            changed = (*given[:at], bad, *given[at + 1 :])
            assert shared.refused(name, *changed) == S.STATUS_INVALID_PARAMETER, field.name


def lsa(*arguments: object, status: Status, origin: str = "") -> tuple[Arguments, Status, str]:
    return lambda _w: arguments, status, origin


NO_SESSION, NO_USER, BAD = S.STATUS_NO_SUCH_LOGON_SESSION, S.STATUS_NO_SUCH_USER, S.STATUS_INVALID_PARAMETER
NO_HANDLE = S.STATUS_INVALID_HANDLE
REFUSED: dict[str, list[tuple[Arguments, Status, str]]] = {
    "create_logon_session": [
        lsa(PENDING, status=S.STATUS_LOGON_SESSION_COLLISION),
        (lambda w: (w.luid,), S.STATUS_LOGON_SESSION_COLLISION, ""),
        *(lsa(luid, status=BAD) for luid in (0, -1, 0x3E7, 1 << 63)),
        (lambda w: (UNKNOWN,), NO_HANDLE, "closed"),
    ],
    "delete_logon_session": [
        (lambda w: (w.luid_of_callee,), NO_SESSION, ""),
        (lambda w: (w.luid,), S.STATUS_BAD_LOGON_SESSION_STATE, ""),
        *(lsa(luid, status=NO_SESSION) for luid in (UNKNOWN, 0, -1)),
    ],
    "add_credential": [
        lsa(UNKNOWN, b"k", b"c", status=NO_SESSION),
        (lambda w: (w.luid_of_callee, b"k", b"c"), NO_SESSION, ""),
        (lambda w: (w.luid, bytes(1025), b"c"), BAD, ""),
        (lambda w: (w.luid, b"k", bytes(65537)), S.STATUS_QUOTA_EXCEEDED, ""),
    ],
    "get_credentials": [
        lsa(UNKNOWN, status=NO_SESSION),
        (lambda w: (w.luid_of_callee,), NO_SESSION, ""),
        (lambda w: (w.luid, 0, b"no such key"), S.ERROR_GEN_FAILURE, ""),
        (lambda w: (w.luid, 1 << 40), S.ERROR_GEN_FAILURE, ""),
        (lambda w: (w.luid,), S.ERROR_GEN_FAILURE, "callee"),
    ],
    "delete_credential": [
        lsa(UNKNOWN, b"key", status=NO_SESSION),
        (lambda w: (w.luid, b"no such key"), S.ERROR_GEN_FAILURE, ""),
        (lambda w: (w.luid, b"key"), S.ERROR_GEN_FAILURE, "callee"),
    ],
    "allocate_client_buffer": [
        *(lsa(length, status=BAD) for length in (-1, 1 << 32)),
        lsa(1 << 31, status=S.STATUS_NO_MEMORY),
        lsa(8, status=NO_HANDLE, origin="nobody"),
        lsa(8, status=NO_HANDLE, origin="closed"),
    ],
    "free_client_buffer": [
        *(lsa(address, status=BAD) for address in (1, -1, 1 << 62)),
        (lambda w: (w.target.client_buffer_base,), BAD, ""),
        (lambda w: (w.region,), BAD, "callee"),
        lsa(1, status=NO_HANDLE, origin="nobody"),
    ],
    "copy_to_client_buffer": [
        (lambda w: (w.region, bytes(17)), BAD, ""),
        (lambda w: (w.region, b"x"), BAD, "callee"),
        (lambda w: (w.target.client_buffer_base, b"x"), S.STATUS_ACCESS_DENIED, ""),
        lsa(0, b"x", status=BAD),
    ],
    "copy_from_client_buffer": [
        (lambda w: (w.region, 17), BAD, ""),
        (lambda w: (w.region, -1), BAD, ""),
        (lambda w: (w.region, 1), BAD, "callee"),
        lsa(0, 1, status=BAD),
    ],
    "open_sam_user": [
        *(lsa(name, status=NO_USER) for name in ("", "nobody", "OTHER\\alice", "a" * 5000)),
        lsa("alice", NameType.ALTERNATE_ID, status=BAD),
        lsa("alice", NameType.SPN, status=NO_USER),
        lsa("nobody", NameType.FLAT, "", True, status=NO_USER),
    ],
    "get_user_auth_data": [*(lsa(h, status=NO_HANDLE) for h in (0, -1, 99)), (lambda w: (w.sam,), NO_HANDLE, "callee")],
    "close_sam_user": [*(lsa(h, status=NO_HANDLE) for h in (0, -1, 99)), (lambda w: (w.sam,), NO_HANDLE, "callee")],
    "get_auth_data_for_user": [
        lsa("nobody", status=NO_USER),
        lsa("alice", NameType.ALTERNATE_ID, status=BAD),
        lsa("alice", NameType.DN, status=NO_USER),
    ],
    "get_user_credentials": [(VALID["get_user_credentials"], S.STATUS_NOT_IMPLEMENTED, "")],
    "save_supplemental_credentials": [(VALID["save_supplemental_credentials"], S.STATUS_NOT_SUPPORTED, "")],
    "dummy_function6": [(VALID["dummy_function6"], S.STATUS_NOT_IMPLEMENTED, "")],
    "dummy_function7": [(VALID["dummy_function7"], S.STATUS_NOT_IMPLEMENTED, "")],
    "expand_auth_data_for_domain": [
        lsa(AuthData("a", "B", "no sid", TokenInformation("no sid")), status=BAD),
        (lambda w: (AuthData("a", "B", f"{w.store.domain_sid}-9", w.user()),), NO_USER, ""),
    ],
    "crack_single_name": [
        lsa(2, "nobody", 8, status=S.STATUS_UNSUCCESSFUL),
        lsa(2, "alice", 11, status=S.STATUS_UNSUCCESSFUL),
        lsa(2, "alice", 99, status=BAD),
        lsa(2, "a" * 1025, 8, status=S.STATUS_UNSUCCESSFUL),
    ],
    "convert_auth_data_to_token": [
        lsa(AuthData("a", "B", FOREIGN_SID, TokenInformation(FOREIGN_SID)), status=NO_USER),
        lsa(AuthData("a", "B", "no sid", TokenInformation("no sid")), status=BAD),
        (lambda w: (w.auth_data, 2, LogonType.PROXY), S.STATUS_INVALID_LOGON_TYPE, ""),
        (lambda w: (w.auth_data,), NO_HANDLE, "nobody"),
        (lambda w: (w.auth_data,), NO_HANDLE, "closed"),
    ],
    "create_token": [
        (lambda w: (UNKNOWN, w.user()), NO_SESSION, ""),
        (lambda w: (w.luid_of_callee, w.user()), NO_SESSION, ""),
        (lambda w: (w.luid, w.user(str(w.bob.sid))), S.STATUS_BAD_LOGON_SESSION_STATE, ""),
        (lambda w: (w.luid, w.user(FOREIGN_SID)), NO_USER, ""),
        (lambda w: (w.luid, w.user(), LogonType.PROXY), S.STATUS_INVALID_LOGON_TYPE, ""),
        (lambda w: (w.luid, w.user()), NO_HANDLE, "nobody"),
    ],
    "create_token_ex": [
        (lambda w: (UNKNOWN, w.user(), PrimaryCredential(0, "", "")), NO_SESSION, ""),
        (lambda w: (w.luid_of_callee, w.user(), PrimaryCredential(0, "", "")), NO_SESSION, ""),
        (lambda w: (w.luid, w.user(), PrimaryCredential(0, "", "")), NO_HANDLE, "nobody"),
    ],
    "open_token_by_logon_id": [
        lsa(UNKNOWN, status=NO_SESSION),
        (lambda w: (w.luid,), S.STATUS_ACCESS_DENIED, ""),
        (lambda w: (w.luid,), NO_HANDLE, "nobody"),
    ],
    **{
        name: [
            lsa(TokenReference(b"never given"), status=NO_HANDLE),
            (lambda w: (w.foreign_reference,), NO_HANDLE, ""),
            (lambda w: (w.reference,), NO_HANDLE, "callee"),
            (lambda w: (w.reference,), NO_HANDLE, "nobody"),
        ]
        for name in ("duplicate_handle", "duplicate_token_handle")
    },
    "audit_logon": [],
    "audit_logon_ex": [lsa(LogonAudit(S.SEC_E_OK, "a"), 9, status=BAD)],
    "audit_account_logon": [lsa(1, True, "", "", "", 0x12345678, status=BAD)],
    **{
        name: [
            lsa("nobody", *base, b"", status=S.STATUS_NO_SUCH_PACKAGE),
            lsa("Deaf", *base, b"", status=S.STATUS_NOT_IMPLEMENTED),
            lsa("x" * 200, *base, b"", status=S.STATUS_NAME_TOO_LONG),
            lsa("Callee", *base, bytes(65537), status=BAD),
        ]
        for name, base in (("call_package", ()), ("call_package_ex", (0,)), ("call_package_passthrough", (0,)))
    },
    "free_return_buffer": [lsa(b"never returned", status=BAD), (lambda w: (w.reply,), BAD, "callee")],
    "update_credentials": [
        lsa(PrimaryCredential(UNKNOWN, "", ""), status=NO_SESSION),
        (lambda w: (PrimaryCredential(w.luid_of_callee, "", ""),), NO_SESSION, ""),
        (lambda w: (PrimaryCredential(w.luid, "", ""),), NO_SESSION, "deaf"),
        (lambda w: (PrimaryCredential(w.luid, "", ""), (SupplementalCredential("x", bytes(65537)),)), BAD, ""),
    ],
    "credi_read": [
        (lambda w: (w.luid, 0, "nothing", 1), S.STATUS_OBJECT_NAME_NOT_FOUND, ""),
        (lambda w: (w.luid, 0, "host", 2), S.STATUS_OBJECT_NAME_NOT_FOUND, ""),
        (lambda w: (w.luid, 0, "host", 1, 1), BAD, ""),
        (lambda w: (w.luid, 0, "host", 1), NO_SESSION, "deaf"),
        lsa(UNKNOWN, 0, "host", 1, status=NO_SESSION),
        lsa(PENDING + 1, 0, "host", 1, status=NO_SESSION),
    ],
    "credi_read_domain_credentials": [
        (lambda w: (w.luid, 0, "host"), S.STATUS_OBJECT_NAME_NOT_FOUND, ""),
        (lambda w: (w.luid, 0x80, "host"), BAD, ""),
        lsa(UNKNOWN, 0, "host", status=NO_SESSION),
    ],
    "credi_free_credentials": [
        lsa((), status=BAD),
        (lambda w: ((w.entry("never read"),),), BAD, ""),
        (lambda w: ((w.read,),), BAD, "callee"),
    ],
    "credi_write": [
        (lambda w: (w.luid, 0, EncryptedCredential("", 1, "u", b"")), BAD, ""),
        (lambda w: (w.luid, 0, w.entry("host"), 1), BAD, ""),
        (lambda w: (w.luid, 0, w.entry("host")), NO_SESSION, "deaf"),
        (lambda w: (UNKNOWN, 0, w.entry("host")), NO_SESSION, ""),
    ],
    "credi_unmarshaland_decode_string": [lsa("no such string", status=BAD), lsa("@@D", status=BAD)],
}
"""Right types and wrong values: unknown, another's, beyond a quota, in the wrong state. By whom: Hello for its client;
"callee" and "deaf", packages in calls of their own for the same client; "nobody", for no client; "closed", for one
that is gone.
"""


@pytest.mark.parametrize(
    ("name", "at"), [(name, at) for name, cases in sorted(REFUSED.items()) for at in range(len(cases))]
)
def test_a_wrong_value_has_its_documented_status(shared: Full, name: str, at: int) -> None:
    arguments, status, by = REFUSED[name][at]
    closed = shared.connect()
    shared.lsa.connections.close(closed)
    origin = {
        "": None,
        "callee": shared.origin(shared.callee, shared.connection),
        "deaf": shared.origin(shared.deaf, shared.connection),
        "nobody": shared.origin(shared.hello_id),
        "closed": shared.origin(shared.hello_id, closed),
    }[by]
    assert shared.refused(name, *arguments(shared), origin=origin) == status


ERRORS = {"get_user_credentials", "save_supplemental_credentials", "dummy_function6", "dummy_function7"}
ALSO_REFUSED = ERRORS | {"open_token_by_logon_id", "credi_read_domain_credentials", "credi_unmarshaland_decode_string"}
"""Whose valid arguments are refused in this world: the caller presented no token, and no string is marshaled."""


@pytest.mark.parametrize(
    "name", sorted(set(VALID) - ALSO_REFUSED - {"call_package_passthrough", "delete_logon_session"})
)
def test_the_valid_arguments_are_valid(name: str) -> None:
    """So that what is refused above is refused for what was made wrong."""
    world = Full()
    answer = world.call(name, *VALID[name](world))
    if isinstance(answer, Coroutine):
        world.run(answer)


@pytest.mark.parametrize(
    "name", ["free_client_buffer", "close_sam_user", "free_return_buffer", "credi_free_credentials"]
)
def test_the_second_time_is_refused(name: str) -> None:
    world = Full()
    arguments = VALID[name](world)
    world.call(name, *arguments)
    assert world.refused(name, *arguments) in (BAD, NO_HANDLE)


def test_deleting_what_is_deleted_is_refused() -> None:
    world = Full()
    world.call("delete_credential", world.luid, b"key")
    assert world.refused("delete_credential", world.luid, b"key") == S.ERROR_GEN_FAILURE
    world.call("create_logon_session", UNKNOWN)
    world.call("delete_logon_session", UNKNOWN)
    assert world.refused("delete_logon_session", UNKNOWN) == NO_SESSION
