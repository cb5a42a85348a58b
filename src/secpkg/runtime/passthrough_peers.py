"""The operator's word on pass-through, looked at: which authorities can be reached, and who may call in."""

from __future__ import annotations

import ipaddress
import socket

import msgspec

from secpkg.accounts.sid import Sid
from secpkg.contract.status import SecurityError
from secpkg.runtime.config import PassthroughConfig, PassthroughDomain
from secpkg.runtime.passthrough_tls import Contexts, contexts
from secpkg.runtime.state import StateFault

_DOMAIN_PARTS = 4
"""Subauthorities of the SID of a domain: 21 and three numbers."""


class Peers(msgspec.Struct, frozen=True):
    """A configuration that was looked at: what can be reached, and who may call in, by certificate."""

    contexts: Contexts
    domains: dict[str, tuple[str, PassthroughDomain]]
    """By name in small letters: the name as configured, and how to reach it."""
    sids: dict[str, Sid | None]
    """By name in small letters: the SID of that domain; None where the operator names none."""
    callers: dict[str, str]
    """DNS name in small letters to domain."""
    handshake_limit: float
    call_limit: float
    listen: str

    @property
    def names(self) -> tuple[str, ...]:
        """The domains as the operator wrote them."""
        return tuple(name for name, _domain in self.domains.values())


def peers(config: PassthroughConfig) -> Peers:
    """Check a configuration, and read its certificates. `StateFault` naming what is wrong."""
    domains: dict[str, tuple[str, PassthroughDomain]] = {}
    sids: dict[str, Sid | None] = {}
    callers: dict[str, str] = {}
    for name, domain in config.domains.items():
        where = f'passthrough.domains."{name}"'
        address(domain.address, where)
        if not name or not name.isprintable() or "\\" in name or name.casefold() in domains:
            raise StateFault(f"{where}: no name of a domain, or there twice")
        if not domain.name or "*" in domain.name or domain.name.casefold() in callers:
            raise StateFault(f"{where}.name must be a DNS name that no other domain has")
        domains[name.casefold()] = (name, domain)
        sid = _domain_sid(domain.sid, where) if domain.sid else None
        if sid is not None and sid in sids.values():
            raise StateFault(f"{where}.sid is that of another domain as well")
        sids[name.casefold()] = sid
        callers[domain.name.casefold()] = name
    if not domains:
        raise StateFault(
            "passthrough.domains is empty: name the authorities that may be reached, or leave the table out"
        )
    if config.listen:
        address(config.listen, "passthrough.listen")
    for key in ("certificate", "key", "authorities"):
        if not getattr(config, key).startswith("/"):
            raise StateFault(f"passthrough.{key} must be an absolute path")
    return Peers(contexts(config), domains, sids, callers, config.handshake_limit, config.call_limit, config.listen)


def _domain_sid(text: str, where: str) -> Sid:
    try:
        sid = Sid(text)
    except SecurityError:
        raise StateFault(f"{where}.sid: {text!r} is no SID") from None
    if not sid.startswith("S-1-5-21-") or len(sid.sub_authorities) != _DOMAIN_PARTS:
        raise StateFault(f"{where}.sid: {text!r} is not the SID of a domain (S-1-5-21- and three numbers)")
    return sid


def address(text: str, where: str) -> tuple[socket.AddressFamily, str, int]:
    """Family, host and port of ``192.0.2.1:4711``. Numbers only: to look a name up would stop the one thread, and
    would be one more thing to trust.
    """
    host, _colon, port = text.rpartition(":")
    try:
        found = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
        number = int(port)
    except ValueError:
        raise StateFault(f"{where}: {text!r} must be an address and a port, as 192.0.2.1:4711 or [::1]:4711") from None
    if not 0 <= number <= 0xFFFF or (found.version == 6) != host.startswith("["):
        raise StateFault(f"{where}: {text!r} must be an address and a port, as 192.0.2.1:4711 or [::1]:4711")
    return socket.AF_INET6 if found.version == 6 else socket.AF_INET, str(found), number
