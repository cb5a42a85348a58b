"""What `secpkg check` is told of SampSSP: its users are names in a key file."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from secpkg.kit.check import Credentials, Given

_KEYS = {"alice": b"a key of alice, for secpkg check", "bob": b"a key of bob, for secpkg check.."}


def prepare(place: Path) -> Given:
    """Two users, whom the server knows, and somebody with a key of their own."""
    ours = _key_file(place / "keys", _KEYS)
    wrong = _key_file(place / "wrong", {"alice": b"another key, which no server has"})
    return Given(
        client=Credentials(principal="alice", data=ours),
        other=Credentials(principal="bob", data=ours),
        wrong=Credentials(principal="alice", data=wrong),
        server=Credentials(data=ours),
        secrets=tuple(_KEYS.values()),
    )


def _key_file(path: Path, keys: dict[str, bytes]) -> bytes:
    path.touch(0o600)
    path.write_text("".join(f"{name}:{b64encode(key).decode()}\n" for name, key in keys.items()))
    return str(path).encode()
