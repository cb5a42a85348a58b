"""Hello's decoder: the messages of RFC 7677 section 3 as trees, and anything at all without an exception."""

from __future__ import annotations

import random

import pytest

from secpkg.contract.decoder import Decoder, Field
from secpkg_hello import decoder

DECODER: Decoder = decoder
NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
MESSAGES = {
    "client-first-message": b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "server-first-message": f"r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode(),
    "client-final-message": f"c=biws,r={NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode(),
    "server-final-message": b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
}


def faults(field: Field) -> list[str]:
    return [*([field.fault.what] if field.fault else []), *(what for part in field.fields for what in faults(part))]


@pytest.mark.parametrize("name", MESSAGES)
def test_the_messages_of_the_document(name: str) -> None:
    token = MESSAGES[name]
    tree = DECODER.decode(token)
    assert tree.name == name and faults(tree) == []
    assert [token[part.offset : part.offset + part.length] for part in tree.fields] == token.split(b",")


def test_values_are_read() -> None:
    first, challenge, final = (decoder.decode(MESSAGES[name]).fields for name in list(MESSAGES)[:3])
    assert [(part.name, part.value) for part in first[:3]] == [
        ("gs2-cbind-flag", "n"),
        ("authzid", ""),
        ("username", "user"),
    ]
    assert [part.value for part in challenge] == [NONCE, bytes.fromhex("5b6d99689d12358eeca04b141236fa81"), 4096]
    assert (final[0].value, final[0].meaning) == (b"n,,", "n,,")


def test_what_is_wrong_is_named_where_it_is() -> None:
    tree = decoder.decode(b"r=abc,s=!!,i=4096,xyz,m=1")
    assert [(part.fault.offset, part.fault.what) for part in tree.fields if part.fault] == [
        (8, "not base64"),
        (18, "an attribute is a letter, = and a value"),
    ]
    assert tree.fields[-1].notes == ("who does not know it must fail",)
    assert faults(decoder.decode(b"\x60\x01")) == ["no message of SCRAM begins like this"]


def test_anything_at_all_is_a_tree() -> None:
    chance = random.Random(7)
    for token in MESSAGES.values():
        for _ in range(300):
            changed = bytearray(token)
            for _ in range(chance.randrange(4)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            tree = decoder.decode(bytes(changed[: chance.randrange(len(changed) + 1)]))
            assert all(part.offset + part.length <= tree.length for part in tree.fields)
    assert len(decoder.decode(b"r=" + b"," * 10_000).fields) == 65
