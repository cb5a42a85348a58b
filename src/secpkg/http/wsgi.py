"""WSGI middleware: what is behind it is asked by authenticated connections only.

    app = Authenticated(app, schemes={"NTLM": "NTLM"}, channel_bindings="/etc/ssl/service.pem")

As `secpkg.http.asgi`, for servers with threads. The user's name is in ``environ["REMOTE_USER"]``, the scheme in
``environ["AUTH_TYPE"]``, and ``environ["secpkg"]`` is the `Identity`. A WSGI application cannot close a connection (PEP
3333 leaves hop-by-hop fields to the server): a leg with a body that is too long ends the handshake alone. Suspect
addresses are served like others, since a thread that waited in line would be one that serves nobody; and what has ended
is closed with the next request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Final, Protocol, TypeVar, cast

from secpkg.contract.flags import CredentialUse
from secpkg.contract.status import SecurityError, Status
from secpkg.http import bindings, connection, framing, responses
from secpkg.http.bindings import BindingPolicy, ServerBindings
from secpkg.http.connection import Address
from secpkg.http.handshakes import Answer, Handshakes, Leg, Pass, Request, log
from secpkg.http.identity import Identity, require_impersonation
from secpkg.http.limits import Limits
from secpkg.sspi.credential import Credential
from secpkg.sspi.server import Server

T = TypeVar("T")

Environ = dict[str, object]
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class StartResponse(Protocol):
    """PEP 3333's ``start_response``."""

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExceptionInfo | None = None, /
    ) -> Callable[[bytes], object]: ...


Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class _Input(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Authenticated:
    """``app`` behind AcceptSecurityContext, one context for each connection; parameters, answers and errors as for
    `secpkg.http.asgi.Authenticated`, except that ``impersonate`` runs the application as its user (R201, lock 11): the
    calling thread is that user while the application is called and while its result is iterated, and the application
    is not called (403) when that cannot be.
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
        self._credentials: dict[str, Credential] = {}
        self._lock = threading.Lock()
        self.handshakes: Final[Handshakes[Server, Identity]] = Handshakes(
            schemes, optional=optional, limits=self._limits, clock=clock
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """PEP 3333."""
        request = _request(environ)
        with self._lock:
            verdict = self.handshakes.begin(request)
        self._bury()
        if isinstance(verdict, Pass):
            return self._pass(environ, start_response, verdict.identity, None, False)
        if isinstance(verdict, Leg):
            made = self._leg(verdict)
            if not isinstance(made, Answer):
                identity, kept, token = made
                challenge = framing.header(verdict.slot.scheme, token) if token else None
                # Without the proof: it is not the application's, nor its log's.
                stripped = {name: value for name, value in environ.items() if name != "HTTP_AUTHORIZATION"}
                return self._pass(stripped, start_response, identity, challenge, not kept)
            verdict = made
        return self._answer(environ, start_response, request, verdict)

    def close(self) -> None:
        """End all handshakes and identities, and free the credentials. Harmless when repeated."""
        with self._lock:
            self.handshakes.close()
            credentials, self._credentials = self._credentials, {}
        self._bury()
        for credential in credentials.values():
            credential.close()

    def _leg(self, leg: Leg[Server, Identity]) -> Answer | tuple[Identity, bool, bytes | None]:
        slot = leg.slot
        server = slot.context
        package = self.handshakes.packages[slot.scheme]
        try:
            if server is None:
                server = slot.context = Server(
                    package,
                    credential=self._credential(package),
                    channel_bindings=self._bindings,
                    requirements=self._requirements,
                )
            token = server.step(leg.token)
            if not server.complete:
                with self._lock:
                    return self.handshakes.continued(leg, token)
            identity = Identity(slot.scheme, server)
            if self._impersonate:
                try:
                    require_impersonation(identity.access_token)
                except SecurityError as error:
                    return self._unusable(leg, identity, error)
            expiry = server.expiry
        except SecurityError as error:
            with self._lock:
                if error.status is Status.SEC_E_INVALID_HANDLE:
                    # The package's worker was started anew, and knows none of the handles from before.
                    self._credentials.pop(package, None)
                return self.handshakes.refused(leg, error.status, error.token)
        except BaseException:
            with self._lock:
                self.handshakes.abandon(leg)
            raise
        with self._lock:
            return identity, self.handshakes.completed(leg, identity, expiry), token

    def _unusable(self, leg: Leg[Server, Identity], identity: Identity, error: SecurityError) -> Answer:
        leg.slot.context = None
        with self._lock:
            self.handshakes.abandon(leg)
        identity.close()
        return Answer(403, error.reason or error.status.native)

    def _credential(self, package: str) -> Credential:
        with self._lock:
            credential = self._credentials.get(package)
        if credential is None:
            credential = Credential(package, CredentialUse.INBOUND, authority=self._authority)
            with self._lock:
                kept = self._credentials.setdefault(package, credential)
            if kept is not credential:
                credential.close()
                credential = kept
        return credential

    def _pass(
        self,
        environ: Environ,
        start_response: StartResponse,
        identity: Identity | None,
        challenge: str | None,
        ends: bool,
    ) -> Iterable[bytes]:
        environ = {name: value for name, value in environ.items() if name not in ("REMOTE_USER", "AUTH_TYPE")}
        environ["secpkg"] = identity
        if identity is None:
            return self._app(environ, start_response)
        environ["REMOTE_USER"] = identity.name
        environ["AUTH_TYPE"] = identity.scheme

        def starting(
            status: str, headers: list[tuple[str, str]], exc_info: ExceptionInfo | None = None, /
        ) -> Callable[[bytes], object]:
            more = responses.added([name for name, _ in headers], challenge)
            return start_response(status, [*headers, *more], exc_info)

        return _Result(self._app, environ, starting, identity, self._impersonate, ends)

    def _answer(
        self, environ: Environ, start_response: StartResponse, request: Request, answer: Answer
    ) -> Iterable[bytes]:
        if answer.reason:
            log.debug("%d: %s", answer.status, answer.reason)
        if not self._drained(environ) or not request.keep_alive:
            with self._lock:
                self.handshakes.forget(request)
            self._bury()
        start_response(f"{answer.status} {responses.PHRASES[answer.status]}", responses.headers(answer))
        return [responses.body(answer, cast(str, environ["REQUEST_METHOD"]))]

    def _drained(self, environ: Environ) -> bool:
        """Read the body away, so that the next request can come. Whether that was all of it."""
        declared = str(environ.get("CONTENT_LENGTH") or "")
        chunked = not declared and bool(environ.get("wsgi.input_terminated"))
        if not declared and not chunked:
            return "HTTP_TRANSFER_ENCODING" not in environ
        left = self._limits.body + 1 if chunked else int(declared) if declared.isdigit() and len(declared) < 19 else -1
        if not chunked and not 0 <= left <= self._limits.body:
            return False
        body = cast(_Input, environ["wsgi.input"])
        while left:
            piece = body.read(min(left, 65536))
            if not piece:
                return chunked
            left -= len(piece)
        return not chunked

    def _bury(self) -> None:
        """Close what has ended meanwhile."""
        orphans = self.handshakes.orphans
        while True:
            try:
                orphan = orphans.popleft()
            except IndexError:
                return
            try:
                orphan.close()
            except SecurityError as error:
                log.debug("closing: %s", error.status.native)


class _Result:
    """What the application gives, with the thread impersonated meanwhile, and with the identity's end at its end."""

    __slots__ = ("_ends", "_identity", "_impersonate", "_iterator", "_result")

    def __init__(
        self,
        app: Application,
        environ: Environ,
        start_response: StartResponse,
        identity: Identity,
        impersonate: bool,
        ends: bool,
    ) -> None:
        self._identity = identity
        self._impersonate = impersonate
        self._ends = ends
        try:
            self._result = self._as_user(lambda: app(environ, start_response))
            self._iterator: Iterator[bytes] = self._as_user(lambda: iter(self._result))
        except BaseException:
            self._end()
            raise

    def _as_user(self, function: Callable[[], T]) -> T:
        if not self._impersonate:
            return function()
        with self._identity.impersonate():
            return function()

    def _end(self) -> None:
        if self._ends:
            self._identity.close()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._as_user(lambda: next(self._iterator))

    def close(self) -> None:
        """PEP 3333: called by the server at the end of each request, whatever happened."""
        try:
            close = getattr(self._result, "close", None)
            if close is not None:
                self._as_user(close)
        finally:
            self._end()


def _request(environ: Environ) -> Request:
    given = environ.get("HTTP_AUTHORIZATION")
    protocol = str(environ.get("SERVER_PROTOCOL", "HTTP/1.1"))
    version = protocol.partition("/")[2] or "1.1"
    client, port = str(environ.get("REMOTE_ADDR", "")), str(environ.get("REMOTE_PORT", ""))
    server, server_port = str(environ.get("SERVER_NAME", "")), str(environ.get("SERVER_PORT", ""))
    address = None
    if client and port.isdigit() and int(port):
        address = Address(client, int(port), server, int(server_port) if server_port.isdigit() else 0)
    sockets = (environ.get(name) for name in (connection.KEY, *connection.SOCKETS))
    return Request(
        version,
        () if given is None else (str(given),),
        next((socket for socket in sockets if socket is not None), None),
        address,
        responses.keeps_alive(version, (str(environ.get("HTTP_CONNECTION", "")),)),
        any(f"HTTP_{name.upper().replace('-', '_')}" in environ for name in connection.PROXIES),
    )
