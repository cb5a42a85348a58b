"""How long it takes until something answers: the daemon, and ``import secpkg``."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bench.authority import Authority
from bench.figures import Figure, Samples, at_most, median

_IMPORTS: Final = {
    "bare Python": "pass",
    "import secpkg": "import secpkg",
    "from secpkg import Client, Server": "from secpkg import Client, Server",
}
_UNWANTED: Final = (
    "secpkg.authority",
    "secpkg.accounts",
    "secpkg.runtime",
    "secpkg.host.lsa_mode",
    "sqlite3",
    "asyncio",
)


def _run(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": os.environ.get("PATH", "")})
    return time.perf_counter() - begun


def _daemon() -> float:
    with Authority(furnished=False) as authority:
        return authority.started_in


class StartUp:
    """The group."""

    title = "Start-up"

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        return {
            **{name: lambda code=code: _run(code) for name, code in _IMPORTS.items()},  # type: ignore[misc]
            "daemon": _daemon,
        }

    def figures(self, samples: Samples) -> Iterator[Figure]:
        yield at_most("the daemon, to its first answer", median(samples["daemon"]) * 1e3, "ms")
        bare, *imports = _IMPORTS
        for name in imports:
            more = median([a - b for a, b in zip(samples[name], samples[bare], strict=True)])
            yield at_most(f"{name}, over {bare}", more * 1e3, "ms", 70.0)
            code = (
                f"{_IMPORTS[name]}; import sys; print(sum(n == u or n.startswith(u + '.')"
                f" for n in sys.modules for u in {_UNWANTED!r}))"
            )
            loaded = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
            yield at_most(f"{name}: modules of the authority, sqlite3, asyncio", loaded, "", 0)
