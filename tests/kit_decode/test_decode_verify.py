"""With the user's secret: proofs, MICs, and what a session protects, of our own exchanges and of a stranger's."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import spnego
from spnego._credssp_structures import NegoData, TSRequest
from tests.kit_decode.finding import everything, find, read, results
from tests.kit_decode.samples import CREDENTIALS, strangers, vectors
from tests.protocols.ntlm_pair import ALICE, exchange, recorded

from secpkg.protocols.ntlm import DEFAULT_REQUEST, Datagram, Initiator, Protection, Role, nt_hash
from secpkg.protocols.ntlm import flags as f

HASH = ALICE.nt_hash
WRONG = bytes(16)
HELD = [(3, "NTProofStr", "holds"), (3, "MIC", "holds")]


def conversation(**options: Any) -> tuple[list[bytes], Protection, Protection]:
    seen: list[bytes] = []

    def watch(_: str, message: bytes) -> bytes:
        seen.append(message)
        return message

    ours, theirs = exchange(watch, **options)
    return seen, Protection(ours.session, Role.INITIATOR), Protection(theirs.session, Role.ACCEPTOR)


def sealed(side: Protection, text: bytes) -> bytes:
    message, signature = side.seal(text)
    return signature + message


def clear(report: Any, token: int) -> object:
    return find(report, "in clear", token).value


def test_proof_and_mic_hold_and_messages_are_opened_in_their_order() -> None:
    seen, client, server = conversation()
    tokens = [*seen, sealed(client, b"one"), sealed(server, b"two"), client.sign(b"three") + b"three"]
    tokens.append(sealed(client, "vier".encode("utf-16-le")))
    report = read(*tokens, nt_hash=HASH)
    assert results(report) == [*HELD, *((n, "message", "holds") for n in (4, 5, 6, 7))]
    assert [check.why for check in report.checks[2:]] == [
        "sealed by the initiator",
        "sealed by the acceptor",
        "signed by the initiator",
        "sealed by the initiator",
    ]
    assert [clear(report, n) for n in (4, 5, 6)] == [b"one", b"two", b"three"]
    assert find(report, "in clear", 7).meaning == '"vier"'


def test_without_a_secret_nothing_is_checked_and_nothing_is_in_clear() -> None:
    seen, client, _ = conversation()
    report = read(*seen, sealed(client, b"one"))
    assert report.checks == ()
    assert "in clear" not in [field.name for field in everything(report.tokens[3].tree)]


def test_with_another_secret_nothing_holds_and_nothing_is_in_clear() -> None:
    seen, client, _ = conversation()
    report = read(*seen, sealed(client, b"one"), nt_hash=WRONG)
    assert results(report) == [(3, "NTProofStr", "does not hold"), (4, "message", "not checked")]
    assert "in clear" not in [field.name for field in everything(report.tokens[3].tree)]


@pytest.mark.parametrize("leg", [0, 1])
def test_a_changed_message_breaks_the_mic(leg: int) -> None:
    seen, _, _ = conversation()
    seen[leg] = seen[leg][:-1] + bytes([seen[leg][-1] ^ 1]) if leg == 0 else seen[leg] + b"x"
    assert results(read(*seen, nt_hash=HASH)) == [HELD[0], (3, "MIC", "does not hold")]


def test_a_changed_nonce_breaks_the_proof() -> None:
    seen, _, _ = conversation()
    seen[1] = seen[1][:24] + bytes(8) + seen[1][32:]
    assert results(read(*seen, nt_hash=HASH)) == [(3, "NTProofStr", "does not hold")]


def test_what_is_missing_is_said() -> None:
    seen, client, _ = conversation()
    assert results(read(seen[2], nt_hash=HASH)) == [(1, "NTProofStr", "not checked")]
    assert results(read(*seen[1:], nt_hash=HASH)) == [(2, "NTProofStr", "holds"), (2, "MIC", "not checked")]
    assert results(read(sealed(client, b"one"), nt_hash=HASH)) == [(1, "message", "not checked")]


def test_a_message_that_does_not_hold_leaves_the_next_its_chance() -> None:
    seen, client, _ = conversation()
    first, second = sealed(client, b"one"), sealed(client, b"two")
    bad = first[:-1] + bytes([first[-1] ^ 1])
    report = read(*seen, bad, first, second, nt_hash=HASH)
    assert [result for _, name, result in results(report) if name == "message"] == ["does not hold", "holds", "holds"]
    report = read(*seen, (Role.ACCEPTOR, first), nt_hash=HASH)
    assert results(report)[-1] == (4, "message", "does not hold")


def test_a_session_key_of_another_length_is_none() -> None:
    seen, client, _ = conversation()
    short = seen[2][:52] + b"\x0f\0\x0f\0" + seen[2][56:-1]
    report = read(*seen[:2], short, sealed(client, b"one"), nt_hash=HASH)
    assert results(report) == [
        HELD[0],
        (3, "session key", "does not hold"),
        (4, "message", "not checked"),
    ]


def test_datagrams_come_in_any_order() -> None:
    seen: list[bytes] = []

    def watch(_: str, message: bytes) -> bytes:
        seen.append(message)
        return message

    ours, theirs = exchange(watch, datagram=True)
    client, server = Datagram(ours.session, Role.INITIATOR), Datagram(theirs.session, Role.ACCEPTOR)
    late, early = client.seal(b"late", 9), server.seal(b"early", 2)
    report = read(*seen, late[1] + late[0], early[1] + early[0], nt_hash=HASH)
    assert [result for _, _, result in results(report)] == ["holds"] * 4
    assert [clear(report, n) for n in (3, 4)] == [b"late", b"early"]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["name"])
def test_the_vectors_of_the_document(vector: dict[str, str]) -> None:
    tokens = [bytes.fromhex(vector[name]) for name in ("challenge_message", "authenticate_message")]
    report = read(
        *tokens,
        (Role.INITIATOR, bytes.fromhex(vector["signature"] + vector["sealed"])),
        nt_hash=nt_hash(vector["password"]),
    )
    proof = (2, "NTProofStr" if "nt_proof" in vector else "NTLM_RESPONSE", "holds")
    assert proof in results(report)
    assert clear(report, 3) == bytes.fromhex(vector["plaintext"])


@pytest.mark.parametrize("vector", strangers(), ids=lambda vector: vector["name"])
def test_recorded_strangers(vector: dict[str, str]) -> None:
    tokens = [bytes.fromhex(vector[f"{leg}_message"]) for leg in ("negotiate", "challenge", "authenticate")]
    message = [bytes.fromhex(vector["message"])] * bool(vector["message"])
    report = read(*tokens, *message, nt_hash=nt_hash(vector["password"]))
    mic = "holds" if vector["has_mic"] else "not checked"
    assert results(report) == [HELD[0], (3, "MIC", mic), *[(4, "message", "holds")] * bool(message)]
    assert not message or clear(report, 4) == bytes.fromhex(vector["clear"])


def stranger(side: str, **options: Any) -> Any:
    return getattr(spnego, side)(
        hostname="server",
        service="HTTP",
        protocol="negotiate",
        options=spnego.NegotiateOptions.use_negotiate,
        **options,
    )


def test_a_conversation_of_strangers_in_spnego(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pyspnego with itself: mechListMIC both ways, after which the stream begins anew and the counter goes on."""
    (tmp_path / "accounts").write_text(f"EXAMPLE\\Alice:1000:{'0' * 32}:{HASH.hex().upper()}:[U          ]:LCT-0\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(tmp_path / "accounts"))
    client, server = stranger("client", username="EXAMPLE\\Alice", password="correct horse"), stranger("server")
    tokens: list[bytes] = []
    token = None
    while not (client.complete and server.complete):
        token = client.step(token)
        if token is None:
            break
        tokens.append(token)
        token = server.step(token)
        if token is None:
            break
        tokens.append(token)
    tokens += [client.wrap(b"one").data, server.wrap(b"two").data, client.wrap(b"three").data]
    report = read(*tokens, nt_hash=HASH)
    assert report.faults == []
    assert results(report) == [
        *HELD,
        (3, "mechListMIC", "holds"),
        (4, "mechListMIC", "holds"),
        *((n, "message", "holds") for n in (5, 6, 7)),
    ]
    assert [clear(report, n) for n in (5, 6, 7)] == [b"one", b"two", b"three"]


def test_what_credssp_carries_is_opened() -> None:
    seen, client, server = conversation()
    key = hashlib.sha256(b"CredSSP Client-To-Server Binding Hash\0" + bytes(32) + b"key").digest()
    tokens = [
        TSRequest(6, NegoData(seen[0])).pack(),
        TSRequest(6, NegoData(seen[1])).pack(),
        TSRequest(6, NegoData(seen[2]), pub_key_auth=sealed(client, key), client_nonce=bytes(32)).pack(),
        TSRequest(6, pub_key_auth=sealed(server, b"the server's")).pack(),
        TSRequest(6, auth_info=sealed(client, CREDENTIALS)).pack(),
    ]
    report = read(*tokens, nt_hash=HASH)
    assert results(report) == [
        *HELD,
        (3, "pubKeyAuth", "holds"),
        (4, "pubKeyAuth", "holds"),
        (5, "authInfo", "holds"),
    ]
    assert clear(report, 3) == key
    credentials = find(report, "TSCredentials", 5)
    assert find(report, "credType", 5).meaning == "TSPasswordCreds"
    assert [find(report, name, 5).value for name in ("domainName", "userName", "password")] == [
        "EXAMPLE",
        "Alice",
        "correct horse",
    ]
    assert credentials.length == len(CREDENTIALS)
    assert "correct horse" not in str(read(*tokens)) and "correct horse" not in str(read(*tokens, nt_hash=WRONG))


def test_no_secret_in_a_repr() -> None:
    seen, client, _ = conversation()
    report = read(*seen, sealed(client, b"plain as day"), nt_hash=HASH)
    assert clear(report, 4) == b"plain as day"
    assert "plain as day" not in repr(report) and HASH.hex() not in repr(report) and repr(HASH) not in repr(report)


def test_a_session_that_protects_nothing() -> None:
    seen = recorded(initiator=Initiator(request=DEFAULT_REQUEST & ~(f.SIGN | f.SEAL | f.KEY_EXCH)))
    report = read(*seen.values(), b"\1\0\0\0" + bytes(20), nt_hash=HASH)
    assert results(report) == [*HELD, (4, "message", "does not hold")]
    assert report.checks[-1].why == "MS-NLMP 3.4: the session protects no messages"
