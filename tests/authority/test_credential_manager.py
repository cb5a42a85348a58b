"""What a user has stored for other machines, as packages read and write it (R119, R120, R122)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.authority.test_sessions import call, status_of
from tests.authority.world import World

from secpkg.accounts.credentials import MAX_BLOB, MAX_CREDENTIALS
from secpkg.authority.policy import Policy
from secpkg.authority.targets import Origin
from secpkg.contract.flags import CredpFlag, LogonType
from secpkg.contract.lsa_mode.functions import DecodedString, EncryptedCredential
from secpkg.contract.status import Status
from secpkg.contract.values import LogonResult, TokenInformation

GENERIC, DOMAIN_PASSWORD, CERTIFICATE = 1, 2, 3
INSIDE = int(CredpFlag.IN_PROCESS)


class Manager:
    """Hello and Other know of a session of alice; Hello alone was granted ``primary_credentials``."""

    def __init__(self, world: World, logon_type: LogonType = LogonType.INTERACTIVE) -> None:
        self.world = world
        world.add_user()
        hello = world.add_hello(accept_credentials=lambda *_: None)
        other = world.add_package("Other", accept_credentials=lambda *_: None)
        self.connection = world.connect()
        self.hello, self.other = world.origin(hello, self.connection), world.origin(other, self.connection)
        self.stranger = world.origin(world.add_package("Stranger"), self.connection)
        self.logon = world.logon(self.connection, hello, logon_type=logon_type)
        self.luid = self.logon.logon_id

    def write(self, origin: Origin, target: str, kind: int = GENERIC, blob: bytes = b"secret") -> None:
        entry = EncryptedCredential(target, kind, "EXAMPLE\\alice", blob)
        call(self.world, origin, "credi_write", self.luid, 0, entry)

    def read(self, origin: Origin, target: str, kind: int = GENERIC, flags: int = INSIDE) -> EncryptedCredential:
        found = call(self.world, origin, "credi_read", self.luid, flags, target, kind)
        assert isinstance(found, EncryptedCredential)
        return found

    def fitting(self, origin: Origin, target: str, flags: int = INSIDE) -> list[tuple[str, bytes]]:
        found = call(self.world, origin, "credi_read_domain_credentials", self.luid, flags, target)
        assert isinstance(found, tuple)
        return [(entry.target_name, entry.credential_blob) for entry in found]


@pytest.fixture
def manager(world: World) -> Manager:
    return Manager(world)


@pytest.mark.proves("lsa_secpkg.CrediRead", "lsa_secpkg.CrediWrite")
def test_what_is_written_is_read_by_target_and_type(manager: Manager) -> None:
    manager.write(manager.hello, "Printer", blob=b"one")
    manager.write(manager.hello, "printer", CERTIFICATE, b"two")
    manager.write(manager.hello, "PRINTER", blob=b"three")
    found = manager.read(manager.hello, "pRinter")
    assert found == EncryptedCredential("PRINTER", GENERIC, "EXAMPLE\\alice", b"three"), "in place of the first"
    assert manager.read(manager.hello, "Printer", CERTIFICATE).credential_blob == b"two"
    (first, *_) = manager.world.records("credi_write")
    assert first.facts["account_name"] == "alice" and first.package == "Hello"
    assert not any(b"three" in line for line in manager.world.audit.lines())


@pytest.mark.proves("lsa_secpkg.CrediReadDomainCredentials")
def test_domain_credentials_fit_a_machine_the_best_first(manager: Manager) -> None:
    for target in ("*", "*.example.com", "*.www.example.com", "host.www.example.com", "other"):
        manager.write(manager.hello, target, DOMAIN_PASSWORD, target.encode())
    manager.write(manager.hello, "host.www.example.com", GENERIC)
    names = [name for name, _ in manager.fitting(manager.hello, "HOST.www.example.com")]
    assert names == ["host.www.example.com", "*.www.example.com", "*.example.com", "*"]
    assert manager.fitting(manager.hello, "elsewhere") == [("*", b"*")]


def test_what_is_not_there_is_not_found(manager: Manager) -> None:
    status = Status.STATUS_OBJECT_NAME_NOT_FOUND
    arguments = (manager.luid, INSIDE)
    assert status_of(manager.world, manager.hello, "credi_read", *arguments, "x", GENERIC)[0] == status
    assert status_of(manager.world, manager.hello, "credi_read_domain_credentials", *arguments, "x")[0] == status


@pytest.mark.breaks("R120", "secpkg.authority.functions.credential_manager:_shown")
def test_the_secret_of_a_domain_credential_stays_inside_the_lsa_R120(manager: Manager) -> None:
    manager.write(manager.hello, "host", DOMAIN_PASSWORD)
    manager.write(manager.hello, "host", GENERIC)
    assert manager.read(manager.hello, "host", DOMAIN_PASSWORD).credential_blob == b"secret"
    assert manager.read(manager.hello, "host", DOMAIN_PASSWORD, 0).credential_blob == b""
    assert manager.fitting(manager.hello, "host", 0) == [("host", b"")]
    assert manager.read(manager.hello, "host", GENERIC, 0).credential_blob == b"secret"


def test_a_module_without_the_grant_sees_its_own_secrets_only_lock4(manager: Manager) -> None:
    manager.write(manager.hello, "hellos")
    manager.write(manager.other, "others")
    assert manager.read(manager.other, "hellos") == EncryptedCredential("hellos", GENERIC, "EXAMPLE\\alice", b"")
    assert manager.read(manager.other, "others").credential_blob == b"secret"
    assert manager.read(manager.hello, "others").credential_blob == b"secret"
    entry = EncryptedCredential("hellos", GENERIC, "mallory", b"overwritten")
    refused = status_of(manager.world, manager.other, "credi_write", manager.luid, 0, entry)
    assert refused == (Status.STATUS_ACCESS_DENIED, "credential_of_another_package")
    assert manager.read(manager.hello, "hellos").user_name == "EXAMPLE\\alice"


def test_a_package_that_was_not_told_of_the_session_has_none_lock3(manager: Manager) -> None:
    entry = EncryptedCredential("x", GENERIC, "u", b"")
    world = manager.world
    for origin, luid in ((manager.stranger, manager.luid), (manager.hello, 4711)):
        for name, *arguments in (
            ("credi_read", "x", GENERIC),
            ("credi_read_domain_credentials", "x"),
            ("credi_write", entry),
        ):
            refused = status_of(world, origin, str(name), luid, 0, *arguments)
            assert refused[0] == Status.STATUS_NO_SUCH_LOGON_SESSION
    caller = world.lsa.client_info(manager.connection, manager.logon.token)
    presented = world.origin(manager.stranger.package_id, manager.connection, caller)
    call(world, presented, "credi_write", manager.luid, 0, entry)
    assert manager.read(presented, "x").target_name == "x", "the client's own session, whose token it presents"


def test_a_network_logon_carries_no_stored_credentials_lock3(world: World) -> None:
    manager = Manager(world, LogonType.NETWORK)
    refused = status_of(world, manager.hello, "credi_read", manager.luid, 0, "x", GENERIC)
    assert refused == (Status.STATUS_BAD_LOGON_SESSION_STATE, "session_not_outbound")


@pytest.mark.breaks("R122", "secpkg.authority.functions.credential_manager:_session")
@pytest.mark.parametrize("name", ["credi_read", "credi_read_domain_credentials", "credi_write"])
def test_reserved_flags_are_zero_R122(manager: Manager, name: str) -> None:
    manager.write(manager.hello, "x", DOMAIN_PASSWORD)
    arguments: dict[str, tuple[object, ...]] = {
        "credi_read": ("x", DOMAIN_PASSWORD),
        "credi_read_domain_credentials": ("x",),
        "credi_write": (EncryptedCredential("y", GENERIC, "u", b""),),
    }
    for cred_flags, flags in ((0, 1), (0x80, 0), (-1, 0)):
        refused = status_of(manager.world, manager.hello, name, manager.luid, cred_flags, *arguments[name], flags)
        assert refused == (Status.STATUS_INVALID_PARAMETER, "reserved_flags")
    call(manager.world, manager.hello, name, manager.luid, 0, *arguments[name], 0)


def test_credentials_are_freed_once_R122(manager: Manager) -> None:
    manager.write(manager.hello, "*.x", DOMAIN_PASSWORD)
    one = manager.read(manager.hello, "*.x", DOMAIN_PASSWORD)
    all_ = call(manager.world, manager.hello, "credi_read_domain_credentials", manager.luid, 0, "a.x")
    for credentials in ((one,), all_):
        call(manager.world, manager.hello, "credi_free_credentials", credentials)
        refused = status_of(manager.world, manager.hello, "credi_free_credentials", credentials)
        assert refused == (Status.STATUS_INVALID_PARAMETER, "credentials_unknown")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (EncryptedCredential("x", 7, "u", b""), "credential_type"),
        (EncryptedCredential("x", 0, "u", b""), "credential_type"),
        (EncryptedCredential("", GENERIC, "u", b""), "target_name_invalid"),
        (EncryptedCredential("a\0b", GENERIC, "u", b""), "target_name_invalid"),
        (EncryptedCredential("x" * 338, DOMAIN_PASSWORD, "u", b""), "target_name_invalid"),
        (EncryptedCredential("x", DOMAIN_PASSWORD, "", b""), "user_name_invalid"),
        (EncryptedCredential("x", GENERIC, "u" * 514, b""), "user_name_invalid"),
        (EncryptedCredential("x", GENERIC, "", bytes(MAX_BLOB + 1)), "credential_too_large"),
    ],
)
def test_an_illegal_entry_is_not_kept(manager: Manager, entry: EncryptedCredential, reason: str) -> None:
    refused = status_of(manager.world, manager.hello, "credi_write", manager.luid, 0, entry)
    assert refused == (Status.STATUS_INVALID_PARAMETER, reason)
    assert not manager.world.records("credi_write")


def test_a_secret_that_only_the_user_can_decrypt_is_refused(manager: Manager) -> None:
    entry = EncryptedCredential("x", GENERIC, "u", b"")
    flags = int(CredpFlag.USER_ENCRYPTED_PASSWORD)
    refused = status_of(manager.world, manager.hello, "credi_write", manager.luid, flags, entry)
    assert refused == (Status.STATUS_INVALID_PARAMETER, "encrypted_for_the_user")


def test_entries_are_limited_and_unrecorded_ones_not_kept_lock9_lock10(manager: Manager) -> None:
    for number in range(MAX_CREDENTIALS):
        manager.write(manager.hello, f"target {number}", blob=b"")
    entry = EncryptedCredential("one more", GENERIC, "u", b"")
    refused = status_of(manager.world, manager.hello, "credi_write", manager.luid, 0, entry)
    assert refused == (Status.STATUS_QUOTA_EXCEEDED, "quota_credentials")
    manager.write(manager.hello, "target 0", blob=b"changed")
    manager.world.audit.close()
    entry = EncryptedCredential("target 0", GENERIC, "u", b"unrecorded")
    assert status_of(manager.world, manager.hello, "credi_write", manager.luid, 0, entry)[1] == "audit_unwritable"
    assert manager.read(manager.hello, "target 0").credential_blob == b"changed"


def test_an_account_keeps_its_credentials_beyond_the_session(manager: Manager) -> None:
    manager.write(manager.hello, "x")
    manager.world.lsa.connections.close(manager.connection)
    manager.connection = manager.world.connect()
    manager.luid = manager.world.logon(manager.connection, manager.hello.package_id).logon_id
    assert manager.read(manager.hello, "x").credential_blob == b"secret"


def test_a_user_without_account_has_credentials_while_the_session_lasts() -> None:
    world = World(Policy(allow_foreign_principals=True))
    make: Callable[..., object] = lambda t, r: foreign(world, t.origin)  # noqa: E731
    package = world.add_package("Foreign", logon_user_ex2=make)
    connection = world.connect()
    origin = world.origin(package, connection)
    entry = EncryptedCredential("x", GENERIC, "u", b"secret")
    logon = world.logon(connection, package)
    call(world, origin, "credi_write", logon.logon_id, 0, entry)
    assert call(world, origin, "credi_read", logon.logon_id, INSIDE, "x", GENERIC) == entry
    for number in range(MAX_CREDENTIALS - 1):
        call(world, origin, "credi_write", logon.logon_id, 0, EncryptedCredential(f"{number}", GENERIC, "u", b""))
    more = EncryptedCredential("more", GENERIC, "u", b"")
    assert status_of(world, origin, "credi_write", logon.logon_id, 0, more)[1] == "quota_credentials"
    again = world.logon(connection, package)
    refused = status_of(world, origin, "credi_read", again.logon_id, INSIDE, "x", GENERIC)
    assert refused[0] == Status.STATUS_OBJECT_NAME_NOT_FOUND
    world.lsa.tokens.close(connection, logon.token)
    assert len(world.lsa.stored_credentials._sessions) == 0


def foreign(world: World, origin: Origin) -> LogonResult:
    luid = int.from_bytes(world.entropy(7), "big")
    call(world, origin, "create_logon_session", luid)
    return LogonResult(luid, TokenInformation("S-1-5-21-9-9-9-1000"), "eve", "OTHER")


# --- marshaled strings -------------------------------------------------------------------------------------------

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789#-"


def encoded(data: bytes) -> str:
    """Six bits a character, the lowest first: by hand, bit by bit."""
    bits = [byte >> at & 1 for byte in data for at in range(8)]
    bits += [0] * (-len(bits) % 6)
    return "".join(ALPHABET[sum(bit << i for i, bit in enumerate(bits[at : at + 6]))] for at in range(0, len(bits), 6))


@pytest.mark.proves("lsa_secpkg.CrediUnmarshalandDecodeString")
@pytest.mark.parametrize("data", [b"", b"a", "alice".encode("utf-16-le"), bytes(range(256))])
def test_a_marshaled_string_is_decoded(world: World, data: bytes) -> None:
    origin = world.origin(world.add_package("A"))
    for kind in "CD":
        text = f"@@{kind}{encoded(len(data).to_bytes(4, 'little'))}{encoded(data)}"
        assert call(world, origin, "credi_unmarshaland_decode_string", text) == DecodedString(data, False)
    digest = bytes(range(20))
    assert call(world, origin, "credi_unmarshaland_decode_string", "@@B" + encoded(digest)) == DecodedString(
        digest, False
    )


@pytest.mark.parametrize(
    ("text", "fatal"),
    [
        ("", False),
        ("alice", False),
        ("@alice", False),
        ("@@", True),
        ("@@A", True),
        ("@@BAAAA", True),
        ("@@DCAAAAA", True),
        ("@@DBAAAAA--", True),
        ("@@D!AAAAA", True),
        ("@@D-----D", True),
        ("@@D" + "A" * 40_000, True),
    ],
)
def test_what_is_no_marshaled_string_says_whether_that_is_fatal(world: World, text: str, fatal: bool) -> None:
    origin = world.origin(world.add_package("A"))
    status, reason = status_of(world, origin, "credi_unmarshaland_decode_string", text)
    assert status == Status.STATUS_INVALID_PARAMETER
    assert reason == ("marshaled_string_malformed" if fatal else "not_marshaled")
