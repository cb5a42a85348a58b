"""Records strangers' handshakes with our acceptor: `python -m tests.strangers.record` → vectors/ntlm/strangers.json.

The vectors stay good when the strangers are gone, and are what `tests/protocols/test_ntlm_recorded.py` replays.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.strangers.meeting import Meeting
from tests.strangers.peers import PEERS, Peer
from tests.strangers.talk import DOMAIN, PASSWORD, TLS, USER, handshake

FILE: Final = Path(__file__).parents[2] / "vectors" / "ntlm" / "strangers.json"
CLEAR: Final = b"sealed by a stranger"
_PROVENANCE: Final = (
    "Recorded on Debian 12 by `python -m tests.strangers.record`: initiators of other implementations with the"
    " acceptor here. WinPR is what FreeRDP makes its tokens with (AcquireCredentialsHandle and "
    "InitializeSecurityContext for NTLM of libwinpr2, by ctypes); gss-ntlmssp by python-gssapi; ntlm_auth by "
    "`--helper-protocol=ntlmssp-client-1`; pyspnego has its own NTLM. `bindings` is the application data of "
    "the channel, `message` the stranger's first sealed one (signature, then text), empty where it seals none."
)


def recorded(peer: Peer, bindings: bytes) -> dict[str, object]:
    """One handshake of `peer`'s initiator, and what it sealed."""
    with tempfile.TemporaryDirectory() as folder, Meeting(Path(folder)) as meeting:
        initiator, acceptor = meeting.pair(peer, "initiator", bindings=bindings)
        seen = handshake(initiator, acceptor)
        key = acceptor.session_key()
        sealed = initiator.seal(CLEAR) if peer.seals else b""
    assert key is not None
    package = "pyspnego " + peer.version
    if peer.needs:
        package = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Package} ${Version}", peer.needs[0]],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return {
        "name": f"{peer.name}{', bound' if bindings else ''}",
        "made_by": package,
        "user": USER,
        "domain": DOMAIN,
        "password": PASSWORD,
        "bindings": bindings.hex(),
        "negotiate_message": seen.negotiate.hex(),
        "challenge_message": seen.challenge.hex(),
        "authenticate_message": seen.authenticate.hex(),
        "time": seen.response.timestamp,
        "has_mic": seen.mic,
        "session_key": key.hex(),
        "clear": CLEAR.hex() if sealed else "",
        "message": sealed.hex(),
        "outcome": "done",
    }


def main() -> None:
    vectors = [
        recorded(peer, bindings) for peer in PEERS.values() for bindings in ((b"", TLS) if peer.binds else (b"",))
    ]
    FILE.write_text(json.dumps({"provenance": _PROVENANCE, "vectors": vectors}, indent=2) + "\n")


if __name__ == "__main__":
    main()
