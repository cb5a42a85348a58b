"""Clients of the service over TLS: httpx and httpx2 (blocking and asynchronous) and requests, by one face."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import httpx
import httpx2
import requests

from secpkg.http import httpx2_auth, httpx_auth, requests_auth
from secpkg.testing import LabAuthority

CLIENTS: Final = ["httpx", "httpx async", "httpx2", "httpx2 async", "requests"]
LIBRARIES: Final[dict[str, tuple[ModuleType, Any]]] = {
    "httpx": (httpx, httpx_auth.Auth), "httpx2": (httpx2, httpx2_auth.Auth), "requests": (requests, requests_auth.Auth),
}  # fmt: skip
Tls = tuple[Path, Path]


class Visitor:
    """One client with one session: ``ask`` gives status and JSON (None where it is none)."""

    def __init__(self, client: str, auth: Any, certificate: Path) -> None:
        name, _, self.asynchronous = client.partition(" ")
        self.library, self.auth, self.certificate = LIBRARIES[name][0], auth, certificate
        self.requests = name == "requests"

    def ask(self, *urls: str, method: str = "GET", content: bytes | None = None) -> list[tuple[int, Any]]:
        if self.asynchronous:
            return asyncio.run(self._asynchronous(urls, method, content))
        if self.requests:
            with requests.Session() as session:
                session.trust_env, session.auth, session.verify = False, self.auth, str(self.certificate)
                return [_told(session.request(method, url, data=content)) for url in urls]
        context = ssl.create_default_context(cafile=str(self.certificate))
        with self.library.Client(auth=self.auth, verify=context, follow_redirects=True) as client:
            return [_told(client.request(method, url, content=content)) for url in urls]

    async def _asynchronous(self, urls: tuple[str, ...], method: str, content: bytes | None) -> list[tuple[int, Any]]:
        context = ssl.create_default_context(cafile=str(self.certificate))
        async with self.library.AsyncClient(auth=self.auth, verify=context, follow_redirects=True) as client:
            told = [_told(await client.request(method, url, content=content)) for url in urls]
        await self.auth.aclose()
        return told


def _told(response: Any) -> tuple[int, Any]:
    for shown in (response, *response.history):
        assert "authorization" not in {name.lower() for name in shown.request.headers}, "no proof is left lying about"
    return response.status_code, response.json() if "json" in response.headers.get("content-type", "") else None


def visitor(
    client: str,
    schemes: Mapping[str, str],
    authority: LabAuthority,
    port: int,
    tls: Tls,
    password: str = "correct horse",
    **more: Any,
) -> Visitor:
    """Alice, who answers localhost at this port, unless ``more`` says otherwise."""
    options: dict[str, Any] = {"hosts": [f"localhost:{port}"], "schemes": schemes, "username": "alice", **more}
    auth = LIBRARIES[client.partition(" ")[0]][1](password=password, authority=authority, **options)
    return Visitor(client, auth, tls[0])
