"""The operator's registry: which modules the authority loads, in four lists (spec/README 12).

A TOML file, written only through `Registry` (temporary file, fsync, rename, fsync of the directory; mode 0600) and only
by one process at a time. The inbox packages are not in it and cannot be: what the house brings along is nobody's to
remove, replace, shadow or wrap (R13, R14). Anything in the file that is not understood is refused, never skipped.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from secpkg.authority.subauthentication import Subauthentication
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.subauthentication import MAX_NUMBER

MAX_FILE: Final = 1024 * 1024
MAX_ENTRIES: Final = 256
MAX_TEXT: Final = 255
_NUMBERS: Final = frozenset(map(str, range(MAX_NUMBER + 1)))
_DIGEST: Final = 64
"""Hexadecimal digits of a SHA-256."""

ModuleList = Literal["security_packages", "authentication_packages"]

_HEADER: Final = """\
# Security packages of this machine's authority. Written by `secpkg packages`; edited by hand it is read at the next
# start, and a line that is not understood stops the authority rather than being skipped.
"""


class ModuleEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One registered module: the entry point that offers it, and the files that the operator looked at."""

    module: str
    distribution: str
    version: str
    digest: str
    """SHA-256 of the distribution's files, in hexadecimal."""
    path: str = ""
    """Absolute path of the directory to look in, for a module outside the environment (R8)."""
    primary_credentials: bool = False
    """It may see clear passwords (lock 4)."""
    blocking: bool = False
    """Its functions block and are run on threads."""
    permanent: bool = True
    """It stays after the next start (SECPKG_OPTIONS_PERMANENT of AddSecurityPackage)."""


class RegistryContents(msgspec.Struct, frozen=True, kw_only=True):
    """The four lists, as documented: Security Packages (SSP/APs), Authentication Packages (APs), SecurityProviders
    (plain SSPs, entry point names), Default TLS SSP (a package name, R10).
    """

    security_packages: tuple[ModuleEntry, ...] = ()
    authentication_packages: tuple[ModuleEntry, ...] = ()
    security_providers: tuple[str, ...] = ()
    default_tls_ssp: str = ""
    subauthentication: Subauthentication = Subauthentication()
    """Numbers of subauthentication packages (Auth0 to Auth255 of the key Lsa\\MSV1_0), and who is filtered (R264)."""


class RegistryError(SecurityError):
    """The registry, or a change to it, is refused. ``detail`` says file, key and what to do."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(Status.STATUS_INVALID_PARAMETER, reason=reason)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail

    def __reduce__(self) -> tuple[Callable[..., RegistryError], tuple[object, ...]]:
        return type(self), (self.reason, self.detail)


class Registry:
    """The file. ``inbox`` are the inbox modules and ``reserved`` their packages' names; neither is in the file."""

    def __init__(self, path: Path, inbox: Sequence[str] = (), reserved: Sequence[str] = ()) -> None:
        self._path = path
        self.inbox = tuple(inbox)
        self._taken = frozenset(name.casefold() for name in (*inbox, *reserved))

    def read(self) -> RegistryContents:
        """The lists; a file that is not there is empty lists. `RegistryError`."""
        try:
            with self._path.open("rb") as file:
                data = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            return RegistryContents()
        except OSError as error:
            raise self._error("registry_unreadable", "", f"cannot be read: {error.strerror}") from None
        if len(data) > MAX_FILE:
            raise self._error("registry_too_large", "", f"is larger than {MAX_FILE} bytes: remove what is not needed")
        try:
            return self._contents(tomllib.loads(data.decode()))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise self._error("registry_not_toml", "", f"is no TOML: {error}; mend that place") from None

    def add(self, entry: ModuleEntry, to: ModuleList = "security_packages") -> RegistryContents:
        """Register a module (AddSecurityPackage). `RegistryError`: ``module_registered``, ``module_is_inbox`` …"""
        with self._locked():
            contents = self.read()
            entries: tuple[ModuleEntry, ...] = (*getattr(contents, to), entry)
            return self._write(msgspec.structs.replace(contents, **{to: entries}))

    def remove(self, module: str) -> RegistryContents:
        """Take a module out of whichever list has it (DeleteSecurityPackage). `RegistryError`:
        ``module_not_registered``, ``module_is_inbox`` (R13).
        """
        with self._locked():
            contents = self.read()
            self._require_not_inbox(module, "module")
            security = tuple(e for e in contents.security_packages if e.module != module)
            authentication = tuple(e for e in contents.authentication_packages if e.module != module)
            changed = msgspec.structs.replace(
                contents, security_packages=security, authentication_packages=authentication
            )
            if changed == contents:
                raise self._error("module_not_registered", module, "is not registered: nothing to remove")
            return self._write(changed)

    def set_security_providers(self, providers: Sequence[str]) -> RegistryContents:
        """Replace the list of plain SSPs (R12)."""
        with self._locked():
            return self._write(msgspec.structs.replace(self.read(), security_providers=tuple(providers)))

    def set_default_tls_ssp(self, package: str) -> RegistryContents:
        """Name the package behind the alias "default TLS SSP" (R10), or none with an empty name."""
        with self._locked():
            return self._write(msgspec.structs.replace(self.read(), default_tls_ssp=package))

    def set_subauthentication(self, number: int, package: str) -> RegistryContents:
        """Give a subauthentication package its number, 0 for the filter; with an empty name, take it away (R262).
        `RegistryError` (``registry_subauthentication_number``).
        """
        with self._locked():
            contents = self.read()
            numbers = {n: name for n, name in contents.subauthentication.numbers.items() if n != number}
            if package:
                numbers[number] = package
            changed = msgspec.structs.replace(contents.subauthentication, numbers=dict(sorted(numbers.items())))
            return self._write(msgspec.structs.replace(contents, subauthentication=changed))

    def set_filtered(self, packages: Sequence[str]) -> RegistryContents:
        """Name the packages whose logons the filter sees (R264)."""
        with self._locked():
            contents = self.read()
            changed = msgspec.structs.replace(contents.subauthentication, filtered=tuple(packages))
            return self._write(msgspec.structs.replace(contents, subauthentication=changed))

    def _contents(self, document: Mapping[str, object]) -> RegistryContents:
        self._require_keys(document, RegistryContents.__struct_fields__, "")
        contents = RegistryContents(
            security_packages=self._entries(document, "security_packages"),
            authentication_packages=self._entries(document, "authentication_packages"),
            security_providers=self._providers(document.get("security_providers", [])),
            default_tls_ssp=self._text(document.get("default_tls_ssp", ""), "default_tls_ssp", empty=True),
            subauthentication=self._subauthentication(document.get("subauthentication", {})),
        )
        self._require_unique(contents)
        return contents

    def _entries(self, document: Mapping[str, object], name: str) -> tuple[ModuleEntry, ...]:
        tables = document.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._error("registry_type", name, f"must be tables: write [[{name}]] above each entry")
        if len(tables) > MAX_ENTRIES:
            raise self._error("registry_too_large", name, f"has more than {MAX_ENTRIES} entries: remove some")
        return tuple(self._entry(table, f"{name}[{at}]") for at, table in enumerate(tables))

    def _entry(self, table: Mapping[str, object], where: str) -> ModuleEntry:
        self._require_keys(table, ModuleEntry.__struct_fields__, where)
        texts: dict[str, str] = {}
        for key in ("module", "distribution", "version", "digest"):
            if key not in table:
                raise self._error("registry_key_missing", f"{where}.{key}", "is missing: register the module again")
            texts[key] = self._text(table[key], f"{where}.{key}")
        digest = texts["digest"]
        if len(digest) != _DIGEST or not set(digest) <= set("0123456789abcdef"):
            raise self._error("registry_digest", f"{where}.digest", f"must be {_DIGEST} small hexadecimal digits")
        flags = {
            key: self._flag(table.get(key, key == "permanent"), f"{where}.{key}")
            for key in ("primary_credentials", "blocking", "permanent")
        }
        path = self._text(table.get("path", ""), f"{where}.path", empty=True)
        if path and not path.startswith("/"):
            raise self._error("registry_type", f"{where}.path", "must be an absolute path (R8)")
        self._require_not_inbox(texts["module"], f"{where}.module")
        return ModuleEntry(
            module=texts["module"],
            distribution=texts["distribution"],
            version=texts["version"],
            digest=digest,
            path=path,
            primary_credentials=flags["primary_credentials"],
            blocking=flags["blocking"],
            permanent=flags["permanent"],
        )

    def _subauthentication(self, table: object) -> Subauthentication:
        where = "subauthentication"
        if not isinstance(table, dict):
            raise self._error("registry_type", where, "must be a table of numbers and package names")
        numbers: dict[int, str] = {}
        filtered = Subauthentication().filtered
        for key, value in table.items():
            if key == "filtered":
                if not isinstance(value, list) or len(value) > MAX_ENTRIES:
                    raise self._error("registry_type", f"{where}.filtered", "must be a list of package names")
                filtered = tuple(self._text(name, f"{where}.filtered[{at}]") for at, name in enumerate(value))
            elif key in _NUMBERS:
                numbers[int(key)] = self._text(value, f"{where}.{key}")
            else:
                what = f"is no number from 0 to {MAX_NUMBER}, nor `filtered`"
                raise self._error("registry_subauthentication_number", f"{where}.{key}", what)
        return Subauthentication(numbers, filtered)

    def _providers(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > MAX_ENTRIES:
            raise self._error("registry_type", "security_providers", "must be a list of entry point names")
        providers = tuple(self._text(name, f"security_providers[{at}]") for at, name in enumerate(value))
        for at, provider in enumerate(providers):
            self._require_not_inbox(provider, f"security_providers[{at}]")
        return providers

    def _text(self, value: object, key: str, *, empty: bool = False) -> str:
        if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable() or not (value or empty):
            raise self._error("registry_type", key, f"must be a string of 1 to {MAX_TEXT} printable characters")
        return value

    def _flag(self, value: object, key: str) -> bool:
        if not isinstance(value, bool):
            raise self._error("registry_type", key, "must be true or false")
        return value

    def _require_keys(self, table: Mapping[str, object], known: Sequence[str], where: str) -> None:
        for key in table:
            if key not in known:
                at = f"{where}.{key}" if where else key
                raise self._error("registry_key_unknown", at, f"is not known: remove it, or write {', '.join(known)}")

    def _require_not_inbox(self, name: str, key: str) -> None:
        if name.casefold() in self._taken:
            raise self._error(
                "module_is_inbox", key, f"names {name!r}, which comes with the authority (R13): remove the entry"
            )

    def _require_unique(self, contents: RegistryContents) -> None:
        modules = [e.module for e in (*contents.security_packages, *contents.authentication_packages)]
        for names in (modules, contents.security_providers):
            for name in names:
                if [other.casefold() for other in names].count(name.casefold()) > 1:
                    raise self._error("module_registered", name, "is registered twice: keep one entry")

    def _write(self, contents: RegistryContents) -> RegistryContents:
        text = _toml(contents)
        try:
            checked = self._contents(tomllib.loads(text))
        except tomllib.TOMLDecodeError:
            raise self._error("registry_type", "", "cannot hold these characters: use printable ones") from None
        temporary = self._path.with_name(f".{self._path.name}.new")
        try:
            temporary.unlink(missing_ok=True)
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise self._error("registry_unwritable", "", f"cannot be written: {error.strerror}") from None
        return checked

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # The file itself is replaced by rename, so the lock is held on one beside it, which stays.
        lock = self._path.with_name(f".{self._path.name}.lock")
        try:
            fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._error("registry_unwritable", "", f"cannot be locked: {error.strerror}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _error(self, reason: str, key: str, what: str) -> RegistryError:
        return RegistryError(reason, f"{self._path}: {key} {what}" if key else f"{self._path} {what}")


def _toml(contents: RegistryContents) -> str:
    parts = [
        _HEADER,
        f"security_providers = {_list(contents.security_providers)}\n",
        f"default_tls_ssp = {_string(contents.default_tls_ssp)}\n",
    ]
    lists = (
        ("security_packages", contents.security_packages),
        ("authentication_packages", contents.authentication_packages),
    )
    for name, entries in lists:
        for entry in entries:
            parts.append(f"\n[[{name}]]\n")
            for key, value in msgspec.structs.asdict(entry).items():
                parts.append(f"{key} = {str(value).lower() if isinstance(value, bool) else _string(value)}\n")
    host = contents.subauthentication
    if host != Subauthentication():
        parts.append("\n[subauthentication]\n")
        parts += [f"{_string(str(number))} = {_string(package)}\n" for number, package in host.numbers.items()]
        parts.append(f"filtered = {_list(host.filtered)}\n")
    return "".join(parts)


def _string(text: str) -> str:
    """A TOML basic string; JSON's escapes are a subset of TOML's but for surrogates, which nothing here can hold."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_string, texts))}]"
