"""Section I of the rules, R165: the LSA half calls into its client."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tests.rules import ring

from secpkg.contract import CredentialUse, DllFunctions, SecBuffer, SecurityError, Status
from secpkg.contract.user_mode.callbacks import MAX_CALLBACK_DATA
from secpkg.host.user_mode.dll_functions import MAX_CALLBACKS, DllFunctionTable
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

TOKEN = 2


class Rung:
    """A lab with the module, and one acceptor in it."""

    def __init__(self, name: str, lab: LabAuthority) -> None:
        self.name = name
        self.lab = lab

    def leg(self, token: bytes, package: str = "") -> tuple[Status, bytes]:
        """One context of one leg, with what it answers."""
        _, credential, _ = raw.acquire_credentials_handle(
            None, package or self.name, CredentialUse.BOTH, authority=self.lab
        )
        status, context, output, *_ = raw.accept_security_context(credential, None, [SecBuffer(TOKEN, token)], 0)
        if context is not None:
            raw.delete_security_context(context)
        raw.free_credentials_handle(credential)
        return status, bytes(output[0].data) if output else b""

    def half(self, which: str) -> ModuleType:
        """The module ``lsa`` or ``user`` of the distribution, which is in this process."""
        return importlib.import_module(f"{self.name}.{which}")


@pytest.fixture
def rung(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rung]:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = ring.install(tmp_path)
    with LabAuthority(modules=[name]) as lab:
        yield Rung(name, lab)


@pytest.mark.proves("lsa_secpkg.ClientCallback", "dll_functions.RegisterCallback")
@pytest.mark.breaks("R165", "secpkg.host.user_mode.dll_functions:DllFunctionTable.register_callback")
def test_R165_the_lsa_half_reaches_what_the_user_half_has_registered(rung: Rung) -> None:
    assert rung.leg(b"1 abc") == (Status.STATUS_NOT_FOUND, b""), "no user half is here yet"
    assert rung.leg(b"map") == (Status.SEC_E_OK, b"mapped")
    assert rung.leg(b"1 abc") == (Status.SEC_E_OK, b"%d 7 %d cba" % (os.getpid(), 2**40))
    assert rung.leg(b"99 abc") == (Status.STATUS_NOT_FOUND, b"")


@pytest.mark.breaks("R165", "secpkg.runtime.client_callbacks:LocalClients.callback")
@pytest.mark.parametrize(
    ("number", "status"),
    [
        (2, Status.SEC_E_INTERNAL_ERROR),
        (3, Status.STATUS_NOT_SUPPORTED),
        (4, Status.SEC_E_INTERNAL_ERROR),
        (5, Status.STATUS_INVALID_PARAMETER),
        (6, Status.STATUS_INVALID_PARAMETER),
        (7, Status.SEC_E_OK),
        (1 << 32, Status.STATUS_INVALID_PARAMETER),
    ],
)
def test_R165_a_function_that_fails_is_a_failure_of_the_callback(rung: Rung, number: int, status: Status) -> None:
    rung.leg(b"map")
    found, answer = rung.leg(b"%d x" % number)
    assert (found, len(answer)) == (status, MAX_CALLBACK_DATA if number == 7 else 0)


def test_R165_no_more_than_the_limit_goes_to_the_client(rung: Rung) -> None:
    rung.leg(b"map")
    assert rung.leg(b"7 times 65536x")[0] is Status.SEC_E_OK
    assert rung.leg(b"7 times 65537x")[0] is Status.STATUS_INVALID_PARAMETER


def test_R165_an_application_that_is_gone_is_not_called(rung: Rung) -> None:
    rung.leg(b"map")
    _, credential, _ = raw.acquire_credentials_handle(None, rung.name, CredentialUse.BOTH, authority=rung.lab)
    assert raw.accept_security_context(credential, None, [SecBuffer(TOKEN, b"map")], 0)[0] is Status.SEC_E_OK
    rung.half("lsa").RING.outcomes.clear()
    rung.lab.close()
    assert rung.half("lsa").RING.outcomes == ["no_client"]


@pytest.mark.proves("dll_functions.LocatePackageById")
def test_adr_17_a_package_finds_its_siblings_by_number(rung: Rung) -> None:
    rung.leg(b"map")
    functions: DllFunctions = rung.half("user").FUNCTIONS[0]
    bell = rung.lab.embedded.machine.directory.find(f"{rung.name}Bell").package_id
    assert functions.locate_package_by_id(bell) is None, "no context of it was mapped here"
    rung.leg(b"map", f"{rung.name}Bell")
    assert functions.locate_package_by_id(bell).name == f"{rung.name}Bell"  # type: ignore[attr-defined]
    assert functions.locate_package_by_id(bell + 1) is None


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("register_callback", ("1", print)),
        ("register_callback", (-1, print)),
        ("register_callback", (1 << 32, print)),
        ("register_callback", (True, print)),
        ("register_callback", (1, "print")),
        ("locate_package_by_id", ("1",)),
        ("locate_package_by_id", (-1,)),
        ("allocate_heap", (-1,)),
        ("allocate_heap", ("1",)),
        ("free_heap", (bytearray(3),)),
        ("free_heap", (None,)),
    ],
)
def test_what_the_dll_table_refuses(function: str, arguments: tuple[object, ...]) -> None:
    functions = DllFunctionTable(lambda _number: None)
    with pytest.raises(SecurityError) as caught:
        getattr(functions, function)(*arguments)
    assert caught.value.status is Status.STATUS_INVALID_PARAMETER
    assert not functions.callbacks


def test_a_module_registers_so_many_functions_and_replaces_them() -> None:
    functions = DllFunctionTable(lambda _number: None)
    for number in range(MAX_CALLBACKS):
        functions.register_callback(number, lambda *_: b"old")
    functions.register_callback(0, lambda *_: b"new")
    assert functions.callbacks[0](0, 0, b"") == b"new"
    with pytest.raises(SecurityError) as caught:
        functions.register_callback(MAX_CALLBACKS, lambda *_: b"")
    assert caught.value.status is Status.STATUS_INSUFFICIENT_RESOURCES
