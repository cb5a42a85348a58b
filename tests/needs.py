"""What a test needs of the machine: Debian packages of requirements/debian.txt, by the marker ``stranger(package)``.

Without one the test is skipped, and says what is missing. In CI (``CI`` is set) nothing may be missing: there a
skip of such a test, for whatever reason, is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from glob import glob
from pathlib import Path
from shutil import which
from typing import Final

LIST: Final = Path(__file__).parent.parent / "requirements" / "debian.txt"


def packages() -> dict[str, tuple[str, str]]:
    """Package → (what shows that it is there, what is skipped without it)."""
    lines = (line for line in LIST.read_text().splitlines() if line and not line.startswith("#"))
    rows = ([part.strip() for part in line.split("|")] for line in lines)
    return {package: (sign, consequence) for package, sign, consequence in rows}


def missing(package: str) -> str | None:
    """Why a test that needs `package` cannot run here; None where it can. KeyError: not in the list."""
    sign, consequence = packages()[package]
    there = glob(sign) if sign.startswith("/") else which(sign)
    return None if there else f"the Debian package {package} is not installed: {consequence}"


def in_ci(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this is CI, where every stranger is at hand."""
    return bool(environment.get("CI"))
