"""Mutually authenticated TLS 1.3 between authorities, on the standard library's `ssl`, without input or output.

Both sides show a certificate of the authorities' CA, and each looks for the other's configured name among the
certificate's DNS names (RFC 9525, 6.3; no wildcards, no common name). In TLS 1.3 the side that called has finished its
handshake before the other one has looked at its certificate (RFC 8446, 4.4.2.4): a refusal comes to it as an alert
where it expects the answer. There are no session tickets: every connection shows the certificates anew.
"""

from __future__ import annotations

import os
import re
import ssl
from typing import Final

import msgspec

from secpkg.runtime.config import PassthroughConfig
from secpkg.runtime.state import StateFault

_READ: Final = 64 * 1024
_VERIFY: Final = {
    9: "certificate_not_yet_valid",
    10: "certificate_expired",
    18: "certificate_not_of_the_ca",
    19: "certificate_not_of_the_ca",
    20: "certificate_not_of_the_ca",
    21: "certificate_not_of_the_ca",
    23: "certificate_revoked",
    26: "certificate_of_another_purpose",
    62: "certificate_of_another_name",
}
"""X509_V_ERR_* (x509_vfy.h)."""


class Contexts(msgspec.Struct, frozen=True):
    """What both directions of an authority's connections are made from."""

    calling: ssl.SSLContext
    called: ssl.SSLContext


class TlsFault(Exception):
    """The connection is not to be trusted, or no TLS; ``reason`` names why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def contexts(config: PassthroughConfig) -> Contexts:
    """Read certificate, key and CA. `StateFault` when they cannot be used, or when others can read the key."""
    try:
        info = os.stat(config.key)
    except OSError as error:
        raise StateFault(f"passthrough.key {config.key}: {error.strerror}") from None
    if info.st_uid not in (0, os.geteuid()) or info.st_mode & 0o077:
        raise StateFault(f"passthrough.key {config.key} must be readable by its owner alone: chmod 600 {config.key}")
    calling, called = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context in (calling, called):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        try:
            # A key under a password would otherwise be asked for at a terminal.
            context.load_cert_chain(config.certificate, config.key, password=bytes)
            context.load_verify_locations(cafile=config.authorities)
        except (OSError, ValueError) as error:  # SSLError is an OSError
            what = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
            raise StateFault(f"passthrough: certificate, key or authorities cannot be used: {what}") from None
    calling.check_hostname = True
    called.num_tickets = 0
    return Contexts(calling, called)


class TlsStream:
    """One connection's TLS: ciphertext in, plain bytes out, and the other way."""

    __slots__ = ("_in", "_out", "_tls", "ended", "names", "open")

    def __init__(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=server_name is None, server_hostname=server_name)
        self.open = False
        """Whether the handshake is done, and with it the peer's certificate verified."""
        self.ended = False
        self.names: frozenset[str] = frozenset()
        """DNS names of the peer's certificate, in small letters."""

    def receive(self, data: bytes) -> bytes:
        """Take what came from the network; what it says. `TlsFault` ends the connection, after `pending` is sent."""
        plain = bytearray()
        self._in.write(data)
        try:
            if not self.open:
                self._tls.do_handshake()
                self.open, self.names = True, _names(self._tls)
            while True:
                read = self._tls.read(_READ)
                if not read:
                    self.ended = True
                    return bytes(plain)
                plain += read
                if len(plain) > 2 * _READ:
                    raise TlsFault("frame_too_large")
        except ssl.SSLWantReadError:
            return bytes(plain)
        except ssl.SSLZeroReturnError:
            self.ended = True
            return bytes(plain)
        except ssl.SSLError as error:
            raise TlsFault(_reason(error)) from None

    def send(self, plain: bytes) -> None:
        """Encrypt; what is to be sent is then `pending`. `TlsFault` after the end."""
        try:
            self._tls.write(plain)
        except ssl.SSLError as error:
            raise TlsFault(_reason(error)) from None

    def finish(self) -> None:
        """Say that nothing more comes (close_notify)."""
        try:
            self._tls.unwrap()
        except (ssl.SSLError, ValueError):
            pass

    def pending(self) -> bytes:
        """Ciphertext for the network; each byte is given once."""
        return self._out.read()


def _names(tls: ssl.SSLObject) -> frozenset[str]:
    certificate = tls.getpeercert() or {}
    entries = certificate.get("subjectAltName", ())
    return frozenset(
        entry[1].casefold() for entry in entries if len(entry) == 2 and entry[0] == "DNS" and isinstance(entry[1], str)
    )


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY.get(error.verify_code, f"certificate_error_{error.verify_code}")
    return "tls_" + re.sub(r"[^a-z0-9]+", "_", (error.reason or type(error).__name__).lower())
