"""tls-server-end-point: RFC 5929, section 4.1."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from secpkg import AscReq, SecurityError
from secpkg.http import bindings

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service.example")])
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP384R1())


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: Hash, *, pss: bool = False
) -> x509.Certificate:
    unsigned = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, NOW, NOW + datetime.timedelta(days=1))
    if pss:
        return unsigned.sign(RSA, algorithm, rsa_padding=padding.PSS(padding.MGF1(algorithm), 32))
    return unsigned.sign(key, algorithm)


@pytest.mark.parametrize(
    ("made", "digest"),
    [(certificate(EC, hashes.SHA256()), "sha256"), (certificate(EC, hashes.SHA384()), "sha384"),
     (certificate(RSA, hashes.SHA512()), "sha512"), (certificate(RSA, hashes.SHA384(), pss=True), "sha384")],
    ids=["ecdsa sha256", "ecdsa sha384", "rsa sha512", "pss sha384"],
)  # fmt: skip
def test_the_hash_is_that_of_the_signature(made: x509.Certificate, digest: str, tmp_path: Path) -> None:
    der = made.public_bytes(Encoding.DER)
    expected = b"tls-server-end-point:" + hashlib.new(digest, der).digest()
    assert bindings.of_certificate(der) == expected
    chain = tmp_path / "chain.pem"
    chain.write_bytes(made.public_bytes(Encoding.PEM) + certificate(RSA, hashes.SHA256()).public_bytes(Encoding.PEM))
    assert bindings.of_pem(chain) == expected and bindings.resolve(str(chain)) == (expected, 0)


def test_sha_1_is_replaced_by_sha_256(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody signs with SHA-1 here any more: the certificate says so by a stand-in."""

    class Old:
        signature_hash_algorithm = hashes.SHA1()

    monkeypatch.setattr(x509, "load_der_x509_certificate", lambda der: Old())
    assert bindings.of_certificate(b"old") == b"tls-server-end-point:" + hashlib.sha256(b"old").digest()


def test_a_signature_without_one_hash_has_no_bindings() -> None:
    """RFC 5929, 4.1: undefined. Nobody is to believe that there are some."""
    key = ed25519.Ed25519PrivateKey.generate()
    unsigned = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, NOW, NOW + datetime.timedelta(days=1))
    with pytest.raises(SecurityError) as refused:
        bindings.of_certificate(unsigned.sign(key, None).public_bytes(Encoding.DER))
    assert refused.value.reason == "signature_without_one_hash"


def test_what_is_no_certificate(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n")
    asks: list[Callable[[], bytes]] = [lambda: bindings.of_certificate(b"abc"), lambda: bindings.of_pem(garbage)]
    for ask in asks:
        with pytest.raises(SecurityError) as refused:
            ask()
        assert refused.value.reason == "not_a_certificate"
    with pytest.raises(SecurityError) as refused:
        bindings.of_tls(None)
    assert refused.value.reason == "no_peer_certificate"
    with pytest.raises(FileNotFoundError):
        bindings.resolve(tmp_path / "missing.pem")


def test_policies() -> None:
    """What a policy makes of bindings, and that one without anything to compare with is none."""
    mine, spare = b"tls-server-end-point:mine", int(AscReq.ALLOW_MISSING_BINDINGS)
    assert bindings.resolve(None) == bindings.resolve(None, "never") == bindings.resolve(mine, "never") == (None, 0)
    assert bindings.resolve(mine) == bindings.resolve(mine, bindings.BindingPolicy.REQUIRE) == (mine, 0)
    assert bindings.resolve(mine, "when-supported") == (mine, spare)
    for policy in ("require", "when-supported"):
        with pytest.raises(ValueError, match="to compare with"):
            bindings.resolve(None, policy)
    with pytest.raises(ValueError, match="always"):
        bindings.resolve(mine, "always")
