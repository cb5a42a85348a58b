"""One round of one package, in processes of its own: ``python -m secpkg.kit.lab.peers``, with a `Spec` as input.

A handshake has two of them, the client a fork of the server made before any user half was loaded, with a socket between
them as programs would have. Each says on standard output what its user half did and how it ended.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from secpkg.contract.flags import Capability, CredentialUse, IscReq, LogonType
from secpkg.contract.status import SecurityError, Status
from secpkg.host.user_mode.providers import add as add_provider
from secpkg.host.user_mode.trace import UserModeCall, observe_user_mode
from secpkg.ipc.connection import shared
from secpkg.kit.lab.faults import faults_of
from secpkg.kit.lab.model import Ended, FromPeer, Spec, UserCall
from secpkg.kit.lab.talk import PeerLeft, datagrams_of_client, datagrams_of_server, receive, send, talk
from secpkg.kit.trace.model import of_user_half
from secpkg.lsa import connect
from secpkg.runtime.modules import use_path
from secpkg.sspi import operations
from secpkg.sspi.backends import Backend
from secpkg.sspi.client import Client
from secpkg.sspi.credential import Credential
from secpkg.sspi.operations import CredentialHandle
from secpkg.sspi.party import CredentialSource
from secpkg.sspi.server import Server

if TYPE_CHECKING:
    from secpkg.kit.check.target import Credentials, Given

PATIENCE: Final = 20.0
"""Seconds that one end waits for the other."""
TARGET: Final = "host/lab"
_NO_CREDENTIALS: Final = (Status.SEC_E_NO_CREDENTIALS, Status.SEC_E_UNKNOWN_CREDENTIALS)
_encode: Final = msgspec.json.Encoder().encode


class GivenCredential(Credential):
    """A credential as a package's own `prepare` describes it (`secpkg.kit.check.target`)."""

    def __init__(self, package: str, use: CredentialUse, given: Credentials, authority: str) -> None:
        CredentialSource.__init__(self, shared, package, use, given.identity, authority)
        self._given = given

    async def _acquire(self, backend: Backend) -> CredentialHandle:
        given = self._given
        return await operations.acquire(
            backend, self._use, principal=given.principal, identity=given.identity, data=given.data
        )


def say(message: FromPeer) -> None:
    """One line, whole: both ends write to one pipe."""
    sys.stdout.buffer.write(_encode(message) + b"\n")
    sys.stdout.buffer.flush()


def handshake(spec: Spec, given: Given | None) -> int:
    """Both ends; the exit status of the one or the other."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(PATIENCE)
    child = os.fork()
    if not child:
        ours.close()
        code = 1
        try:
            code = _end(spec, "client", theirs, given)
        finally:
            os._exit(code)
    theirs.close()
    code = _end(spec, "server", ours, given)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or code


def _end(spec: Spec, who: str, channel: socket.socket, given: Given | None) -> int:
    with channel:
        try:
            said = _client(spec, channel, given) if who == "client" else _server(spec, channel, given)
        except SecurityError as error:
            if error.token:
                send(channel, error.token)
            say(Ended(who, error.status.native, error.reason, faults=faults_of(error, spec.roots)))
            return 1
        except (PeerLeft, OSError):
            say(Ended(who, "", "the_other_end_left"))
            return 1
        except Exception as error:
            say(Ended(who, "", f"raised_{type(error).__name__}", faults=faults_of(error, spec.roots)))
            return 1
    say(Ended(who, "SEC_E_OK", said=said))
    return 0


def _client(spec: Spec, channel: socket.socket, given: Given | None) -> str:
    with ExitStack() as stack:
        client = stack.enter_context(_make_client(spec, given, stack))
        token = client.step()
        if datagrams(spec.capabilities):
            if token is not None or not client.complete:
                raise ValueError("a datagram client signs after its first leg, which makes no token (R228)")
            return datagrams_of_client(client, channel)
        while True:
            if token is not None:
                send(channel, token)
            if client.complete:
                break
            token = client.step(receive(channel))
        return talk(spec.capabilities, client, channel)


def _make_client(spec: Spec, given: Given | None, stack: ExitStack) -> Client:
    """With what the author gave; with name and password; or with the session of a logon."""
    wanted = requirements(spec.capabilities)
    target = given.target or TARGET if given is not None else TARGET
    if given is not None and given.client is not None:
        credential = GivenCredential(spec.package, CredentialUse.OUTBOUND, given.client, spec.address)
        return Client(spec.package, credential=credential, target=target, requirements=wanted)
    name, password = spec.user, spec.password
    try:
        return Client(
            spec.package, username=name, password=password, target=target, requirements=wanted, authority=spec.address
        )
    except SecurityError as error:
        if not spec.logon or error.status not in _NO_CREDENTIALS:
            raise
    lsa = stack.enter_context(connect(spec.address))
    made = stack.enter_context(lsa.logon_user(spec.logon, LogonType.INTERACTIVE, username=name, password=password))
    stack.enter_context(made.session())
    return Client(spec.package, target=target, requirements=wanted, authority=spec.address)


def _server(spec: Spec, channel: socket.socket, given: Given | None) -> str:
    with _make_server(spec, given) as server:
        if datagrams(spec.capabilities):
            said = datagrams_of_server(server, channel)
            return f"{_peer_of(server)}: {said}"
        while not server.complete:
            token = server.step(receive(channel))
            if token is not None:
                send(channel, token)
        return f"{_peer_of(server)}: {talk(spec.capabilities, server, channel)}"


def _make_server(spec: Spec, given: Given | None) -> Server:
    """With what the author gave; with nothing; or, where peers share a secret, with that of the client."""
    wanted = requirements(spec.capabilities, server=True)
    if given is not None:
        credential = GivenCredential(spec.package, CredentialUse.INBOUND, given.server, spec.address)
        return Server(spec.package, credential=credential, requirements=wanted)
    try:
        return Server(spec.package, requirements=wanted, authority=spec.address)
    except SecurityError as error:
        if error.status not in _NO_CREDENTIALS:
            raise
    shared_secret = Credential(
        spec.package, CredentialUse.INBOUND, username=spec.user, password=spec.password, authority=spec.address
    )
    return Server(spec.package, credential=shared_secret, requirements=wanted)


def _peer_of(server: Server) -> str:
    try:
        return server.peer or "nobody"
    except SecurityError as error:
        if error.status is not Status.SEC_E_UNSUPPORTED_FUNCTION:
            raise
        return "somebody"


def requirements(capabilities: int, *, server: bool = False) -> int:
    """What to ask for: all that the package announces. ISC_REQ_* or ASC_REQ_*, which differ in one bit (R174)."""
    wanted = 0
    if capabilities & Capability.MUTUAL_AUTH and not server:
        wanted |= IscReq.MUTUAL_AUTH
    if capabilities & Capability.PRIVACY:
        wanted |= IscReq.CONFIDENTIALITY
    if capabilities & Capability.INTEGRITY:
        wanted |= (0x20000 if server else 0x10000) | IscReq.SEQUENCE_DETECT | IscReq.REPLAY_DETECT
    if datagrams(capabilities):
        wanted |= IscReq.DATAGRAM
    return int(wanted)


def datagrams(capabilities: int) -> bool:
    """Whether the package's contexts are of datagrams, and of nothing else."""
    return bool(capabilities & Capability.DATAGRAM and not capabilities & Capability.CONNECTION)


def logon(spec: Spec) -> int:
    """LsaLogonUser with the lab's user."""
    try:
        with connect(spec.address) as lsa:
            made = lsa.logon_user(spec.package, LogonType.INTERACTIVE, username=spec.user, password=spec.password)
            with made:
                said = f"{made.account_name} is logged on"
    except SecurityError as error:
        say(Ended("logon", error.status.native, error.reason, faults=faults_of(error, spec.roots)))
        return 1
    say(Ended("logon", "SEC_E_OK", said=said))
    return 0


def prepared(spec: Spec) -> Given | None:
    """What the package's own ``secpkg_check`` gives: keys in a file, and the like."""
    from secpkg.kit.check.target import TargetFault, find

    try:
        prepare = find(spec.module).prepare
    except TargetFault:
        return None
    if prepare is None:
        return None
    place = Path(spec.place) / f"{spec.module}-{os.getpid()}"
    place.mkdir()
    return prepare(place)


def main() -> int:
    """Do what the specification says."""
    spec = msgspec.json.decode(sys.stdin.buffer.read(), type=Spec)
    use_path(spec.path)
    epoch = time.time() - time.monotonic()

    def observe(call: UserModeCall) -> None:
        say(UserCall(of_user_half(call, os.getpid(), os.getuid(), epoch)))

    observe_user_mode(observe)
    if spec.kind == "logon":
        return logon(spec)
    given = None
    try:
        if spec.provider:
            given = prepared(spec)
            info = next(iter(add_provider(spec.module).packages.values()))
            spec = msgspec.structs.replace(spec, package=info.name, capabilities=int(info.capabilities))
    except Exception as error:
        status = error.status.native if isinstance(error, SecurityError) else ""
        reason = error.reason if isinstance(error, SecurityError) else f"raised_{type(error).__name__}"
        say(Ended("both", status, reason, faults=faults_of(error, spec.roots)))
        return 1
    return handshake(spec, given)


if __name__ == "__main__":
    sys.exit(main())
