"""The channel binding of a TLS server's certificate: ``tls-server-end-point`` (RFC 5929, section 4).

What SSPI takes as application data is the unique prefix, a colon, and the hash of the certificate (the encoded one, as
it is sent). The hash function is that of the certificate's signature, and SHA-256 in place of MD5 and SHA-1. A
certificate whose signature has no single hash function (Ed25519) has no such binding: that is an error here, so that
nobody believes to be bound who is not.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Final

from secpkg.contract.flags import AscReq
from secpkg.contract.status import SecurityError, Status

PREFIX: Final = b"tls-server-end-point:"
_WEAK: Final = ("md5", "sha1")
_MAX_FILE: Final = 1024 * 1024

ServerBindings = bytes | str | os.PathLike[str] | None
"""A server's channel bindings: the application data as they are, or the path of its certificate (PEM; the first one in
the file is the server's own). None: none, a client's bindings are not looked at.
"""


class BindingPolicy(StrEnum):
    """What a server asks of its clients' channel bindings. Sixteen zero bytes and the like are the same as none."""

    NEVER = "never"
    """They are not looked at: TLS ends before this server, at a proxy that is trusted."""
    WHEN_SUPPORTED = "when-supported"
    """A client that binds must be bound to our certificate; one that does not is let in (curl does not). A relay can
    pose as one that does not only towards clients that do not."""
    REQUIRE = "require"
    """Nobody but who is bound to our certificate."""


def of_certificate(der: bytes) -> bytes:
    """The application data for a certificate (DER). SEC_E_BAD_BINDINGS where RFC 5929 defines none, or for what is no
    certificate.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes

    try:
        algorithm = x509.load_der_x509_certificate(der).signature_hash_algorithm
    except UnsupportedAlgorithm:
        algorithm = None
    except ValueError as error:
        raise SecurityError(Status.SEC_E_BAD_BINDINGS, reason="not_a_certificate") from error
    if algorithm is None:
        # RFC 5929, 4.1: undefined.
        raise SecurityError(Status.SEC_E_BAD_BINDINGS, reason="signature_without_one_hash")
    digest = hashes.Hash(hashes.SHA256() if algorithm.name in _WEAK else algorithm)
    digest.update(der)
    return PREFIX + digest.finalize()


def of_pem(path: str | os.PathLike[str]) -> bytes:
    """The application data for the first certificate of a PEM file. OSError; SEC_E_BAD_BINDINGS."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    with open(path, "rb") as file:
        data = file.read(_MAX_FILE)
    try:
        certificate = x509.load_pem_x509_certificate(data)
    except ValueError as error:
        raise SecurityError(Status.SEC_E_BAD_BINDINGS, reason="not_a_certificate") from error
    return of_certificate(certificate.public_bytes(Encoding.DER))


def of_tls(tls: object) -> bytes:
    """A client's bindings: of the certificate that the peer showed on this connection (``ssl.SSLSocket``,
    ``ssl.SSLObject``). SEC_E_BAD_BINDINGS where it shows none.
    """
    ask = getattr(tls, "getpeercert", None)
    try:
        der = ask(True) if callable(ask) else None
    except (OSError, ValueError):  # closed, or before its handshake
        der = None
    if not isinstance(der, bytes) or not der:
        raise SecurityError(Status.SEC_E_BAD_BINDINGS, reason="no_peer_certificate")
    return of_certificate(der)


def resolve(given: ServerBindings, policy: BindingPolicy | str | None = None) -> tuple[bytes | None, int]:
    """What an application configured: application data, and ASC_REQ_* to go with them. Without a policy it is REQUIRE
    where there are bindings. Empty ones are SEC_E_BAD_BINDINGS: they would bind to nothing; ValueError for a policy
    that has nothing to compare with.
    """
    chosen = None if policy is None else BindingPolicy(policy)
    if given is None or chosen is BindingPolicy.NEVER:
        if chosen not in (None, BindingPolicy.NEVER):
            raise ValueError(f"binding_policy: {chosen} takes channel_bindings to compare with")
        return None, 0
    data = given if isinstance(given, bytes) else of_pem(given)
    if not any(data):
        raise SecurityError(Status.SEC_E_BAD_BINDINGS, reason="bindings_empty")
    return data, int(AscReq.ALLOW_MISSING_BINDINGS) if chosen is BindingPolicy.WHEN_SUPPORTED else 0
