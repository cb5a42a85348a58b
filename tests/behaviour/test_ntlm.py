"""NTLM and MSV1_0 in the four worlds: what an application and a logon process do with the inbox package."""

from __future__ import annotations

from functools import partial

import pytest
from tests.behaviour.world import PASSWORD, World, refused

from secpkg.contract import LogonType, SecurityError, Status, msv1_0
from secpkg.protocols import ntlm
from secpkg.protocols.ntlm import Credential
from secpkg.protocols.ntlm.initiator import respond_v2

NEW = "a longer horse"


def test_a_conversation(world: World) -> None:
    client, server = world.client("NTLM", target="HTTP/here"), world.server("NTLM")
    world.finish(client, server)
    assert world.peer(server) == "EXAMPLE\\alice" and world.peer(client) == "HTTP/here"
    assert world.session_key(client) == world.session_key(server)
    for sender, receiver in ((client, server), (server, client)):
        for data in (b"", b"text", bytes(1 << 16)):
            assert receiver.decrypt(sender.encrypt(data)) == data
            receiver.verify(data, sender.sign(data))
    assert world.access_token(server).account_name == "alice"


def test_who_is_refused_learns_one_thing(world: World) -> None:
    for name, password in (("alice", "wrong"), ("nobody", PASSWORD)):
        client, server = world.client("NTLM", username=name, password=password), world.server("NTLM")
        challenge = world.step(server, world.step(client))
        token = world.step(client, challenge)
        failure = refused(partial(world.step, server, token))
        assert (failure.status, failure.token) == (Status.SEC_E_LOGON_DENIED, None)


def test_a_logon_is_a_credential_while_it_lasts(world: World) -> None:
    lsa = world.connect()
    logon = world.do(
        lsa.logon_user, msv1_0.MSV1_0_PACKAGE_NAME, LogonType.INTERACTIVE, username="alice", password=PASSWORD
    )
    with logon.session():
        client = world.default_client("NTLM")
    server = world.server("NTLM")
    world.finish(client, server)
    assert world.peer(server) == "EXAMPLE\\alice"
    with logon.session():
        late = world.default_client("NTLM")
        challenge = world.step(world.server("NTLM"), world.step(late))
    world.close(logon)
    world.place.until(lambda: logon.luid not in world.place.sessions())
    with pytest.raises(SecurityError):
        world.step(late, challenge)


def test_a_logon_of_another_package_is_one_too(world: World) -> None:
    logon = world.logon(world.connect())
    with logon.session():
        client = world.default_client("NTLM")
    server = world.server("NTLM")
    world.finish(client, server)
    assert world.peer(server) == "EXAMPLE\\alice"


def test_a_challenge_and_its_response(world: World) -> None:
    """Of the authority's own making; one that is of somebody's choice is no logon, for whoever is not trusted."""
    lsa = world.connect()
    reply = world.do(lsa.call_authentication_package, "NTLM", msv1_0.Lm20ChallengeRequest().pack())
    challenge = msv1_0.Lm20ChallengeResponse.unpack(reply.data).challenge_to_client
    credential = Credential.from_password("alice", "EXAMPLE", PASSWORD)
    made = respond_v2(credential, challenge, bytes(8), ntlm.filetime(1.7e9))
    information = msv1_0.Lm20Logon("EXAMPLE", "alice", "DESK", challenge, made.nt_response, made.lm_response).pack()
    logon = world.do(lsa.logon_user, "NTLM", LogonType.NETWORK, authentication_information=information)
    assert msv1_0.Lm20LogonProfile.unpack(logon.profile).user_session_key == made.session_base_key
    world.close(logon)
    again = partial(world.do, lsa.logon_user, "NTLM", LogonType.NETWORK, authentication_information=information)
    if world.place.embedded:  # one process, which is trusted: it is the server that made the challenge
        world.close(again())
    else:
        assert refused(again).status is Status.STATUS_LOGON_FAILURE


def test_a_password_is_changed_by_who_knows_it(world: World) -> None:
    lsa, name = world.connect(), world.place.add_user()

    def change(old: str, new: str) -> Status:
        request = msv1_0.ChangePassword("", name, old, new).pack()
        status: Status = world.do(lsa.call_authentication_package, "NTLM", request).protocol_status
        return status

    assert change("wrong", NEW) is Status.STATUS_WRONG_PASSWORD
    assert change(PASSWORD, NEW) is Status.STATUS_SUCCESS
    for package in ("NTLM", "Hello"):
        client, server = world.client(package, username=name, password=NEW), world.server(package)
        world.finish(client, server)
        assert world.peer(server) == f"EXAMPLE\\{name}"


def test_messages_for_the_trusted_are_not_for_others(world: World) -> None:
    lsa = world.connect()
    ask = partial(world.do, lsa.call_authentication_package, "NTLM", msv1_0.EnumerateUsers().pack())
    assert refused(ask).status is Status.STATUS_PRIVILEGE_NOT_HELD
    reply = world.place.operator.call_authentication_package("NTLM", msv1_0.EnumerateUsers().pack())
    assert reply.protocol_status is Status.STATUS_SUCCESS
