"""Access tokens as descriptors: how many a uid has, and that a closed one is given back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.authority.world import World

from secpkg.authority.policy import Policy
from secpkg.authority.tokens import AccessToken
from secpkg.contract import SecurityError, Status
from secpkg.ipc.poll import Loop
from secpkg.runtime import descriptors
from secpkg.runtime.descriptors import TokenDescriptors

FIRST, SECOND = 1000, 1001


def _unexpected(where: object, error: Exception) -> None:
    raise AssertionError(where) from error


class Exporting:
    """The descriptors of an authority that allows two to each uid, and a token to export."""

    def __init__(self) -> None:
        self.world = World(Policy(token_descriptors_per_uid=2))
        self.world.add_user()
        connection = self.world.connect()
        logon = self.world.logon(connection, self.world.add_hello())
        self.token: AccessToken = self.world.lsa.tokens.token(connection, logon.token)
        self.loop = Loop(_unexpected)
        self.all = TokenDescriptors(self.loop, self.world.lsa.tokens, self.world.lsa.quotas)

    def refusal(self, uid: int) -> tuple[Status, str]:
        with pytest.raises(SecurityError) as caught:
            self.all.export(self.token, uid)
        return caught.value.status, caught.value.reason

    def taken(self, uid: int) -> int:
        return self.world.lsa.quotas.taken(uid, "token_descriptors")


@pytest.fixture
def exporting() -> Iterator[Exporting]:
    made = Exporting()
    yield made
    made.all.close()
    made.loop.close()
    assert made.taken(FIRST) == made.taken(SECOND) == 0


def test_one_uid_cannot_take_the_descriptors_of_others_lock9(exporting: Exporting) -> None:
    first = [exporting.all.export(exporting.token, FIRST) for _ in range(2)]
    assert exporting.refusal(FIRST) == (Status.STATUS_QUOTA_EXCEEDED, "quota_token_descriptors")
    second = exporting.all.export(exporting.token, SECOND)
    assert exporting.all.identify(second.fileno()) is exporting.token
    first.pop().close()
    exporting.loop.turn(0.0)
    assert (exporting.taken(FIRST), exporting.taken(SECOND)) == (1, 1)
    first.append(exporting.all.export(exporting.token, FIRST))
    for end in (*first, second):
        end.close()


def test_what_could_not_be_made_counts_for_nobody(exporting: Exporting, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(*_arguments: object) -> object:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr("socket.socketpair", no_more)
        assert exporting.refusal(FIRST) == (Status.STATUS_INSUFFICIENT_RESOURCES, "no_descriptors_left")
    monkeypatch.setattr(descriptors, "MAX_DESCRIPTORS", 0)
    assert exporting.refusal(FIRST) == (Status.STATUS_QUOTA_EXCEEDED, "quota_token_descriptors")
    assert exporting.taken(FIRST) == 0
