"""The probes, by family. Importing them all is `load`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from secpkg.kit.check.model import PROBES, Probe


def load() -> tuple[Probe, ...]:
    """Every probe, families in the order of their names."""
    for module in sorted(iter_modules(__path__), key=lambda one: one.name):
        import_module(f"{__name__}.{module.name}")
    return tuple(PROBES)
