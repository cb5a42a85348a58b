"""The acceptor, blocking."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from secpkg.contract.flags import AscReq, CredentialUse
from secpkg.ipc.connection import shared
from secpkg.ipc.link import run
from secpkg.sspi.client import BlockingParty
from secpkg.sspi.credential import Credential, source_of
from secpkg.sspi.party import CredentialSource

DEFAULT_REQUIREMENTS: Final = AscReq.CONFIDENTIALITY | AscReq.INTEGRITY | AscReq.SEQUENCE_DETECT | AscReq.REPLAY_DETECT


class Server(BlockingParty):
    """AcceptSecurityContext and what follows: the accepting side of one context.

    Parameters as for `secpkg.sspi.client.Client`; ``requirements`` are ASC_REQ_*, whose bits differ from a client's
    (R174). A server should not wait for a client's next token for ever (R195), and sends the token of a failed step,
    when there is one (R188).
    """

    _accepts = True

    def __init__(
        self,
        package: str,
        *,
        credential: Credential | None = None,
        channel_bindings: bytes | None = None,
        requirements: int = DEFAULT_REQUIREMENTS,
        authority: object = None,
    ) -> None:
        source: CredentialSource
        if credential is not None:
            if authority is not None:
                raise TypeError("a credential brings its own authority")
            source = source_of(credential, package, CredentialUse.INBOUND)
        else:
            source = CredentialSource(shared, package, CredentialUse.INBOUND, None, authority)
        super().__init__(True, source, credential is None, None, channel_bindings, requirements)
        run(source._open())

    def impersonate(self) -> AbstractContextManager[None]:
        """ImpersonateSecurityContext for a ``with`` block; RevertSecurityContext at its end (R201, lock 11).

        SEC_E_NO_IMPERSONATION when it cannot be done: then do nothing on the client's behalf (R200).
        """
        from secpkg.sspi.impersonation import impersonating

        with self.access_token as token:
            return impersonating(token)

    def __enter__(self) -> Server:
        return self
