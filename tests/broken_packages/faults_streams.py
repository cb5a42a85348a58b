"""Faults of datagram and of stream packages: the two examples, each with one place overridden."""

from __future__ import annotations

from tests.broken_packages.modules import Fault, Make

from secpkg import contract as c
from secpkg.contract.attributes import StreamSizes
from secpkg.contract.flags import BufferType
from secpkg.contract.security_provider import SecurityProvider
from secpkg.kit.check.target import Target
from secpkg_datagrams import Context as Conversation
from secpkg_datagrams import Datagrams, Epoch
from secpkg_records import Context as Stream
from secpkg_records import Records

_SIGNATURE = 61


class AnswerUnread(Datagrams):
    """Challenges, and takes any answer."""

    def accept_security_context(
        self, call: c.Call, credential: bytes, context: Conversation | None, request: c.ContextRequest
    ) -> c.Step:
        if context is not None and len(request.token) != _SIGNATURE and context.challenge:
            context.establish(context.challenge)
            context.challenge = b""
            return c.Complete(context, attributes=int(c.AscRet.DATAGRAM | c.AscRet.INTEGRITY | c.AscRet.REPLAY_DETECT))
        return super().accept_security_context(call, credential, context, request)


class Unchallenged(Datagrams):
    """Takes whoever names a conversation for its owner; what is signed is right, so nothing seems to be wrong."""

    def accept_security_context(
        self, call: c.Call, credential: bytes, context: Conversation | None, request: c.ContextRequest
    ) -> c.Step:
        step = super().accept_security_context(call, credential, context, request)
        if not isinstance(step, c.Continue) or not isinstance(step.context, Conversation):
            return step
        step.context.challenge = bytes(32)
        return c.Continue(bytes(32), step.context)


class SpeaksFirst(Datagrams):
    """A datagram client with a token."""

    def initialize_security_context(
        self, call: c.Call, credential: bytes, context: Conversation | None, request: c.ContextRequest
    ) -> c.Step:
        step = super().initialize_security_context(call, credential, context, request)
        if context is None and isinstance(step, c.Complete):
            return c.Complete(step.context, call.entropy(16), attributes=step.attributes)
        return step


class OnceEstablished(Datagrams):
    """A client that answers one challenge and no other."""

    def initialize_security_context(
        self, call: c.Call, credential: bytes, context: Conversation | None, request: c.ContextRequest
    ) -> c.Step:
        if context is not None and len(context.epochs) > 1:
            return c.Refused(c.Status.SEC_E_OUT_OF_SEQUENCE, reason="established_already")
        return super().initialize_security_context(call, credential, context, request)


class NumberLost(Datagrams):
    """The caller's number does not travel."""

    def make_signature(
        self, context: Conversation, quality_of_protection: int, message: c.Message, number: int
    ) -> None:
        super().make_signature(context, quality_of_protection, message, 0)


class SeenForgotten(Datagrams):
    """Looks at no number of its peer."""

    def verify_signature(self, context: Conversation, message: c.Message, number: int) -> int:
        for epoch in context.epochs:
            epoch.highest, epoch.seen = -1, 0
        return super().verify_signature(context, message, number)


class LateRefused(Datagrams):
    """Datagrams have to come in their order."""

    def verify_signature(self, context: Conversation, message: c.Message, number: int) -> int:
        epochs = context.epochs
        for epoch in epochs:
            epoch.seen = (1 << 64) - 1
        return super().verify_signature(context, message, number)


class OneEpochKey(Datagrams):
    """Each establishment has the keys, and counts from the start, of the one before."""

    def initialize_security_context(
        self, call: c.Call, credential: bytes, context: Conversation | None, request: c.ContextRequest
    ) -> c.Step:
        step = super().initialize_security_context(call, credential, context, request)
        self._same(step)
        return step

    def accept_security_context(
        self, call: c.Call, credential: bytes, context: Conversation | None, request: c.ContextRequest
    ) -> c.Step:
        step = super().accept_security_context(call, credential, context, request)
        self._same(step)
        return step

    def _same(self, step: c.Step) -> None:
        if isinstance(step, c.Complete) and isinstance(step.context, Conversation) and len(step.context.epochs) > 1:
            step.context.epochs[1] = Epoch(step.context, bytes(32))


class SentBack(Datagrams):
    """Both directions of a conversation have one key."""

    def make_signature(
        self, context: Conversation, quality_of_protection: int, message: c.Message, number: int
    ) -> None:
        with_one_key(context)
        super().make_signature(context, quality_of_protection, message, number)

    def verify_signature(self, context: Conversation, message: c.Message, number: int) -> int:
        with_one_key(context)
        return super().verify_signature(context, message, number)


def with_one_key(context: Conversation) -> None:
    for epoch in context.epochs:
        epoch.ours = epoch.theirs = min(epoch.ours, epoch.theirs)


class ExtraSwallowed(Records):
    """What follows a record is gone."""

    def unseal_message(self, context: Stream, message: c.Message, sequence_number: int) -> int:
        quality = super().unseal_message(context, message, sequence_number)
        for buffer in message:
            if buffer.type == BufferType.EXTRA:
                buffer.type, buffer.data = BufferType.EMPTY, b""
        return quality


class HalfCounts(Records):
    """A record that is not whole uses up its number."""

    def unseal_message(self, context: Stream, message: c.Message, sequence_number: int) -> int:
        try:
            return super().unseal_message(context, message, sequence_number)
        except c.SecurityError as error:
            if error.status is c.Status.SEC_E_INCOMPLETE_MESSAGE:
                context.received += 1
            raise


class HalfIsAltered(Records):
    def unseal_message(self, context: Stream, message: c.Message, sequence_number: int) -> int:
        try:
            return super().unseal_message(context, message, sequence_number)
        except c.SecurityError as error:
            if error.status is not c.Status.SEC_E_INCOMPLETE_MESSAGE:
                raise
            raise c.SecurityError(c.Status.SEC_E_MESSAGE_ALTERED, reason="record_not_whole") from None


class SizesShort(Records):
    """A record has more around its data than it announces."""

    def query_context_attributes(self, context: Stream, attribute: int) -> c.ContextAttributes:
        sizes = super().query_context_attributes(context, attribute)
        return StreamSizes(sizes.header, 8, sizes.maximum_message) if isinstance(sizes, StreamSizes) else sizes


class DataAlone(Records):
    """Gives the data and no header and trailer."""

    def unseal_message(self, context: Stream, message: c.Message, sequence_number: int) -> int:
        quality = super().unseal_message(context, message, sequence_number)
        for buffer in message:
            if buffer.type in (BufferType.STREAM_HEADER, BufferType.STREAM_TRAILER):
                buffer.type, buffer.data = BufferType.EMPTY, b""
        return quality


class RecordAgain(Records):
    """Opens a record under the number that it was sealed with, whichever was due."""

    def unseal_message(self, context: Stream, message: c.Message, sequence_number: int) -> int:
        due = context.received
        for number in (max(0, due - 1), due + 1):
            context.received = number
            try:
                return super().unseal_message(context, message, sequence_number)
            except c.SecurityError:
                context.received = due
        return super().unseal_message(context, message, sequence_number)


class InitiatorUnproved(Records):
    """The proof of the initiator is read and not compared."""

    def accept_security_context(
        self, call: c.Call, credential: bytes, context: Stream | None, request: c.ContextRequest
    ) -> c.Step:
        if context is not None and context.expected and len(request.token) == 35 and request.token[:1] == b"\3":
            context.expected = bytes(request.token[3:])
        return super().accept_security_context(call, credential, context, request)


def _of(package: type[Datagrams] | type[Records], rule: str, why: str, *also: str) -> Fault:
    return Fault(package.__name__, provider_of(package), rule, why, frozenset(also))


def provider_of(package: type[Datagrams] | type[Records]) -> Make:
    """A module of this package; both ends know one secret, which the kit finds out."""

    def init_security_interface() -> SecurityProvider:
        return package()

    return lambda: Target(package.__name__, provider=init_security_interface, roots=("tests", "secpkg_records"))


STREAMS: tuple[Fault, ...] = (
    _of(AnswerUnread, "K1", "a datagram server takes any answer to its challenge", "K2", "K3", "K4", "K5"),
    _of(Unchallenged, "K2", "a datagram server has one challenge for all", "R229", "K5"),
    _of(SpeaksFirst, "R228", "a datagram client's first leg makes a token"),
    _of(OnceEstablished, "R229", "a datagram context is established once"),
    _of(NumberLost, "R230", "the caller's number does not arrive"),
    _of(SeenForgotten, "R218", "a datagram is taken twice", "K6", "K7", "K2"),
    _of(LateRefused, "R218", "a datagram that is late is refused"),
    _of(OneEpochKey, "R229", "keys and numbers of a datagram context come again", "K2", "K7"),
    _of(SentBack, "K7", "a datagram that is sent back is taken"),
    _of(ExtraSwallowed, "R225", "what follows a record is swallowed", "R218"),
    _of(HalfCounts, "R226", "a record that is not whole changes the state"),
    _of(HalfIsAltered, "R226", "a record that is not whole is told as an altered one"),
    _of(SizesShort, "R227", "records are longer than the stream sizes"),
    _of(DataAlone, "R224", "a record becomes its data alone"),
    _of(RecordAgain, "R218", "a record is taken again", "K6", "K7"),
    _of(InitiatorUnproved, "K1", "the proof of a stream's initiator is not compared", "K2", "K5", "K3"),
)
