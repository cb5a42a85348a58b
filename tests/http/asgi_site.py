"""What stands behind the ASGI middleware in tests."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from secpkg.http import asgi


class Site:
    """An application that remembers what reached it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []
        self.scopes: list[asgi.Scope] = []

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        who = scope["secpkg"]
        body = b""
        while True:
            message = await receive()
            body += cast(bytes, message.get("body", b""))
            if not message.get("more_body"):
                break
        self.scopes.append(scope)
        self.seen.append(("nobody" if who is None else str(cast(Any, who).name), body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"yes")]})
        await send({"type": "http.response.body", "body": self.seen[-1][0].encode()})


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)
