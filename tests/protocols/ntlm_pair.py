"""Two NTLM machines and the line between them, for the tests of this protocol."""

from collections.abc import Callable
from typing import Final

from secpkg.protocols.ntlm import (
    NO_CHANNEL,
    Acceptor,
    AcceptorPolicy,
    Channel,
    Credential,
    Done,
    Initiator,
    Presented,
    SingleHost,
    Strength,
    Target,
    TargetInfo,
    filetime,
)

NOW: Final = filetime(1_700_000_000)
NONCE: Final = bytes(range(1, 9))
ENTROPY: Final = bytes(range(100, 124))
ALICE: Final = Credential.from_password("Alice", "EXAMPLE", "correct horse")
INFO: Final = TargetInfo("SERVER", "EXAMPLE", "server.example.com", "example.com", "example.com")
WEAK: Final = Strength(key_128=False, extended_session_security=False)
LEGS: Final = ("negotiate", "challenge", "authenticate")

Tamper = Callable[[str, bytes], bytes]


def untouched(_: str, message: bytes) -> bytes:
    return message


def exchange(
    tamper: Tamper = untouched,
    *,
    initiator: Initiator | None = None,
    acceptor: Acceptor | None = None,
    policy: AcceptorPolicy | None = None,
    credential: Credential = ALICE,
    nt_hash: bytes = ALICE.nt_hash,
    target: Target | None = None,
    bindings: bytes | None = None,
    single_host: SingleHost | None = None,
    channel: Channel = NO_CHANNEL,
    client_now: int = NOW,
    server_now: int = NOW,
    nonce: bytes = NONCE,
    entropy: bytes = ENTROPY,
    datagram: bool = False,
) -> tuple[Done, Done]:
    """A whole exchange in which `tamper` is on the line; ours and theirs."""
    accepting = acceptor or Acceptor(target=INFO, policy=policy or AcceptorPolicy())
    initiating = initiator or Initiator(workstation="CLIENT")
    if datagram:
        opened = initiating.start_datagram()
        waiting, message = accepting.start_datagram(server_challenge=nonce, now=server_now)
    else:
        opened, message = initiating.start()
        waiting, message = accepting.start(tamper("negotiate", message), server_challenge=nonce, now=server_now)
    ours, message = opened.receive(
        tamper("challenge", message),
        credential,
        entropy=entropy,
        now=client_now,
        target=target,
        bindings=bindings,
        single_host=single_host,
    )
    presented = waiting.receive(tamper("authenticate", message))
    assert isinstance(presented, Presented)
    return ours, presented.verify(nt_hash, now=server_now, channel=channel)


def recorded(**options: object) -> dict[str, bytes]:
    """The messages of an exchange that nobody touches."""
    seen: dict[str, bytes] = {}

    def watch(leg: str, message: bytes) -> bytes:
        seen[leg] = message
        return message

    exchange(watch, **options)  # type: ignore[arg-type]
    return seen
