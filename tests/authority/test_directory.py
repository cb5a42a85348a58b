"""The packages that are alive, by id and by name."""

from __future__ import annotations

import pytest

from secpkg.authority.directory import PackageDirectory, PackageEntry
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import PackageInfo


def entry(package_id: int, name: str = "Hello", **more: object) -> PackageEntry:
    return PackageEntry(package_id, PackageInfo(name), "hello", **more)  # type: ignore[arg-type]


def refusal(action: object, *arguments: object) -> str:
    with pytest.raises(SecurityError) as caught:
        action(*arguments)  # type: ignore[operator]
    return caught.value.reason


@pytest.fixture
def directory() -> PackageDirectory:
    directory = PackageDirectory(("NTLM",))
    assert directory.reserve(3) == 1
    return directory


def test_ids_are_given_once_and_never_again_R26(directory: PackageDirectory) -> None:
    directory.add(entry(1))
    directory.set_state(1, "draining")
    assert refusal(directory.add, entry(1, "Again")) == "package_id_taken"
    for bad in (0, 4, -1):
        assert refusal(directory.add, entry(bad, "Again")) == "package_id_not_reserved"
    assert directory.reserve() == 4
    assert directory.reserve() == 5


def test_a_name_has_one_owner_whatever_its_case(directory: PackageDirectory) -> None:
    directory.add(entry(1))
    assert refusal(directory.add, entry(2, "HELLO")) == "package_name_taken"
    assert directory.find("hello").package_id == 1
    directory.set_state(1, "quarantined", "crashed")
    assert refusal(directory.add, entry(2)) == "package_name_taken", "a crash gives nobody the name"
    directory.set_state(1, "draining")
    directory.add(entry(2))
    assert directory.find("hello").package_id == 2
    assert refusal(directory.set_state, 1, "loaded") == "package_name_taken"
    assert directory.entry(1).state == "draining"


def test_inbox_names_are_not_for_others_R13(directory: PackageDirectory) -> None:
    assert refusal(directory.add, entry(1, "ntlm")) == "package_name_reserved"
    directory.add(entry(1, "ntlm", inbox=True))


@pytest.mark.parametrize("name", ["", "a\nb", "ö" * 64])
def test_a_name_that_cannot_be_looked_up_is_no_name_R87(directory: PackageDirectory, name: str) -> None:
    assert refusal(directory.add, entry(1, name)) == "package_name_invalid"
    directory.add(entry(1, name, state="broken", reason="name"))


def test_a_broken_package_is_listed_with_its_reason_and_not_enumerated_R18(directory: PackageDirectory) -> None:
    directory.add(entry(1, state="broken", reason="initialize raised"))
    directory.add(entry(2))
    directory.add(entry(3, "Third"))
    assert [info.name for info in directory.enumerate()] == ["Hello", "Third"]
    directory.set_state(3, "quarantined")
    assert [info.name for info in directory.enumerate()] == ["Hello"]
    assert [(e.package_id, e.reason) for e in directory.entries()] == [(1, "initialize raised"), (2, ""), (3, "")]


def test_an_unknown_name_or_number_R68_R87(directory: PackageDirectory) -> None:
    for name, status in (("Hello", Status.STATUS_NO_SUCH_PACKAGE), ("x" * 128, Status.STATUS_NAME_TOO_LONG)):
        with pytest.raises(SecurityError) as caught:
            directory.find(name)
        assert caught.value.status == status
    with pytest.raises(SecurityError) as caught:
        directory.entry(1)
    assert caught.value.status == Status.STATUS_NO_SUCH_PACKAGE


def test_a_draining_package_finishes_what_it_began_and_takes_nothing_new(directory: PackageDirectory) -> None:
    directory.add(entry(1))
    assert directory.in_service(1) is directory.at_work(1)
    directory.set_state(1, "draining")
    assert directory.at_work(1).state == "draining"
    assert refusal(directory.in_service, 1) == "package_draining"
    directory.set_state(1, "quarantined")
    assert refusal(directory.at_work, 1) == "package_quarantined"


def test_package_changes_are_told_once_each_R252(directory: PackageDirectory) -> None:
    told: list[tuple[str, int]] = []
    directory.watch(lambda event, e: told.append((event, e.package_id)))
    directory.add(entry(1))
    directory.set_state(1, "draining")
    directory.set_state(1, "quarantined")
    directory.add(entry(2, "Broken", state="broken"))
    directory.add(entry(3, "Third"))
    assert told == [("load", 1), ("unload", 1), ("load", 3)]


def test_packages_that_have_a_function(directory: PackageDirectory) -> None:
    directory.add(entry(1, functions=frozenset({"accept_credentials"})))
    directory.add(entry(2, "Other"))
    assert [e.package_id for e in directory.having("accept_credentials")] == [1]
    directory.set_state(1, "draining")
    assert directory.having("accept_credentials") == ()
