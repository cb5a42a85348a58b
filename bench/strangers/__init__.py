"""Other implementations of NTLM, each in a process of its own: what they need of this machine, and how fast they are.

One that is not installed is told with the package that is missing; it is never left out in silence.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
from glob import glob
from pathlib import Path
from shutil import which
from types import TracebackType
from typing import IO, Final, Self

from bench.authority import DOMAIN, PASSWORD, USER
from secpkg.protocols.ntlm import nt_hash

HERE: Final = Path(__file__).parent
DEBIAN_PYTHON: Final = "/usr/bin/python3"
GSS_LIBRARY: Final = "/usr/lib/*/gssntlmssp/gssntlmssp.so"
NEEDS: Final = {
    "gss-ntlmssp": (
        ("gss-ntlmssp", GSS_LIBRARY),
        ("python3-gssapi", "/usr/lib/python3/dist-packages/gssapi/__init__.py"),
    ),
    "WinPR": (("libwinpr2-2", "/usr/lib/*/libwinpr2.so.2"),),
    "samba.gensec": (
        ("python3-samba", "/usr/lib/python3/dist-packages/samba/gensec.*.so"),
        ("samba", "/usr/sbin/samba"),
        ("samba-ad-provision", "/usr/share/samba/setup/provision.ldif"),
        ("samba-dsdb-modules", "/usr/lib/*/samba/ldb/samldb.so"),
    ),
    "ntlm_auth": (("winbind", "ntlm_auth"),),
}
"""Contender → Debian packages, and what shows that each is there."""


_MODULES: Final = {
    "pyspnego": (sys.executable, "pyspnego"),
    "gss-ntlmssp": (DEBIAN_PYTHON, "gss"),
    "WinPR": (sys.executable, "winpr"),
    "samba.gensec": (DEBIAN_PYTHON, "samba"),
}
_ADMINISTRATOR: Final = ("Administrator", "Correct-horse-7")
"""Of a new domain of Samba's, whose passwords have to be of many kinds."""


def missing(name: str) -> str:
    """The Debian packages that this contender lacks here; empty when there are none."""
    needs = NEEDS.get(name, ())
    return ", ".join(package for package, sign in needs if not (glob(sign) if sign.startswith("/") else which(sign)))


class Stranger:
    """``peer.py`` with one library: ``handshake`` and ``seal SIZE``, so many times, in seconds each."""

    def __init__(self, name: str, folder: Path) -> None:
        python, module = _MODULES[name]
        who = _ADMINISTRATOR if name == "samba.gensec" else (USER, PASSWORD)
        self._process = subprocess.Popen(
            [python, "-B", HERE / "peer.py", module, DOMAIN, *who],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", **_environment(name, folder)},
            text=True,
        )

    def ask(self, what: str, times: int) -> float:
        """Seconds for each time."""
        return float(exchanged(self._process, f"{what} {times}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended(self._process)


def _environment(name: str, folder: Path) -> dict[str, str]:
    accounts = folder / "accounts"
    hashed = nt_hash(PASSWORD).hex().upper()
    accounts.write_text(f"{DOMAIN}\\{USER}:1000:{'0' * 32}:{hashed}:[U          ]:LCT-00000000\n")
    if name == "WinPR":
        return {"HOME": os.fspath(folder), "WLOG_LEVEL": "OFF"}
    if name == "pyspnego":
        return {"NTLM_USER_FILE": os.fspath(accounts)}
    if name == "samba.gensec":
        _provision(folder)
        return {"SMB_CONF_PATH": os.fspath(folder / "etc" / "smb.conf")}
    (library,) = glob(GSS_LIBRARY)
    mechanisms = folder / "mechanisms.conf"  # this process alone sees it, and nothing of the machine's own
    mechanisms.write_text(f"gssntlmssp_v1\t1.3.6.1.4.1.311.2.2.10\t{library}\n")
    return {
        "GSS_MECH_CONFIG": os.fspath(mechanisms),
        "NTLM_USER_FILE": os.fspath(accounts),
        "LM_COMPAT_LEVEL": "5",
        "NETBIOS_COMPUTER_NAME": "STRANGER",
        "NETBIOS_DOMAIN_NAME": DOMAIN,
    }


def _provision(folder: Path) -> None:
    """A domain of Samba's; no daemon."""
    options = {
        "targetdir": folder,
        "realm": f"{DOMAIN}.EXAMPLE",
        "domain": DOMAIN,
        "adminpass": _ADMINISTRATOR[1],
        "server-role": "dc",
        "dns-backend": "NONE",
    }
    program = ["samba-tool", "domain", "provision", *(f"--{name}={value}" for name, value in options.items())]
    subprocess.run(program, check=True, capture_output=True)


class NtlmAuth:
    """Samba's ntlm_auth as the acceptor of a full logon (``squid-2.5-ntlmssp``), with the account's password given."""

    def __init__(self, folder: Path) -> None:
        configuration = folder / "smb.conf"
        folders = ("lock directory", "state directory", "cache directory", "private dir", "pid directory")
        lines = [f"workgroup = {DOMAIN}", "netbios name = SERVER", "server role = standalone"]
        lines += [f"{name} = {folder}" for name in folders]
        configuration.write_text("\n".join(["[global]", *lines]) + "\n")
        program = [
            "ntlm_auth",
            "--helper-protocol=squid-2.5-ntlmssp",
            f"--username={USER}",
            f"--domain={DOMAIN}",
            f"--configfile={configuration}",
            f"--password={PASSWORD}",
        ]
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self, token: bytes, first: bool) -> bytes:
        """The challenge, and nothing at the end. RuntimeError for a refusal."""
        said = exchanged(self._process, f"{'YR' if first else 'KK'} {base64.b64encode(token).decode()}")
        kind, _, rest = said.partition(" ")
        if kind != ("TT" if first else "AF"):
            raise RuntimeError(f"ntlm_auth: {said}")
        return base64.b64decode(rest) if first else b""

    def close(self) -> None:
        """End it."""
        ended(self._process)


def exchanged(process: subprocess.Popen[str], line: str) -> str:
    """A line to a child and the line that comes back."""
    into, out = _pipes(process)
    into.write(line + "\n")
    into.flush()
    answer = out.readline()
    if not answer:
        raise RuntimeError(f"{process.args!r} is gone")
    return answer.rstrip("\n")


def ended(process: subprocess.Popen[str]) -> None:
    """Wait for a child, which leaves at the end of its input."""
    for pipe in _pipes(process):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
    process.wait()


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None and process.stdout is not None
    return process.stdin, process.stdout
