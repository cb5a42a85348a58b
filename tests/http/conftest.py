from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.http import talk

from secpkg.testing import FrozenClock, LabAuthority


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECPKG_AUTHORITY", raising=False)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture(params=["Hello", "NTLM"])
def lab(request: pytest.FixtureRequest, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabAuthority]:
    """An authority whose clock stands, with a package that has the last word and with one that has not; alice of staff
    has an account.
    """
    monkeypatch.setitem(talk.SCHEMES, talk.SCHEME, request.param)
    with LabAuthority(domain="EXAMPLE", modules=[request.param.lower()], clock=clock) as authority:
        authority.add_user("alice", password="correct horse", groups=["staff"], posix_uid=65534)
        authority.add_user("bob", password="battery staple")
        yield authority
