"""Whatever the bytes are: a tree, all of whose fields lie in the token, and a named fault where there is one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kit_decode.finding import everything
from tests.kit_decode.samples import negoex_message, samples
from tests.protocols.ntlm_pair import ALICE

from secpkg.contract.decoder import Field
from secpkg.kit.decode import Report, decode
from secpkg.kit.decode.given import Given, Unreadable
from secpkg.kit.decode.show import lines, plain
from secpkg.kit.decode.tree import MAX_DEPTH, MAX_NODES, MAX_SHOWN

pytestmark = pytest.mark.slow  # each takes a while, and there are many

WHOLE = {
    "NTLM: negotiate": (32,),
    "Kerberos: MIC token": range(16, 99),
    "Kerberos: Wrap token": range(16, 99),
}
"""Prefixes that are whole: a NEGOTIATE_MESSAGE without version, tokens that end in bytes."""
RECOGNISED = {"Kerberos: by TCP": 1 << 16}
"""Bytes that it takes to know the format: a length of four bytes is known by what it is the length of."""


def look(field: Field, size: int, depth: int = 0) -> int:
    """The number of fields; every one of them lies in the token."""
    assert depth <= MAX_DEPTH
    assert field.offset >= 0 and field.length >= 0 and field.offset + field.length <= size, field
    if field.fault is not None:
        assert 0 <= field.fault.offset <= size and field.fault.what
    return 1 + sum(look(part, size, depth + 1) for part in field.fields)


def read(token: bytes) -> Report:
    report = decode([Given(token, "sample")], nt_hash=ALICE.nt_hash)
    assert look(report.tokens[0].tree, len(token)) <= MAX_NODES
    return report


@pytest.mark.parametrize("name", samples())
def test_the_sample_is_whole_and_nothing_in_it_is_unclaimed(name: str) -> None:
    report = read(samples()[name])
    assert report.faults == [] and report.tokens[0].format
    shown = "\n".join(line for line, _ in lines(report))
    assert "unclaimed" not in shown and "trailing" not in shown and "no field of this structure" not in shown


def records(token: bytes) -> list[int]:
    """Where records of TLS end."""
    ends = [0]
    while ends[-1] < len(token):
        at = ends[-1]
        ends.append(at + 5 + int.from_bytes(token[at + 3 : at + 5], "big"))
    return ends[1:]


def leaves(field: Field) -> set[tuple[str, int, int, object]]:
    """What stands where, without the fields that are made of others."""
    if field.fields:
        return set().union(*map(leaves, field.fields))
    return {(field.name, field.offset, field.length, field.value)}


@pytest.mark.parametrize("name", samples())
def test_every_prefix_gives_a_tree_up_to_the_fault(name: str) -> None:
    token = samples()[name]
    whole = leaves(read(token).tokens[0].tree)
    for size in range(len(token)):
        report = read(token[:size])
        if size not in WHOLE.get(name, ()) and not (name.startswith("TLS") and size in records(token)):
            assert report.faults, f"{size} of {len(token)} bytes"
        if size < RECOGNISED.get(name, 16):
            continue
        shown = leaves(report.tokens[0].tree)
        missing = {leaf for leaf in whole if leaf[1] + leaf[2] <= size and leaf[2]} - shown
        assert not missing, f"{size} of {len(token)} bytes"


@pytest.mark.parametrize("name", samples())
def test_a_bit_of_every_byte_may_flip(name: str) -> None:
    token = samples()[name]
    for at in range(len(token)):
        read(token[:at] + bytes([token[at] ^ 1 << (at * 5 + 3) % 8]) + token[at + 1 :])


@pytest.mark.thorough
@pytest.mark.parametrize("name", samples())
def test_every_bit_may_flip_and_every_byte_be_anything(name: str) -> None:
    token = samples()[name]
    for at in range(len(token)):
        for value in {0, 1, 0x7F, 0x80, 0x84, 0xFF, *(token[at] ^ 1 << bit for bit in range(8))}:
            read(token[:at] + bytes([value]) + token[at + 1 :])


@given(st.sampled_from(sorted(samples())), st.data())
def test_garbage_behind_a_good_beginning(name: str, data: st.DataObject) -> None:
    token = samples()[name]
    keep = data.draw(st.integers(0, len(token)))
    token = token[:keep] + data.draw(st.binary(max_size=100)) + token[keep + data.draw(st.integers(0, 20)) :]
    report = read(token)
    plain(report)
    list(lines(report, everything=True))


@given(st.binary(max_size=200))
def test_garbage(token: bytes) -> None:
    report = read(token)
    assert report.tokens[0].format or report.faults


@pytest.mark.parametrize("identifier", [0x30, 0xA0, 0x60])
def test_no_recursion_bomb(identifier: int) -> None:
    bomb = b""
    for _ in range(5000):
        bomb = (
            bytes([identifier])
            + (bytes([len(bomb)]) if len(bomb) < 0x80 else b"\x83" + len(bomb).to_bytes(3, "big"))
            + bomb
        )
    for token in (bomb, b"\xa1" + b"\x83" + len(bomb).to_bytes(3, "big") + bomb):
        report = read(token)
        assert report.faults


def test_no_bomb_of_fields() -> None:
    many = b"\x15\x03\x03\0\x02\x01\0" * 20_000
    report = read(many)
    assert [fault.what for _, fault in report.faults] == ["too many fields: the rest is not shown"]
    many = b"\xa1\x83\x01\x86\xa3\x30\x83\x01\x86\x9e" + b"\xa0\0" * 50_000
    assert any(fault.what.startswith("too many") for _, fault in read(many[: 5 + 0x186A3]).faults)


def test_no_bomb_of_bytes() -> None:
    """NegoEx points at bytes: many extensions may point at the same megabyte, and many messages at one another."""
    count, size = 3000, 1 << 20
    nego = bytes(32) + struct.pack("<QIHHIHH", 0, 0, 0, 0, 96, count, 0)
    extensions = struct.pack("<III", 1, 0, size - 100) * count
    report = read(negoex_message(0, 0, nego, (extensions + bytes(size))[: size - 96]))
    assert any(fault.what.startswith("too many") for _, fault in report.faults)
    held = sum(len(field.value) for field in everything(report.tokens[0].tree) if isinstance(field.value, bytes))
    assert held <= MAX_SHOWN
    inner = bytes(16) + struct.pack("<II", 0, 1 << 16)
    report = read(b"".join(negoex_message(5, n, inner, b"") for n in range(500)))
    assert report.faults


def test_many_tokens_are_bounded_together() -> None:
    with pytest.raises(Unreadable):
        decode(Given(bytes(1 << 20), "token") for _ in range(5))
