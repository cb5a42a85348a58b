"""Keys that the processes of one logon session have in common (SspiEncryptAuthIdentityEx, SAME_LOGON, R278).

A key is derived from a secret of this run of the authority and the session's LUID. It is never kept: when the session
has ended there is no token left to ask with, and when the authority ends, so do its sessions. A caller that acts for no
session gets the key of its uid, as the authority learnt it from the socket (lock 1).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from secpkg.contract.values import ClientInfo

KEY_SIZE: Final = 32
_LABEL: Final = b"secpkg logon key 1"


class LogonKeys:
    """The keys of one authority. Its secret is drawn when it is first wanted."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._secret = b""

    def key(self, caller: ClientInfo) -> bytes:
        """The key of the session that the caller acts for, else of its uid."""
        if not self._secret:
            self._secret = self._entropy(KEY_SIZE)
        kind, number = (b"u", caller.uid) if caller.logon_id is None else (b"s", caller.logon_id)
        return hmac.digest(self._secret, _LABEL + kind + number.to_bytes(8, "big"), sha256)
