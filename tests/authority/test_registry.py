"""The operator's registry: what is in the file is understood or refused, what is inbox is not in it."""

from __future__ import annotations

import pickle
import stat
import threading
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secpkg.authority.registry import MAX_FILE, ModuleEntry, Registry, RegistryContents, RegistryError, _toml

DIGEST = "ab" * 32


def entry(module: str = "hello", **more: object) -> ModuleEntry:
    fields = {"module": module, "distribution": "secpkg-hello", "version": "1.0", "digest": DIGEST, **more}
    return ModuleEntry(**fields)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "packages.toml"


@pytest.fixture
def registry(path: Path) -> Registry:
    return Registry(path, inbox=("ntlm", "negotiate"), reserved=("NTLM", "Negotiate", "Kerberos"))


def refusal(action: object, *arguments: object) -> RegistryError:
    with pytest.raises(RegistryError) as caught:
        action(*arguments)  # type: ignore[operator]
    return caught.value


def test_no_file_is_four_empty_lists(registry: Registry) -> None:
    assert registry.read() == RegistryContents()


def test_what_is_added_is_read_again_and_the_file_is_the_operators(registry: Registry, path: Path) -> None:
    first = entry(primary_credentials=True)
    second = entry('card "x" \\ö', path="/opt/card", blocking=True, permanent=False)
    registry.add(first)
    registry.add(second, "authentication_packages")
    registry.set_security_providers(["sampssp"])
    written = registry.set_default_tls_ssp("TLS")
    assert (
        written
        == registry.read()
        == RegistryContents(
            security_packages=(first,),
            authentication_packages=(second,),
            security_providers=("sampssp",),
            default_tls_ssp="TLS",
        )
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("#") and "Written by" in path.read_text()
    assert sorted(p.name for p in path.parent.iterdir()) == [".packages.toml.lock", "packages.toml"]


def test_removal_takes_the_entry_from_whichever_list_has_it(registry: Registry) -> None:
    registry.add(entry())
    registry.add(entry("card"), "authentication_packages")
    assert registry.remove("card").authentication_packages == ()
    assert registry.remove("hello") == RegistryContents()
    assert refusal(registry.remove, "hello").reason == "module_not_registered"


def test_inbox_modules_cannot_be_removed_replaced_or_shadowed_R13_R14(registry: Registry, path: Path) -> None:
    for name in ("ntlm", "NTLM", "kerberos", "Negotiate"):
        assert refusal(registry.add, entry(name)).reason == "module_is_inbox"
        assert refusal(registry.remove, name).reason == "module_is_inbox"
        assert refusal(registry.set_security_providers, [name]).reason == "module_is_inbox"
    assert not path.exists()
    path.write_text(_toml(RegistryContents(security_packages=(entry("ntlm"),))))
    assert refusal(registry.read).reason == "module_is_inbox"


def test_a_module_is_registered_once(registry: Registry) -> None:
    registry.add(entry())
    assert refusal(registry.add, entry()).reason == "module_registered"
    assert refusal(registry.add, entry("HELLO"), "authentication_packages").reason == "module_registered"
    assert refusal(registry.set_security_providers, ["a", "a"]).reason == "module_registered"


GOOD = f'[[security_packages]]\nmodule = "m"\ndistribution = "d"\nversion = "1"\ndigest = "{DIGEST}"\n'


@pytest.mark.parametrize(
    ("text", "reason", "key"),
    [
        ("surprise = 1", "registry_key_unknown", "surprise"),
        (GOOD + "trusted = true", "registry_key_unknown", "security_packages[0].trusted"),
        (GOOD + "blocking = 1", "registry_type", "security_packages[0].blocking"),
        (GOOD + "path = 'relative'", "registry_type", "security_packages[0].path"),
        (GOOD.replace('"1"', "1"), "registry_type", "security_packages[0].version"),
        (GOOD.replace('"m"', '""'), "registry_type", "security_packages[0].module"),
        (GOOD.replace('"m"', '"a\\nb"'), "registry_type", "security_packages[0].module"),
        (GOOD.replace('version = "1"', ""), "registry_key_missing", "security_packages[0].version"),
        (GOOD.replace(DIGEST, "AB" * 32), "registry_digest", "security_packages[0].digest"),
        (GOOD.replace(DIGEST, "ab"), "registry_digest", "security_packages[0].digest"),
        ("security_packages = ['hello']", "registry_type", "security_packages"),
        ("[security_packages]", "registry_type", "security_packages"),
        (GOOD * 257, "registry_too_large", "security_packages"),
        ("security_providers = 'a,b'", "registry_type", "security_providers"),
        ("security_providers = [1]", "registry_type", "security_providers[0]"),
        ("default_tls_ssp = ['TLS']", "registry_type", "default_tls_ssp"),
        ("= 1", "registry_not_toml", ""),
        ("a = '\udcff'", "registry_not_toml", ""),
        ("#" * (MAX_FILE + 1), "registry_too_large", ""),
    ],
)
def test_what_is_not_understood_is_refused_with_file_key_and_remedy(
    registry: Registry, path: Path, text: str, reason: str, key: str
) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    error = refusal(registry.read)
    assert error.reason == reason and str(error).startswith(f"{path}: {key} " if key else f"{path} ")
    before = path.read_bytes()
    refusal(registry.add, entry())
    assert path.read_bytes() == before, "a file that is not understood is not written over"


def test_the_error_travels(registry: Registry) -> None:
    error = refusal(registry.remove, "x")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.reason, copy.detail, copy.status) == (error.reason, error.detail, error.status)


def test_what_a_file_cannot_hold_is_not_written(registry: Registry, path: Path) -> None:
    for bad in ("a\x7f", "a\n", "\udc80", ""):
        assert refusal(registry.add, entry(bad)).reason == "registry_type"
    assert refusal(registry.add, entry(digest="x")).reason == "registry_digest"
    assert not path.exists()


def test_places_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert refusal(Registry(tmp_path / "folder").read).reason == "registry_unreadable"
    assert refusal(Registry(tmp_path / "no" / "file").add, entry()).reason == "registry_unwritable"
    (tmp_path / ".locked.lock").symlink_to(tmp_path / "elsewhere")
    assert refusal(Registry(tmp_path / "locked").add, entry()).reason == "registry_unwritable"
    (tmp_path / ".busy.new").mkdir()
    assert refusal(Registry(tmp_path / "busy").add, entry()).reason == "registry_unwritable"


def test_concurrent_writers_lose_nothing(path: Path) -> None:
    threads = [threading.Thread(target=Registry(path).add, args=(entry(f"m{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {e.module for e in Registry(path).read().security_packages} == {f"m{n}" for n in range(8)}


@given(st.text(min_size=1, max_size=40).filter(str.isprintable))
def test_any_printable_name_survives_the_file(name: str) -> None:
    contents = RegistryContents(security_packages=(entry(name),), default_tls_ssp=name)
    assert Registry(Path("x"))._contents(tomllib.loads(_toml(contents))) == contents
