"""Two authorities that know each other, and programs that speak to them by themselves."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runtime.certificates import Ca

from secpkg import lsa
from secpkg.authority import audit
from secpkg.authority.audit import Record
from secpkg.authority.passthrough import PassthroughCall
from secpkg.contract import InterfaceVersion, ModuleTables, PackageInfo, ProtocolReply, SecurityError, Status
from secpkg.runtime.config import PassthroughConfig, PassthroughDomain
from secpkg.runtime.passthrough_wire import VERSION, Answer, Ask, OneFrame, answered
from secpkg.testing import LabAuthority


class Echo:
    """Answers pass-through, and passes on what others ask it to."""

    info = PackageInfo("Echo")

    def __init__(self) -> None:
        self.callers: list[object] = []

    async def initialize(self, package_id: int, parameters: object, authority: object) -> None:
        self.authority = authority

    async def call_package(self, call: object, submit_buffer: bytes) -> ProtocolReply:
        reply: ProtocolReply = await self.authority.call_package_passthrough(  # type: ignore[attr-defined]
            submit_buffer.decode(), 0, b"asked by a package"
        )
        return reply

    async def call_package_passthrough(self, call: object, submit_buffer: bytes) -> ProtocolReply:
        self.callers.append(call.caller)  # type: ignore[attr-defined]
        if submit_buffer == b"refuse":
            raise SecurityError(Status.STATUS_NO_MEMORY, reason="inside")
        if submit_buffer == b"large":
            return ProtocolReply(bytes(64 * 1024))
        return ProtocolReply(submit_buffer[::-1], Status.STATUS_NO_SUCH_USER)


class Site:
    """One authority and its side of the configuration."""

    def __init__(self, directory: Path, ca: Ca, domain: str) -> None:
        self.ca = ca
        self.echo = Echo()
        self.lab = LabAuthority(domain=domain, modules=[self._initialize])
        self.recorded = threading.Event()
        record = self.lab.embedded.machine.authority.audit
        self._append = record.append
        record.append = self._recording  # type: ignore[method-assign]
        self.certificate, self.key = ca.issue(f"{domain.lower()}.test", file=str(directory / domain))
        self.domains: dict[str, PassthroughDomain] = {}
        self.listen = ""
        self.limits = {"handshake_limit": 10.0, "call_limit": 10.0}

    def _recording(self, *arguments: object, **named: object) -> int:
        try:
            return self._append(*arguments, **named)  # type: ignore[arg-type]
        finally:
            self.recorded.set()

    def _initialize(self, version: InterfaceVersion) -> ModuleTables:
        return ModuleTables(InterfaceVersion.V1, (self.echo,))

    def knows(self, domain: str, address: tuple[str, int] = ("127.0.0.1", 1), name: str = "") -> None:
        host, port = address
        self.domains[domain] = PassthroughDomain(address=f"{host}:{port}", name=name or f"{domain.lower()}.test")

    @property
    def config(self) -> PassthroughConfig:
        return PassthroughConfig(
            certificate=self.certificate,
            key=self.key,
            authorities=str(self.ca.path),
            domains=self.domains,
            listen=self.listen,
            **self.limits,
        )

    def start(self) -> tuple[str, int]:
        address = self.lab.embedded.use_passthrough(self.config).address
        return address or ("", 0)

    def records(self, event: str) -> list[Record]:
        authority = self.lab.embedded.machine.authority
        with self.lab.embedded.lock:
            return [
                r for r in audit.read(authority.audit.lines(), audit.derive_key(authority.vault)) if r.event == event
            ]

    def call(self, data: bytes, package: str | int = "Echo", domain: str = "OTHER") -> ProtocolReply:
        with lsa.register_logon_process("tests", authority=self.lab) as trusted:
            return trusted.call_authentication_package(package, data, domain=domain)

    def refusal(self, data: bytes = b"ab", package: str = "Echo", domain: str = "OTHER") -> tuple[Status, str]:
        with pytest.raises(SecurityError) as caught:
            self.call(data, package, domain)
        recorded = self.records("passthrough_call")[-1]
        assert recorded.status == caught.value.status.native and recorded.facts["reason"] == caught.value.reason
        return caught.value.status, caught.value.reason


def joined(here: Site, other: Site) -> tuple[str, int]:
    """Both running; where the other one listens."""
    if not other.domains:
        other.knows("HERE")
    address = other.start()
    if not here.domains:
        here.knows("OTHER", address)
    here.start()
    return address


def refused_more_often(site: Site, before: int) -> bool:
    return len(site.records("passthrough_refused")) > before


def until(site: Site, condition: Callable[[], bool]) -> None:
    """Wait for what the listening thread writes on the record of a site."""
    while True:
        site.recorded.clear()
        if condition():
            return
        assert site.recorded.wait(60), "nothing was recorded"


ASK = Ask(VERSION, PassthroughCall("OTHER", "Echo", b"ab"))


def client_context(site: Site, *, certificate: bool = True, trust: Ca | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str((trust or site.ca).path))
    if certificate:
        context.load_cert_chain(site.certificate, site.key)
    return context


def conversation(
    site: Site, address: tuple[str, int], data: bytes, *, certificate: bool = True, trust: Ca | None = None
) -> Answer | None:
    """What a caller that does not keep to the rules is answered; None for nothing."""
    context = client_context(site, certificate=certificate, trust=trust)
    with (
        socket.create_connection(address) as sock,
        context.wrap_socket(sock, server_hostname="other.test", suppress_ragged_eofs=False) as tls,
    ):
        tls.settimeout(60)
        tls.sendall(data)
        answer, taken = OneFrame(), None
        while taken is None and (read := tls.recv(1 << 16)):
            taken = answer.take(read)
        return None if taken is None else answered(taken)
