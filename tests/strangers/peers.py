"""The strangers: each makes ends of its own library. What they need of Debian stands in requirements/debian.txt."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from glob import glob
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Final

import pytest
import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError
from tests.strangers.talk import DOMAIN, PASSWORD, USER, End, Refused, Wish, talk

from secpkg.protocols.ntlm import nt_hash

HERE: Final = Path(__file__).parent
DEBIAN_PYTHON: Final = "/usr/bin/python3"


@dataclass(frozen=True)
class Peer:
    """A stranger: its name, what it needs of Debian, which sides it plays, what it has, and how an end of it is made.

    ``end`` takes a wish, a folder that has the stranger's accounts (`accounts`), and the list of what is to be closed.
    ``by_hash``: it logs on with an NT hash. ``seals``, ``signs``, ``empty``: it protects messages, and empty ones.
    ``binds``: it knows channel bindings. ``mic``: its initiator's raw tokens have one. ``note`` is for docs/interop.md.
    """

    name: str
    needs: tuple[str, ...]
    sides: tuple[str, ...]
    end: Callable[[Wish, Path, list[subprocess.Popen[str]]], End]
    by_hash: bool = False
    seals: bool = True
    signs: bool = True
    empty: bool = True
    binds: bool = True
    mic: bool = True
    note: str = ""

    @property
    def marks(self) -> pytest.MarkDecorator:
        """The marker of tests that need it."""
        return pytest.mark.stranger(*self.needs)

    @property
    def version(self) -> str:
        """Its own version, without what Debian adds."""
        if not self.needs:
            return version(self.name)
        return debian_version(self.needs[0])

    def talk(self, initiator: End, acceptor: End) -> None:
        """`talk`, as far as it can."""
        talk(initiator, acceptor, seals=self.seals, signs=self.signs, empty=self.empty)


def debian_version(package: str) -> str:
    """A package's version without what Debian adds."""
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    found = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    return re.sub(r"^\d+:|[-+~].*$", "", found)


def accounts(folder: Path) -> None:
    """The strangers' accounts: smbpasswd lines, which gss-ntlmssp and pyspnego read (NTLM_USER_FILE)."""
    hashed = nt_hash(PASSWORD).hex().upper()
    (folder / "accounts").write_text(f"{DOMAIN}\\{USER}:1000:{'0' * 32}:{hashed}:[U          ]:LCT-00000000\n")


# ------------------------------------------------------------------------------------------------------------- pyspnego


class Pyspnego:
    """pyspnego's own NTLM, in this process. Its accounts file is named by the environment."""

    def __init__(self, wish: Wish, accounts: Path) -> None:
        extra: dict[str, Any] = {"options": spnego.NegotiateOptions.use_ntlm, "protocol": "ntlm"}
        if wish.bindings:
            extra["channel_bindings"] = GssChannelBindings(application_data=wish.bindings)
        request = spnego.ContextReq.none
        if wish.sign:
            request |= spnego.ContextReq.integrity | spnego.ContextReq.sequence_detect
        if wish.seal:
            request |= spnego.ContextReq.confidentiality
        extra["context_req"] = request
        self._accounts = str(accounts)
        with self._environment():
            if wish.side == "acceptor":
                self._context = spnego.server(**extra)
                return
            service, hostname = wish.target.split("/")
            name: Any = f"{wish.domain}\\{wish.user}"
            if wish.password is None:
                hashed = nt_hash(PASSWORD).hex()
                name = spnego.NTLMHash(username=name, nt_hash=hashed)
            self._context = spnego.client(name, wish.password, hostname=hostname, service=service, **extra)

    @contextmanager
    def _environment(self) -> Iterator[None]:
        before = os.environ.get("NTLM_USER_FILE")
        os.environ["NTLM_USER_FILE"] = self._accounts
        try:
            yield
        except SpnegoError as error:
            raise Refused(f"{type(error).__name__}: {error}") from error
        finally:
            del os.environ["NTLM_USER_FILE"]
            if before is not None:
                os.environ["NTLM_USER_FILE"] = before

    @property
    def complete(self) -> bool:
        return bool(self._context.complete)

    def step(self, token: bytes | None) -> bytes | None:
        with self._environment():
            return self._context.step(token)

    def seal(self, data: bytes) -> bytes:
        with self._environment():
            return self._context.wrap(data).data

    def unseal(self, data: bytes) -> bytes:
        with self._environment():
            return self._context.unwrap(data).data

    def sign(self, data: bytes) -> bytes:
        with self._environment():
            return self._context.sign(data)

    def verify(self, data: bytes, signature: bytes) -> None:
        with self._environment():
            self._context.verify(data, signature)

    def session_key(self) -> bytes | None:
        return self._context.session_key


# ---------------------------------------------------------------------------------------- libraries in child processes


class Child:
    """An end in a process of its own (`child.py`)."""

    def __init__(
        self, module: str, python: str, wish: Wish, environment: dict[str, str], opened: list[subprocess.Popen[str]]
    ) -> None:
        self.complete = False
        self._tells_key = module == "gss"
        self._process = subprocess.Popen(
            [python, "-B", HERE / "child.py", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.defpath, "LANG": "C.UTF-8", **environment},
            text=True,
        )
        opened.append(self._process)
        self._ask(**{**asdict(wish), "bindings": wish.bindings.hex()})

    def _ask(self, **asked: object) -> bytes | None:
        reply = json.loads(exchanged(self._process, json.dumps(asked)))
        if "error" in reply:
            raise Refused(reply["error"])
        self.complete = reply["complete"]
        return None if reply["data"] is None else bytes.fromhex(reply["data"])

    def _bytes(self, do: str, data: bytes = b"") -> bytes:
        out = self._ask(do=do, data=data.hex())
        assert out is not None
        return out

    def step(self, token: bytes | None) -> bytes | None:
        return self._ask(do="step", data=(token or b"").hex())

    def seal(self, data: bytes) -> bytes:
        return self._bytes("seal", data)

    def unseal(self, data: bytes) -> bytes:
        return self._bytes("unseal", data)

    def sign(self, data: bytes) -> bytes:
        return self._bytes("sign", data)

    def verify(self, data: bytes, signature: bytes) -> None:
        self._ask(do="verify", data=data.hex(), more=signature.hex())

    def session_key(self) -> bytes | None:
        return self._bytes("session_key") if self._tells_key else None


def exchanged(process: subprocess.Popen[str], line: str) -> str:
    """A line to a child and the line that comes back."""
    into, out = _pipes(process)
    into.write(line + "\n")
    into.flush()
    answer = out.readline()
    assert answer, f"{process.args!r} is gone"
    return answer


def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def close(opened: list[subprocess.Popen[str]]) -> None:
    """Ends the children: they leave at the end of their input."""
    for process in opened:
        with process:
            for pipe in _pipes(process):
                pipe.close()
            process.wait(timeout=30)


def gss(wish: Wish, folder: Path, opened: list[subprocess.Popen[str]]) -> End:
    """gss-ntlmssp, seen by this process alone: GSS_MECH_CONFIG names it, and the machine's own mechanisms are out."""
    (library,) = glob("/usr/lib/*/gssntlmssp/gssntlmssp.so")
    mechanisms = folder / "mech.conf"
    mechanisms.write_text(f"gssntlmssp_v1\t1.3.6.1.4.1.311.2.2.10\t{library}\n")
    environment = {
        "GSS_MECH_CONFIG": str(mechanisms),
        "NTLM_USER_FILE": str(folder / "accounts"),
        "LM_COMPAT_LEVEL": "5",
        "NETBIOS_COMPUTER_NAME": "STRANGER",
        "NETBIOS_DOMAIN_NAME": DOMAIN,
    }
    return Child("gss", DEBIAN_PYTHON, wish, environment, opened)


def winpr(wish: Wish, folder: Path, opened: list[subprocess.Popen[str]]) -> End:
    """WinPR: HOME is elsewhere, because it looks for a configuration there."""
    return Child("winpr", sys.executable, wish, {"HOME": str(folder), "WLOG_LEVEL": "OFF"}, opened)


# ---------------------------------------------------------------------------------------------------------------- Samba


class NtlmAuth:
    """Samba's ntlm_auth as client (``ntlmssp-client-1``): it logs on and tells the session key, and seals nothing."""

    def __init__(self, wish: Wish, folder: Path, opened: list[subprocess.Popen[str]]) -> None:
        configuration = folder / "smb.conf"
        folders = ("lock directory", "state directory", "cache directory", "private dir", "pid directory")
        lines = [f"workgroup = {DOMAIN}", "netbios name = CLIENT", "server role = standalone"]
        lines += [f"{name} = {folder}" for name in folders]
        configuration.write_text("\n".join(["[global]", *lines]) + "\n")
        names = [f"--username={wish.user}", f"--domain={wish.domain}"]
        program = ["ntlm_auth", "--helper-protocol=ntlmssp-client-1", *names, f"--configfile={configuration}"]
        if wish.bindings:
            raise NotImplementedError("ntlm_auth has no option for channel bindings")
        self.complete = False
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        opened.append(self._process)
        wanted = ["SIGN"] * wish.sign + ["SEAL"] * wish.seal
        assert not wanted or self._ask("SF " + " ".join(f"NTLMSSP_FEATURE_{name}" for name in wanted)) == "OK"
        assert wish.password is not None
        assert self._ask("PW " + base64.b64encode(wish.password.encode()).decode()) == "OK"

    def _ask(self, line: str) -> str:
        return exchanged(self._process, line).rstrip("\n")

    def step(self, token: bytes | None) -> bytes | None:
        said = self._ask("YR" if token is None else "TT " + base64.b64encode(token).decode())
        kind, _, data = said.partition(" ")
        if kind not in {"YR", "KK", "AF"}:
            raise Refused(said)
        self.complete = kind != "YR"
        return base64.b64decode(data)

    def session_key(self) -> bytes | None:
        return base64.b64decode(self._ask("GK").removeprefix("GK "))

    def seal(self, data: bytes) -> bytes:
        raise NotImplementedError("ntlm_auth protects no messages")

    unseal = sign = seal

    def verify(self, data: bytes, signature: bytes) -> None:
        raise NotImplementedError("ntlm_auth protects no messages")


BOTH: Final = ("initiator", "acceptor")
PEERS: Final = {
    peer.name: peer
    for peer in (
        Peer(
            "pyspnego",
            (),
            BOTH,
            lambda wish, folder, _: Pyspnego(wish, folder / "accounts"),
            by_hash=True,
            note="its own NTLM, not the machine's GSSAPI. Its acceptor takes an all-zero binding for one, and "
            "refuses valid clients that order their AV pairs otherwise (WinPR)",
        ),
        Peer(
            "gss-ntlmssp",
            ("gss-ntlmssp", "python3-gssapi"),
            BOTH,
            gss,
            by_hash=True,
            empty=False,
            mic=False,
            note="by python-gssapi, raw tokens. Its initiator says that it makes no MIC: an acceptor of ours takes "
            "it with the MIC policy *when promised*, and refuses it by default (*when able*). Empty messages it"
            " cannot protect",
        ),
        Peer(
            "WinPR",
            ("libwinpr2-2",),
            BOTH,
            winpr,
            signs=False,
            note="what FreeRDP uses. Its acceptor compares no bindings and no names, and has no MakeSignature; both "
            "its ends need an announced Version (ours announce one) for their MIC to be everybody's",
        ),
        Peer(
            "ntlm_auth",
            ("winbind",),
            ("initiator",),
            NtlmAuth,
            seals=False,
            signs=False,
            binds=False,
            note="Samba's client by `--helper-protocol=ntlmssp-client-1`: it has no bindings, and shows its session "
            "key but protects no messages. Without signing its MIC is there and not promised; ours counts it "
            "where it holds",
        ),
    )
}
