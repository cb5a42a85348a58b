"""A change of password by a package, in the four worlds."""

from __future__ import annotations

import pytest
from tests.behaviour.world import PASSWORD, World, refused

from secpkg.contract import Status
from secpkg_hello.services import ChangePassword

NEW = "a longer horse"


@pytest.mark.parametrize("domain", ["EXAMPLE", ""])
def test_who_knows_the_old_password_gives_a_new_one(world: World, domain: str) -> None:
    lsa, name = world.connect(), world.place.add_user()

    def change(old: str, new: str, account: str = name) -> object:
        request = ChangePassword(domain, account, old, new).pack()
        return world.do(lsa.call_authentication_package, "Hello", request).protocol_status

    assert change("wrong", NEW) == change(PASSWORD, NEW, "nobody") == Status.STATUS_WRONG_PASSWORD
    assert change(PASSWORD, name) == Status.STATUS_PASSWORD_RESTRICTION
    world.close(world.logon(lsa, name))
    assert change(PASSWORD, NEW) == Status.STATUS_SUCCESS
    assert refused(lambda: world.logon(lsa, name)).status is Status.STATUS_LOGON_FAILURE
    world.close(world.logon(lsa, name, NEW))
    client, server = world.client(username=name, password=NEW), world.server()
    world.finish(client, server)
    assert world.peer(server) == f"EXAMPLE\\{name}"


def test_R77_what_is_no_request_is_refused(world: World) -> None:
    lsa = world.connect()
    failure = refused(lambda: world.do(lsa.call_authentication_package, "Hello", b"change it"))
    assert failure.status is Status.STATUS_INVALID_PARAMETER
