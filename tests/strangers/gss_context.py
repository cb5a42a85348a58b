"""gss-ntlmssp through Debian's python-gssapi: one context, for `child.py`. Its accounts come from NTLM_USER_FILE."""

from __future__ import annotations

from typing import Any

import gssapi  # type: ignore[import-not-found,unused-ignore]
from gssapi.raw import inquire_sec_context_by_oid  # type: ignore[import-not-found,unused-ignore]

_NTLM = gssapi.OID.from_int_seq("1.3.6.1.4.1.311.2.2.10")
_SESSION_KEY = gssapi.OID.from_int_seq("1.2.840.113554.1.2.2.5.5")
_FLAGS = gssapi.RequirementFlag


class Context:
    def __init__(self, wish: dict[str, Any]) -> None:
        data = wish["bindings"]
        bindings = gssapi.raw.ChannelBindings(application_data=bytes.fromhex(data)) if data else None
        if wish["side"] == "acceptor":
            # Without a name of its own: any account of the file may come.
            credential = gssapi.Credentials(usage="accept", mechs=[_NTLM])
            self._context = gssapi.SecurityContext(usage="accept", creds=credential, channel_bindings=bindings)
            return
        user = gssapi.Name(f"{wish['domain']}\\{wish['user']}", gssapi.NameType.user)
        if wish["password"] is None:
            credential = gssapi.Credentials(name=user, usage="initiate", mechs=[_NTLM])
        else:
            raw = gssapi.raw.acquire_cred_with_password(
                user, wish["password"].encode(), mechs=[_NTLM], usage="initiate"
            )
            credential = gssapi.Credentials(raw.creds)
        flags = _FLAGS.integrity | _FLAGS.confidentiality | _FLAGS.replay_detection | _FLAGS.out_of_sequence_detection
        service, host = wish["target"].split("/")
        self._context = gssapi.SecurityContext(
            name=gssapi.Name(f"{service}@{host}", gssapi.NameType.hostbased_service),
            creds=credential,
            mech=_NTLM,
            flags=flags if wish["seal"] else _FLAGS.integrity if wish["sign"] else 0,
            usage="initiate",
            channel_bindings=bindings,
        )

    @property
    def complete(self) -> bool:
        return bool(self._context.complete)

    def step(self, token: bytes) -> bytes | None:
        out: bytes | None = self._context.step(token or None)
        return out

    def seal(self, data: bytes) -> bytes:
        return bytes(self._context.wrap(data, True).message)

    def unseal(self, data: bytes) -> bytes:
        return bytes(self._context.unwrap(data).message)

    def sign(self, data: bytes) -> bytes:
        return bytes(self._context.get_signature(data))

    def verify(self, data: bytes, signature: bytes) -> None:
        self._context.verify_signature(data, signature)

    def session_key(self) -> bytes:
        return bytes(inquire_sec_context_by_oid(self._context, _SESSION_KEY)[0])

    def peer(self) -> str:
        return str(self._context.initiator_name)
