"""Lock 4: what is sealed opens for its SID, package and purpose, whole, and not otherwise."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secpkg.accounts import MemoryAccountStore, Vault
from secpkg.contract.status import SecurityError, Status

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SID = "S-1-5-21-1-2-3-1000"


def tampered(vault: Vault, blob: bytes, reason: str = "vault_tampered", **named: str) -> None:
    with pytest.raises(SecurityError) as caught:
        vault.open(blob, **{"sid": SID, "package": "P", **named})
    assert (caught.value.status, caught.value.reason) == (Status.STATUS_INTERNAL_ERROR, reason)


@given(st.binary(max_size=300))
def test_what_was_sealed_opens(secret: bytes) -> None:
    vault = Vault(KEY)
    blob = vault.seal(secret, sid=SID, package="P")
    assert Vault(KEY).open(blob, sid=SID, package="P") == secret
    assert len(blob) == len(secret) + 33 and blob != vault.seal(secret, sid=SID, package="P")


def test_every_flipped_bit_and_every_cut_is_refused() -> None:
    vault = Vault({1: KEY, 3: KEY}, current=1)
    blob = vault.seal(b"verifier", sid=SID, package="P")
    for bit in range(8 * len(blob)):
        bad = bytearray(blob)
        bad[bit // 8] ^= 1 << bit % 8
        known = bytes(bad[1:5]) in (bytes((0, 0, 0, 1)), bytes((0, 0, 0, 3)))
        tampered(vault, bytes(bad), "vault_tampered" if known else "vault_key_unknown")
    for size in range(len(blob)):
        tampered(vault, blob[:size])
    tampered(vault, blob + b"\0")


def test_a_blob_belongs_to_its_sid_package_purpose_and_key() -> None:
    vault = Vault(KEY)
    blob = vault.seal(b"verifier", sid=SID, package="P")
    tampered(vault, blob, sid=SID + "0")
    tampered(vault, blob, package="Q")
    tampered(vault, blob, purpose="another")
    tampered(vault, vault.seal(b"v", sid=SID[:-1], package="0P"), sid=SID, package="P")
    tampered(Vault(OTHER), blob)
    tampered(Vault({2: KEY}, current=2), blob, "vault_key_unknown")


def test_rotation_opens_the_old_and_seals_with_the_new() -> None:
    old = Vault({1: KEY}, current=1)
    both = Vault({1: KEY, 2: OTHER}, current=2)
    blob = old.seal(b"verifier", sid=SID, package="P")
    assert both.open(blob, sid=SID, package="P") == b"verifier" and not both.is_current(blob)
    new = both.seal(b"verifier", sid=SID, package="P")
    assert both.is_current(new)
    tampered(old, new, "vault_key_unknown")
    assert old.derive("salt", "bob") == both.derive("salt", "bob")


def test_derived_secrets_are_stable_and_apart() -> None:
    vault = Vault(KEY)
    assert (
        vault.derive("salt", "P", "bob")
        == Vault(KEY).derive("salt", "P", "bob")
        != Vault(OTHER).derive("salt", "P", "bob")
    )
    others = [("salt", "P", "bo"), ("salt", "Pb", "ob"), ("salt", "Pbob"), ("salt", "P", b"bob"), ("other", "P", "bob")]
    assert len({vault.derive(*parts) for parts in others} | {vault.derive("salt", "P", "bob")}) == 6  # type: ignore[arg-type]
    assert len(vault.derive("salt", length=100)) == 100
    for length in (0, 1025):
        with pytest.raises(ValueError, match="1024"):
            vault.derive("salt", length=length)


def test_a_vault_shows_and_gives_away_nothing() -> None:
    vault = Vault(KEY)
    assert repr(vault) == str(vault) == "<Vault current=1 keys=1>"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(vault)


@pytest.mark.parametrize(
    ("keys", "current"),
    [(bytes(31), None), (bytes(33), None), ({}, None), ({1: KEY, 2: KEY}, None), ({1: KEY}, 2),
     ({-1: KEY}, -1)],
)  # fmt: skip
def test_a_vault_needs_proper_keys(keys: bytes | dict[int, bytes], current: int | None) -> None:
    with pytest.raises(ValueError, match="key"):
        Vault(keys, current=current)


def test_a_memory_store_makes_a_vault_of_its_own() -> None:
    store = MemoryAccountStore("EXAMPLE")
    sid = store.create_user("alice", supplementals={"P": b"v"}, now=0.0).sid
    assert store.supplemental(sid, "P") == b"v"


def test_a_short_derived_secret_is_what_hkdf_gives() -> None:
    """RFC 5869: the short way and the library's are one function, so that 32 bytes begin every longer secret."""
    vault = Vault(bytes(range(32)))
    long = vault.derive("purpose", "part", b"other", length=64)
    for length in (1, 16, 32):
        assert vault.derive("purpose", "part", b"other", length=length) == long[:length]
