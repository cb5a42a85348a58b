"""Letters: the example Datagrams as an SSP/AP, a datagram package in a worker, without a fault.

Its LSA half makes the context and makes it again at each challenge (R229); what it packs is the conversation and the
challenge, so that the application's half has the keys of the newest establishment alone. This file stands by itself: a
test gives it to `secpkg lab` as a project.
"""

from __future__ import annotations

import msgspec

from secpkg import contract as c
from secpkg_datagrams import INFO, Context, Datagrams

_EPOCH = 28  # of a signature: the byte that says which establishment


class Packed(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What passes to the user half; ``challenge`` is empty before anybody was heard."""

    version: int
    initiator: bool
    secret: bytes
    conversation: bytes
    challenge: bytes


class Conversation(Context):
    """A context that knows by which challenge it was established."""

    established = b""

    def establish(self, challenge: bytes) -> None:
        super().establish(challenge)
        self.established = challenge


class Letters:
    """The LSA half."""

    info = c.PackageInfo("Letters", "Datagrams with an LSA half", INFO.capabilities, max_token=INFO.max_token)

    def __init__(self) -> None:
        self.inner = Datagrams()

    async def initialize(self, package_id: int, parameters: c.PackageParameters, authority: c.LsaFunctions) -> None:
        pass

    async def acquire_credentials_handle(
        self,
        call: c.Call,
        principal: str | None,
        use: c.CredentialUse,
        logon_id: int | None,
        authorization_data: object,
    ) -> c.Acquired:
        return self.inner.acquire_credentials_handle(call, self.info.name, principal, use, authorization_data)

    async def init_lsa_mode_context(
        self, call: c.Call, credential: bytes, context: Conversation | None, request: c.ContextRequest
    ) -> c.Step:
        return self.packed(self.inner.initialize_security_context(call, credential, context, request))

    async def accept_lsa_mode_context(
        self, call: c.Call, credential: bytes, context: Conversation | None, request: c.ContextRequest
    ) -> c.Step:
        return self.packed(self.inner.accept_security_context(call, credential, context, request))

    def packed(self, step: c.Step) -> c.Step:
        if not isinstance(step, c.Complete | c.Continue) or not isinstance(step.context, Context):
            return step
        state = step.context
        if not isinstance(state, Conversation):
            state = Conversation(state.initiator, state.secret, state.conversation)
            state.challenge = step.context.challenge
        if isinstance(step, c.Continue):
            return c.Continue(step.token, state)
        packed = Packed(1, state.initiator, state.secret, state.conversation, state.established)
        return c.Complete(state, step.token, msgspec.msgpack.encode(packed), step.attributes)


class LettersUser(Datagrams):
    """The user half: the messages of Datagrams, of the newest establishment."""

    name = "Letters"

    def init_user_mode_context(self, packed_context: bytes) -> Conversation:
        try:
            packed = msgspec.msgpack.decode(packed_context, type=Packed)
        except msgspec.MsgspecError:
            raise malformed() from None
        if packed.version != 1 or len(packed.conversation) != 16 or len(packed.challenge) not in (0, 32):
            raise malformed()
        context = Conversation(packed.initiator, packed.secret, packed.conversation)
        if packed.challenge:
            context.establish(packed.challenge)
        return context

    def delete_user_mode_context(self, context: Conversation) -> None:
        context.epochs.clear()

    def verify_signature(self, context: Context, message: c.Message, sequence_number: int) -> int:
        tokens = [buffer for buffer in message if buffer.buffer_type is c.BufferType.TOKEN]
        if len(tokens) == 1 and len(tokens[0].data) > _EPOCH and tokens[0].data[_EPOCH] != len(context.epochs) - 1:
            raise c.SecurityError(c.Status.SEC_E_MESSAGE_ALTERED, reason="of_an_earlier_establishment")
        return super().verify_signature(context, message, sequence_number)


def malformed() -> c.SecurityError:
    return c.SecurityError(c.Status.SEC_E_INVALID_TOKEN, reason="packed_context_malformed")


def lsa_mode_initialize(version: c.InterfaceVersion) -> c.ModuleTables:
    return c.ModuleTables(c.InterfaceVersion.V1, (Letters(),))


def user_mode_initialize(version: c.InterfaceVersion) -> c.UserModuleTables:
    return c.UserModuleTables(c.InterfaceVersion.V1, (LettersUser(),))
