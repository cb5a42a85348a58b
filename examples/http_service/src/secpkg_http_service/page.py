"""The application, and the middleware in front of it."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Mapping
from typing import Final, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from secpkg import SecurityError
from secpkg.http import AsyncIdentity, BindingPolicy, Limits
from secpkg.http.asgi import Authenticated

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2733; --dim: #5a6775; --paper: #f4f6f8; --card: #fff; --line: #d9dfe5 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8edf2; --dim: #9aa7b4; --paper: #12171d; --card: #1b222a; --line: #313b46 }
}
* { box-sizing: border-box }
body { margin: 0; padding: 12vh 1.5rem 2rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif }
main { max-width: 40rem; margin: 0 auto; padding: 2rem 2.25rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .6rem }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere }
h1 small { display: block; font-size: .95rem; font-weight: 400; color: var(--dim) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .5rem 1.5rem; margin: 1.5rem 0 0;
  padding-top: 1.25rem; border-top: 1px solid var(--line) }
dt { color: var(--dim) }
dd { margin: 0; overflow-wrap: anywhere }
ul { margin: 0; padding: 0; list-style: none; font: .875rem/1.7 ui-monospace, monospace }
footer { max-width: 40rem; margin: 1rem auto 0; padding: 0 2.25rem; font-size: .875rem; color: var(--dim) }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Who you are</title>
<style>{style}</style>
<main>
<h1><small>You are</small> {name}</h1>
<dl>
<dt>Proved by</dt><dd>{package}, over the HTTP scheme {scheme}</dd>
<dt>Groups</dt><dd><ul>{groups}</ul></dd>
</dl>
</main>
<footer>This holds for your connection, and ends with it.</footer>
</html>
"""


async def _groups(who: AsyncIdentity) -> tuple[str, ...]:
    """A plain SSP has no access tokens."""
    try:
        return await who.groups()
    except SecurityError:
        return ()


async def page(request: Request) -> Response:
    """Who you are, for people."""
    who = cast(AsyncIdentity, request.scope["secpkg"])
    groups = "".join(f"<li>{html.escape(group)}</li>" for group in await _groups(who)) or "<li>none</li>"
    told = {"name": who.name, "package": who.package, "scheme": who.scheme}
    text = _PAGE.format(style=_STYLE, groups=groups, **{name: html.escape(value) for name, value in told.items()})
    return HTMLResponse(text, headers=_HEADERS)


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
    binding_policy: BindingPolicy | str = BindingPolicy.REQUIRE,
    authority: object = None,
    limits: Limits | None = None,
) -> Authenticated:
    """The page, for users of these schemes whose connection ends at this certificate."""
    site = Starlette(routes=[Route("/", page), Route("/whoami", whoami, methods=["GET", "POST"])])
    return Authenticated(
        site,
        schemes=schemes,
        authority=authority,
        channel_bindings=certificate,
        binding_policy=binding_policy,
        limits=limits,
    )
