"""``secpkg new``: a distribution to begin with, which is right before it is yours.

The samples are plain files under ``templates``, what both kinds of contexts share in ``context``; four words stand in
them for the names of what is made. Nothing is overwritten: the distribution appears whole in a directory that was not
there, or not at all.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import keyword
import os
import re
import shutil
import tempfile
import tokenize
from importlib import metadata
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from secpkg.host.lsa_mode.load import MAX_NAME
from secpkg.runtime.inbox import RESERVED_PACKAGES
from secpkg.runtime.modules import LSA_MODE, SECURITY_PROVIDER, USER_MODE

Role = Literal["ssp", "ap", "ssp-ap"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

_SOURCES: Final[dict[Role, tuple[str, ...]]] = {
    "ap": ("ap",),
    "ssp": ("context", "ssp"),
    "ssp-ap": ("context", "ssp-ap"),
}
_SUFFIX: Final = ".txt"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MARK: Final = re.compile(r"# DECIDE (\d): ")


class NewFault(Exception):
    """A distribution that cannot be made: what is wrong, and what to do next."""

    def __init__(self, wrong: str, following: str) -> None:
        super().__init__(wrong)
        self.following = following


class Names(msgspec.Struct, frozen=True):
    """What is made is called: the package, the module (its entry point), what is imported, and the distribution."""

    package: str
    module: str
    imported: str
    distribution: str


class Decision(msgspec.Struct, frozen=True):
    """A place that is the author's: ``# DECIDE`` in the source."""

    number: int
    file: str
    line: int


class Made(msgspec.Struct, frozen=True):
    """A new distribution. ``files`` and those of the decisions are relative to ``directory``."""

    directory: str
    role: Role
    names: Names
    files: tuple[str, ...]
    decisions: tuple[Decision, ...]


def names_of(name: str) -> Names:
    """The names that follow from a package's. `NewFault` for one that cannot be a package's (R13, R87), or that the
    samples or another distribution have already.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise NewFault(
            f"{name!r} is no name for a package and its class",
            "choose letters, digits and underscores, a letter first: secpkg new Badge",
        )
    if len(name) > MAX_NAME:
        raise NewFault(f"the name has {len(name)} characters", f"choose one of at most {MAX_NAME}")
    if name.casefold() in {reserved.casefold() for reserved in RESERVED_PACKAGES}:
        raise NewFault(f"{name} is the name of an inbox package", "choose another: these names are reserved")
    if hasattr(builtins, name) or name in _words():
        raise NewFault(f"{name} means something else in Python or in the sample", "choose another name")
    module = name.lower()
    for group in (LSA_MODE, USER_MODE, SECURITY_PROVIDER):
        for entry in metadata.entry_points(group=group, name=module):
            offered = entry.dist.name if entry.dist is not None else entry.value
            raise NewFault(f"{offered} offers a module {module!r} here already", "choose another name")
    return Names(name, module, f"secpkg_{module}", "secpkg-" + module.replace("_", "-"))


def make(name: str, role: Role, directory: Path | None = None) -> Made:
    """Write a distribution into ``directory`` (else one named like the distribution, here). `NewFault`; OSError."""
    names = names_of(name)
    target = Path(names.distribution) if directory is None else directory
    if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
        raise NewFault(f"{target} is there already", "nothing is overwritten: choose another with --directory")
    contents = dict(sorted(_contents(role, names).items()))
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for path, text in contents.items():
            file = place / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
        place.chmod(0o777 & ~_umask())
        os.rename(place, target)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(place)
        raise
    return Made(str(target), role, names, tuple(contents), tuple(_decisions(contents)))


def _contents(role: Role, names: Names) -> dict[str, str]:
    words = {
        "NewPackage": names.package,
        "newpackage": names.module,
        "new_package": names.imported,
        "new-package": names.distribution,
    }
    pattern = re.compile("|".join(words))
    found = {f"src/{names.imported}/py.typed": ""}
    for source in _SOURCES[role]:
        for path, text in _templates(source).items():
            made = re.sub(pattern, lambda match: words[match.group()], path.removesuffix(_SUFFIX))
            found[made] = re.sub(pattern, lambda match: words[match.group()], text)
    return found


def _decisions(contents: dict[str, str]) -> list[Decision]:
    found = [
        Decision(int(mark.group(1)), path, number)
        for path, text in contents.items()
        for number, line in enumerate(text.splitlines(), 1)
        if (mark := _MARK.search(line))
    ]
    return sorted(found, key=lambda decision: decision.number)


def _templates(source: str) -> dict[str, str]:
    root = files(__name__).joinpath("templates", source)
    found: dict[str, str] = {}

    def walk(folder: Traversable, path: str) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                walk(entry, f"{path}{entry.name}/")
            elif entry.name.endswith(_SUFFIX):
                found[path + entry.name] = entry.read_text("utf-8")

    walk(root, "")
    return found


def _words() -> set[str]:
    """The identifiers of the samples' code."""
    found: set[str] = set()
    for source in ("ap", "context", "ssp", "ssp-ap"):
        for path, text in _templates(source).items():
            if path.endswith(".py" + _SUFFIX):
                tokens = tokenize.generate_tokens(io.StringIO(text).readline)
                found.update(token.string for token in tokens if token.type == tokenize.NAME)
    return found - {"NewPackage", "new_package"}


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
