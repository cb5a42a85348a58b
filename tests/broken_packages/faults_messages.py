"""Faults of user halves, and of what passes to them: keys, numbers, buffers, packed contexts, attributes."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from tests.broken_packages.modules import Fault, module
from tests.broken_packages.packed import HEAD, PackedContext, malformed
from tests.broken_packages.sound_ap import Sound
from tests.broken_packages.sound_user import NONCE, TAG, Context, Direction, SoundUser, agreed, split

from secpkg import contract as c


def _sound(context: type[Context]) -> type[Sound]:
    """Sound with this context in its user half."""

    class User(SoundUser):
        def init_user_mode_context(self, packed_context: bytes) -> Context:
            return context(PackedContext.unpack(packed_context))

    return _with(User)


def _way(direction_of_context: type[Direction]) -> type[Sound]:
    """Sound with these directions in its user half."""

    class Of(Context):
        direction = direction_of_context

    return _sound(Of)


def _with(user: type[SoundUser]) -> type[Sound]:
    class Package(Sound):
        half = user

    return Package


class SharedKeys(Context):
    def keys(self, packed: PackedContext) -> tuple[bytes, bytes]:
        ours, theirs = super().keys(packed)
        return (ours, ours) if packed.initiator else (theirs, theirs)


class NumbersUnchecked(Direction):
    def check(self, number: int, another: bool) -> None:
        pass


class ReplayTaken(Direction):
    """Sees gaps, and no repetition."""

    def check(self, number: int, another: bool) -> None:
        if number > self.number:
            super().check(number, another)


class ReorderTaken(Direction):
    """Refuses what it has seen, in whatever order the rest comes."""

    def __init__(self, keys: bytes, in_sequence: bool) -> None:
        super().__init__(keys, in_sequence)
        self.seen: set[int] = set()

    def check(self, number: int, another: bool) -> None:
        if number in self.seen:
            raise c.SecurityError(c.Status.SEC_E_OUT_OF_SEQUENCE, reason="replayed")
        self.seen.add(number)


class MisorderedIsAltered(Direction):
    def check(self, number: int, another: bool) -> None:
        try:
            super().check(number, another)
        except c.SecurityError:
            raise c.SecurityError(c.Status.SEC_E_MESSAGE_ALTERED, reason="replayed_or_missing") from None


class RefusalCounts(Direction):
    """A message that was refused uses up a number: one forged message ends the conversation."""

    def open(self, *arguments: object) -> bytes:
        try:
            return super().open(*arguments)  # type: ignore[arg-type]  # as they came
        except c.SecurityError:
            self.number += 1
            raise


class OneNonce(Direction):
    """One nonce for all messages; the number travels beside it no more."""

    def next(self, sequence_number: int) -> bytes:
        return NONCE.pack(0, 0)

    def check(self, number: int, another: bool) -> None:
        pass


class NumberAlwaysBound(Direction):
    """The application's number is bound without sequence detection."""

    def next(self, sequence_number: int) -> bytes:
        return NONCE.pack(sequence_number & 0xFFFFFFFF, super().next(0)[-1])

    def check(self, number: int, another: bool) -> None:
        super().check(number, another)
        if another:
            raise c.SecurityError(c.Status.SEC_E_OUT_OF_SEQUENCE, reason="another_number")


class SharedCounter(Context):
    """Sender and receiver step on one counter."""

    def __init__(self, packed: PackedContext) -> None:
        super().__init__(packed)
        outgoing, incoming = self.outgoing, self.incoming

        class Shared(Direction):
            @property
            def number(self) -> int:
                return self.shared[0]

            @number.setter
            def number(self, value: int) -> None:
                self.shared[0] = value

            shared = [0]  # noqa: RUF012

        for way in (outgoing, incoming):
            del way.__dict__["number"]
            way.__class__ = Shared


class PlainSeal(SoundUser):
    """A tag, and the data as they were."""

    def seal_message(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        agreed(context.can_seal and not quality_of_protection, quality_of_protection)
        token, (data,) = split(message, c.Status.STATUS_INVALID_PARAMETER, one=True)
        nonce = context.outgoing.next(number)
        token.data = nonce + context.outgoing.sign.encrypt(nonce, b"", bytes(data.data))

    def unseal_message(self, context: Context, message: c.Message, number: int) -> int:
        token, (data,) = split(message, c.Status.STATUS_INVALID_PARAMETER, one=True)
        context.incoming.open(context.incoming.sign, token.data, b"", bytes(data.data), number)
        return 0


class Loose(Direction):
    """The keys as they are, for those who decrypt without looking at the tag."""

    def __init__(self, keys: bytes, in_sequence: bool) -> None:
        super().__init__(keys, in_sequence)
        self.raw = keys[:32]


class TagIgnored(SoundUser):
    def init_user_mode_context(self, packed_context: bytes) -> Context:
        class Of(Context):
            direction = Loose

        return Of(PackedContext.unpack(packed_context))

    def unseal_message(self, context: Context, message: c.Message, number: int) -> int:
        agreed(context.can_seal, 0)
        token, (data,) = split(message, c.Status.STATUS_INVALID_PARAMETER, one=True)
        way, nonce = context.incoming, bytes(token.data[: NONCE.size])
        if len(nonce) != NONCE.size or not isinstance(way, Loose):
            raise c.SecurityError(c.Status.SEC_E_MESSAGE_ALTERED, reason="token_length")
        way.check(NONCE.unpack(nonce)[1], False)
        way.number = NONCE.unpack(nonce)[1] + 1
        stream = Cipher(ChaCha20(way.raw, (1).to_bytes(4, "little") + nonce), None).decryptor()
        data.data = stream.update(bytes(data.data))
        return 0


class VerifyStub(SoundUser):
    def verify_signature(self, context: Context, message: c.Message, number: int) -> int:
        return 0


class SignStub(SoundUser):
    """Both functions are there, and neither does anything."""

    def make_signature(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        return None

    def verify_signature(self, context: Context, message: c.Message, number: int) -> int:
        return 0


class ReadonlyChanged(SoundUser):
    """Encrypts the last DATA buffer, whatever its flags say."""

    def seal_message(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        agreed(context.can_seal and not quality_of_protection, quality_of_protection)
        writable = [c.SecBuffer(one.type & 0x0FFFFFFF, one.data) for one in message]
        last = max(place for place, one in enumerate(writable) if one.type == c.BufferType.DATA)
        chosen = [one for place, one in enumerate(writable) if one.type != c.BufferType.DATA or place == last]
        super().seal_message(context, quality_of_protection, chosen, number)
        for given, made in zip(message, writable, strict=True):
            given.data = made.data


class FlagsNotMasked(SoundUser):
    """Compares buffer types with their flag bits."""

    def make_signature(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        super().make_signature(context, quality_of_protection, _known(message), number)

    def verify_signature(self, context: Context, message: c.Message, number: int) -> int:
        return super().verify_signature(context, _known(message), number)


def _known(message: c.Message) -> c.Message:
    return [one for one in message if one.type in (c.BufferType.DATA, c.BufferType.TOKEN)]


class OrderOfBuffers(SoundUser):
    """Takes the first buffer for the data and the last for the token."""

    def make_signature(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        if message[-1].buffer_type is not c.BufferType.TOKEN:
            raise c.SecurityError(c.Status.SEC_E_INVALID_TOKEN, reason="no_token_at_the_end")
        super().make_signature(context, quality_of_protection, message, number)


class TrailerWrong(SoundUser):
    """Says less room than it takes."""

    def query_context_attributes(self, context: Context, attribute: int) -> c.ContextAttributes:
        value = super().query_context_attributes(context, attribute)
        if isinstance(value, c.Sizes):
            return c.Sizes(value.max_token, value.max_signature and TAG, 1, value.security_trailer and TAG)
        return value


class SignsUnasked(SoundUser):
    """Signs without negotiated integrity."""

    def make_signature(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        context.can_sign = True
        super().make_signature(context, quality_of_protection, message, number)


class KeepsViews(SoundUser):
    """Keeps what was lent for the call."""

    def __init__(self) -> None:
        self.kept: list[memoryview] = []

    def seal_message(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        self.kept += [memoryview(one.data) for one in message if one.data]
        super().seal_message(context, quality_of_protection, message, number)

    def make_signature(self, context: Context, quality_of_protection: int, message: c.Message, number: int) -> None:
        self.kept += [memoryview(one.data) for one in message if one.data]
        super().make_signature(context, quality_of_protection, message, number)


class UserLeak(SoundUser):
    """Every context stays."""

    def __init__(self) -> None:
        self.contexts: list[Context] = []

    def init_user_mode_context(self, packed_context: bytes) -> Context:
        self.contexts.append(super().init_user_mode_context(packed_context))
        return self.contexts[-1]

    def delete_user_mode_context(self, context: Context) -> None:
        pass


class NoRole(SoundUser):
    """Cannot know whose end it has: so both ends have the same keys."""

    def init_user_mode_context(self, packed_context: bytes) -> Context:
        return RoleBlind(PackedContext.unpack(packed_context[:1] + b"\1" + packed_context[1:]))


class RoleBlind(Context):
    def keys(self, packed: PackedContext) -> tuple[bytes, bytes]:
        ours, _ = super().keys(packed)
        return ours, ours


class WithoutRole(Sound):
    half = NoRole

    def granted(self, initiator: bool, requirements: int, seals: bool) -> int:
        return super().granted(True, requirements, seals) if initiator else _acceptors(self, requirements, seals)

    def packed(self, packed: PackedContext) -> bytes:
        attributes = packed.attributes | (int(c.IscRet.INTEGRITY) if packed.attributes & c.AscRet.INTEGRITY else 0)
        whole = PackedContext(True, attributes, packed.start, packed.expiry, packed.session_key, packed.peer).pack()
        return whole[:1] + whole[2:]


def _acceptors(package: Sound, requirements: int, seals: bool) -> int:
    return Sound.granted(package, False, requirements, seals)


class NoVersion(SoundUser):
    def init_user_mode_context(self, packed_context: bytes) -> Context:
        return Context(PackedContext.unpack(b"\1" + packed_context))


class WithoutVersion(Sound):
    half = NoVersion

    def packed(self, packed: PackedContext) -> bytes:
        return packed.pack()[1:]


class Credulous(SoundUser):
    """Makes a context of anything that is long enough."""

    def init_user_mode_context(self, packed_context: bytes) -> Context:
        if len(packed_context) < HEAD.size:
            raise malformed()
        _, role, attributes, start, expiry, key = HEAD.unpack_from(packed_context)
        peer = packed_context[HEAD.size :].decode(errors="replace")
        return Context(PackedContext(bool(role), attributes, start, expiry, key, peer))


class PackedTooLarge(Sound):
    def packed(self, packed: PackedContext) -> bytes:
        return packed.pack() + b" " * 65_536


class SealGranted(Sound):
    """Grants CONFIDENTIALITY; its user half cannot seal."""

    info = c.PackageInfo("Sound", "", Sound.info.capabilities & ~c.Capability.PRIVACY, Sound.info.max_token)


class NoSeal(SoundUser):
    seal_message = None  # type: ignore[assignment]  # a NULL entry
    unseal_message = None  # type: ignore[assignment]


SealGranted.half = NoSeal


class GrantsWhatWasNot(Sound):
    """The context is without seal when it says CONFIDENTIALITY: required, reported, silently left out."""

    def packed(self, packed: PackedContext) -> bytes:
        attributes = packed.attributes & ~int(c.IscRet.CONFIDENTIALITY)
        return PackedContext(
            packed.initiator, attributes, packed.start, packed.expiry, packed.session_key, packed.peer
        ).pack()


class DetectionAlone(Sound):
    def granted(self, initiator: bool, requirements: int, seals: bool) -> int:
        integrity = int(c.IscRet.INTEGRITY if initiator else c.AscRet.INTEGRITY)
        return super().granted(initiator, requirements, seals) & ~(0 if requirements & integrity else integrity)


class NoIntegrityIgnored(Sound):
    def granted(self, initiator: bool, requirements: int, seals: bool) -> int:
        return super().granted(initiator, requirements & ~int(c.IscReq.NO_INTEGRITY), seals)


class DelegatesAlone(Sound):
    def granted(self, initiator: bool, requirements: int, seals: bool) -> int:
        return super().granted(initiator, requirements, seals) | requirements & int(c.IscReq.DELEGATE)


def _of(name: str, package: type[Sound], rule: str, why: str, *also: str, slow: bool = False) -> Fault:
    return Fault(name, lambda: module(package), rule, why, frozenset(also), slow)


MESSAGES: tuple[Fault, ...] = (
    _of("SharedKeys", _sound(SharedKeys), "K7", "both directions have the same keys"),
    _of(
        "NumbersUnchecked",
        _way(NumbersUnchecked),
        "K6",
        "SEQUENCE_DETECT is granted and no number is looked at",
        "R217",
        "R218",
    ),
    _of("ReplayTaken", _way(ReplayTaken), "K6", "a message is taken twice", "R217", "R218"),
    _of(
        "ReorderTaken",
        _way(ReorderTaken),
        "K6",
        "messages are taken in any order though SEQUENCE_DETECT was granted",
        "R217",
        "R218",
    ),
    _of("MisorderedIsAltered", _way(MisorderedIsAltered), "R218", "misordered and altered have one status"),
    _of("RefusalCounts", _way(RefusalCounts), "K6", "one forged message ends the conversation"),
    _of("OneNonce", _way(OneNonce), "K7", "all messages have one nonce", "R217", "R218", "K6"),
    _of("NumberAlwaysBound", _way(NumberAlwaysBound), "R217", "numbers are bound without sequence detection"),
    _of("SharedCounter", _sound(SharedCounter), "R222", "sender and receiver step on one counter"),
    _of("PlainSeal", _with(PlainSeal), "K6", "seal does not encrypt", "K7", "K14"),
    _of("TagIgnored", _with(TagIgnored), "R218", "unseal decrypts and looks at no tag", "R217", "K7", "K14"),
    _of(
        "VerifyStub",
        _with(VerifyStub),
        "R218",
        "verify returns success, whatever comes",
        "R217",
        "R223",
        "K2",
        "K6",
        "K7",
        "K14",
    ),
    _of(
        "SignStub",
        _with(SignStub),
        "K14",
        "sign and verify are stubs that return success",
        "R217",
        "R218",
        "R220",
        "K2",
        "K6",
        "K7",
    ),
    _of("ReadonlyChanged", _with(ReadonlyChanged), "R211", "a READONLY buffer is encrypted"),
    _of("FlagsNotMasked", _with(FlagsNotMasked), "R210", "buffer types are compared with their flag bits"),
    _of("OrderOfBuffers", _with(OrderOfBuffers), "R209", "the token must come last", "R210"),
    _of("TrailerWrong", _with(TrailerWrong), "R215", "signatures are longer than cbMaxSignature", "R219"),
    _of("SignsUnasked", _with(SignsUnasked), "R220", "signs where integrity was not negotiated"),
    _of(
        "KeepsViews", _with(KeepsViews), "K12", "views of the application's buffers are kept after the call", slow=True
    ),
    _of("UserLeak", _with(UserLeak), "K12", "the user half keeps every context", slow=True),
    _of("WithoutRole", WithoutRole, "R161", "the packed context does not say initiator or acceptor", "K7"),
    _of("WithoutVersion", WithoutVersion, "K8", "the packed context has no version"),
    _of("Credulous", _with(Credulous), "K8", "any bytes are a packed context"),
    _of("PackedTooLarge", PackedTooLarge, "R156", "the packed context is larger than 64 KiB"),
    _of("SealGranted", SealGranted, "K6", "CONFIDENTIALITY is granted and there is no seal"),
    _of(
        "GrantsWhatWasNot",
        GrantsWhatWasNot,
        "K6",
        "CONFIDENTIALITY is reported and was left out",
        "R209",
        "R210",
        "R223",
    ),
    _of("DetectionAlone", DetectionAlone, "R177", "SEQUENCE_DETECT is granted without INTEGRITY"),
    _of("NoIntegrityIgnored", NoIntegrityIgnored, "R179", "NO_INTEGRITY does not cancel INTEGRITY"),
    _of("DelegatesAlone", DelegatesAlone, "R176", "DELEGATE is granted without MUTUAL_AUTH"),
)
