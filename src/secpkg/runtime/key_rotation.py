"""A new master key for an authority that does not run (docs/adr/0023).

The order is what makes it safe to be killed at any moment: the file with all keys and the new one is on disk before
anything is sealed under the new one, everything is sealed anew before a key is taken out of the file, and whoever opens
the directory in between opens all of it. Run again, the same steps finish what is left.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from secpkg.accounts.sqlite import SqliteAccountStore
from secpkg.accounts.vault import MASTER_KEY_SIZE
from secpkg.authority.audit import AuditRecord, derive_key
from secpkg.authority.domain_policy import DomainPolicy
from secpkg.authority.policy import Policy
from secpkg.contract.status import SecurityError
from secpkg.runtime import state
from secpkg.runtime.audit_reading import AUDIT_FILE
from secpkg.runtime.master_keys import MasterKeys
from secpkg.runtime.state import StateFault


class Rotated(msgspec.Struct, frozen=True):
    """What was done: the id of the key that seals now, how many blobs were sealed anew, and which ids were retired."""

    key: int
    resealed: int
    retired: tuple[int, ...]


def rotate(
    directory: Path, *, new: bool = True, entropy: Callable[[int], bytes] = os.urandom, told: Callable[[str], object]
) -> Rotated:
    """Make a new key (unless ``new`` is false: then finish what was begun), seal everything under it, and retire the
    others but for the lowest. ``told`` hears of each step. `StateFault` where an authority uses the directory, where
    there is no key file, and where something cannot be written or opened: nothing is lost then.
    """
    path = directory / "master.key"
    if not path.is_file():
        raise StateFault(f"{path} is not there: a key that is handed over is rotated by whoever hands it over")
    state.prepare(directory)
    lock = state.exclusive(directory)
    try:
        keys = state.master_key(path)
        if new:
            try:
                keys = keys.with_new(entropy(MASTER_KEY_SIZE))
            except ValueError as error:
                raise StateFault(f"{error}: finish the last rotation first, with --finish") from None
            state.replace_master_keys(path, keys)
            told(f"key {keys.current} is on disk, and seals from now on")
        return _finish(directory, path, keys, told)
    except StateFault:
        raise
    except SecurityError as error:
        raise StateFault(f"not everything could be sealed anew ({error.reason}); every key is still there") from error
    finally:
        os.close(lock)


def _finish(directory: Path, path: Path, keys: MasterKeys, told: Callable[[str], object]) -> Rotated:
    vault = keys.vault()
    record = AuditRecord(directory / AUDIT_FILE, derive_key(vault), clock=time.time)
    try:
        resealed = 0
        if (directory / "accounts.db").exists():
            store = SqliteAccountStore(directory / "accounts.db", vault)
            try:
                resealed = store.reseal()
            finally:
                store.close()
        policy = DomainPolicy(vault, Policy().skew)
        policy.keep_in(directory / "domain-policy")
        resealed += policy.reseal()
        told(f"{resealed} sealed anew")
        left = keys.needed()
        retired = tuple(sorted({key_id for key_id, _ in keys.keys} - {key_id for key_id, _ in left.keys}))
        retiring = ",".join(map(str, retired))
        record.append("master_key_rotated", facts={"key": keys.current, "resealed": resealed, "retired": retiring})
        if retired:
            state.sync(directory)  # what was sealed anew, before the key of what it replaces is gone
            state.replace_master_keys(path, left)
    finally:
        record.close()
    return Rotated(keys.current, resealed, retired)
