"""Challenges for MSV1_0_LM20_LOGON: whose challenge an untrusted caller may show an answer to.

A trusted caller is the server that made the challenge, and says which it was. Anybody else has it from
MsV1_0Lm20ChallengeRequest, and each for one logon: who could name any challenge would log on with an exchange that he
has recorded somewhere.
"""

from __future__ import annotations

from typing import Final

from secpkg.contract.msv1_0 import CHALLENGE_LENGTH
from secpkg.contract.values import Call

_OF_A_UID: Final = 64
_UIDS: Final = 1024


class Challenges:
    """Those that wait for their logon: the last ones of each uid."""

    __slots__ = ("_given",)

    def __init__(self) -> None:
        self._given: dict[int, dict[bytes, None]] = {}

    def give(self, call: Call) -> bytes:
        """A fresh one. The oldest of its caller goes, where there are too many."""
        challenge = call.entropy(CHALLENGE_LENGTH)
        if not call.caller.has_tcb_privilege:
            given = self._given.pop(call.caller.uid, {})
            given[challenge] = None
            if len(given) > _OF_A_UID:
                del given[next(iter(given))]
            self._given[call.caller.uid] = given
            if len(self._given) > _UIDS:
                del self._given[next(iter(self._given))]
        return challenge

    def spend(self, call: Call, challenge: bytes) -> bool:
        """Whether the caller may show an answer to it; only once."""
        if call.caller.has_tcb_privilege:
            return True
        given = self._given.get(call.caller.uid, {})
        return given.pop(challenge, challenge) is None
