"""Names of mechanisms of the GSS-API, by their object identifiers."""

from typing import Final

SPNEGO: Final = "1.3.6.1.5.5.2"
KERBEROS: Final = frozenset({"1.2.840.113554.1.2.2", "1.2.840.48018.1.2.2", "1.2.840.113554.1.2.2.3", "1.3.6.1.5.2.5"})
"""Those whose tokens begin with the TOK_ID of RFC 4121 4.1."""
MECHANISMS: Final = {
    SPNEGO: "SPNEGO",
    "1.2.840.113554.1.2.2": "Kerberos V5",
    "1.2.840.48018.1.2.2": "Kerberos V5 of Windows 2000",
    "1.2.840.113554.1.2.2.3": "Kerberos V5 user to user",
    "1.3.6.1.5.2.5": "IAKERB",
    "1.3.6.1.5.2.7": "PKU2U",
    "1.3.6.1.4.1.311.2.2.10": "NTLM",
    "1.3.6.1.4.1.311.2.2.30": "NegoEx",
    "1.3.6.1.5.5.14": "SCRAM-SHA-1",
    "1.3.6.1.5.5.18": "SCRAM-SHA-256",
    "1.3.6.1.5.5.15.1.1.17": "EAP-AES128",
    "1.3.6.1.5.5.15.1.1.18": "EAP-AES256",
}

__all__ = ["KERBEROS", "MECHANISMS", "SPNEGO"]
