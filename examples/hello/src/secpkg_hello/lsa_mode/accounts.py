"""What both halves of Hello know of an account: its verifier, or a decoy where there is none."""

from __future__ import annotations

import struct

from secpkg.contract import (
    AuthData,
    LsaFunctions,
    PackageParameters,
    SecurityError,
    Status,
)
from secpkg.protocols import scram
from secpkg.protocols.scram import Rejected

ITERATIONS = 10_000
"""Of new verifiers and of decoys: above the 4096 of RFC 7677, and a few milliseconds of the worker for each logon."""
WRONG_PASSWORD = "wrong_password"
SALTED = 32
"""Bytes of a SaltedPassword, with which a session's credential begins; the account's name follows."""
_SEED = 16


class Accounts:
    """What both halves stand on."""

    authority: LsaFunctions
    parameters: PackageParameters

    async def initialize(self, package_id: int, parameters: PackageParameters, authority: LsaFunctions) -> None:
        """SpInitialize."""
        self.authority, self.parameters = authority, parameters
        if len(parameters.seed) < _SEED:
            raise SecurityError(Status.SEC_E_CANNOT_INSTALL, reason="no_seed_for_decoys")

    async def account(self, name: str) -> tuple[AuthData | None, scram.Verifier, str]:
        """The account, its verifier or a decoy, and what it means if no password fits. One call to the authority."""
        auth, reason = None, "unknown_user"
        try:
            auth = await self.authority.get_auth_data_for_user(name)
            reason = "no_verifier"
            if auth.supplemental is not None:
                return auth, scram.Verifier.decode(auth.supplemental), WRONG_PASSWORD
        except SecurityError as error:
            if error.status not in (Status.STATUS_NO_SUCH_USER, Status.STATUS_NO_SUCH_DOMAIN):
                raise
        except Rejected:
            reason = "verifier_malformed"
        # Every spelling of an account shows one salt, and so must every spelling of none.
        spelling = account_part(auth.account_name if auth else name)
        return auth, scram.Verifier.decoy(self.parameters.seed, spelling, ITERATIONS), reason


def qualified(auth: AuthData) -> str:
    return f"{auth.domain_name}\\{auth.account_name}" if auth.domain_name else auth.account_name


def account_part(name: str) -> str:
    return name.rpartition("\\")[2].casefold()


def credential_key(salt: bytes, iterations: int) -> bytes:
    """Under which a session keeps the SaltedPassword for this salt and count."""
    return struct.pack(">I", iterations) + salt
