"""The LSA functions that the authority answers, by power. GetClientInfo and GetCallInfo are the host's to answer."""

from __future__ import annotations

from typing import Final

from secpkg.authority.functions import (
    accounts,
    audit,
    client_buffers,
    credential_manager,
    names,
    packages,
    sessions,
    tokens,
)
from secpkg.authority.functions.table import LSA_FUNCTIONS, LsaFunction, call, judged, lsa_function

__all__ = [
    "LSA_FUNCTIONS",
    "WAITING",
    "LsaFunction",
    "accounts",
    "audit",
    "call",
    "client_buffers",
    "credential_manager",
    "judged",
    "lsa_function",
    "names",
    "packages",
    "sessions",
    "tokens",
]

WAITING: Final = frozenset(name for name, function in LSA_FUNCTIONS.items() if function.waits)
"""The functions that call packages themselves: calling one gives a coroutine. All others answer in place."""
