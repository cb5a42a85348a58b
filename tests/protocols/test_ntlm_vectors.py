"""NTLM against the published values of MS-NLMP section 4.2, RFC 1320, and messages of our own making (vectors/ntlm)."""

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from secpkg.protocols.ntlm import (
    Acceptor,
    AcceptorPolicy,
    Authenticate,
    AvId,
    Challenge,
    Credential,
    Done,
    Initiator,
    Negotiate,
    Presented,
    Protection,
    Reason,
    Rejected,
    Role,
    Session,
    Strength,
    TargetInfo,
    Version,
    check_v1,
    check_v2,
    read_response,
    seal_key,
    sign_key,
)
from secpkg.protocols.ntlm import flags as f
from secpkg.protocols.ntlm.acceptor import Challenged
from secpkg.protocols.ntlm.authenticate import build
from secpkg.protocols.ntlm.hashes import lm_v2_response, nt_hash, nt_proof, ntowf_v2, rc4k, session_base_key
from secpkg.protocols.ntlm.legacy import desl, key_exchange_key_v1, lm_hash, nt_response_v1, session_base_key_v1
from secpkg.protocols.ntlm.md4 import md4
from secpkg.protocols.ntlm.transitions import CONNECTION

VECTORS = Path(__file__).parents[2] / "vectors" / "ntlm"
XP = Version(5, 1, 2600)
VISTA = Version(6, 0, 6000)


class Vector:
    """A vector whose hexadecimal members are bytes."""

    def __init__(self, members: dict[str, Any]) -> None:
        self.members = members

    def __getattr__(self, name: str) -> Any:
        value = self.members[name]
        plain = name in {"user", "domain", "password", "server", "workstation", "outcome", "name", "made_by"}
        return value if plain or not isinstance(value, str) else bytes.fromhex(value)

    @property
    def challenge_flags(self) -> int:
        return int(self.members["flags"], 16)


def load(name: str) -> list[Any]:
    return list(json.loads((VECTORS / f"{name}.json").read_text())["vectors"])


def one(name: str) -> Vector:
    (vector,) = load(name)
    return Vector(vector)


def challenged(token: bytes, policy: AcceptorPolicy) -> Challenged:
    """An acceptor that has sent the published challenge."""
    acceptor = Acceptor(target=TargetInfo("Server", "Domain"), policy=policy)
    return Challenged(acceptor, CONNECTION, b"", Challenge.parse(token), token)


@pytest.mark.parametrize("vector", load("md4"), ids=lambda v: v["name"])
def test_md4(vector: dict[str, str]) -> None:
    assert md4(vector["message"].encode()).hex() == vector["outcome"]


def test_ntlmv1_values() -> None:
    """MS-NLMP 4.2.2.1, 4.2.2.2: hashes, responses, and the three kinds of key exchange key."""
    v = one("ntlmv1")
    assert lm_hash(v.password, "cp437") == v.lm_hash
    assert nt_hash(v.password) == v.nt_hash
    assert session_base_key_v1(v.nt_hash) == v.session_base_key
    assert nt_response_v1(v.nt_hash, v.challenge_flags, v.server_challenge, v.client_challenge) == v.nt_response
    assert desl(v.lm_hash, v.server_challenge) == v.lm_response
    for more, name in ((0, ""), (f.LM_KEY, "_lm_key"), (f.REQUEST_NON_NT_SESSION_KEY, "_non_nt")):
        flags = v.challenge_flags | more
        key = key_exchange_key_v1(flags, v.session_base_key, v.server_challenge, v.lm_response, v.lm_hash)
        assert key.hex() == v.members[f"key_exchange_key{name}"]
        assert rc4k(key, v.random_session_key).hex() == v.members[f"encrypted_session_key{name}"]


def test_ntlmv1_messages() -> None:
    """MS-NLMP 4.2.2.3: both messages are read, and written again to the byte."""
    v = one("ntlmv1")
    challenge = Challenge.parse(v.challenge_message)
    assert (challenge.flags, challenge.server_challenge) == (v.challenge_flags, v.server_challenge)
    assert (challenge.target_name, challenge.target_info, challenge.version) == (v.server, None, VISTA)
    assert challenge.build() == v.challenge_message
    message = Authenticate.parse(v.authenticate_message)
    assert (message.user, message.domain, message.workstation) == (v.user, v.domain, v.workstation)
    assert (message.lm_response, message.nt_response) == (v.lm_response, v.nt_response)
    assert (message.encrypted_session_key, message.version) == (v.encrypted_session_key, XP)
    assert message.mic is None
    assert rebuilt(message) == v.authenticate_message


def test_ntlmv1_sealing() -> None:
    """MS-NLMP 4.2.2.4: RC4 and a CRC; the pad is not looked at."""
    v = one("ntlmv1")
    session = Session(v.challenge_flags, v.random_session_key)
    assert sign_key(session, Role.INITIATOR) is None
    sealed, signature = Protection(session, Role.INITIATOR).seal(v.plaintext)
    assert (sealed, signature) == (v.sealed, v.signature)
    assert crc32(v.plaintext).to_bytes(4, "little") == v.crc32
    for form in (v.signature, v.signature_as_printed):
        assert Protection(session, Role.ACCEPTOR).unseal(v.sealed, form) == v.plaintext


@pytest.mark.parametrize("name", ["ntlmv1", "ntlmv1_session_security"])
def test_ntlmv1_is_refused_by_name(name: str) -> None:
    v = one(name)
    weak = Strength(key_128=False, extended_session_security=False)
    for policy in (AcceptorPolicy(), AcceptorPolicy(strength=weak)):
        with pytest.raises(Rejected) as caught:
            challenged(v.challenge_message, policy).receive(v.authenticate_message)
        assert caught.value.reason == v.outcome == Reason.NTLM_V1


def test_ntlmv1_with_session_security_values() -> None:
    """MS-NLMP 4.2.3."""
    v = one("ntlmv1_session_security")
    assert nt_response_v1(v.nt_hash, v.challenge_flags, v.server_challenge, v.client_challenge) == v.nt_response
    assert session_base_key_v1(v.nt_hash) == v.session_base_key
    key = key_exchange_key_v1(v.challenge_flags, v.session_base_key, v.server_challenge, v.lm_response)
    assert key == v.key_exchange_key
    session = Session(v.challenge_flags, key)
    assert sign_key(session, Role.INITIATOR) == v.client_sign_key
    assert seal_key(session, Role.INITIATOR) == v.client_seal_key
    assert Protection(session, Role.INITIATOR).seal(v.plaintext) == (v.sealed, v.signature)
    assert Protection(session, Role.ACCEPTOR).unseal(v.sealed, v.signature) == v.plaintext
    assert Challenge.parse(v.challenge_message).build() == v.challenge_message
    assert rebuilt(Authenticate.parse(v.authenticate_message)) == v.authenticate_message


def test_ntlmv1_with_session_security_where_the_policy_allows_it() -> None:
    """MS-NLMP 4.2.3.3 and 4.2.3.1.3, by an acceptor that was told to."""
    v = one("ntlmv1_session_security")
    policy = AcceptorPolicy(ntlm_v1=True, strength=Strength(key_128=False))
    presented = challenged(v.challenge_message, policy).receive(v.authenticate_message)
    assert isinstance(presented, Presented)
    done = presented.verify(v.nt_hash, now=0)
    assert done.session.exported_session_key == v.key_exchange_key
    with pytest.raises(Rejected) as caught:
        presented.verify(bytes(16), now=0)
    assert caught.value.reason is Reason.PROOF_MISMATCH
    response = read_response(memoryview(v.lm_response), memoryview(v.nt_response))
    assert not isinstance(response, type(None))
    with pytest.raises(Rejected) as caught:
        check_v1(v.nt_hash, 0, v.server_challenge, response)  # type: ignore[arg-type]
    assert caught.value.reason is Reason.NTLM_V1


def test_ntlmv2_values() -> None:
    """MS-NLMP 4.2.4.1, 4.2.4.2."""
    v = one("ntlmv2")
    assert nt_hash(v.password) == v.nt_hash
    key = ntowf_v2(v.nt_hash, v.user, v.domain)
    assert key == v.ntowf_v2
    assert nt_proof(key, v.server_challenge, v.temp) == v.nt_proof
    assert lm_v2_response(key, v.server_challenge, v.client_challenge) == v.lm_response
    assert session_base_key(key, v.nt_proof) == v.session_base_key
    assert rc4k(v.session_base_key, v.random_session_key) == v.encrypted_session_key
    response = read_response(memoryview(b""), memoryview(v.nt_proof + v.temp))
    assert check_v2(v.nt_hash, v.user, v.domain, v.server_challenge, response) == v.session_base_key  # type: ignore[arg-type]


def test_ntlmv2_initiator_writes_the_published_message() -> None:
    """MS-NLMP 4.2.4.3: an acceptor that sends no time gets an LMv2 response and no MIC."""
    v = one("ntlmv2")
    opened, _ = Initiator(workstation=v.workstation, version=XP).start()
    entropy = v.client_challenge + v.random_session_key
    credential = Credential.from_password(v.user, v.domain, v.password)
    done, token = opened.receive(v.challenge_message, credential, entropy=entropy, now=v.time)
    assert token == v.authenticate_message
    assert done.session.exported_session_key == v.random_session_key
    assert not done.mic


def test_ntlmv2_acceptor_verifies_the_published_message() -> None:
    v = one("ntlmv2")
    pairs = Challenge.parse(v.challenge_message).target_info
    assert pairs is not None
    assert pairs.texts == {AvId.NB_DOMAIN_NAME: v.domain, AvId.NB_COMPUTER_NAME: v.server}
    presented = challenged(v.challenge_message, AcceptorPolicy(max_skew=None)).receive(v.authenticate_message)
    assert isinstance(presented, Presented)
    done = presented.verify(v.nt_hash, now=0)
    assert isinstance(done, Done)
    assert v.outcome == "done"
    assert (done.user, done.domain, done.workstation) == (v.user, v.domain, v.workstation)
    assert done.session.exported_session_key == v.random_session_key
    assert rebuilt(presented.message) == v.authenticate_message


def test_ntlmv2_sealing() -> None:
    """MS-NLMP 4.2.4.4."""
    v = one("ntlmv2")
    session = Session(v.challenge_flags, v.random_session_key)
    assert sign_key(session, Role.INITIATOR) == v.client_sign_key
    assert seal_key(session, Role.INITIATOR) == v.client_seal_key
    assert Protection(session, Role.INITIATOR).seal(v.plaintext) == (v.sealed, v.signature)
    assert Protection(session, Role.ACCEPTOR).unseal(v.sealed, v.signature) == v.plaintext
    without = Session(v.challenge_flags & ~f.KEY_EXCH, v.random_session_key)
    assert Protection(without, Role.INITIATOR).sign(v.plaintext) == b"\1\0\0\0" + v.checksum + bytes(4)


@pytest.mark.parametrize("vector", load("negative"), ids=lambda v: v["name"])
def test_negative(vector: dict[str, str]) -> None:
    """A bad message is refused for the reason on record, by whoever reads it."""
    token = bytes.fromhex(vector["message"])
    kinds = {"negotiate": Negotiate.parse, "challenge": Challenge.parse, "authenticate": Authenticate.parse}
    with pytest.raises(Rejected) as caught:
        read = kinds[vector["message_kind"]](token)
        if isinstance(read, Authenticate):
            read_response(read.lm_response, read.nt_response)
    assert caught.value.reason == vector["outcome"]


def test_every_vector_file_is_read() -> None:
    """Nobody adds a vector file that no test reads."""
    assert {path.stem for path in VECTORS.glob("*.json")} == {
        "md4",
        "negative",
        "ntlmv1",
        "ntlmv1_session_security",
        "ntlmv2",
        "strangers",
    }


def rebuilt(message: Authenticate) -> bytes:
    return build(
        message.flags,
        domain=message.domain,
        user=message.user,
        workstation=message.workstation,
        lm_response=bytes(message.lm_response),
        nt_response=bytes(message.nt_response),
        encrypted_session_key=bytes(message.encrypted_session_key),
        version=message.version,
        mic=message.mic is not None,
    )
