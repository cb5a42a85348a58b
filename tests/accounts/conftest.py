from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from secpkg.accounts import AccountStore, LockoutPolicy, MemoryAccountStore, SqliteAccountStore, Vault

KEY = bytes(range(32))
Make = Callable[..., AccountStore]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes stores of either kind; every one is closed at the end."""
    made: list[AccountStore] = []

    def build(
        domain: str = "EXAMPLE", *, policy: LockoutPolicy | None = None, vault: Vault | None = None
    ) -> AccountStore:
        policy, vault = policy or LockoutPolicy(), vault or Vault(KEY)
        store: AccountStore
        if request.param == "memory":
            store = MemoryAccountStore(domain, vault, lockout=policy)
        else:
            store = SqliteAccountStore(tmp_path / f"{len(made)}.db", vault, domain=domain, lockout=policy)
        made.append(store)
        return store

    yield build
    for store in made:
        store.close()


@pytest.fixture
def store(make: Make) -> AccountStore:
    return make()
