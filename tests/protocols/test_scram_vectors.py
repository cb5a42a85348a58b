"""SCRAM against the exchanges of the RFCs, and against our own, computed another way (vectors/scram)."""

import json
from pathlib import Path
from typing import Any

import pytest

from secpkg.protocols.scram import (
    SCRAM_SHA_256,
    Acceptor,
    BindingPolicy,
    ChannelBinding,
    Initiator,
    Reason,
    Rejected,
    Verifier,
    check_password,
    salted_password,
)
from secpkg.protocols.scram.mechanism import Mechanism

VECTORS = Path(__file__).parents[2] / "vectors" / "scram"
MECHANISMS = {"SCRAM-SHA-256": SCRAM_SHA_256, "SCRAM-SHA-1": Mechanism("SCRAM-SHA-1", "sha1", 20)}


def load(*names: str) -> list[Any]:
    return [v for name in names for v in json.loads((VECTORS / f"{name}.json").read_text())["vectors"]]


@pytest.mark.parametrize("vector", load("rfc5802", "rfc7677", "own"), ids=lambda v: v["name"])
def test_exchange(vector: dict[str, Any]) -> None:
    """Both machines write exactly the recorded messages and end with the recorded key."""
    assert vector["outcome"] == "done"
    mechanism = MECHANISMS[vector["mechanism"]]
    bindings = [ChannelBinding(b["name"], bytes.fromhex(b["data"])) for b in [vector["binding"]] if b]
    binding = bindings[0] if bindings else None
    salt, iterations, password = bytes.fromhex(vector["salt"]), vector["iterations"], vector["password"]
    verifier = Verifier.derive(password, salt=salt, iterations=iterations, mechanism=mechanism)
    wire = {k: vector[k].encode() for k in ("client_first", "server_first", "client_final", "server_final")}

    opened, message = Initiator(mechanism).start(
        vector["username"], vector["client_nonce"].encode(), binding, supports_binding=vector["supports_binding"]
    )
    assert message == wire["client_first"]
    received = Acceptor(mechanism).start(message, vector["server_nonce"].encode())
    assert received.username == vector["username"]
    assert received.wants_binding == (binding and binding.name)
    challenged, message = received.challenge(verifier)
    assert message == wire["server_first"]
    proved, message = opened.receive(message, lambda s, i: salted_password(password, s, i, mechanism))
    assert message == wire["client_final"]
    theirs, message = challenged.receive(message, expected=bindings, policy=BindingPolicy(vector["policy"]))
    assert message == wire["server_final"]
    ours = proved.receive(message)
    assert ours.session_key == theirs.session_key
    assert ours.username == theirs.username == vector["username"]
    assert ours.binding_name == theirs.binding_name == (binding and binding.name)
    if vector["session_key"]:
        assert ours.session_key.hex() == vector["session_key"]


RFC = load("rfc7677")[0]


@pytest.mark.parametrize("vector", load("negative"), ids=lambda v: f"{v['message_kind']}: {v['name']}")
def test_one_bad_message(vector: dict[str, Any]) -> None:
    """The exchange of RFC 7677 with one message replaced ends at that message, for the recorded reason."""
    salt = bytes.fromhex(RFC["salt"])
    salted = bytes.fromhex("c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d")
    verifier = Verifier.from_salted_password(salted, salt=salt, iterations=4096)
    bad = vector["message"].encode()
    opened, client_first = Initiator().start(RFC["username"], RFC["client_nonce"].encode())
    challenged, server_first = Acceptor().start(client_first, RFC["server_nonce"].encode()).challenge(verifier)
    proved, client_final = opened.receive(server_first, lambda *_: salted)
    assert client_final == RFC["client_final"].encode()

    def forbidden(salt: bytes, iterations: int) -> bytes:
        raise AssertionError("no key is derived for a bad challenge")

    with pytest.raises(Rejected) as caught:
        match vector["message_kind"]:
            case "client_first":
                Acceptor().start(bad, RFC["server_nonce"].encode())
            case "server_first":
                opened.receive(bad, forbidden)
            case "client_final":
                challenged.receive(bad, expected=None, policy=BindingPolicy.WHEN_SUPPORTED)
            case "server_final":
                proved.receive(bad)
    assert caught.value.reason is Reason(vector["outcome"])
    assert caught.value.fault == "peer"
    if caught.value.reason is Reason.SERVER_ERROR:
        known = vector["message"][2:]
        assert caught.value.server_error == (known if known.isprintable() else "other-error")


def test_salted_password_of_the_negative_vectors() -> None:
    salted = salted_password("pencil", bytes.fromhex(RFC["salt"]), 4096)
    verifier = Verifier.from_salted_password(salted, salt=bytes.fromhex(RFC["salt"]), iterations=4096)
    assert check_password(verifier, "pencil") == salted
    assert salted.hex() == "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d"
