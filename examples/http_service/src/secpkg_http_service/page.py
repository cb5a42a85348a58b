"""The application, and the middleware in front of it."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from secpkg import SecurityError
from secpkg.http import AsyncIdentity, Limits
from secpkg.http.asgi import Authenticated


async def _groups(who: AsyncIdentity) -> tuple[str, ...]:
    """A plain SSP has no access tokens."""
    try:
        return await who.groups()
    except SecurityError:
        return ()


async def page(request: Request) -> Response:
    """Who you are, for people."""
    who = cast(AsyncIdentity, request.scope["secpkg"])
    groups = "".join(f"<li>{html.escape(group)}</li>" for group in await _groups(who))
    return HTMLResponse(
        "<!doctype html><title>Who you are</title>"
        f"<h1>You are {html.escape(who.name)}</h1>"
        f"<p>So says {html.escape(who.package)}, over {html.escape(who.scheme)}.</p><ul>{groups}</ul>"
    )


async def whoami(request: Request) -> Response:
    """Who you are, for programs."""
    who = cast(AsyncIdentity, request.scope["secpkg"])
    body = await request.body()
    facts: dict[str, object] = {"name": who.name, "scheme": who.scheme, "package": who.package}
    return JSONResponse({**facts, "groups": await _groups(who), "received": len(body)})


def application(
    schemes: Mapping[str, str],
    *,
    certificate: str | os.PathLike[str],
    authority: object = None,
    limits: Limits | None = None,
) -> Authenticated:
    """The page, for users of these schemes whose connection ends at this certificate."""
    site = Starlette(routes=[Route("/", page), Route("/whoami", whoami, methods=["GET", "POST"])])
    return Authenticated(site, schemes=schemes, authority=authority, channel_bindings=certificate, limits=limits)
