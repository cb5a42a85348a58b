"""Samba's gensec by Debian's python3-samba, over a domain of its own: accounts are looked up each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from samba import credentials, gensec  # type: ignore[import-not-found,unused-ignore]
from samba.auth import AuthContext, system_session  # type: ignore[import-not-found,unused-ignore]
from samba.param import LoadParm  # type: ignore[import-not-found,unused-ignore]
from samba.samdb import SamDB  # type: ignore[import-not-found,unused-ignore]


class Contexts:
    def __init__(self, domain: str, user: str, password: str) -> None:
        parameters = LoadParm()
        parameters.load_default()  # SMB_CONF_PATH
        self._settings = {"lp_ctx": parameters, "target_hostname": "server.example.com"}
        # All of it is kept: the binding does not keep alive what it was given.
        self._session = system_session(parameters)
        self._database = SamDB(session_info=self._session, lp=parameters)
        self._accounts = AuthContext(lp_ctx=parameters, ldb=self._database, methods=["sam"])
        self._outbound = credentials.Credentials()
        self._outbound.guess(parameters)
        self._outbound.set_domain(domain)
        self._outbound.set_username(user)
        self._outbound.set_password(password)
        self._outbound.set_kerberos_state(credentials.DONT_USE_KERBEROS)
        self._inbound = credentials.Credentials()
        self._inbound.guess(parameters)
        self._inbound.set_machine_account(parameters)

    def pair(self) -> tuple[Any, Any]:
        client = gensec.Security.start_client(self._settings)
        server = gensec.Security.start_server(settings=self._settings, auth_context=self._accounts)
        for side, credential in ((client, self._outbound), (server, self._inbound)):
            side.set_credentials(credential)
            side.want_feature(gensec.FEATURE_SIGN)
            side.want_feature(gensec.FEATURE_SEAL)
            side.start_mech_by_name("ntlmssp")
        token = server.update(client.update(b"")[1])[1]
        sent, token = client.update(token)
        accepted, _ = server.update(token)
        if not (sent and accepted):
            raise RuntimeError("no context")
        return client, server

    def end(self, client: Any, server: Any) -> None:
        """They go with their last reference."""

    def sealing(self, client: Any) -> Callable[[bytes], object]:
        wrap: Callable[[bytes], object] = client.wrap
        return wrap
