"""The inbox list: what secpkg itself brings, loaded through the same door as everyone's. Nobody edits it (R13, R14).

The names are reserved from the start, before the packages behind them are there: what is to come as an inbox package
must not be taken by a module that would shadow or wrap it.
"""

from __future__ import annotations

from typing import Final

DISTRIBUTION: Final = "secpkg"
"""Whose they are: what another distribution offers under such a name is not it."""

INBOX_MODULES: Final[tuple[str, ...]] = ("ntlm",)
"""Entry points of group ``secpkg.lsa_mode`` that every authority loads, together in one worker."""

RESERVED_PACKAGES: Final = (
    "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0",
    "NTLM",
    "Kerberos",
    "Negotiate",
    "NegoExtender",
    "Schannel",
    "Microsoft Unified Security Protocol Provider",
    "Default TLS SSP",
    "CREDSSP",
    "WDigest",
    "PKU2U",
    "TSSSP",
    "CloudAP",
    "MSV1_0_SUBAUTH",
)
"""Package names that no module from outside may use, in any case of letters."""


def is_inbox(name: str, distribution: str) -> bool:
    """Whether a module that was found is one of ours."""
    return name in INBOX_MODULES and distribution == DISTRIBUTION
