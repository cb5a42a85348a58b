"""``python -m secpkg.kit.doctor.probe``: load a module in a process of its own, and say how far it came.

An author's code may hang, exit, print, or eat all memory; whoever asks why must not. So it is loaded here as a worker
would load it (same loader, same limits, an authority that ends with this process), or as an application would load a
user half, and one line of JSON on the descriptor that was standard output says what happened.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import Final

import msgspec

from secpkg.contract.status import SecurityError
from secpkg.kit.doctor.facts import Probe, Row, UserHalf

LIMIT: Final = 20.0
"""Seconds that a module may take, as in a worker."""
MEMORY: Final = 1024 * 1024 * 1024
MAX_ANSWER: Final = 1024 * 1024


def probe(module: str, path: str = "", *, limit: float = LIMIT) -> Probe:
    """Load the LSA half with the loader and the limits of a worker, from the places where this process looks."""
    command = [sys.executable, "-m", "secpkg.kit.doctor.probe", "lsa", module, path]
    answer, died = _run(command, limit)
    if answer is None:
        return Probe("hung" if died == "hung" else "died", died)
    return msgspec.json.decode(answer, type=Probe)


def probe_user_half(
    package: str, capabilities: int, half: tuple[str, str, str, str], *, limit: float = LIMIT
) -> UserHalf:
    """Load the user half as an application of this environment does, PYTHONPATH and all; ``half`` is what the authority
    registered: module, distribution, version and digest (hexadecimal).
    """
    command = [sys.executable, "-m", "secpkg.kit.doctor.probe", "user", package, str(capabilities), *half]
    answer, died = _run(command, limit)
    if answer is None:
        return UserHalf(True, "user_half_import", f"loading the user half of {package} {died}")
    return msgspec.json.decode(answer, type=UserHalf)


def _run(command: list[str], limit: float) -> tuple[bytes | None, str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limit,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return None, "hung"
    if done.returncode == 0 and 0 < len(done.stdout) <= MAX_ANSWER:
        return done.stdout, ""
    if done.returncode < 0:
        return None, f"was killed by signal {-done.returncode}"
    return None, f"ended the process with exit code {done.returncode}"


def _lsa(module: str, path: str) -> Probe:
    from secpkg.contract.values import PackageInfo
    from secpkg.host.lsa_mode.load import LoadFault
    from secpkg.runtime.embedded import EmbeddedAuthority
    from secpkg.runtime.modules import describe, lsa_mode_initialize

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        description = describe(module, path)
    except SecurityError as refused:
        return Probe("missing", refused.reason)
    try:
        initialize = lsa_mode_initialize(description)
    except LoadFault as fault:
        return Probe("import", str(fault), description.target)
    authority = EmbeddedAuthority()
    fault_text = ""
    try:
        authority.add_module((description, initialize), primary_credentials=True)
    except SecurityError as refused:
        fault_text = refused.reason
    rows = []
    for loaded in authority.machine.modules.values():
        for package_id in loaded.packages:
            entry = authority.machine.directory.entry(package_id)
            info: PackageInfo = entry.info
            rows.append(
                Row(
                    name=entry.name,
                    module=module,
                    distribution=description.distribution,
                    version=description.version,
                    state=entry.state,
                    reason=entry.reason,
                    capabilities=int(info.capabilities),
                    functions=tuple(sorted(entry.functions)),
                )
            )
    return Probe("loaded", fault_text, description.target, tuple(rows))


def _user(package: str, capabilities: str, *half: str) -> UserHalf:
    from secpkg.contract.flags import Capability
    from secpkg.host.user_mode.load import user_package

    entry, distribution, version, digest = half
    try:
        user_package(package, 1, Capability(int(capabilities)), (entry, distribution, version, bytes.fromhex(digest)))
    except SecurityError as refused:
        cause = refused.__cause__
        text = getattr(refused, "text", "") or str(refused)
        if cause is not None and type(cause).__name__ not in text:
            text += f" ({type(cause).__name__}: {cause})"
        return UserHalf(True, refused.reason, text)
    return UserHalf(True)


def main(arguments: list[str]) -> None:
    """Answer on what was standard output; the module's own output goes nowhere."""
    answer = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    what, *rest = arguments
    found: Probe | UserHalf = _lsa(rest[0], rest[1]) if what == "lsa" else _user(*rest)
    data = msgspec.json.encode(found)
    while data:
        data = data[os.write(answer, data) :]
    os._exit(0)  # threads of the module do not keep an answer waiting


if __name__ == "__main__":
    main(sys.argv[1:])
