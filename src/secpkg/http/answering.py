"""What a client answers to whom: the legs of one handshake as its own side sees them. Without input or output.

`Answering.legs` is a generator: it asks for a step of the context (`Start`, `Step`) or for a request to be sent
(`Send`), and is given what came of it. It ends when the last response is the one for the application. The adapters for
httpx, httpx2 and requests drive it.

Nothing is sent to a host that was not named, nor over a connection without TLS unless that was asked for, nor to where
a redirect led away from the origin that the application asked: a stranger's 401 is just a response.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Generator, Mapping
from typing import Final, TypedDict

import msgspec

from secpkg.contract.status import SecurityError, Status
from secpkg.http import bindings, framing
from secpkg.http.framing import Rejected

LEGS: Final = 8
"""Tokens of the client in one handshake."""

ATTEMPTS: Final = 4
"""Handshakes for one request, when its connection was lost or mixed up between two legs."""

_UNAUTHORIZED: Final = 401
_PORTS: Final = {"https": 443, "http": 80}
_THREE_MESSAGES: Final = ("ntlm",)
"""Schemes whose first leg is never the last one, so that it needs no body."""


class Origin(msgspec.Struct, frozen=True):
    """RFC 6454."""

    scheme: str
    host: str
    port: int


def origin(scheme: str, host: str, port: int | None) -> Origin:
    """The origin of a URL's parts; the host in lower case, an IPv6 address without brackets."""
    scheme = scheme.lower()
    return Origin(scheme, host.lower().strip("[]"), port or _PORTS.get(scheme, 0))


class Reply(msgspec.Struct, frozen=True):
    """What of a response matters here. ``connection`` is an object that is another one on another connection; ``tls``
    the connection's TLS (None: it has none, or it is gone).
    """

    status: int
    challenges: tuple[str, ...]
    origin: Origin
    connection: object
    tls: object
    redirected: bool = False


class Start(msgspec.Struct, frozen=True):
    """A new context; its first step. What is sent back is `Stepped`, or SecurityError is thrown in."""

    package: str
    target: str
    channel_bindings: bytes | None


class Step(msgspec.Struct, frozen=True):
    """The next step."""

    token: bytes


class Stepped(msgspec.Struct, frozen=True):
    """What a step gave."""

    token: bytes | None
    complete: bool


class Send(msgspec.Struct, frozen=True):
    """Send the request with this Authorization field, ``empty``: without its body. What is sent back is `Reply`."""

    authorization: str
    empty: bool

    def __repr__(self) -> str:
        return "Send(...)"


Legs = Generator[Start | Step | Send, Stepped | Reply, None]


class Identity(TypedDict):
    """The arguments of a credential."""

    username: str | None
    domain: str
    password: str | None
    authority: object


class Answering:
    """Whom to answer, and how.

    ``hosts``: the hosts that are answered, ``name`` or ``name:port``; without a port it is the default one.
    ``schemes``: which package speaks an HTTP scheme, in the order of preference. ``plaintext``: answer over ``http:``
    too, where there is nothing to bind to. ``channel_bindings``: bind to the server's certificate, so that who sits
    between with another one is refused (RFC 5929); False only where TLS ends at a proxy that is trusted. ``service``:
    the target is ``service/host``. ``requirements``: ISC_REQ_*. The rest as for `secpkg.Client`; without ``username``
    the default credentials of the logon session. ValueError for a configuration that cannot work.
    """

    def __init__(
        self,
        *,
        hosts: Collection[str],
        schemes: Mapping[str, str],
        username: str | None = None,
        domain: str = "",
        password: str | None = None,
        authority: object = None,
        plaintext: bool = False,
        channel_bindings: bool = True,
        service: str = "HTTP",
        requirements: int = 0,
        legs: int = LEGS,
    ) -> None:
        if isinstance(hosts, str) or not hosts:
            raise ValueError("hosts: a list of the hosts that are to be answered")
        if not schemes:
            raise ValueError("no scheme: for example schemes={'NTLM': 'NTLM'}")
        self._hosts: Final = frozenset(_host(host) for host in hosts)
        self._schemes: Final = {framing.checked_scheme(name): package for name, package in schemes.items()}
        self._username = username
        self._domain = domain
        self._password = password
        self._authority = authority
        self._plaintext = plaintext
        self._channel_bindings = channel_bindings
        self._service = service
        self.requirements: Final = requirements
        self._limit = legs
        self._prepare()

    def _prepare(self) -> None:
        """Make what one auth object keeps, when everything above is known."""

    def __repr__(self) -> str:
        who = "default credentials" if self._username is None else self._username
        return f"<{type(self).__module__}.{type(self).__name__} {who}>"

    def __reduce__(self) -> str:
        raise TypeError("an auth object has a password and handles: it cannot be pickled")

    def identity(self) -> Identity:
        """For `secpkg.Credential`."""
        return Identity(
            username=self._username, domain=self._domain, password=self._password, authority=self._authority
        )

    def allows(self, origin: Origin) -> bool:
        """Whether this origin may be answered."""
        if origin.scheme != "https" and not (self._plaintext and origin.scheme == "http"):
            return False
        port = None if origin.port == _PORTS[origin.scheme] else origin.port
        return (origin.host, origin.port) in self._hosts or (port is None and (origin.host, None) in self._hosts)

    def answers(self, asked: Origin, reply: Reply) -> bool:
        """Whether ``reply`` to a request for ``asked`` is a challenge that will be answered."""
        if reply.status != _UNAUTHORIZED or reply.origin != asked or not self.allows(asked):
            return False
        return self._choose(reply) is not None

    def legs(self, asked: Origin, reply: Reply) -> Legs:
        """The handshake, after ``reply`` for which `answers` was true. SecurityError where our side failed, where a
        server that let us in did not prove itself (SEC_E_MUTUAL_AUTH_FAILED), and where the legs kept going over
        several connections (SEC_E_OUT_OF_SEQUENCE); a refusal is a response with 401.
        """
        for _ in range(ATTEMPTS):
            scheme = self._choose(reply)
            if scheme is None or not self.answers(asked, reply):
                return
            again = yield from self._handshake(asked, reply, scheme)
            if again is None:
                return
            reply = again
        error = SecurityError(Status.SEC_E_OUT_OF_SEQUENCE, reason="legs_on_several_connections")
        error.add_note("with httpx: give the client a PinningTransport, or use it from one thread or task at a time")
        raise error

    def _handshake(
        self, asked: Origin, opening: Reply, scheme: str
    ) -> Generator[Start | Step | Send, Stepped | Reply, Reply | None]:
        """One attempt: the reply to begin again from, or None at the end."""
        bound = self._bindings(opening)
        stepped = yield Start(self._schemes[scheme], f"{self._service}/{asked.host}", bound)
        assert isinstance(stepped, Stepped)
        connection: object = None
        for leg in range(self._limit):
            if stepped.token is None:
                return None
            empty = leg == 0 and not stepped.complete and scheme.lower() in _THREE_MESSAGES
            reply = yield Send(framing.header(scheme, stepped.token), empty)
            assert isinstance(reply, Reply)
            if reply.origin != asked:
                return None
            if reply.redirected and reply.status == _UNAUTHORIZED:
                return reply  # the token went where the redirect led, in the middle of nothing
            token = self._token(reply, scheme)
            if reply.status != _UNAUTHORIZED:
                if token is not None and not stepped.complete:
                    stepped = yield Step(token)
                    assert isinstance(stepped, Stepped)
                if not stepped.complete and reply.status < 400:
                    raise SecurityError(Status.SEC_E_MUTUAL_AUTH_FAILED, reason="server_did_not_prove_itself")
                return None
            if self._bindings(reply) != bound or (leg and reply.connection is not connection):
                return opening  # another connection: the handshake was not there
            connection = reply.connection
            if token is None:
                return None
            try:
                stepped = yield Step(token)
            except SecurityError:
                return None  # the server's last word is the 401
            assert isinstance(stepped, Stepped)
        return None

    def _choose(self, reply: Reply) -> str | None:
        """The scheme to answer with: the first of ours that the server offers."""
        try:
            offered = {challenge.scheme.lower() for challenge in framing.challenges(reply.challenges)}
        except Rejected:
            return None
        return next((scheme for scheme in self._schemes if scheme.lower() in offered), None)

    def _token(self, reply: Reply, scheme: str) -> bytes | None:
        try:
            found = [challenge for challenge in framing.challenges(reply.challenges) if challenge.data]
            mine = [challenge.token() for challenge in found if framing.same(challenge.scheme, scheme)]
        except Rejected as rejected:
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason=rejected.reason.value) from None
        if len(mine) > 1:
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="several_tokens")
        return mine[0] if mine else None

    def _bindings(self, reply: Reply) -> bytes | None:
        if not self._channel_bindings or reply.origin.scheme != "https":
            return None
        return bindings.of_tls(reply.tls)


def _host(text: str) -> tuple[str, int | None]:
    """``name``, ``name:port``, ``[v6]:port``, ``v6``."""
    try:
        return str(ipaddress.ip_address(text.strip("[]"))), None
    except ValueError:
        pass
    name, colon, port = text.rpartition(":")
    if not colon:
        name = text
    elif not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"hosts: {text!r} is not a host")
    if not name or any(character in name for character in "/@*? ") or not name.isascii():
        raise ValueError(f"hosts: {text!r} is not a host (no patterns, no URLs; other alphabets as xn--)")
    return name.strip("[]").lower(), int(port) if colon else None
