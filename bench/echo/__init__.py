"""The distribution that the benchmark registers; `install` writes it where the authority may look (R8)."""

from __future__ import annotations

import shutil
from pathlib import Path

MODULE = "secpkg-bench"
ECHO, ASKING = "BenchEcho", "BenchAsking"


def install(directory: Path) -> None:
    """Put the distribution into ``directory``."""
    shutil.copytree(
        Path(__file__).with_name("secpkg_bench"),
        directory / "secpkg_bench",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    information = directory / "secpkg_bench-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: secpkg-bench\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[secpkg.lsa_mode]\n{MODULE} = secpkg_bench:lsa_mode_initialize\n")
