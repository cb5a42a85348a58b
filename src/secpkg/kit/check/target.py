"""What is checked: the three doors of a module, wherever they come from, and what its author tells the kit about it.

Most packages need to tell nothing: the kit tries passwords, sessions and default credentials by itself. One that knows
its users in another way (a key file, a card) ships a module ``secpkg_check`` in its top-level package, or a file
``secpkg_check.py`` beside it, with one function::

    def prepare(place: Path) -> Given:      # called once for each lab, in an empty directory that is the lab's
        ...
        return Given(client=Credentials(principal="alice", data=b"/path"), other=Credentials(...))

A package whose wire protocol is older than the rules says there what the wire decides, and the report shows it::

    EXEMPT = {"R217": "the counter of RFC ... is on the wire, and the application's number is not"}
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import cast

import msgspec

from secpkg.contract.flags import InterfaceVersion
from secpkg.contract.security_provider import SecurityProvider
from secpkg.contract.user_mode.ssp import UserModuleTables
from secpkg.contract.values import AuthIdentity
from secpkg.runtime.modules import LSA_MODE, SECURITY_PROVIDER, USER_MODE, LsaModeInitialize

UserModeInitialize = Callable[[InterfaceVersion], UserModuleTables]
InitSecurityInterface = Callable[[], SecurityProvider]

LSA_DOOR = "lsa_mode_initialize"
USER_DOOR = "user_mode_initialize"
PROVIDER_DOOR = "init_security_interface"
HOOKS = "secpkg_check"


class Credentials(msgspec.Struct, frozen=True):
    """What AcquireCredentialsHandle is given: pAuthData as an identity or as bytes, and the principal."""

    identity: AuthIdentity | None = None
    data: bytes = b""
    principal: str | None = None

    def __repr__(self) -> str:
        return f"<Credentials of {self.principal or (self.identity.user if self.identity else 'the caller')}>"


class Given(msgspec.Struct, frozen=True):
    """What an author tells the kit. Everything may be left out."""

    client: Credentials | None = None
    """Of a user, good."""
    other: Credentials | None = None
    """Of another user, good."""
    wrong: Credentials | None = None
    """Of the first user, with a secret that is not theirs."""
    server: Credentials = Credentials()
    target: str = ""
    """What the client names as its target."""
    secrets: tuple[bytes, ...] = ()
    """What must be seen nowhere."""


Prepare = Callable[[Path], Given]


class Target(msgspec.Struct, frozen=True):
    """A module to check, by its doors."""

    name: str
    lsa: LsaModeInitialize | None = None
    user: UserModeInitialize | None = None
    provider: InitSecurityInterface | None = None
    prepare: Prepare | None = None
    installed: str = ""
    """Name of the entry point, for a worker process; empty for code that is not installed."""
    roots: tuple[str, ...] = ()
    """Top-level packages of the module's own code."""
    exempt: Mapping[str, str] = {}
    """Rules that its wire protocol decides otherwise, with its author's reason."""


class TargetFault(Exception):
    """There is nothing to check; the text says what was looked for."""


Module = str | ModuleType | Callable[..., object] | tuple[object, ...] | Target


def find(module: Module, hooks: str | None = None) -> Target:
    """The module that is meant: the name of an installed one, ``package.module:function``, the path of a file or
    directory, a Python module that has the doors under their documented names, SpLsaModeInitialize itself, or a pair of
    it and SpUserModeInitialize.
    """
    target = _find(module)
    if hooks is not None:
        prepare = getattr(_from_file(Path(hooks)), "prepare", None)
        if not callable(prepare):
            raise TargetFault(f"{hooks} has no function prepare(place)")
        return msgspec.structs.replace(target, prepare=prepare)
    return target


def _find(module: Module) -> Target:
    if isinstance(module, Target):
        return module
    if isinstance(module, tuple):
        return _of_doors(module)
    if isinstance(module, ModuleType):
        return _of_module(module)
    if callable(module):
        return _of_doors((module,))
    installed = _installed(module)
    if installed is not None:
        return installed
    if ":" in module:
        return _of_doors((_dotted(module),))
    if Path(module).exists():
        return _of_path(Path(module))
    try:
        return _of_module(importlib.import_module(module))
    except ImportError:
        raise TargetFault(
            f"no installed module offers {module!r}, and it is no path and no Python module; "
            "secpkg doctor says what is offered; a project is named by its directory: secpkg check ."
        ) from None


def _of_doors(doors: tuple[object, ...]) -> Target:
    names: dict[str, object] = {}
    for door in doors:
        name = getattr(door, "__name__", "")
        if name in (LSA_DOOR, USER_DOOR, PROVIDER_DOOR):
            names[name] = door
    if not names and doors and callable(doors[0]):  # by place: SpLsaModeInitialize, SpUserModeInitialize
        names = dict(zip((LSA_DOOR, USER_DOOR), doors, strict=False))
    if not names:
        raise TargetFault("neither SpLsaModeInitialize nor InitSecurityInterface was given")
    return _target(names, str(getattr(next(iter(names.values())), "__module__", "module")))


def _of_module(module: ModuleType) -> Target:
    names = {name: getattr(module, name) for name in (LSA_DOOR, USER_DOOR, PROVIDER_DOOR) if hasattr(module, name)}
    if USER_DOOR not in names:
        half = _submodule(f"{module.__name__}.user_mode") or _submodule(
            f"{module.__name__.rpartition('.')[0]}.user_mode"
        )
        if half is not None and hasattr(half, USER_DOOR):
            names[USER_DOOR] = getattr(half, USER_DOOR)
    if LSA_DOOR not in names and PROVIDER_DOOR not in names:
        half = _submodule(f"{module.__name__}.lsa_mode")
        if half is None or not hasattr(half, LSA_DOOR):
            raise TargetFault(f"{module.__name__} has neither {LSA_DOOR} nor {PROVIDER_DOOR}")
        names[LSA_DOOR] = getattr(half, LSA_DOOR)
    prepare = getattr(module, "prepare", None)
    return _target(names, module.__name__, prepare if callable(prepare) else None)


def _submodule(name: str) -> ModuleType | None:
    if name.startswith("."):
        return None
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _target(names: dict[str, object], name: str, prepare: Prepare | None = None, installed: str = "") -> Target:
    modules = {str(getattr(door, "__module__", "")) for door in names.values()}
    roots = {module.partition(".")[0] for module in modules}
    hooks = _hooks_of(modules)
    if prepare is None:
        prepare = getattr(hooks, "prepare", None)
    return Target(
        name=name,
        lsa=cast("LsaModeInitialize | None", names.get(LSA_DOOR)),
        user=cast("UserModeInitialize | None", names.get(USER_DOOR)),
        provider=cast("InitSecurityInterface | None", names.get(PROVIDER_DOOR)),
        prepare=prepare if callable(prepare) else None,
        installed=installed,
        roots=tuple(sorted(root for root in roots if root and root != "secpkg")),
        exempt=dict(getattr(hooks, "EXEMPT", {})),
    )


def _hooks_of(modules: set[str]) -> ModuleType | None:
    """The hooks in the package of a door, or in one around it: the nearest."""
    for module in sorted(modules):
        package = module
        while package:
            try:
                if importlib.util.find_spec(f"{package}.{HOOKS}"):
                    return importlib.import_module(f"{package}.{HOOKS}")
            except (ImportError, ValueError, AttributeError):
                pass
            package = package.rpartition(".")[0]
    return None


def _installed(name: str) -> Target | None:
    doors: dict[str, object] = {}
    for group, door in ((LSA_MODE, LSA_DOOR), (USER_MODE, USER_DOOR), (SECURITY_PROVIDER, PROVIDER_DOOR)):
        for entry in metadata.entry_points(group=group, name=name):
            try:
                doors[door] = entry.load()
            except Exception as error:
                raise TargetFault(f"importing {entry.value} failed: {type(error).__name__}: {error}") from error
    if not doors or (USER_DOOR in doors and len(doors) == 1):
        return None
    return _target(doors, name, installed=name if LSA_DOOR in doors else "")


def _dotted(name: str) -> object:
    module, _, attribute = name.partition(":")
    try:
        value: object = importlib.import_module(module)
        for part in attribute.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError) as error:
        raise TargetFault(f"{name} cannot be imported: {error}") from error
    return value


def _of_path(path: Path) -> Target:
    if path.is_dir() and not (path / "__init__.py").exists():
        packages = [one.parent for one in (*path.glob("*/__init__.py"), *path.glob("src/*/__init__.py"))]
        if len(packages) != 1:
            raise TargetFault(f"{path} has {len(packages)} packages; name the one that is meant")
        path = packages[0]
    beside = path.parent / f"{HOOKS}.py"
    target = _of_module(_from_file(path))
    if target.prepare is None and beside.exists() and beside != path:
        return find(target, str(beside))
    return target


def _from_file(path: Path) -> ModuleType:
    """Import a file or a package directory by its place."""
    path = path.resolve()
    if not path.exists():
        raise TargetFault(f"there is no {path}")
    name = path.stem
    file = path / "__init__.py" if path.is_dir() else path
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(file):
        return known
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(path)] if path.is_dir() else None
    )
    if spec is None or spec.loader is None:
        raise TargetFault(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise TargetFault(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module
