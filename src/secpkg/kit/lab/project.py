"""What is to be tried: an installed module by its name, or a distribution that is not installed, by its directory.

The latter gets, in the lab's own place, the metadata that an installation would give it and a link to its source; so an
edit is an edit of the real files, and nothing is ever built. Only the ``src`` layout and packages beside pyproject.toml
are known, and only static metadata.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from importlib import metadata
from pathlib import Path

import msgspec

from secpkg.runtime.modules import LSA_MODE, SECURITY_PROVIDER, USER_MODE

_PROJECT = "pyproject.toml"
_GROUPS = (LSA_MODE, SECURITY_PROVIDER)


class ProjectFault(Exception):
    """Nothing that can be tried; the text says why, ``following`` what to do next."""

    def __init__(self, wrong: str, following: str) -> None:
        super().__init__(wrong)
        self.following = following


class Subject(msgspec.Struct, frozen=True):
    """One module: ``path`` is where to look for it when it is not installed, ``roots`` are its source files."""

    name: str
    provider: bool
    path: str
    roots: tuple[str, ...]
    project: str = ""


def find(name: str, place: Path) -> tuple[Subject, ...]:
    """The modules that are meant by a name or a directory; ``place`` is a directory of the lab's. `ProjectFault`."""
    if (Path(name) / _PROJECT).is_file():
        return _of_project(Path(name), place)
    found = [
        Subject(name, group == SECURITY_PROVIDER, "", (_root(entry.value),))
        for group in _GROUPS
        for entry in metadata.entry_points(group=group, name=name)
    ]
    if not found:
        raise ProjectFault(
            f"no installed distribution offers a module {name!r}, and it is no directory with a {_PROJECT}",
            "name an installed module, or the directory of a project: secpkg new begins one",
        )
    return tuple(found[:1])


def _root(target: str) -> str:
    top = target.partition(":")[0].partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ProjectFault(f"{top} cannot be found", "install the distribution again")
    if spec.submodule_search_locations:
        return os.path.realpath(next(iter(spec.submodule_search_locations)))
    return os.path.realpath(spec.origin or "")


def _of_project(project: Path, place: Path) -> tuple[Subject, ...]:
    try:
        described = tomllib.loads((project / _PROJECT).read_text("utf-8"))["project"]
        name, version = str(described["name"]), str(described["version"])
        groups: dict[str, dict[str, str]] = {
            group: dict(entries) for group, entries in described.get("entry-points", {}).items()
        }
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ProjectFault(
            f"{project / _PROJECT} cannot be used: {type(error).__name__}: {error}",
            "it needs [project] with name, version and entry points of secpkg",
        ) from None
    modules = [(group, module, target) for group in _GROUPS for module, target in groups.get(group, {}).items()]
    if not modules:
        raise ProjectFault(
            f"{project / _PROJECT} has no entry point of {' or '.join(_GROUPS)}",
            'add one: [project.entry-points."secpkg.lsa_mode"]',
        )
    overlay = place / f"project-{name}"
    information = overlay / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group in (*_GROUPS, USER_MODE)
        for line in (f"[{group}]", *(f"{module} = {target}" for module, target in groups.get(group, {}).items()))
    ]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n")
    subjects = []
    for group, module, target in modules:
        source = _source(project, target.partition(":")[0].partition(".")[0])
        _require_no_other(source, name)
        _require_own(group, module, name)
        link = overlay / source.name
        if not link.is_symlink():
            link.symlink_to(source)
        subjects.append(
            Subject(module, group == SECURITY_PROVIDER, str(overlay), (str(source),), str(project.resolve() / _PROJECT))
        )
    return tuple(subjects)


def _require_no_other(source: Path, name: str) -> None:
    """What is installed comes first (`secpkg.runtime.modules.use_path`), so an edit here would change nothing there."""
    try:
        installed = Path(_root(source.stem))
    except ProjectFault:
        return
    if installed.resolve() != source:
        raise ProjectFault(
            f"{source.stem} is installed from another place, {installed}, which Python would take",
            f"install this one: pip install -e {source.parents[1 if source.parent.name == 'src' else 0]}"
            f" (or: pip uninstall {name})",
        )


def _require_own(group: str, module: str, name: str) -> None:
    """A module's name belongs to one distribution: of two the installed one would be loaded."""
    for entry in metadata.entry_points(group=group, name=module):
        owner = "" if entry.dist is None else entry.dist.name
        if _normal(owner) != _normal(name):
            raise ProjectFault(
                f"the module name {module!r} is taken: the installed distribution {owner} offers it",
                f"give the entry point another name, or: pip uninstall {owner}",
            )


def _normal(name: str) -> str:
    """A distribution's name in the one spelling that stands for all."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _source(project: Path, top: str) -> Path:
    for folder in (project / "src", project):
        for found in (folder / top, folder / f"{top}.py"):
            if found.exists():
                return found.resolve()
    raise ProjectFault(f"{project} has no {top}", "the entry point names a package that is not there")
