"""NTLM handshakes and sealed messages, beside other implementations in the same rounds."""

from __future__ import annotations

import contextlib
import hmac
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
from cryptography.hazmat.primitives.ciphers import Cipher

from bench.authority import DOMAIN, PASSWORD, USER, Authority
from bench.figures import Figure, Samples, at_least, at_most, median, ratio
from bench.strangers import NEEDS, NtlmAuth, Stranger, missing
from secpkg import Client, Credential, Server
from secpkg.contract.flags import CredentialUse
from secpkg.protocols.ntlm.authenticate import Authenticate, build
from secpkg.testing import LabAuthority

PACKAGE: Final = "NTLM"
TARGET: Final = "HTTP/server.example.com"
LIBRARIES: Final = ("pyspnego", "gss-ntlmssp", "WinPR", "samba.gensec")
SIZES: Final = ((64, "64 B"), (1024, "1 KiB"), (65_536, "64 KiB"))
_SEAL_BUDGETS: Final = {("WinPR", 64): 1.0, ("pyspnego", 64): 3.0, ("WinPR", 1024): 1.0}
_MICROSECONDS: Final = 1e6


class Pair:
    """A client and a server at one authority. ``kept``: their credentials are acquired once, and not each time."""

    def __init__(self, authority: object, *, kept: bool) -> None:
        self._authority = authority
        self._outbound = (
            Credential(PACKAGE, username=USER, domain=DOMAIN, password=PASSWORD, authority=authority) if kept else None
        )
        self._inbound = Credential(PACKAGE, CredentialUse.INBOUND, authority=authority) if kept else None

    def client(self) -> Client:
        """A new initiator."""
        if self._outbound is not None:
            return Client(PACKAGE, credential=self._outbound, target=TARGET)
        authority = self._authority
        return Client(PACKAGE, username=USER, domain=DOMAIN, password=PASSWORD, target=TARGET, authority=authority)

    def server(self) -> Server:
        """A new acceptor."""
        if self._inbound is not None:
            return Server(PACKAGE, credential=self._inbound)
        return Server(PACKAGE, authority=self._authority)

    def contexts(self) -> tuple[Client, Server]:
        """A handshake: both ends, complete."""
        client, server = self.client(), self.server()
        server.step(client.step(server.step(client.step())))
        assert client.complete and server.complete
        return client, server

    def handshake(self) -> None:
        """A handshake, and everything closed."""
        client, server = self.contexts()
        client.close()
        server.close()

    def accepted(self, initiator: Pair) -> float:
        """What the acceptor's half of a handshake took, with the client at another authority."""
        client = initiator.client()
        negotiate = client.step()
        begun = time.perf_counter()
        server = self.server()
        challenge = server.step(negotiate)
        taken = time.perf_counter() - begun
        authenticate = client.step(challenge)
        begun = time.perf_counter()
        server.step(authenticate)
        server.close()
        taken += time.perf_counter() - begun
        client.close()
        return taken


class Ntlm:
    """The group; ``count`` handshakes a round for each contender."""

    title = "NTLM (NTLMv2, MIC, sign and seal; both sides, opened and closed)"

    def __init__(self, authority: Authority, exit_stack: contextlib.ExitStack, count: int) -> None:
        self._count = count
        lab = exit_stack.enter_context(LabAuthority(domain=DOMAIN, modules=["ntlm"]))
        lab.add_user(USER, password=PASSWORD)
        self._embedded = {kept: Pair(lab, kept=kept) for kept in (False, True)}
        self._daemon = {kept: Pair(authority.address, kept=kept) for kept in (False, True)}
        self._missing = {name: missing(name) for name in (*LIBRARIES, *NEEDS)}
        self._strangers: dict[str, Stranger] = {}
        for name in LIBRARIES:
            if not self._missing[name]:
                folder = Path(exit_stack.enter_context(tempfile.TemporaryDirectory(prefix="secpkg-bench-")))
                self._strangers[name] = exit_stack.enter_context(Stranger(name, folder))
        self._ntlm_auth: NtlmAuth | None = None
        if not self._missing["ntlm_auth"]:
            folder = Path(exit_stack.enter_context(tempfile.TemporaryDirectory(prefix="secpkg-bench-")))
            self._ntlm_auth = NtlmAuth(folder)
            exit_stack.callback(self._ntlm_auth.close)
        self._token = self._an_authenticate()
        parsed = self._parsed = Authenticate.parse(self._token)
        self._lm, self._nt = bytes(parsed.lm_response), bytes(parsed.nt_response)
        self._key = bytes(parsed.encrypted_session_key)
        self._bare = Cipher(ARC4(bytes(16)), None).encryptor()

    def _an_authenticate(self) -> bytes:
        client, server = self._embedded[True].client(), self._embedded[True].server()
        token = client.step(server.step(client.step()))
        client.close()
        server.close()
        assert token is not None
        return token

    def contenders(self) -> Mapping[str, Callable[[], float]]:
        found: dict[str, Callable[[], float]] = {
            "embedded": self._handshakes(self._embedded[False]),
            "embedded, kept": self._handshakes(self._embedded[True]),
            "daemon": self._handshakes(self._daemon[False]),
            "daemon, kept": self._handshakes(self._daemon[True]),
            "acceptor": self._accepted,
        }
        for name, stranger in self._strangers.items():
            found[name] = self._asked(stranger, "handshake", self._count)
        if self._ntlm_auth is not None:
            found["ntlm_auth"] = self._accepted_by_ntlm_auth
        for size, text in SIZES:
            times = max(10, self._count * 20_000 // (2_000 + size))
            found[f"sealed, {text}"] = self._sealed(bytes(size), times)
            found[f"bare, {text}"] = self._bare_limit(bytes(size), times)
            for name, stranger in self._strangers.items():
                found[f"{name}, {text}"] = self._asked(stranger, f"seal {size}", times)
        found["parse"] = self._timed(lambda: Authenticate.parse(self._token), self._count * 5)
        found["build"] = self._timed(self._build, self._count * 5)
        return found

    @staticmethod
    def _timed(call: Callable[[], object], times: int) -> Callable[[], float]:
        def run() -> float:
            begun = time.perf_counter()
            for _ in range(times):
                call()
            return (time.perf_counter() - begun) / times

        return run

    @staticmethod
    def _asked(stranger: Stranger, what: str, times: int) -> Callable[[], float]:
        return lambda: stranger.ask(what, times)

    def _handshakes(self, pair: Pair) -> Callable[[], float]:
        return self._timed(pair.handshake, self._count)

    def _accepted(self) -> float:
        return median([self._daemon[True].accepted(self._embedded[True]) for _ in range(self._count)])

    def _accepted_by_ntlm_auth(self) -> float:
        assert self._ntlm_auth is not None
        each = []
        for _ in range(self._count):
            client = self._embedded[True].client()
            negotiate = client.step() or b""
            begun = time.perf_counter()
            challenge = self._ntlm_auth.step(negotiate, first=True)
            taken = time.perf_counter() - begun
            authenticate = client.step(challenge) or b""
            begun = time.perf_counter()
            self._ntlm_auth.step(authenticate, first=False)
            each.append(taken + time.perf_counter() - begun)
            client.close()
        return median(each)

    def _sealed(self, data: bytes, times: int) -> Callable[[], float]:
        client, _server = self._embedded[True].contexts()
        return self._timed(lambda: client.encrypt(data), times)

    def _bare_limit(self, data: bytes, times: int) -> Callable[[], float]:
        """RC4 over the data, HMAC-MD5 over a number and the data, RC4 over eight bytes of that, and nothing else."""
        draw, key = self._bare.update, bytes(16)

        def sealed() -> bytes:
            text = draw(data)
            return draw(hmac.digest(key, b"\0\0\0\0" + data, "md5")[:8]) + text

        return self._timed(sealed, times)

    def _build(self) -> bytes:
        parsed = self._parsed
        return build(
            parsed.flags,
            domain=parsed.domain,
            user=parsed.user,
            workstation=parsed.workstation,
            lm_response=self._lm,
            nt_response=self._nt,
            encrypted_session_key=self._key,
            version=parsed.version,
            mic=True,
        )

    def figures(self, samples: Samples) -> Iterator[Figure]:
        def rate(name: str, row: str) -> Figure:
            return at_least(row, 1 / median(samples[name]), "/s")

        yield rate("embedded", "embedded, with two credentials handles")
        yield rate("embedded, kept", "embedded, credentials kept")
        for name in LIBRARIES:
            if name in self._strangers:
                yield rate(name, name)
            else:
                yield at_least(f"{name}: MISSING, Debian package {self._missing[name]}", 0, "")
        for ours, name, budget in (
            ("embedded", "pyspnego", 5.0),
            ("embedded, kept", "gss-ntlmssp", 1.0),
            ("embedded, kept", "WinPR", None),
            ("daemon", "pyspnego", 2.0),
        ):
            if name in self._strangers:
                yield at_least(f"{ours}, to {name}", ratio(samples, name, ours), "×", budget)
        yield rate("daemon", "daemon, with two credentials handles")
        yield rate("daemon, kept", "daemon, credentials kept")
        yield rate("acceptor", "acceptor's half through the daemon")
        if self._ntlm_auth is None:
            yield at_least(f"ntlm_auth: MISSING, Debian package {self._missing['ntlm_auth']}", 0, "")
        else:
            yield rate("ntlm_auth", "acceptor's half by ntlm_auth, a full logon")
            yield at_least("acceptor, to ntlm_auth", ratio(samples, "ntlm_auth", "acceptor"), "×", 1.0)
        yield from self._sealing(samples)
        yield at_most("AUTHENTICATE_MESSAGE, parsed", median(samples["parse"]) * _MICROSECONDS, "µs", 15)
        yield at_most("AUTHENTICATE_MESSAGE, built", median(samples["build"]) * _MICROSECONDS, "µs", 15)

    def _sealing(self, samples: Samples) -> Iterator[Figure]:
        for size, text in SIZES:
            ours = f"sealed, {text}"
            yield at_least(ours, 1 / median(samples[ours]), "/s")
            for name in self._strangers:
                times = ratio(samples, f"{name}, {text}", ours)
                yield at_least(f"{ours}, to {name}", times, "×", _SEAL_BUDGETS.get((name, size)))
            limit = 0.95 if size == SIZES[-1][0] else None
            yield at_least(f"{ours}, to bare RC4 and HMAC-MD5", ratio(samples, f"bare, {text}", ours), "×", limit)
