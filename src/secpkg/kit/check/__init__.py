"""The conformance kit: tries every rule that binds the author of a package on a module, attacks it, and reports.

`check` is the whole of it; ``secpkg check MODULE`` and the pytest plug-in are two faces of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secpkg.kit.check.model import Finding as Finding
    from secpkg.kit.check.model import Outcome as Outcome
    from secpkg.kit.check.model import Report as Report
    from secpkg.kit.check.run import check as check
    from secpkg.kit.check.target import Credentials as Credentials
    from secpkg.kit.check.target import Given as Given

_WHERE = {
    "Credentials": "target",
    "Finding": "model",
    "Given": "target",
    "Outcome": "model",
    "Report": "model",
    "check": "run",
}

__all__ = ["Credentials", "Finding", "Given", "Outcome", "Report", "check"]


def __getattr__(name: str) -> object:
    from importlib import import_module

    try:
        return getattr(import_module(f"secpkg.kit.check.{_WHERE[name]}"), name)
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
