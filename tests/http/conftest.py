from __future__ import annotations

from collections.abc import Iterator

import pytest

from secpkg.testing import FrozenClock, LabAuthority


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECPKG_AUTHORITY", raising=False)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def lab(clock: FrozenClock) -> Iterator[LabAuthority]:
    """An authority whose clock stands; alice of staff has an account."""
    with LabAuthority(domain="EXAMPLE", modules=["hello"], clock=clock) as authority:
        authority.add_user("alice", password="correct horse", groups=["staff"], posix_uid=65534)
        authority.add_user("bob", password="battery staple")
        yield authority
