"""Where the fuzzer begins: good messages, ours and those of strangers."""

from __future__ import annotations

from tests.fuzz.targets import CHANNEL
from tests.protocols.ntlm_pair import INFO, NOW, recorded
from tests.protocols.test_ntlm_vectors import load

from secpkg.protocols.ntlm import Authenticate, Protection, Role, Session, Target

_FLAGS = (0xE2888235).to_bytes(4, "little")


def seeds(target: str) -> list[bytes]:
    """Good inputs of a target."""
    bound = recorded(target=Target("HTTP/server.example.com"), bindings=bytes(range(16)), channel=CHANNEL)
    handshakes = [recorded(), bound]
    if target in handshakes[0]:
        return [seen[target] for seen in handshakes] + [
            bytes.fromhex(v[f"{target}_message"]) for v in load("strangers")
        ]
    answers = [bytes.fromhex(v["authenticate_message"]) for v in load("strangers")]
    lists = [bytes(Authenticate.parse(token).nt_response[44:]) for token in answers]
    if target == "pairs":
        return [bytes(INFO.encode(NOW).raw), *lists]
    if target == "insider":
        own = b"\6\0\4\0\2\0\0\0" + b"\x0a\0\x10\0" + bytes(range(16)) + bytes(4)
        return [bytes([choices]) + _FLAGS + own for choices in range(32)] + [b"\1" + _FLAGS + one for one in lists]
    sender = Protection(Session(0xE2888235, bytes(range(100, 116))), Role.INITIATOR)
    sender.sign(b"first")
    return [_FLAGS + b"\0" + sender.sign(b"text") + b"text", _FLAGS + b"\x05" + bytes(16) + b"some text"]
