"""Handshakes, refused and finished, in the four worlds."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.behaviour.world import PASSWORD, Place, World, refused

from secpkg.contract import AscReq, AscRet, CredentialUse, IscReq, IscRet, Status
from secpkg.ipc.schema import MAX_TOKEN
from secpkg.sspi.client import DEFAULT_REQUIREMENTS


def test_by_password(world: World) -> None:
    client, server = world.client(target="HTTP/here"), world.server()
    legs = 0
    token = world.step(client)
    while token is not None:
        legs += 1
        reply = world.step(server, token)
        token = world.step(client, reply) if reply is not None else None
    assert legs == 2 and client.complete and server.complete
    assert world.peer(server) == "EXAMPLE\\alice"
    assert client.package == server.package == "Hello"
    assert world.session_key(client) == world.session_key(server) and len(world.session_key(client)) == 32


def test_both_sides_are_told_what_was_granted(world: World) -> None:
    """R173, R177: mutual authentication is the client's to be told."""
    client, server = world.pair()
    asked = IscRet.MUTUAL_AUTH | IscRet.CONFIDENTIALITY | IscRet.INTEGRITY
    assert client.flags & asked == asked
    assert server.flags & (AscRet.CONFIDENTIALITY | AscRet.INTEGRITY) == AscRet.CONFIDENTIALITY | AscRet.INTEGRITY
    assert type(client.flags) is IscRet and type(server.flags) is AscRet
    for party in (client, server):
        assert party.sizes.security_trailer == party.sizes.max_signature == 28
        assert party.expiry > time.time()


def test_nothing_is_granted_before_the_end(world: World) -> None:
    """R186."""
    client = world.client()
    world.step(client)
    assert not client.complete and client.flags == 0
    asks: list[Callable[[], object]] = [
        lambda: world.peer(client),
        lambda: world.session_key(client),
        lambda: world.access_token(client),
        lambda: client.encrypt(b"x"),
        lambda: client.sign(b"x"),
        lambda: client.sizes,
        lambda: client.expiry,
    ]
    for ask in asks:
        assert refused(ask).status is Status.SEC_E_INVALID_HANDLE


def test_by_the_sessions_default_credentials(world: World) -> None:
    """Lock 3: whose session is presented, that one's credentials; and no password anywhere."""
    lsa = world.connect()
    logon = world.logon(lsa)
    with logon.session():
        client = world.default_client()
    server = world.server()
    world.finish(client, server)
    assert world.peer(server) == "EXAMPLE\\alice"


def test_without_a_session_there_are_no_default_credentials(world: World) -> None:
    """Lock 3, R197."""
    failure = refused(lambda: world.finish(world.client(username=None), world.server()))
    assert failure.status is Status.SEC_E_NO_CREDENTIALS


def test_a_session_that_has_ended_has_no_credentials(world: World) -> None:
    lsa = world.connect()
    logon = world.logon(lsa)
    with logon.session():
        client = world.default_client()
        world.close(logon)
        assert refused(lambda: world.step(client)).status in (Status.SEC_E_INVALID_HANDLE, Status.SEC_E_NO_CREDENTIALS)
        assert refused(world.default_client).status in (Status.STATUS_INVALID_HANDLE, Status.SEC_E_INVALID_HANDLE)
    assert logon.luid not in world.place.sessions()


@pytest.mark.parametrize(("name", "password"), [("known", "wrong password"), ("nobody", PASSWORD), ("", PASSWORD)])
def test_a_wrong_proof_is_one_refusal_whatever_was_wrong(world: World, name: str, password: str) -> None:
    """R54, lock 9: which half was wrong, and why, is told to nobody."""
    user = world.place.add_user() if name == "known" else name
    client, server = world.client(username=user, password=password), world.server()
    if not name:
        assert refused(lambda: world.step(client)).status is Status.SEC_E_UNKNOWN_CREDENTIALS
        return
    challenge = world.step(server, world.step(client))
    proof = world.step(client, challenge)
    failure = refused(lambda: world.step(server, proof))
    assert (failure.status, failure.substatus) == (Status.SEC_E_LOGON_DENIED, Status.STATUS_SUCCESS)
    assert not server.complete
    assert refused(lambda: world.step(server, proof)).reason == "context_failed"


def restrict(place: Place, name: str, how: str) -> None:
    if how == "expire":
        place.manage("accounts.expire", name=name, at=1.0)
    elif how == "must_change":
        place.manage("accounts.passwd", name=name, password=PASSWORD, must_change=True)
    else:
        place.manage(f"accounts.{how}", name=name)


@pytest.mark.parametrize(
    ("how", "substatus"),
    [
        ("disable", Status.STATUS_ACCOUNT_DISABLED),
        ("lock", Status.STATUS_ACCOUNT_LOCKED_OUT),
        ("expire", Status.STATUS_ACCOUNT_EXPIRED),
        ("must_change", Status.STATUS_PASSWORD_MUST_CHANGE),
    ],
)
def test_a_restriction_is_told_after_a_right_proof_only(world: World, how: str, substatus: Status) -> None:
    """R53, R55, lock 9: in a logon and in a handshake."""
    user = world.place.add_user()
    restrict(world.place, user, how)
    lsa = world.connect()
    before = world.place.sessions()
    for password, expected in (
        ("wrong password", (Status.STATUS_LOGON_FAILURE, Status.STATUS_SUCCESS)),
        (PASSWORD, (Status.STATUS_ACCOUNT_RESTRICTION, substatus)),
    ):
        failure = refused(lambda password=password: world.logon(lsa, user, password))  # type: ignore[misc]
        assert (failure.status, failure.substatus) == expected
    wrong = refused(lambda: world.finish(world.client(username=user, password="wrong password"), world.server()))
    right = refused(lambda: world.finish(world.client(username=user), world.server()))
    assert (wrong.status, wrong.substatus) == (Status.SEC_E_LOGON_DENIED, Status.STATUS_SUCCESS)
    assert right.status is Status.STATUS_ACCOUNT_RESTRICTION, "SSPI has no SubStatus"
    assert world.place.sessions() == before, "nobody was logged on"


BINDINGS = b"tls-exporter:" + bytes(range(32))


@pytest.mark.parametrize(
    ("ours", "theirs", "status"),
    [
        (BINDINGS, BINDINGS, Status.SEC_E_OK),
        (BINDINGS, BINDINGS[:-1] + b"x", Status.SEC_E_BAD_BINDINGS),
        (None, BINDINGS, Status.SEC_E_BAD_BINDINGS),
        (BINDINGS, None, Status.SEC_E_BAD_BINDINGS),
        (b"any data of an application", b"any data of an application", Status.SEC_E_OK),
    ],
    ids=["same", "other", "client has none", "server has none", "application data"],
)
def test_channel_bindings(world: World, ours: bytes | None, theirs: bytes | None, status: Status) -> None:
    """R233, R234."""
    client, server = world.client(channel_bindings=ours), world.server(channel_bindings=theirs)
    if status is Status.SEC_E_OK:
        world.finish(client, server)
    else:
        assert refused(lambda: world.finish(client, server)).status is status
        assert not server.complete


def test_a_server_may_put_up_with_a_client_that_has_no_bindings(world: World) -> None:
    """R234."""
    requirements = AscReq.CONFIDENTIALITY | AscReq.INTEGRITY | AscReq.ALLOW_MISSING_BINDINGS
    client, server = world.client(), world.server(channel_bindings=BINDINGS, requirements=requirements)
    world.finish(client, server)


def test_a_requirement_that_was_not_granted_is_no_context(world: World) -> None:
    """R173, R179: what is required is granted, or there is no context."""
    client, server = world.client(requirements=DEFAULT_REQUIREMENTS | IscReq.NO_INTEGRITY), world.server()
    failure = refused(lambda: world.finish(client, server))
    assert (failure.status, failure.reason) == (Status.SEC_E_SECURITY_QOS_FAILED, "requirement_not_granted")
    assert not client.complete
    assert refused(lambda: client.encrypt(b"x")).status is Status.SEC_E_INVALID_HANDLE


SPOIL: dict[str, Callable[[bytes], bytes]] = {
    "garbage": lambda token: b"\xff\x00garbage" * 3,
    "truncated": lambda token: token[: len(token) // 2],
    "empty": lambda token: b"",
    "oversize": lambda token: b"x" * (MAX_TOKEN + 1),
    "flipped": lambda token: token[:-1] + bytes([token[-1] ^ 1]),
}


@pytest.mark.parametrize("leg", range(4))
@pytest.mark.parametrize("how", SPOIL)
def test_bad_tokens_at_each_leg(world: World, leg: int, how: str) -> None:
    """R190: the handshake fails, at this leg or (half a nonce is a nonce) at the one that sees it, and nothing else."""
    client, server = world.client(), world.server()
    parties = [server, client]
    token = world.step(client)
    for number in range(leg):
        token = world.step(parties[number % 2], token)
    assert token is not None
    reached = leg

    def spoiled() -> None:
        nonlocal reached
        answer: bytes | None = SPOIL[how](token)
        while answer is not None:
            answer = world.step(parties[reached % 2], answer)
            reached += 1

    failure = refused(spoiled)
    assert failure.status.is_error and not client.complete
    if how in ("garbage", "empty", "oversize"):
        assert reached == leg, "a later leg"
    if how == "oversize":
        assert failure.status is Status.SEC_E_INVALID_TOKEN
    elif reached:
        assert refused(lambda: world.step(parties[reached % 2], token)).status is Status.SEC_E_INVALID_HANDLE
    world.pair()


def test_a_step_after_the_end_is_refused_and_spoils_nothing(world: World) -> None:
    """R190."""
    client, server = world.pair()
    for party in (client, server):
        assert refused(lambda party=party: world.step(party, b"again")).reason == "context_finished"  # type: ignore[misc]
    assert server.decrypt(client.encrypt(b"still")) == b"still"


def test_after_close_everything_is_refused_and_closing_again_is_nothing(world: World) -> None:
    """R191."""
    client, server = world.pair()
    sealed = server.encrypt(b"x")
    world.close(client)
    world.close(client)
    asks: list[Callable[[], object]] = [
        lambda: client.encrypt(b"x"),
        lambda: client.decrypt(sealed),
        lambda: client.sign(b"x"),
        lambda: client.verify(b"x", b"y"),
        lambda: world.step(client, b"x"),
        lambda: world.peer(client),
        lambda: world.session_key(client),
        lambda: world.access_token(client),
        lambda: client.sizes,
    ]
    for ask in asks:
        assert refused(ask).status is Status.SEC_E_INVALID_HANDLE
    assert not client.complete and client.flags == 0


def test_a_credential_serves_several_contexts(world: World) -> None:
    credential = world.credential()
    pairs = [(world.client_of(credential), world.server()) for _ in range(3)]
    for client, server in pairs:
        world.finish(client, server)
    world.close(pairs[0][0])
    assert pairs[1][1].decrypt(pairs[1][0].encrypt(b"x")) == b"x"
    late = world.client_of(credential), world.server()
    world.finish(*late)


@pytest.mark.parametrize("first", ["credential", "context"])
def test_credential_and_context_close_in_either_order(world: World, first: str) -> None:
    """R193."""
    credential = world.credential()
    client, server = world.client_of(credential), world.server()
    world.finish(client, server)
    if first == "credential":
        world.close(credential)
        assert server.decrypt(client.encrypt(b"x")) == b"x"
        assert refused(lambda: world.client_of(credential)).status is Status.SEC_E_INVALID_HANDLE
        world.close(client)
    else:
        world.close(client)
        again = world.client_of(credential)
        world.finish(again, world.server())
        world.close(credential)
    world.close(credential)


def test_a_credential_closed_in_the_middle_of_a_handshake(world: World) -> None:
    """R193: the credential of a context in the making is gone, and the context says so."""
    credential = world.credential()
    client, server = world.client_of(credential), world.server()
    challenge = world.step(server, world.step(client))
    world.close(credential)
    assert refused(lambda: world.step(client, challenge)).status is Status.SEC_E_INVALID_HANDLE


def test_a_credential_of_the_other_direction(world: World) -> None:
    credential = world.credential()
    assert credential._use is CredentialUse.OUTBOUND
    accept = type(world.server())
    wrong = refused(lambda: world.do(accept, "Hello", credential=credential))
    assert wrong.status is Status.SEC_E_WRONG_CREDENTIAL_HANDLE


def test_a_package_that_is_not_there(world: World) -> None:
    assert refused(lambda: world.client("Nobody")).status is Status.SEC_E_SECPKG_NOT_FOUND
    assert refused(lambda: world.server("x" * 2000)).status is Status.SEC_E_SECPKG_NOT_FOUND
