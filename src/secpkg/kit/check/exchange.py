"""One handshake between two sides of a bench, leg by leg, with every chance to meddle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.attributes import StreamSizes
from secpkg.contract.flags import AscReq, BufferType, Capability, ContextAttribute, CredentialUse, IscReq
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import ContextRequest, Message, Names, SecBuffer, SessionKey
from secpkg.host.tables import Table
from secpkg.kit.check.bench import Bench
from secpkg.kit.check.door import Door, Leg, LsaDoor
from secpkg.kit.check.target import Credentials

MAX_LEGS: Final = 24
"""A protocol that takes more does not end (R148)."""
EVERYTHING: Final = int(
    IscReq.MUTUAL_AUTH | IscReq.REPLAY_DETECT | IscReq.SEQUENCE_DETECT | IscReq.CONFIDENTIALITY | IscReq.INTEGRITY
)
DATA: Final = int(BufferType.DATA)
TOKEN: Final = int(BufferType.TOKEN)
EMPTY: Final = int(BufferType.EMPTY)
EXTRA: Final = int(BufferType.EXTRA)
HEADER: Final = int(BufferType.STREAM_HEADER)
TRAILER: Final = int(BufferType.STREAM_TRAILER)

FIRST: Final = b"the first datagram of a conversation"
"""What a datagram client signs before it has heard anything (R228)."""

Alter = Callable[[int, bytes], bytes | None]
"""Told the number of a token and the token; gives what the other side gets, None for nothing at all."""


def acceptors(requirements: int) -> int:
    """ASC_REQ_* of the same meanings as these ISC_REQ_*."""
    same = int(IscReq.DELEGATE | IscReq.MUTUAL_AUTH | IscReq.REPLAY_DETECT | IscReq.SEQUENCE_DETECT)
    same |= int(IscReq.CONFIDENTIALITY | IscReq.DATAGRAM)
    return requirements & same | (int(AscReq.INTEGRITY) if requirements & IscReq.INTEGRITY else 0)


class Ends:
    """A finished context's messages: the package's own object and its table, without the host in between."""

    def __init__(self, table: Table, context: object, delete: str, *, stream: bool = False) -> None:
        self.table, self.context, self._delete = table, context, delete
        self.stream = isinstance(self.query(ContextAttribute.STREAM_SIZES), StreamSizes) if stream else False

    def sign(self, data: bytes, number: int = 0) -> bytes:
        """MakeSignature: the signature."""
        token = SecBuffer(TOKEN)
        self.call("make_signature", 0, [SecBuffer(DATA, data), token], number)
        return bytes(token.data)

    def verify(self, data: bytes, signature: bytes, number: int = 0) -> None:
        """VerifySignature: raises SecurityError."""
        self.call("verify_signature", [SecBuffer(DATA, data), SecBuffer(TOKEN, signature)], number)

    def seal(self, data: bytes, number: int = 0) -> tuple[bytes, bytes]:
        """EncryptMessage: trailer and ciphertext; of a stream, nothing and a record."""
        if self.stream:
            record = [SecBuffer(HEADER), SecBuffer(DATA, data), SecBuffer(TRAILER), SecBuffer(EMPTY)]
            self.call("seal_message", 0, record, number)
            return b"", b"".join(bytes(buffer.data) for buffer in record[:3])
        token, body = SecBuffer(TOKEN), SecBuffer(DATA, data)
        self.call("seal_message", 0, [token, body], number)
        return bytes(token.data), bytes(body.data)

    def unseal(self, sealed: tuple[bytes, bytes], number: int = 0) -> bytes:
        """DecryptMessage: the plain text; raises SecurityError. Of a stream, of one record and nothing behind it."""
        if self.stream:
            record = [SecBuffer(DATA, sealed[0] + sealed[1]), *(SecBuffer(EMPTY) for _ in range(4))]
            self.call("unseal_message", record, number)
            if any(buffer.type == EXTRA for buffer in record):
                raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="more_than_a_record")
            return b"".join(bytes(buffer.data) for buffer in record if buffer.type == DATA)
        token, body = SecBuffer(TOKEN, sealed[0]), SecBuffer(DATA, sealed[1])
        self.call("unseal_message", [token, body], number)
        return bytes(body.data)

    def call(self, function: str, *arguments: object) -> object:
        """Any function of the table on this context."""
        return self.table[function](self.context, *arguments)

    def message(self, function: str, message: Message, number: int = 0) -> None:
        """A message function on buffers."""
        sending = function in ("make_signature", "seal_message")
        self.call(function, *((0, message, number) if sending else (message, number)))

    def query(self, attribute: int) -> object:
        """QueryContextAttributes, or None where it is not offered."""
        try:
            return (
                self.call("query_context_attributes", attribute) if "query_context_attributes" in self.table else None
            )
        except SecurityError:
            return None

    def close(self) -> None:
        """SpDeleteContext of the user half."""
        if self._delete in self.table:
            self.table[self._delete](self.context)


class Side:
    """One party: its credential, its context, and what its legs gave."""

    def __init__(
        self,
        bench: Bench,
        door: Door,
        accept: bool,
        given: Credentials,
        *,
        requirements: int = EVERYTHING,
        bindings: bytes | None = None,
        target: str = "host/kit",
        credential: object = None,
    ) -> None:
        self.bench, self.door, self.accept = bench, door, accept
        if bench.datagrams:
            requirements |= IscReq.DATAGRAM
        self.requirements = acceptors(requirements) if accept else requirements
        self.bindings, self.target = bindings, None if accept else target
        self._borrowed = credential is not None
        use = CredentialUse.INBOUND if accept else CredentialUse.OUTBOUND
        self.credential = credential if self._borrowed else door.acquire(use, given)
        self.context: object = None
        self.legs: list[Leg] = []
        self._ends: Ends | None = None

    def step(self, token: bytes) -> Leg:
        """One leg. A plain SSP is asked no more than the host would: not after the end (R186 to R192), which datagrams
        do not have (R229).
        """
        over = self.complete and not self.bench.datagrams
        if self.bench.lab is None and (over or any(leg.refused for leg in self.legs)):
            self.legs.append(Leg(Status.SEC_E_INVALID_HANDLE, self.context))
            return self.legs[-1]
        request = ContextRequest(token, self.target, self.requirements, self.bindings)
        leg = self.door.leg(self.accept, self.credential, self.context, request)
        self.context = leg.context
        self.legs.append(leg)
        if leg.to_complete:
            self._complete_token(leg)
        return leg

    def _complete_token(self, leg: Leg) -> None:
        """CompleteAuthToken, as the application does before it sends (R189): of a plain SSP, or of the user half of a
        finished context. Where nobody offers it the token stays as it is.
        """
        leg.uncompleted = leg.token
        ends = self.ends() if leg.complete else Ends(self.bench.table, self._native(), "")
        if (leg.complete or self.bench.lab is None) and "complete_auth_token" in ends.table:
            completed = ends.call("complete_auth_token", leg.token)
            leg.token = completed if isinstance(completed, bytes) else b""

    def _native(self) -> object:
        return self.context[0] if isinstance(self.context, tuple) else None

    @property
    def complete(self) -> bool:
        """Whether the context stands. That of a datagram client does after its first leg, which has heard nobody; what
        counts is whether it was established since (R229).
        """
        return any(leg.complete for leg in self._counting)

    @property
    def _counting(self) -> list[Leg]:
        return self.legs[1:] if self.bench.datagrams and not self.accept else self.legs

    @property
    def status(self) -> Status:
        """Of the last leg."""
        return self.legs[-1].status if self.legs else Status.SEC_E_INVALID_HANDLE

    @property
    def final(self) -> Leg:
        """The leg that completed the context; of datagrams the last one."""
        done = [leg for leg in self._counting if leg.complete]
        return done[-1 if self.bench.datagrams else 0]

    @property
    def granted(self) -> int:
        """Attributes, ISC_RET_* or ASC_RET_*."""
        return self.final.attributes

    def ends(self) -> Ends:
        """Its messages; the user half is loaded and the context mapped when this is first asked for."""
        if self._ends is None:
            self._ends = self._mapped(self.final)
        return self._ends

    def renew(self) -> None:
        """A context that was established again is mapped again, when it is next asked for (R229)."""
        ends, self._ends = self._ends, None
        if ends is not None:
            ends.close()

    def _mapped(self, leg: Leg) -> Ends:
        stream = bool(self.bench.info.capabilities & Capability.STREAM)
        if self.bench.lab is None:
            context = leg.context[0] if isinstance(leg.context, tuple) else None
            return Ends(self.bench.table, context, "", stream=stream)
        table = self.bench.load_user()
        assert leg.packed is not None
        context = table["init_user_mode_context"](leg.packed)
        return Ends(table, context, "delete_user_mode_context", stream=stream)

    def begin(self) -> bytes:
        """A client's first leg, and what its server is given first: the token, or of datagrams the signature of one."""
        leg = self.step(b"")
        if leg.token or not self.bench.datagrams or not leg.complete:
            return leg.token
        ends = self._mapped(leg)
        try:
            return ends.sign(FIRST)
        finally:
            ends.close()

    def peer(self) -> str:
        """SECPKG_ATTR_NAMES; empty where it is not offered."""
        value = self.attribute(ContextAttribute.NAMES)
        return value.user_name if isinstance(value, Names) else ""

    def key(self) -> bytes:
        """SECPKG_ATTR_SESSION_KEY; empty where it is not offered."""
        value = self.attribute(ContextAttribute.SESSION_KEY)
        return value.session_key if isinstance(value, SessionKey) else b""

    def attribute(self, number: int) -> object:
        """Of the user half, else of the LSA half; None where it is not offered."""
        if self.bench.lab is None or (self.final.packed is not None and self.bench.target.user is not None):
            value = self.ends().query(number)
            if value is not None:
                return value
        try:
            return self.door.query(self.context, number)
        except SecurityError:
            return None

    def close(self) -> None:
        """Both halves of the context, then the credential (R193)."""
        ends, self._ends = self._ends, None
        context, self.context = self.context, None
        credential, self.credential = self.credential, None
        if ends is not None:
            ends.close()
        if isinstance(self.door, LsaDoor):
            for leg in self.legs:
                if leg.access_token is not None and not self.door.link.closed:
                    self.door.release(leg.access_token)
        if context:
            self.door.delete(context)
        if credential and not self._borrowed:
            self.door.free(credential)


class Exchange:
    """A handshake. `run` goes as far as it goes; ``tokens`` are what the sides made, (acceptor's?, token)."""

    def __init__(self, client: Side, server: Side) -> None:
        self.client, self.server = client, server
        self.tokens: list[tuple[bool, bytes]] = []

    @property
    def complete(self) -> bool:
        """Whether both sides have a context."""
        return self.client.complete and self.server.complete

    def run(self, alter: Alter | None = None, stop: int = MAX_LEGS) -> Exchange:
        """Until nobody has anything to say, somebody refuses, or ``stop`` tokens are made."""
        side, token = self.client, b""
        for _ in range(MAX_LEGS):
            if side.complete:
                break
            # A client's own first leg is `begin`, unless the server has spoken first.
            made = side.step(token).token if side.legs or side.accept or token else side.begin()
            leg = side.legs[-1]
            if leg.refused or leg.status is Status.SEC_E_INCOMPLETE_MESSAGE:
                break
            other = self.server if side is self.client else self.client
            if not made and (leg.complete or self.tokens):
                break
            if made:
                self.tokens.append((side is self.server, made))
            if len(self.tokens) >= stop:
                break
            token = made
            if alter is not None and self.tokens:
                altered = alter(len(self.tokens) - 1, token)
                if altered is None:
                    break
                token = altered
            side = other
        return self

    @property
    def endless(self) -> bool:
        """Whether it was cut off."""
        return len(self.client.legs) + len(self.server.legs) >= MAX_LEGS and not self.complete

    def how(self) -> str:
        """How it ended, in one line."""
        return f"client {self.client.status.name}, server {self.server.status.name}, {len(self.tokens)} tokens"

    def close(self) -> None:
        """Both sides."""
        self.client.close()
        self.server.close()
