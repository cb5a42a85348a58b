"""ASGI middleware: what is behind it is asked by authenticated connections only.

    app = Authenticated(app, schemes={"NTLM": "NTLM"}, channel_bindings="/etc/ssl/service.pem")

Several legs are several requests of one connection; the legs and their bodies never reach the application. The user is
in ``scope["secpkg"]`` (`AsyncIdentity`); what tells connections apart: `secpkg.http.connection`. Every method has to
authenticate, OPTIONS too: a browser's preflight carries no credentials, so what answers those stands in front.

A flood of wrong passwords must not cost the others: legs of an address from which a proof was refused lately are made
one after the other, with a rest after each that is as long as it took. So all such addresses together have at most half
of the time, whatever they send, and nobody is locked out: a good client behind the same address waits in the same line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Final, cast

from secpkg import aio
from secpkg.contract.flags import CredentialUse
from secpkg.contract.status import SecurityError, Status
from secpkg.http import bindings, connection, framing, responses
from secpkg.http.bindings import BindingPolicy, ServerBindings
from secpkg.http.connection import Address
from secpkg.http.handshakes import Answer, Handshakes, Leg, Pass, Request, log
from secpkg.http.identity import AsyncIdentity, require_impersonation
from secpkg.http.limits import Limits

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_MAX_REST: Final = 1.0
"""Seconds: a package that hangs must not make the next one wait for as long again."""

_Headers = list[tuple[bytes, bytes]]


class Authenticated:
    """``app`` behind AcceptSecurityContext, one context for each connection.

    ``schemes``: which package speaks an HTTP scheme, in the order in which they are offered. ``authority``: as for
    `secpkg.Server`. ``channel_bindings``: the certificate of the TLS in front (PEM file) or the application data; then
    clients have to be bound to it, unless ``binding_policy`` says "when-supported" or "never". ``requirements``:
    ASC_REQ_* (none by default: over TLS the package need not protect messages, and browsers do not ask for it).
    ``impersonate``:
    users whom one cannot act for get 403, so that ``await scope["secpkg"].run_as(...)`` works. ``optional``: who does
    not authenticate is let through, as nobody (``scope["secpkg"]`` is None). ``clock``: UTC seconds.

    Answers 401 for what is refused, 400 for headers that are none, 503 beyond the ``limits`` and without an authority,
    505 over HTTP/2 and 3. A WebSocket is let in on a connection that is authenticated, else closed before it opens.
    One instance serves one event loop. SEC_E_BAD_BINDINGS, OSError, ValueError for a configuration that cannot work.
    """

    def __init__(
        self,
        app: Application,
        *,
        schemes: Mapping[str, str],
        authority: object = None,
        channel_bindings: ServerBindings = None,
        binding_policy: BindingPolicy | str | None = None,
        requirements: int = 0,
        impersonate: bool = False,
        optional: bool = False,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._authority = authority
        self._bindings, more = bindings.resolve(channel_bindings, binding_policy)
        self._requirements = requirements | more
        self._impersonate = impersonate
        self._limits: Final = Limits() if limits is None else limits
        self._credentials: dict[str, aio.Credential] = {}
        self._line = asyncio.Lock()
        self._rest = 0.0
        self.handshakes: Final[Handshakes[aio.Server, AsyncIdentity]] = Handshakes(
            schemes, optional=optional, limits=self._limits, clock=clock, ended=self._ended
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI 3."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(scope, receive, send)
        elif kind == "websocket":
            await self._websocket(scope, receive, send)
        elif kind == "http":
            await self._http(scope, receive, send)
        else:
            raise ValueError(f"a scope of type {kind!r}")

    async def close(self) -> None:
        """End all handshakes and identities, and free the credentials. Harmless when repeated."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
        if self._tidying is not None:
            await asyncio.wait([self._tidying])
        self.handshakes.close()
        await self._bury()
        credentials, self._credentials = self._credentials, {}
        for credential in credentials.values():
            await credential.close()

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self.close()
            await send(message)

        await self._app(scope, receive, watched)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        verdict = self.handshakes.begin(_request(scope))
        await self._bury()
        if isinstance(verdict, Pass):
            await self._app({**scope, "secpkg": verdict.identity}, receive, send)
            return
        if isinstance(verdict, Leg):
            self.handshakes.abandon(verdict)
        await receive()  # websocket.connect
        await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _request(scope)
        self._loop = asyncio.get_running_loop()
        verdict = self.handshakes.begin(request)
        await self._bury()
        if isinstance(verdict, Pass):
            await self._pass(scope, receive, send, verdict.identity, None)
            return
        if isinstance(verdict, Leg):
            made = await (self._in_line(verdict) if self.handshakes.suspect(verdict) else self._leg(verdict))
            if not isinstance(made, Answer):
                identity, kept, token = made
                challenge = framing.header(verdict.slot.scheme, token) if token else None
                try:
                    await self._pass(_stripped(scope), receive, send, identity, challenge)
                finally:
                    if not kept:
                        await asyncio.shield(identity.close())
                return
            verdict = made
            self._look_again()
        await self._answer(scope, receive, send, request, verdict)

    async def _in_line(self, leg: Leg[aio.Server, AsyncIdentity]) -> Answer | tuple[AsyncIdentity, bool, bytes | None]:
        """The leg of a suspect address, when it is its turn."""
        try:
            async with self._line:
                await asyncio.sleep(self._rest)
                if leg.slot.gone:
                    return self.handshakes.continued(leg, None)
                begun = time.monotonic()
                try:
                    return await self._leg(leg)
                finally:
                    self._rest = min(time.monotonic() - begun, _MAX_REST)
        except BaseException:
            self.handshakes.abandon(leg)
            raise

    async def _leg(self, leg: Leg[aio.Server, AsyncIdentity]) -> Answer | tuple[AsyncIdentity, bool, bytes | None]:
        slot = leg.slot
        server = slot.context
        package = self.handshakes.packages[slot.scheme]
        try:
            if server is None:
                server = slot.context = aio.Server(
                    package,
                    credential=self._credential(package),
                    channel_bindings=self._bindings,
                    requirements=self._requirements,
                )
            token = await server.step(leg.token)
            if not server.complete:
                return self.handshakes.continued(leg, token)
            identity = AsyncIdentity(await server.peer(), slot.scheme, server)
            if self._impersonate:
                try:
                    require_impersonation(await identity.access_token())
                except SecurityError as error:
                    slot.context = None
                    self.handshakes.abandon(leg)
                    await identity.close()
                    return Answer(403, error.reason or error.status.native)
        except SecurityError as error:
            if error.status is Status.SEC_E_INVALID_HANDLE:
                # The package's worker was started anew, and knows none of the handles from before.
                self._credentials.pop(package, None)
            return self.handshakes.refused(leg, error.status, error.token)
        except BaseException:
            self.handshakes.abandon(leg)
            raise
        return identity, self.handshakes.completed(leg, identity, server.expiry), token

    def _credential(self, package: str) -> aio.Credential:
        credential = self._credentials.get(package)
        if credential is None:
            credential = aio.Credential(package, CredentialUse.INBOUND, authority=self._authority)
            self._credentials[package] = credential
        return credential

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, identity: AsyncIdentity | None, challenge: str | None
    ) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = list(cast(_Headers, message.get("headers", ())))
                names = [name.decode("latin-1") for name, _ in present]
                fields = responses.added(names, challenge)
                more = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields]
                message = {**message, "headers": [*present, *more]}
            await send(message)

        await self._app({**scope, "secpkg": identity}, receive, send if identity is None else sending)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request: Request, answer: Answer) -> None:
        if answer.reason:
            log.debug("%d: %s", answer.status, answer.reason)
        fields = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in responses.headers(answer)]
        multiplexed = not request.version.startswith("1.")
        if not multiplexed and not (await self._drained(scope, receive) and request.keep_alive):
            self.handshakes.forget(request)
            await self._bury()
            fields.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": fields})
        await send({"type": "http.response.body", "body": responses.body(answer, cast(str, scope["method"]))})

    async def _drained(self, scope: Scope, receive: Receive) -> bool:
        """Read the body away, so that the next request can come. Whether that was all of it."""
        for value in _values(scope, b"content-length"):
            if not value.isdigit() or len(value) > 18 or int(value) > self._limits.body:
                return False
        seen = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return False
            seen += len(cast(bytes, message.get("body", b"")))
            if seen > self._limits.body:
                return False
            if not message.get("more_body", False):
                return True

    def _ended(self) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._tidy)

    def _look_again(self) -> None:
        """When the half-open handshakes of now are too late, also if nobody asks anything by then."""
        if self._timer is None and self._loop is not None and self.handshakes.half_open:
            self._timer = self._loop.call_later(self._limits.half_open_seconds, self._late)

    def _late(self) -> None:
        self._timer = None
        self.handshakes.sweep()
        self._tidy()
        self._look_again()

    def _tidy(self) -> None:
        if self._loop is not None and (self._tidying is None or self._tidying.done()):
            self._tidying = self._loop.create_task(self._tidied())

    async def _tidied(self) -> None:
        self.handshakes.sweep()
        while self.handshakes.orphans:
            await self._bury()
            self.handshakes.sweep()  # what has ended meanwhile

    async def _bury(self) -> None:
        """Close what has ended meanwhile."""
        orphans = self.handshakes.orphans
        while orphans:
            try:
                await orphans.popleft().close()
            except SecurityError as error:
                log.debug("closing: %s", error.status.native)


def _values(scope: Scope, name: bytes) -> tuple[str, ...]:
    return tuple(value.decode("latin-1") for field, value in cast(_Headers, scope["headers"]) if field.lower() == name)


def _request(scope: Scope) -> Request:
    client, server = (cast("tuple[str, int | None] | None", scope.get(end)) for end in ("client", "server"))
    address = None
    if client and client[1]:  # a port of 0 is what a proxy's header leaves
        address = Address(client[0], client[1], *((server[0], server[1] or 0) if server else ("", 0)))
    version = cast(str, scope.get("http_version", "1.1"))
    return Request(
        version,
        _values(scope, b"authorization"),
        _connection(scope),
        address,
        responses.keeps_alive(version, _values(scope, b"connection")),
        any(_values(scope, name.encode("ascii")) for name in connection.PROXIES),
    )


def _connection(scope: Scope) -> object:
    for place in ("state", "extensions"):
        offered = scope.get(place)
        if isinstance(offered, Mapping) and connection.KEY in offered:
            return offered[connection.KEY]
    return None


def _stripped(scope: Scope) -> Scope:
    """Without the proof: it is not the application's, nor its log's."""
    headers = [field for field in cast(_Headers, scope["headers"]) if field[0].lower() != b"authorization"]
    return {**scope, "headers": headers}
