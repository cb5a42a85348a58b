"""pyspnego's own NTLM, with an NT hash on both sides: its contexts have no credential that could be kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import spnego
from spnego import ContextProxy, ContextReq, NegotiateOptions, NTLMHash

from secpkg.protocols.ntlm import nt_hash


class Contexts:
    def __init__(self, domain: str, user: str, password: str) -> None:
        self._who = NTLMHash(username=f"{domain}\\{user}", nt_hash=nt_hash(password).hex())
        self._asked: dict[str, Any] = {
            "options": NegotiateOptions.use_ntlm,
            "protocol": "ntlm",
            "context_req": ContextReq.integrity | ContextReq.sequence_detect | ContextReq.confidentiality,
        }

    def pair(self) -> tuple[ContextProxy, ContextProxy]:
        client = spnego.client(self._who, hostname="server.example.com", service="HTTP", **self._asked)
        server = spnego.server(**self._asked)
        server.step(client.step(server.step(client.step())))
        if not (client.complete and server.complete):
            raise RuntimeError("no context")
        return client, server

    def end(self, client: ContextProxy, server: ContextProxy) -> None:
        """They go with their last reference."""

    def sealing(self, client: ContextProxy) -> Callable[[bytes], object]:
        return client.wrap
