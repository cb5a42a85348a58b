"""The application loads exactly the user half that the authority registered, once, or names what is different."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from secpkg.contract.digest import distribution_digest
from secpkg.contract.flags import Capability
from secpkg.contract.status import Status
from secpkg.host.user_mode import load
from secpkg.host.user_mode.load import UserHalfError, user_package

MODULE = """
from secpkg.contract import InterfaceVersion, UserModuleTables
CALLS = []
class Package:
    def __init__(self, name):
        self.name = name
    def instance_init(self, version, functions):
        CALLS.append(self.name)
        self.functions = functions
    def init_user_mode_context(self, packed_context):
        return object()
{more}
def initialize(version):
    CALLS.append("initialize")
    return UserModuleTables(InterfaceVersion.V1, [Package("One"), Package("Two")])
"""

NONE = Capability(0)
Half = tuple[str, str, str, bytes]
Make = Callable[[str], Half]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr(load, "_modules", {})
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(more: str = "") -> Half:
        (tmp_path / "half_of_a_package.py").write_text(MODULE.format(more=more))
        info = tmp_path / "half_package-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: half-package\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[secpkg.user_mode]\nhalf = half_of_a_package:initialize\n")
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, "half_of_a_package", raising=False)
        return ("half", "Half_Package", "1.0", distribution_digest("half_of_a_package"))

    return install


@pytest.mark.proves(
    "user_mode.SpUserModeInitialize",
    "user_mode.SpInstanceInit",
    "dll_functions.LocatePackageById",
)
@pytest.mark.breaks("R156", "secpkg.host.user_mode.load:user_package")
@pytest.mark.breaks("R158", "secpkg.host.user_mode.load:Module.__init__")
@pytest.mark.breaks("R159", "secpkg.host.user_mode.load:Module._package")
def test_once_per_process_and_package(make: Make) -> None:
    """R156, R158, R159, spec/README 2."""
    half = make("")
    first = user_package("One", 7, NONE, half)
    assert user_package("One", 7, NONE, half) is first and user_package("Two", 8, NONE, half) is not first
    module = importlib.import_module("half_of_a_package")
    assert module.CALLS == ["initialize", "One", "Two"]
    services = load._modules[half].services
    assert getattr(services.locate_package_by_id(8), "name", None) == "Two"
    assert services.locate_package_by_id(9) is None and services.allocate_heap(3) == bytearray(3)


@pytest.mark.parametrize(
    ("change", "reason", "told"),
    [
        ({0: "other"}, "user_half_missing", "found none"),
        ({1: "somebody-else"}, "user_half_missing", "half-package 1.0"),
        ({2: "2.0"}, "user_half_version", "found version 1.0"),
        ({3: b"\0" * 32}, "user_half_digest", "0000000000000000"),
    ],
)
def test_what_is_not_as_registered_is_refused_by_name(
    make: Make, change: dict[int, object], reason: str, told: str
) -> None:
    half = list(make(""))
    for place, value in change.items():
        half[place] = value  # type: ignore[call-overload]
    with pytest.raises(UserHalfError) as caught:
        user_package("One", 7, NONE, tuple(half))  # type: ignore[arg-type]
    assert (caught.value.status, caught.value.reason) == (Status.SEC_E_SECPKG_NOT_FOUND, reason)
    assert told in str(caught.value)
    assert "half_of_a_package" not in sys.modules, "nothing of it was run"


def test_no_user_half_and_no_such_package(make: Make) -> None:
    with pytest.raises(UserHalfError, match="user_half_missing"):
        user_package("One", 7, NONE, None)
    with pytest.raises(UserHalfError, match="but for One, Two"):
        user_package("Three", 7, NONE, make(""))


def test_another_version_in_the_same_process(make: Make) -> None:
    half = make("")
    user_package("One", 7, NONE, half)
    with pytest.raises(UserHalfError, match="another version"):
        user_package("One", 7, NONE, (*half[:2], "2.0", half[3]))


def test_announced_message_functions_are_required(make: Make) -> None:
    """spec/README 3."""
    with pytest.raises(UserHalfError, match="make_signature, verify_signature") as caught:
        user_package("One", 7, Capability.INTEGRITY, make(""))
    assert caught.value.status is Status.SEC_E_UNSUPPORTED_FUNCTION


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("    def seal_mesage(self, c, q, m, s): pass", "misspelt"),
        ("    def instance_init(self, version, functions): raise RuntimeError('no')", "SpInstanceInit"),
    ],
)
def test_a_broken_package_says_why(make: Make, more: str, reason: str) -> None:
    with pytest.raises(UserHalfError, match=reason):
        user_package("One", 7, NONE, make(more))


def test_a_failing_initialize_is_tried_again_next_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    half = make("    def __init_subclass__(cls): pass")
    module = Path(importlib.import_module("half_of_a_package").__file__ or "")
    assert module.exists()
    monkeypatch.setattr(importlib.import_module("half_of_a_package"), "initialize", lambda version: 1 // 0)
    with pytest.raises(UserHalfError, match="ZeroDivisionError"):
        user_package("One", 7, NONE, half)
    assert load._modules == {}
