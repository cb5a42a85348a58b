"""The account store: accounts, groups, verifiers and failures of one account domain (the SAM of the documents).

Names arrive when they are asked for: nothing here loads SQLite or ciphers before a store is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secpkg.accounts.lockout import LockoutPolicy
    from secpkg.accounts.memory import MemoryAccountStore
    from secpkg.accounts.model import Account, AccountChanges, Group, restriction
    from secpkg.accounts.sid import Sid
    from secpkg.accounts.sqlite import SqliteAccountStore
    from secpkg.accounts.store import AccountStore
    from secpkg.accounts.vault import Vault

__all__ = [
    "Account",
    "AccountChanges",
    "AccountStore",
    "Group",
    "LockoutPolicy",
    "MemoryAccountStore",
    "Sid",
    "SqliteAccountStore",
    "Vault",
    "restriction",
]

_HOMES = {
    "Account": "model",
    "AccountChanges": "model",
    "AccountStore": "store",
    "Group": "model",
    "LockoutPolicy": "lockout",
    "MemoryAccountStore": "memory",
    "Sid": "sid",
    "SqliteAccountStore": "sqlite",
    "Vault": "vault",
    "restriction": "model",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
