"""Tokens of every format, made by others than the decoder: pyspnego, OpenSSL, and the vectors of MS-NLMP.

NegoEx has no independent writer in the development set; its messages are packed here from the tables of MS-NEGOEX 2.2.
"""

from __future__ import annotations

import json
import ssl
import struct
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from spnego._asn1 import (
    TagClass,
    TypeTagNumber,
    pack_asn1,
    pack_asn1_bit_string,
    pack_asn1_general_string,
    pack_asn1_integer,
    pack_asn1_octet_string,
    pack_asn1_sequence,
)
from spnego._credssp_structures import NegoData, TSCredentials, TSPasswordCreds, TSRequest
from spnego._spnego import InitialContextToken, NegState, NegTokenInit, NegTokenResp
from tests.protocols.ntlm_pair import recorded

from secpkg.protocols.ntlm import Channel, ChannelBindings, Initiator, Target, Version
from secpkg.protocols.ntlm.av_pairs import SingleHost

VECTORS: Final = Path(__file__).parents[2] / "vectors" / "ntlm"
NTLM_OID: Final = "1.3.6.1.4.1.311.2.2.10"
KRB5_OID: Final = "1.2.840.113554.1.2.2"
NEGOEX_OID: Final = "1.3.6.1.4.1.311.2.2.30"
PKU2U: Final = UUID("235f69ad-73fb-4dbc-8203-0629e739339b")
BINDING: Final = ChannelBindings(b"tls-server-end-point:" + bytes(32)).hash()
CREDENTIALS: Final = TSCredentials(TSPasswordCreds("EXAMPLE", "Alice", "correct horse")).pack()


@cache
def ntlm() -> Mapping[str, bytes]:
    """An exchange with everything that can be in one."""
    return recorded(
        initiator=Initiator(workstation="CLIENT", version=Version(10, 0, 20348)),
        target=Target("HTTP/server.example.com", untrusted=True),
        bindings=BINDING,
        channel=Channel((BINDING,)),
        single_host=SingleHost(bytes(range(32)), 7),
    )


@cache
def vectors() -> list[dict[str, str]]:
    """The vectors of MS-NLMP 4.2 that are whole messages."""
    found = []
    for path in sorted(VECTORS.glob("ntlmv*.json")):
        found += json.loads(path.read_text())["vectors"]
    return [one for one in found if "authenticate_message" in one]


@cache
def strangers() -> list[dict[str, str]]:
    """Recorded handshakes of WinPR, gss-ntlmssp, ntlm_auth and pyspnego."""
    found: list[dict[str, str]] = json.loads((VECTORS / "strangers.json").read_text())["vectors"]
    return found


def explicit(number: int, content: bytes) -> bytes:
    return pack_asn1(TagClass.context_specific, True, number, content)


def application(number: int, content: bytes) -> bytes:
    return pack_asn1(TagClass.application, True, number, content)


def fields(values: Mapping[int, bytes]) -> bytes:
    return pack_asn1_sequence([explicit(number, value) for number, value in values.items()])


def time(text: str) -> bytes:
    return pack_asn1(TagClass.universal, False, TypeTagNumber.generalized_time, text.encode())


def principal(kind: int, *names: str) -> bytes:
    strings = [pack_asn1_general_string(name) for name in names]
    return fields({0: pack_asn1_integer(kind), 1: pack_asn1_sequence(strings)})


def encrypted(size: int = 60) -> bytes:
    cipher = pack_asn1_octet_string(bytes(n & 0xFF for n in range(size)))
    return fields({0: pack_asn1_integer(18), 1: pack_asn1_integer(2), 2: cipher})


def ticket() -> bytes:
    return application(
        1,
        fields(
            {
                0: pack_asn1_integer(5),
                1: pack_asn1_general_string("EXAMPLE.COM"),
                2: principal(2, "HTTP", "server.example.com"),
                3: encrypted(200),
            }
        ),
    )


@cache
def kerberos() -> Mapping[str, bytes]:
    body = fields(
        {
            0: pack_asn1_bit_string(b"\x40\x81\x00\x10"),
            1: principal(1, "alice"),
            2: pack_asn1_general_string("EXAMPLE.COM"),
            3: principal(2, "krbtgt", "EXAMPLE.COM"),
            5: time("20370913024805Z"),
            7: pack_asn1_integer(0x12345678),
            8: pack_asn1_sequence([pack_asn1_integer(18), pack_asn1_integer(23), pack_asn1_integer(24)]),
            9: pack_asn1_sequence([fields({0: pack_asn1_integer(20), 1: pack_asn1_octet_string(b"CLIENT          ")})]),
        }
    )
    padata = pack_asn1_sequence(
        [fields({1: pack_asn1_integer(128), 2: pack_asn1_octet_string(bytes.fromhex("3005a0030101ff"))})]
    )
    request = {1: pack_asn1_integer(5), 2: pack_asn1_integer(10), 3: padata, 4: body}
    reply = {
        0: pack_asn1_integer(5),
        1: pack_asn1_integer(11),
        3: pack_asn1_general_string("EXAMPLE.COM"),
        4: principal(1, "alice"),
        5: ticket(),
        6: encrypted(),
    }
    ap_request = {
        0: pack_asn1_integer(5),
        1: pack_asn1_integer(14),
        2: pack_asn1_bit_string(b"\x20\0\0\0"),
        3: ticket(),
        4: encrypted(),
    }
    error = {
        0: pack_asn1_integer(5),
        1: pack_asn1_integer(30),
        4: time("20240101120000Z"),
        5: pack_asn1_integer(1234),
        6: pack_asn1_integer(25),
        9: pack_asn1_general_string("EXAMPLE.COM"),
        10: principal(2, "krbtgt", "EXAMPLE.COM"),
        11: pack_asn1_general_string("NEEDED_PREAUTH"),
        12: pack_asn1_octet_string(padata),
    }
    whole = application(14, fields(ap_request))
    return {
        "AS-REQ": application(10, fields(request)),
        "AS-REP": application(11, fields(reply)),
        "TGS-REQ": application(12, fields({**request, 2: pack_asn1_integer(12)})),
        "TGS-REP": application(13, fields({**reply, 1: pack_asn1_integer(13)})),
        "AP-REQ": whole,
        "AP-REP": application(15, fields({0: pack_asn1_integer(5), 1: pack_asn1_integer(15), 2: encrypted()})),
        "KRB-ERROR": application(30, fields(error)),
        "by TCP": struct.pack(">I", len(whole)) + whole,
        "framed AP-REQ": InitialContextToken(KRB5_OID, b"\x01\x00" + whole).pack(),
        "MIC token": bytes.fromhex("040405ffffffffff0000000000000007") + bytes(12),
        "Wrap token": bytes.fromhex("050406ff0000001c0000000000000008") + bytes(44),
    }


@cache
def spnego() -> Mapping[str, bytes]:
    negotiate, challenge, authenticate = ntlm().values()
    first = NegTokenInit([NTLM_OID, KRB5_OID], mech_token=negotiate).pack()
    assert first[:2] == b"\x60\x53" and len(first) == 0x55
    return {
        "NegTokenInit": first,
        "NegTokenInit, unframed": first[10:],
        "NegTokenInit2": NegTokenInit([NEGOEX_OID, NTLM_OID], hint_name=b"not_defined_in_RFC4178@please_ignore").pack(),
        "NegTokenInit with Kerberos": NegTokenInit([KRB5_OID], mech_token=kerberos()["framed AP-REQ"]).pack(),
        "NegTokenResp, challenge": NegTokenResp(NegState.accept_incomplete, NTLM_OID, challenge).pack(),
        "NegTokenResp, authenticate": NegTokenResp(
            response_token=authenticate, mech_list_mic=b"\1\0\0\0" + bytes(12)
        ).pack(),
        "NegTokenResp, reject": NegTokenResp(NegState.reject).pack(),
        "NegTokenInit with NegoEx": NegTokenInit(
            [NEGOEX_OID, NTLM_OID], mech_token=negoex()["nego"] + negoex()["meta data"]
        ).pack(),
    }


def negoex_message(kind: int, number: int, fixed: bytes, payload: bytes) -> bytes:
    total = 40 + len(fixed) + len(payload)
    header = struct.pack("<8sIIII16s", b"NEGOEXTS", kind, number, 40 + len(fixed), total, bytes(range(16)))
    return header + fixed + payload


@cache
def negoex() -> Mapping[str, bytes]:
    extension = struct.pack("<III", 0x80000001, 96 + 32 + 12, 3)
    nego = bytes(range(32)) + struct.pack("<QIHHIHH", 0, 96, 2, 0, 96 + 32, 1, 0)
    exchange = PKU2U.bytes_le + struct.pack("<II", 64, 12)
    checksum = struct.pack("<IIIII", 20, 1, 16, 80, 12)
    alert = PKU2U.bytes_le + struct.pack("<IIHHI", 0, 72, 1, 0, 0)
    return {
        "nego": negoex_message(0, 0, nego, PKU2U.bytes_le + bytes(range(16, 32)) + extension + b"abc"),
        "meta data": negoex_message(2, 1, exchange, b"metadata_123"),
        "ap request": negoex_message(
            5, 3, PKU2U.bytes_le + struct.pack("<II", 64, len(ntlm()["negotiate"])), ntlm()["negotiate"]
        ),
        "verify": negoex_message(6, 4, PKU2U.bytes_le + checksum + bytes(4), bytes(12)),
        "alert": negoex_message(7, 5, alert, struct.pack("<III", 1, 84, 8) + struct.pack("<II", 8, 1)),
    }


@cache
def credssp() -> Mapping[str, bytes]:
    first = spnego()["NegTokenInit"]
    sealed = b"\1\0\0\0" + bytes(range(60))
    return {
        "TSRequest 2": TSRequest(2, NegoData(first)).pack(),
        "TSRequest 6": TSRequest(
            6, NegoData(ntlm()["authenticate"]), pub_key_auth=sealed, client_nonce=bytes(32)
        ).pack(),
        "TSRequest, authInfo": TSRequest(6, auth_info=sealed).pack(),
        "TSRequest, error": TSRequest(4, error_code=-1073741715).pack(),
    }


def certificate(directory: Path) -> Path:
    """A certificate for nobody and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server.example.com")])
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + timedelta(days=9000))
    pem = made.sign(key, SHA256()).public_bytes(Encoding.PEM)
    pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = directory / "certificate.pem"
    path.write_bytes(pem)
    return path


@cache
def tls() -> Mapping[str, bytes]:
    """The first flights of OpenSSL, of both sides, an alert, and what comes behind a ChangeCipherSpec."""
    found = {}
    for name, version in (("1.3", ssl.TLSVersion.TLSv1_3), ("1.2", ssl.TLSVersion.TLSv1_2)):
        client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client.maximum_version = version
        for context in (client, server):
            context.set_alpn_protocols(["h2", "http/1.1"])
        with TemporaryDirectory() as directory:
            server.load_cert_chain(certificate(Path(directory)))
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(to_client, to_server, server_hostname="server.example.com")
        theirs = server.wrap_bio(to_server, to_client, server_side=True)
        for connection in (ours, theirs):
            with suppress(ssl.SSLWantReadError):
                connection.do_handshake()
            if connection is ours:
                found[f"client's flight {name}"] = to_server.read()
                to_server.write(found[f"client's flight {name}"])
        found[f"server's flight {name}"] = to_client.read()
    return {
        **found,
        "alert": bytes.fromhex("1503030002") + b"\x02\x28",
        "ccs": bytes.fromhex("140303000101 1603030004aabbccdd"),
    }


@cache
def samples() -> Mapping[str, bytes]:
    """All of them, by name."""
    groups = {
        "NTLM": ntlm(),
        "Kerberos": kerberos(),
        "SPNEGO": spnego(),
        "NegoEx": negoex(),
        "CredSSP": credssp(),
        "TLS": tls(),
    }
    found = {f"{group}: {name}": token for group, tokens in groups.items() for name, token in tokens.items()}
    for vector in strangers():
        if vector["name"] in ("WinPR, bound", "gss-ntlmssp", "ntlm_auth"):
            found[f"{vector['name']}: NTLM"] = bytes.fromhex(vector["authenticate_message"])
    for vector in vectors():
        found[f"{vector['name']}: challenge"] = bytes.fromhex(vector["challenge_message"])
        found[f"{vector['name']}: authenticate"] = bytes.fromhex(vector["authenticate_message"])
    return found


__all__ = ["CREDENTIALS", "credssp", "kerberos", "negoex", "ntlm", "samples", "spnego", "tls", "vectors"]
