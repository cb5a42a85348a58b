"""The NTLM machines with a stranger, pyspnego, in the corners that the package does not reach: weak keys, old sessions.

What the package does with strangers is in tests/strangers.
"""

from pathlib import Path
from typing import Any

import pytest
import spnego
from tests.protocols.ntlm_pair import ALICE, ENTROPY, INFO, NONCE, NOW

from secpkg.protocols.ntlm import (
    Acceptor,
    AcceptorPolicy,
    BindingPolicy,
    Channel,
    ChannelBindings,
    Credential,
    Done,
    Initiator,
    MicPolicy,
    Presented,
    Protection,
    Reason,
    Rejected,
    Role,
    Strength,
    Target,
    TargetNamePolicy,
    Version,
)
from secpkg.protocols.ntlm import flags as f

pytestmark = pytest.mark.stranger

PASSWORD = "correct horse"
TLS = b"tls-server-end-point:" + bytes(range(32))
BINDING = ChannelBindings(TLS).hash()
POLICY = AcceptorPolicy(
    mic=MicPolicy.REQUIRE, bindings=BindingPolicy.REQUIRE, target_name=TargetNamePolicy.REQUIRE, max_skew=60
)
CHANNEL = Channel((BINDING,), frozenset({"HTTP/server.example.com"}))


@pytest.fixture(autouse=True)
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pyspnego's acceptor looks users up in: smbpasswd lines."""
    empty = "0" * 32
    file = tmp_path / "accounts"
    file.write_text(f"EXAMPLE\\Alice:1000:{empty}:{ALICE.nt_hash.hex().upper()}:[U          ]:LCT-00000000\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(file))


def stranger(make: str, **options: Any) -> Any:
    bindings = spnego.channel_bindings.GssChannelBindings(application_data=TLS)
    extra = {"options": spnego.NegotiateOptions.use_ntlm, "protocol": "ntlm", "channel_bindings": bindings}
    return getattr(spnego, make)(**extra, **options)


def protected(ours: Protection, theirs: Any) -> None:
    """Sealed and signed messages, both ways."""
    for number in range(3):
        text = b"message %d" % number
        sealed, signature = ours.seal(text)
        assert theirs.unwrap(signature + sealed).data == text
        wrapped = theirs.wrap(text).data
        assert ours.unseal(wrapped[16:], wrapped[:16]) == text
        theirs.verify(text, ours.sign(text))
        ours.verify(text, theirs.sign(text))


def accept(client: Any, acceptor: Acceptor, nt_hash: bytes = ALICE.nt_hash, channel: Channel = CHANNEL) -> Done:
    challenged, challenge = acceptor.start(client.step(), server_challenge=NONCE, now=NOW)
    presented = challenged.receive(client.step(challenge))
    assert isinstance(presented, Presented)
    return presented.verify(nt_hash, now=NOW, channel=channel)


def test_stranger_logs_on_here() -> None:
    """With MIC, channel binding and target name all required."""
    client = stranger(
        "client", username="EXAMPLE\\Alice", password=PASSWORD, hostname="server.example.com", service="HTTP"
    )
    done = accept(client, Acceptor(target=INFO, policy=POLICY))
    assert (done.user, done.domain) == ("Alice", "EXAMPLE")
    assert done.mic and done.bound and done.target_name
    assert client.session_key == done.session.exported_session_key
    protected(Protection(done.session, Role.ACCEPTOR), client)


def test_stranger_with_a_wrong_password() -> None:
    client = stranger(
        "client", username="EXAMPLE\\Alice", password="wrong", hostname="server.example.com", service="HTTP"
    )
    with pytest.raises(Rejected) as caught:
        accept(client, Acceptor(target=INFO, policy=POLICY))
    assert caught.value.reason is Reason.PROOF_MISMATCH


def test_stranger_on_another_channel() -> None:
    client = stranger(
        "client", username="EXAMPLE\\Alice", password=PASSWORD, hostname="server.example.com", service="HTTP"
    )
    other = Channel((ChannelBindings(b"tls-server-end-point:" + bytes(32)).hash(),), CHANNEL.names)
    with pytest.raises(Rejected) as caught:
        accept(client, Acceptor(target=INFO, policy=POLICY), channel=other)
    assert caught.value.reason is Reason.BINDING_MISMATCH


@pytest.mark.parametrize("kept", [f.KEY_128, f.KEY_56, 0])
@pytest.mark.parametrize("exchanged", [f.KEY_EXCH, 0])
def test_stranger_with_shorter_keys(kept: int, exchanged: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """128, 56 and 40 bits, with and without key exchange: what the acceptor grants is what the stranger uses."""
    monkeypatch.setattr("secpkg.protocols.ntlm.acceptor._GRANTED", _granted() & ~f.KEY_EXCH | exchanged)
    monkeypatch.setattr("secpkg.protocols.ntlm.acceptor._GRANTED", _granted() & ~(f.KEY_128 | f.KEY_56) | kept)
    client = stranger(
        "client", username="EXAMPLE\\Alice", password=PASSWORD, hostname="server.example.com", service="HTTP"
    )
    policy = AcceptorPolicy(strength=Strength(key_128=False))
    done = accept(client, Acceptor(target=INFO, policy=policy))
    assert done.session.flags & (f.KEY_128 | f.KEY_56 | f.KEY_EXCH) == kept | exchanged
    assert client.session_key == done.session.exported_session_key
    protected(Protection(done.session, Role.ACCEPTOR), client)


def _granted() -> int:
    from secpkg.protocols.ntlm import acceptor

    return acceptor._GRANTED


def log_on_there(
    initiator: Initiator, credential: Credential = ALICE, bindings: bytes | None = BINDING
) -> tuple[Done, Any]:
    server = stranger("server")
    opened, negotiate = initiator.start()
    done, authenticate = opened.receive(
        server.step(negotiate),
        credential,
        entropy=ENTROPY,
        now=NOW,
        target=Target("HTTP/server.example.com"),
        bindings=bindings,
    )
    assert server.step(authenticate) is None
    assert server.complete
    return done, server


@pytest.mark.parametrize("version", [None, Version(6, 1, 7601)])
@pytest.mark.parametrize("strong", [f.KEY_128, f.KEY_56, 0])
@pytest.mark.parametrize("exchanged", [f.KEY_EXCH, 0])
def test_we_log_on_there(version: Version | None, strong: int, exchanged: int) -> None:
    request = f.UNICODE | f.REQUEST_TARGET | f.NTLM | f.ALWAYS_SIGN | f.EXTENDED_SESSIONSECURITY | f.SIGN | f.SEAL
    initiator = Initiator(
        request=request | strong | exchanged, strength=Strength(key_128=False), version=version, workstation="CLIENT"
    )
    done, server = log_on_there(initiator)
    assert done.mic
    assert server.session_key == done.session.exported_session_key
    assert server.client_principal == "EXAMPLE\\Alice"
    protected(Protection(done.session, Role.INITIATOR), server)


def test_without_session_security_we_take_turns() -> None:
    """One key stream and one counter for both directions."""
    request = f.UNICODE | f.REQUEST_TARGET | f.NTLM | f.ALWAYS_SIGN | f.SIGN | f.SEAL | f.KEY_EXCH
    weak = Strength(key_128=False, extended_session_security=False)
    done, server = log_on_there(Initiator(request=request, strength=weak))
    protected(Protection(done.session, Role.INITIATOR), server)


def test_we_are_refused_there() -> None:
    wrong = Credential.from_password("Alice", "EXAMPLE", "wrong")
    with pytest.raises(spnego.exceptions.InvalidTokenError):
        log_on_there(Initiator(), wrong)
    with pytest.raises(spnego.exceptions.BadBindingsError):
        log_on_there(Initiator(), bindings=ChannelBindings(b"another channel").hash())
