"""What the two machines share: roles, credentials, the session that both end with."""

from enum import Enum
from typing import Any, ClassVar

import msgspec

from .errors import Fault, bad_argument
from .flags import IDENTIFY, PROTECTION
from .hashes import KEY_SIZE, nt_hash
from .messages import check_text
from .transitions import State


class Role(Enum):
    """Which side this is: the protocol's client and server."""

    INITIATOR = "initiator"
    ACCEPTOR = "acceptor"

    @property
    def peer(self) -> "Role":
        return Role.ACCEPTOR if self is Role.INITIATOR else Role.INITIATOR


class Sealed(msgspec.Struct, frozen=True, eq=False):
    """A value that holds secrets: it does not print them and is not compared by value."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Credential(Sealed, frozen=True):
    """A user's names and NT hash (16 bytes). ``domain`` may be empty; a UPN is a ``user`` without a domain."""

    user: str
    domain: str
    nt_hash: bytes

    def __post_init__(self) -> None:
        if not self.user:
            raise bad_argument("a credential without a user is anonymous, and none")
        if len(self.nt_hash) != KEY_SIZE:
            raise bad_argument("an NT hash is 16 bytes")
        check_text(self.user, Fault.CALLER)
        check_text(self.domain, Fault.CALLER)

    @classmethod
    def from_password(cls, user: str, domain: str, password: str) -> "Credential":
        """The credential of a password."""
        return cls(user, domain, nt_hash(password))


class Session(Sealed, frozen=True):
    """What a finished exchange leaves to its messages: the negotiated flags and the exported session key, 16 bytes.

    `sealing` derives everything else from it. The key is not bound to a channel; there is no forward secrecy: who has
    the NT hash and a recording has the key.
    """

    flags: int
    exported_session_key: bytes

    def __post_init__(self) -> None:
        if len(self.exported_session_key) != KEY_SIZE:
            raise bad_argument("MS-NLMP 3.1.1.1: ExportedSessionKey is 16 bytes")
        if not 0 <= self.flags <= 0xFFFFFFFF:
            raise bad_argument("MS-NLMP 2.2.2.5: flags are 32 bits")

    @property
    def identify(self) -> bool:
        """2.2.2.5 Q: the initiator allows identification only."""
        return bool(self.flags & IDENTIFY)

    def without_protection(self) -> "Session":
        """3.4: anonymous users have no session security."""
        return Session(self.flags & ~PROTECTION, self.exported_session_key)


class Done(Sealed, frozen=True):
    """The exchange is over. To the acceptor it says who the initiator is; nobody has proved anything to the initiator
    yet, which learns that the acceptor knew its key from the first message that holds.

    Names are as the initiator sent them. ``mic``, ``bound`` and ``target_name`` are what of it was checked: the MIC,
    a channel binding, the SPN. ``anonymous`` has no user and proves nothing.
    """

    state: ClassVar[State] = State.DONE
    user: str
    domain: str
    workstation: str
    session: Session
    mic: bool = False
    bound: bool = False
    target_name: str | None = None
    anonymous: bool = False
