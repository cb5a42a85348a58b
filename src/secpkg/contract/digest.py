"""The digest of a package's files, by which an application knows the user half that the authority registered.

It tells versions apart; it does not make code trustworthy: whoever can write the application's environment runs code
in the application anyway.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os

_MAX_FILES = 10_000
_MAX_BYTES = 256 * 1024 * 1024


def distribution_digest(top_level_package: str) -> bytes:
    """SHA-256 over the Python files of an installed top-level package, which is found but not imported.

    Files are ``*.py`` under the package's directories (the one file itself for a single module), in the order of their
    relative POSIX paths; each enters as path, NUL, length as 8 bytes big-endian, contents. LookupError when there is
    no such package, or when it has no Python source; ValueError for one above 10 000 files or 256 MiB.
    """
    if not top_level_package or "." in top_level_package:
        raise LookupError(f"{top_level_package!r} is not a top-level package")
    try:
        spec = importlib.util.find_spec(top_level_package)
    except (ImportError, ValueError) as error:
        raise LookupError(f"no package {top_level_package!r}") from error
    if spec is None:
        raise LookupError(f"no package {top_level_package!r}")
    if spec.submodule_search_locations is None:
        files = [(os.path.basename(spec.origin), spec.origin)] if spec.origin and spec.origin.endswith(".py") else []
    else:
        files = sorted(found for place in spec.submodule_search_locations for found in _python_files(place))
    if not files:
        raise LookupError(f"package {top_level_package!r} has no Python source")
    if len(files) > _MAX_FILES:
        raise ValueError(f"package {top_level_package!r} has more than {_MAX_FILES} files")
    total = 0
    digest = hashlib.sha256()
    for name, path in files:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > _MAX_BYTES - total:
                raise ValueError(f"package {top_level_package!r} has more than {_MAX_BYTES} bytes")
            contents = file.read()
        total += len(contents)
        if total > _MAX_BYTES:
            raise ValueError(f"package {top_level_package!r} has more than {_MAX_BYTES} bytes")
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + len(contents).to_bytes(8, "big"))
        digest.update(contents)
    return digest.digest()


def _python_files(place: str) -> list[tuple[str, str]]:
    found = []
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                found.append((os.path.relpath(path, place).replace(os.sep, "/"), path))
    return found
