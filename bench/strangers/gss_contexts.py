"""gss-ntlmssp through Debian's python-gssapi: credentials made once, contexts each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gssapi  # type: ignore[import-not-found,unused-ignore]

_NTLM = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
_FLAGS = gssapi.RequirementFlag


class Contexts:
    def __init__(self, domain: str, user: str, password: str) -> None:
        name = gssapi.Name(f"{domain}\\{user}", gssapi.NameType.user)
        self._outbound = gssapi.Credentials(name=name, usage="initiate", mechs=[_NTLM])
        self._inbound = gssapi.Credentials(usage="accept", mechs=[_NTLM])
        self._target = gssapi.Name("HTTP@server.example.com", gssapi.NameType.hostbased_service)
        self._flags = (
            _FLAGS.integrity | _FLAGS.confidentiality | _FLAGS.replay_detection | _FLAGS.out_of_sequence_detection
        )

    def pair(self) -> tuple[Any, Any]:
        client = gssapi.SecurityContext(
            name=self._target, creds=self._outbound, mech=_NTLM, flags=self._flags, usage="initiate"
        )
        server = gssapi.SecurityContext(usage="accept", creds=self._inbound)
        server.step(client.step(server.step(client.step())))
        if not (client.complete and server.complete):
            raise RuntimeError("no context")
        return client, server

    def end(self, client: Any, server: Any) -> None:
        """They go with their last reference."""

    def sealing(self, client: Any) -> Callable[[bytes], object]:
        wrap = client.wrap
        return lambda data: wrap(data, True)
