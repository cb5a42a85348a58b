"""SPNEGO, NegoEx, Kerberos, CredSSP and TLS: what others made is read as what they made, and what is odd is said."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
from cryptography import x509
from spnego._asn1 import pack_asn1_general_string, pack_asn1_integer, pack_asn1_octet_string, unpack_asn1
from spnego._credssp_structures import NegoData, TSRequest
from spnego._kerberos import KerberosV5Msg
from spnego._spnego import NegState, NegTokenInit, NegTokenResp
from tests.kit_decode.finding import everything, find, names, notes, read
from tests.kit_decode.samples import (
    KRB5_OID,
    NEGOEX_OID,
    NTLM_OID,
    PKU2U,
    application,
    credssp,
    fields,
    kerberos,
    negoex,
    ntlm,
    samples,
    spnego,
    tls,
)

from secpkg.contract import Status
from secpkg.kit.decode.der import oid_text

FORMATS = {"NTLM": "NTLM", "SPNEGO": "SPNEGO", "NegoEx": "NegoEx", "CredSSP": "CredSSP", "TLS": "TLS"}


@pytest.mark.parametrize("name", samples())
def test_the_format_is_known_by_the_bytes(name: str) -> None:
    group, _, kind = name.partition(": ")
    expected = {"framed AP-REQ": "GSS-API", "MIC token": "Kerberos message", "Wrap token": "Kerberos message"}.get(kind)
    other = "NTLM" if "NLMP" in group or kind == "NTLM" else "Kerberos"
    assert read(samples()[name]).tokens[0].format == (expected or FORMATS.get(group) or other)


def test_spnego_with_what_is_in_it() -> None:
    report = read(spnego()["NegTokenInit"])
    assert names(report)[:3] == ["InitialContextToken", "thisMech", "NegTokenInit"]
    assert [part.value for part in find(report, "mechTypes").fields] == [NTLM_OID, KRB5_OID]
    inner = find(report, "NEGOTIATE_MESSAGE")
    token = spnego()["NegTokenInit"]
    assert token[inner.offset : inner.offset + inner.length] == ntlm()["negotiate"]
    assert find(report, "NegotiateFlags").offset == inner.offset + 12
    assert "AP-REQ" in names(read(spnego()["NegTokenInit with Kerberos"]))
    report = read(spnego()["NegTokenInit with NegoEx"])
    assert [name for name in names(report) if name in ("INITIATOR_NEGO", "INITIATOR_META_DATA")] == [
        "INITIATOR_NEGO",
        "INITIATOR_META_DATA",
    ]


def test_the_hints_of_an_acceptor() -> None:
    report = read(spnego()["NegTokenInit2"])
    assert find(report, "hintName").value == "not_defined_in_RFC4178@please_ignore"
    assert report.tokens[0].sender == "acceptor" and "NegTokenInit2" in names(report)


@pytest.mark.parametrize("state", NegState)
def test_the_states_of_a_response(state: NegState) -> None:
    shown = find(read(NegTokenResp(state).pack()), "negState")
    assert shown.value == state.value and shown.meaning.replace("-", "_").startswith(state.name)


def test_the_copy_of_windows_2000_is_no_mic() -> None:
    token = NegTokenResp(NegState.accept_complete, response_token=b"copied", mech_list_mic=b"copied").pack()
    assert "a copy of the responseToken, as Windows 2000 sends it, and no MIC" in notes(read(token))
    token = NegTokenResp(NegState.accept_complete, response_token=b"copied", mech_list_mic=b"copier").pack()
    assert notes(read(token)) == []


DER = {
    "the length is not minimal, so this is BER and not DER": b"\xa1\x81\x07\x30\x05\xa0\x03\x0a\x01\x00",
    "fields are out of order": b"\xa1\x0e\x30\x0c\xa2\x03\x04\x01x\xa0\x03\x0a\x01\x00\x00\x00"[:16],
    "twice": b"\xa1\x0c\x30\x0a\xa0\x03\x0a\x01\x00\xa0\x03\x0a\x01\x01",
    "no field of this structure has this tag": b"\xa1\x07\x30\x05\xa7\x03\x0a\x01\x00",
    "trailing bytes: nothing announces them": b"\xa1\x07\x30\x05\xa0\x03\x0a\x01\x00xx",
    "the INTEGER is not minimal": b"\xa1\x08\x30\x06\xa0\x04\x0a\x02\x00\x01",
    "a number without a name": b"\xa1\x07\x30\x05\xa0\x03\x0a\x01\x09",
}


@pytest.mark.parametrize("note", DER)
def test_der_that_is_none_is_shown_and_noted(note: str) -> None:
    assert note in notes(read(DER[note]))


FAULTS = {
    "ENUMERATED is due here, and OCTET STRING stands here": (
        6,
        b"\xa1\x0c\x30\x0a\xa0\x03\x04\x01\x00\xa2\x03\x04\x01x",
    ),
    "an indefinite length, which is not DER": (4, b"\xa1\x0c\x30\x0a\xa0\x80\x0a\x01\x00\x00\x00\x03\x04\x01"),
    "[0] is cut off: 90 bytes are missing": (14, b"\xa1\x0c\x30\x0a\xa0\x62\x0a\x01\x00\xa2\x03\x04\x01x"),
    "a length of 9 octets": (4, b"\xa1\x0c\x30\x0a\xa0\x89\x0a\x01\x00\xa2\x03\x04\x01x"),
    "a tag of more than five octets": (4, b"\xa1\x0c\x30\x0a\xbf\xff\xff\xff\xff\xff\x03\x04\x01x"),
    "not an object identifier": (6, b"\xa1\x07\x30\x05\xa1\x03\x06\x01\x80"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_der_that_cannot_be_read_is_a_fault_with_its_place(what: str) -> None:
    place, token = FAULTS[what]
    found = [(fault.offset, fault.what) for _, fault in read(token).faults]
    assert (place, what) in found
    if what.startswith("ENUM"):
        assert find(read(token), "responseToken").value == b"x", "what is beside it is read"


def test_of_elements_that_are_cut_off_the_outermost_says_so() -> None:
    for size in (40, 60, 80):
        cut = [fault.what for _, fault in read(spnego()["NegTokenInit"][:size]).faults if "is cut off" in fault.what]
        assert cut == [f"[APPLICATION 0] is cut off: {len(spnego()['NegTokenInit']) - size} bytes are missing"]


def test_object_identifiers() -> None:
    assert oid_text(bytes.fromhex("2b06010401823702020a")) == NTLM_OID
    assert oid_text(bytes.fromhex("2b06010401823702021e")) == NEGOEX_OID
    assert oid_text(b"\x88\x37") == "2.999"
    for wrong in (b"", b"\x80", b"\xff" * 65 + b"\0"):
        with pytest.raises(ValueError):
            oid_text(wrong)


def test_kerberos() -> None:
    report = read(kerberos()["AS-REQ"])
    assert find(report, "kdc-options").meaning == "forwardable, renewable, canonicalize, renewable-ok"
    assert [part.value for part in find(report, "cname").fields[1].fields] == ["alice"]
    assert find(report, "till").meaning == "2037-09-13T02:48:05Z"
    assert find(report, "padata-type").meaning == "PA-PAC-REQUEST"
    etypes = [part.meaning for part in find(report, "etype").fields]
    assert etypes == ["aes256-cts-hmac-sha1-96", "rc4-hmac", "rc4-hmac-exp"]
    report = read(kerberos()["KRB-ERROR"])
    assert find(report, "error-code").meaning == "KDC_ERR_PREAUTH_REQUIRED"
    report = read(kerberos()["framed AP-REQ"])
    assert find(report, "TOK_ID").meaning == "KRB_AP_REQ" and find(report, "ap-options").meaning == "mutual-required"
    assert find(report, "realm").value == "EXAMPLE.COM" and find(report, "kvno").value == 2
    assert find(read(kerberos()["by TCP"]), "length").value == len(kerberos()["AP-REQ"])
    assert find(read(kerberos()["Wrap token"]), "Flags").meaning == "Sealed, AcceptorSubkey"
    without = application(15, fields({0: pack_asn1_integer(5), 1: pack_asn1_integer(15)}))
    assert notes(read(without)) == ["enc-part is missing"]


def test_kerberos_is_what_a_stranger_reads() -> None:
    """pyspnego's reader has tables of its own."""
    for name in ("AS-REQ", "TGS-REQ", "AS-REP", "AP-REQ", "KRB-ERROR"):
        theirs: Any = KerberosV5Msg.unpack(unpack_asn1(unpack_asn1(kerberos()[name])[0].b_data)[0])
        report = read(kerberos()[name])
        assert find(report, "msg-type").value == int(theirs.MESSAGE_TYPE)
        if name.endswith("S-REQ"):
            body = theirs.req_body
            assert find(report, "nonce").value == body.nonce
            assert find(report, "realm").value == body.realm.decode()
            assert [part.value for part in find(report, "etype").fields] == [int(one) for one in body.etype]
            strings = find(report, "sname").fields[1].fields
            assert [part.value for part in strings] == [part.decode() for part in body.sname.value]
        if name == "KRB-ERROR":
            assert find(report, "error-code").value == int(theirs.error_code)
            assert find(report, "susec").value == theirs.susec
            assert find(report, "e-text").value == theirs.e_text.decode()
        if name in ("AS-REP", "AP-REQ"):
            assert find(report, "realm").value == theirs.ticket.realm.decode()
            assert find(report, "cipher").value == theirs.ticket.enc_part.cipher


def test_negoex() -> None:
    report = read(negoex()["nego"])
    assert find(report, "AuthScheme").value == str(PKU2U)
    assert "critical: who does not know it must fail" in notes(report)
    assert find(report, "ExtensionValue").value == b"abc"
    assert "NEGOTIATE_MESSAGE" in names(read(negoex()["ap request"]))
    report = read(negoex()["alert"])
    assert find(report, "AlertType").meaning == "ALERT_TYPE_PULSE"
    assert find(report, "Reason").meaning == "ALERT_VERIFY_NO_KEY"
    assert find(read(negoex()["verify"]), "ChecksumValue").length == 12
    far = negoex()["meta data"]
    far = far[:56] + b"\xff\xff\xff\xff" + far[60:]
    assert any("behind the message" in fault.what for _, fault in read(far).faults)
    for total in (0, 39):
        short = negoex()["meta data"][:20] + total.to_bytes(4, "little") + negoex()["meta data"][24:]
        said = f"cbMessageLength is {total}, and the header alone is 40 bytes"
        assert [(fault.offset, fault.what) for _, fault in read(short).faults] == [(20, said)]
    many = negoex()["nego"][:84] + b"\xff\xff" + negoex()["nego"][86:]
    assert any(fault.what.startswith("65535 elements") for _, fault in read(many).faults)


def test_credssp() -> None:
    assert "NEGOTIATE_MESSAGE" in names(read(credssp()["TSRequest 2"]))
    report = read(credssp()["TSRequest, error"])
    assert Status.STATUS_LOGON_FAILURE.native in find(report, "errorCode").meaning
    odd = TSRequest(2, error_code=5, client_nonce=bytes(3)).pack()
    assert {"version 3 and later have an errorCode", "version 5 and later have a nonce", "a nonce is 32 bytes"} <= set(
        notes(read(odd))
    )
    assert "versions 2 to 6 are documented" in notes(read(TSRequest(9).pack()))
    odd = TSRequest(5, NegoData(ntlm()["authenticate"]), pub_key_auth=b"\1\0\0\0" + bytes(12)).pack()
    assert any(note.startswith("clientNonce is missing") for note in notes(read(odd)))


def test_a_ticket_alone_is_no_request_of_credssp() -> None:
    other = fields({1: pack_asn1_octet_string(b"x"), 2: pack_asn1_general_string("x"), 0: pack_asn1_integer(1)})
    assert read(other).tokens[0].format == "" and read(other).faults


def test_der_of_no_known_format_is_shown_by_its_tags() -> None:
    report = read(fields({1: pack_asn1_octet_string(b"x"), 2: pack_asn1_integer(5)}))
    assert names(report) == ["token", "SEQUENCE", "[1]", "OCTET STRING", "[2]", "INTEGER"]
    assert [fault.what for _, fault in report.faults] == ["no known format begins like this"]
    assert names(read(b"\x30\x05abc")) == ["token"] and read(b"\x30\x05abc").tokens[0].tree.value == b"\x30\x05abc"


def test_tls() -> None:
    report = read(tls()["client's flight 1.3"])
    assert find(report, "host_name").value == "server.example.com"
    assert [part.value for part in find(report, "application_layer_protocol_negotiation").fields] == ["h2", "http/1.1"]
    assert "TLS 1.3" in [part.meaning for part in find(report, "supported_versions").fields]
    suites = [part.meaning for part in find(report, "cipher_suites").fields]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    offered = [cipher["name"] for cipher in context.get_ciphers() if cipher["name"].startswith("TLS_")]
    assert suites[: len(offered)] == offered
    report = read(tls()["alert"])
    assert (find(report, "level").meaning, find(report, "description").meaning) == ("fatal", "handshake_failure")
    assert find(read(tls()["ccs"]), "encrypted").length == 4
    report = read(tls()["server's flight 1.3"])
    assert find(report, "selected_version").meaning == "TLS 1.3" and "encrypted" in names(report)
    report = read(tls()["server's flight 1.2"])
    messages = ["server_hello", "certificate", "server_key_exchange", "server_hello_done"]
    assert [name for name in dict.fromkeys(names(report)) if name in messages] == messages
    certificate = next(f for f in everything(report.tokens[0].tree) if f.name == "certificate" and not f.fields)
    assert isinstance(certificate.value, bytes)
    assert x509.load_der_x509_certificate(certificate.value).subject.rfc4514_string() == "CN=server.example.com"


def test_handshake_messages_over_records_are_said_to_be() -> None:
    hello = tls()["client's flight 1.3"]
    body = hello[5:]
    split = b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in (body[:100], body[100:]))
    report = read(split)
    assert "goes on in the next record" in notes(report) and len(report.tokens[0].tree.fields) == 2


@pytest.mark.parametrize("inner", ["NTLM", "Kerberos"])
def test_nested_tokens_keep_absolute_offsets(inner: str) -> None:
    token = {"NTLM": ntlm()["challenge"], "Kerberos": kerberos()["AP-REQ"]}[inner]
    outer = TSRequest(6, NegoData(NegTokenInit([NTLM_OID], mech_token=token).pack())).pack()
    report = read(outer)
    assert report.faults == []
    name = {"NTLM": "CHALLENGE_MESSAGE", "Kerberos": "AP-REQ"}[inner]
    field = find(report, name)
    assert outer[field.offset : field.offset + field.length] == token
