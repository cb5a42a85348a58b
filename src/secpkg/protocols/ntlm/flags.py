"""The numbers of MS-NLMP: NegotiateFlags (2.2.2.5), AvId and MsvAvFlags (2.2.2.1).

The machines compute with the plain integers; the enumerations beside them are for reading and printing, because
combining members of an IntFlag costs a microsecond each time. A member is the documented name without its prefix in
UPPER_SNAKE; ``.native`` gives the documented spelling back, and ``.letter`` that of the figure in 2.2.2.5.
"""

from enum import IntEnum, IntFlag
from types import MappingProxyType
from typing import Final

UNICODE: Final = 0x00000001
OEM: Final = 0x00000002
REQUEST_TARGET: Final = 0x00000004
SIGN: Final = 0x00000010
SEAL: Final = 0x00000020
DATAGRAM: Final = 0x00000040
LM_KEY: Final = 0x00000080
NTLM: Final = 0x00000200
ANONYMOUS: Final = 0x00000800
OEM_DOMAIN_SUPPLIED: Final = 0x00001000
OEM_WORKSTATION_SUPPLIED: Final = 0x00002000
ALWAYS_SIGN: Final = 0x00008000
TARGET_TYPE_DOMAIN: Final = 0x00010000
TARGET_TYPE_SERVER: Final = 0x00020000
EXTENDED_SESSIONSECURITY: Final = 0x00080000
IDENTIFY: Final = 0x00100000
REQUEST_NON_NT_SESSION_KEY: Final = 0x00400000
TARGET_INFO: Final = 0x00800000
VERSION: Final = 0x02000000
KEY_128: Final = 0x20000000
KEY_EXCH: Final = 0x40000000
KEY_56: Final = 0x80000000

PROTECTION: Final = SIGN | SEAL
"""Either makes a session that protects messages."""


class NegotiateFlag(IntFlag):
    """2.2.2.5 NegotiateFlags. Bits without a name are kept."""

    UNICODE = UNICODE
    OEM = OEM
    REQUEST_TARGET = REQUEST_TARGET
    SIGN = SIGN
    SEAL = SEAL
    DATAGRAM = DATAGRAM
    LM_KEY = LM_KEY
    NTLM = NTLM
    ANONYMOUS = ANONYMOUS
    OEM_DOMAIN_SUPPLIED = OEM_DOMAIN_SUPPLIED
    OEM_WORKSTATION_SUPPLIED = OEM_WORKSTATION_SUPPLIED
    ALWAYS_SIGN = ALWAYS_SIGN
    TARGET_TYPE_DOMAIN = TARGET_TYPE_DOMAIN
    TARGET_TYPE_SERVER = TARGET_TYPE_SERVER
    EXTENDED_SESSIONSECURITY = EXTENDED_SESSIONSECURITY
    IDENTIFY = IDENTIFY
    REQUEST_NON_NT_SESSION_KEY = REQUEST_NON_NT_SESSION_KEY
    TARGET_INFO = TARGET_INFO
    VERSION = VERSION
    KEY_128 = KEY_128
    KEY_EXCH = KEY_EXCH
    KEY_56 = KEY_56

    @property
    def native(self) -> str:
        """The documented spelling; of a combination, its members' joined by ``|``, unnamed bits as a number."""
        names = [_NATIVE[member] for member in NegotiateFlag if member in self]
        rest = int(self) & ~_KNOWN
        return " | ".join([*names, *([f"0x{rest:08X}"] if rest else [])]) or "0"

    @property
    def letter(self) -> str:
        """The letter of a single flag in the figure of 2.2.2.5."""
        return _LETTERS[self]


_NATIVE: Final = MappingProxyType(
    {
        flag: {
            NegotiateFlag.OEM: "NTLM_NEGOTIATE_OEM",
            NegotiateFlag.REQUEST_TARGET: "NTLMSSP_REQUEST_TARGET",
            NegotiateFlag.TARGET_TYPE_DOMAIN: "NTLMSSP_TARGET_TYPE_DOMAIN",
            NegotiateFlag.TARGET_TYPE_SERVER: "NTLMSSP_TARGET_TYPE_SERVER",
            NegotiateFlag.REQUEST_NON_NT_SESSION_KEY: "NTLMSSP_REQUEST_NON_NT_SESSION_KEY",
            NegotiateFlag.KEY_128: "NTLMSSP_NEGOTIATE_128",
            NegotiateFlag.KEY_56: "NTLMSSP_NEGOTIATE_56",
        }.get(flag, f"NTLMSSP_NEGOTIATE_{flag.name}")
        for flag in NegotiateFlag
    }
)
_LETTERS: Final = MappingProxyType(dict(zip(NegotiateFlag, "ABCDEFGHJKLMNOPQRSTUVW", strict=True)))
_KNOWN: Final = sum(NegotiateFlag)


class AvId(IntEnum):
    """2.2.2.1 AvId."""

    EOL = 0
    NB_COMPUTER_NAME = 1
    NB_DOMAIN_NAME = 2
    DNS_COMPUTER_NAME = 3
    DNS_DOMAIN_NAME = 4
    DNS_TREE_NAME = 5
    FLAGS = 6
    TIMESTAMP = 7
    SINGLE_HOST = 8
    TARGET_NAME = 9
    CHANNEL_BINDINGS = 10

    @property
    def native(self) -> str:
        """The documented spelling."""
        if self is AvId.EOL:
            return "MsvAvEOL"
        if self is AvId.CHANNEL_BINDINGS:
            return "MsvAvChannelBindings"
        name = "".join(word.capitalize() for word in self.name.split("_"))
        return f"MsvAv{name}"


class AvFlag(IntFlag):
    """2.2.2.1 the bits of MsvAvFlags."""

    CONSTRAINED = 1
    """The account's authentication is constrained."""
    MIC = 2
    """The AUTHENTICATE_MESSAGE has a MIC."""
    UNTRUSTED_TARGET = 4
    """The target name came from a source that the client does not trust."""


AV_FLAG_MIC: Final = 2
AV_FLAG_UNTRUSTED_TARGET: Final = 4
