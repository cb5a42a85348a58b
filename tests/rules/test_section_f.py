"""Section F of the rules: credentials of a session. R113 has no counterpart here: no key buffer can be too small.

R121 is the host's (`test_section_g_host`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.rules.asking import Asker, Asking
from tests.rules.packages import Badge, badge, lab_of, module

import secpkg
from secpkg.contract import (
    Call,
    LogonType,
    LsaFunctions,
    PrimaryCredential,
    SecurityError,
    Status,
    SupplementalCredential,
)
from secpkg.contract.flags import CredpFlag
from secpkg.contract.lsa_mode.functions import EncryptedCredential
from secpkg.lsa import raw
from secpkg.testing import LabAuthority
from secpkg.testing.lab import described

LUID = 0x7777000
SECRET = b"a key of the session"
GENERIC, DOMAIN_PASSWORD = 1, 2
INSIDE = int(CredpFlag.IN_PROCESS)


async def status(call: Awaitable[object]) -> Status:
    """How a call fails."""
    try:
        await call
    except SecurityError as failed:
        return failed.status
    return Status.STATUS_SUCCESS


def in_a_session(script: Callable[[LsaFunctions], Awaitable[object]]) -> object:
    """What a script returns that runs while there is a session of its package's."""

    async def run(authority: LsaFunctions) -> object:
        await authority.create_logon_session(LUID)
        return await script(authority)

    with Asking() as asking:
        return asking.ask(run)


async def walk(authority: LsaFunctions, key: bytes | None = None) -> list[bytes]:
    """All entries, one a call."""
    found: list[bytes] = []
    cursor = 0
    while True:
        try:
            entry = await authority.get_credentials(LUID, cursor, key)
        except SecurityError as end:
            assert end.status is Status.ERROR_GEN_FAILURE
            return found
        assert entry.query_context > cursor
        cursor = entry.query_context
        found.append(entry.credentials)


@pytest.mark.breaks("R109", "secpkg.authority.credentials:SessionCredentials.add")
@pytest.mark.breaks("R111", "secpkg.authority.credentials:SessionCredentials.get")
def test_R109_R111_entries_with_one_key_are_several_and_come_one_by_one() -> None:
    async def script(authority: LsaFunctions) -> object:
        for key, data in ((b"k", b"1"), (b"other", b"2"), (b"k", b"3")):
            await authority.add_credential(LUID, key, data)
        return await walk(authority, b"k"), await walk(authority)

    assert in_a_session(script) == ([b"1", b"3"], [b"1", b"2", b"3"])


@pytest.mark.breaks("R110", "secpkg.authority.credentials:SessionCredentials.add")
def test_R110_the_bytes_are_copied() -> None:
    async def script(authority: LsaFunctions) -> object:
        data = bytearray(b"before")
        await authority.add_credential(LUID, b"k", data)  # type: ignore[arg-type]  # a package may, in Python
        data[:] = b"after!"
        return await walk(authority)

    assert in_a_session(script) == [b"before"]


class Reader(Badge):
    """Another package, which looks for what `Badge` keeps."""

    async def call_package_untrusted(self, call: object, submit_buffer: bytes) -> secpkg.contract.ProtocolReply:
        luid = int.from_bytes(submit_buffer, "little")
        found = await status(self.authority.get_credentials(luid))
        deleted = await status(self.authority.delete_credential(luid, b"session key"))
        return secpkg.contract.ProtocolReply(f"{found.name} {deleted.name}".encode())


class Keeper(Badge):
    """Keeps a secret with each session that it makes, and says what is left of it."""

    async def logon_user_ex2(self, call: object, request: object) -> object:  # type: ignore[override]
        result = await super().logon_user_ex2(call, request)  # type: ignore[arg-type]
        await self.authority.add_credential(result.logon_id, b"session key", SECRET)  # type: ignore[union-attr]
        return result

    async def call_package_untrusted(self, call: object, submit_buffer: bytes) -> secpkg.contract.ProtocolReply:
        kept = await self.authority.get_credentials(int.from_bytes(submit_buffer, "little"), 0, b"session key")
        return secpkg.contract.ProtocolReply(b"kept" if kept.credentials == SECRET else b"")


def ask(lab: LabAuthority, package: str, luid: int) -> bytes:
    return secpkg.lsa.connect(lab).call_authentication_package(package, luid.to_bytes(8, "little")).data


@pytest.mark.breaks("R112", "secpkg.authority.credentials:SessionCredentials.get")
@pytest.mark.breaks("R119", "secpkg.authority.credentials:SessionCredentials.add")
def test_R112_R119_a_key_of_the_session_is_for_its_package_and_no_application() -> None:
    """What the package keeps is read inside the LSA alone, and no other package finds it."""
    with lab_of(Keeper("Keeper"), Reader("Reader")) as lab:
        luid = badge(lab, package="Keeper").luid
        assert ask(lab, "Keeper", luid) == b"kept"
        assert ask(lab, "Reader", luid) == b"ERROR_GEN_FAILURE ERROR_GEN_FAILURE"
        assert ask(lab, "Keeper", luid) == b"kept", "nor can another delete it (R112)"
        authority = lab.embedded.machine.authority
        assert SECRET not in repr(authority.credentials._entries).encode(), "sealed at rest (lock 4)"


@pytest.mark.breaks("R114", "secpkg.authority.credentials:_no_entry")
def test_R114_no_further_entry_is_a_general_failure() -> None:
    async def script(authority: LsaFunctions) -> object:
        await authority.add_credential(LUID, b"k", b"1")
        entry = await authority.get_credentials(LUID)
        return [
            await status(authority.get_credentials(LUID, entry.query_context)),
            await status(authority.get_credentials(LUID, 0, b"absent")),
            await status(authority.delete_credential(LUID, b"absent")),
        ]

    assert in_a_session(script) == [Status.ERROR_GEN_FAILURE] * 3


@pytest.mark.breaks("R115", "secpkg.authority.credentials:SessionCredentials.delete")
def test_R115_the_first_entry_with_the_key_goes() -> None:
    async def script(authority: LsaFunctions) -> object:
        for data in (b"1", b"2", b"3"):
            await authority.add_credential(LUID, b"k", data)
        await authority.delete_credential(LUID, b"k")
        return await walk(authority)

    assert in_a_session(script) == [b"2", b"3"]


@pytest.mark.breaks("R116", "secpkg.authority.sessions:SessionTable.known_to")
def test_R116_all_three_know_no_unknown_session() -> None:
    async def script(authority: LsaFunctions) -> object:
        return [
            await status(authority.add_credential(LUID + 1, b"k", b"c")),
            await status(authority.get_credentials(LUID + 1)),
            await status(authority.delete_credential(LUID + 1, b"k")),
        ]

    assert in_a_session(script) == [Status.STATUS_NO_SUCH_LOGON_SESSION] * 3


@pytest.mark.breaks("R117", "secpkg.authority.credentials:SessionCredentials.wipe")
def test_R117_what_a_package_does_not_remove_goes_with_the_session() -> None:
    """Its own duty in the documents; here nothing is left either way."""
    with lab_of(Keeper("Keeper")) as lab:
        kept = lab.embedded.machine.authority.credentials
        with badge(lab, package="Keeper") as logon:
            assert logon.luid in kept._entries
        assert not kept._entries and not kept._owners


@pytest.mark.breaks("R118", "secpkg.authority.functions.accounts:get_user_credentials")
def test_R118_what_is_obsolete_or_was_never_there_is_an_error() -> None:
    async def script(authority: LsaFunctions) -> object:
        user = await authority.open_sam_user("alice")
        return [
            await status(authority.get_user_credentials(user.handle)),
            await status(authority.save_supplemental_credentials(LUID, b"", True)),
        ]

    assert in_a_session(script) == [Status.STATUS_NOT_IMPLEMENTED, Status.STATUS_NOT_SUPPORTED]


class Manager(Asker):
    """Writes a domain credential for the session that its client presents, and reads it as an application may."""

    async def accept_credentials(
        self,
        call: Call,
        logon_type: LogonType,
        account_name: str,
        primary: PrimaryCredential,
        supplemental: SupplementalCredential | None,
    ) -> None:
        """Being told of the session is what opens it to the package."""

    async def entry(self, luid: int) -> object:
        authority = self.authority
        await authority.credi_write(luid, 0, EncryptedCredential("host", DOMAIN_PASSWORD, "alice", SECRET))
        inside = await authority.credi_read(luid, INSIDE, "host", DOMAIN_PASSWORD)
        outside = await authority.credi_read(luid, 0, "host", DOMAIN_PASSWORD)
        flags = await status(authority.credi_read(luid, 0, "host", DOMAIN_PASSWORD, flags=1))
        await authority.credi_free_credentials((inside,))
        again = await status(authority.credi_free_credentials((inside,)))
        return inside.credential_blob, outside.credential_blob, flags, again


@pytest.mark.breaks("R120", "secpkg.authority.functions.credential_manager:_shown")
@pytest.mark.breaks("R122", "secpkg.authority.targets:Scratch.free")
def test_R120_R122_an_application_writes_a_secret_and_does_not_read_it() -> None:
    """R122: the reserved flags are zero, and what was read is freed, once."""
    package = Manager()
    with Asking(package) as asking:
        asking.lab.embedded.add_module(described(module(Badge())))
        logon = badge(asking.lab)
        found = asking.ask(lambda _authority: package.entry(logon.luid))
        assert found == (SECRET, b"", Status.STATUS_INVALID_PARAMETER, Status.STATUS_INVALID_PARAMETER)
        assert not hasattr(raw, "credi_read") and not hasattr(secpkg.lsa, "credi_read")
