"""Keyring in the application: signatures, and a context that moves to another process."""

from __future__ import annotations

import hmac

from secpkg import contract as c
from secpkg.contract.flags import BufferType
from secpkg.contract.user_mode.ssp import ExportedContext
from secpkg_keyring.packed_context import pack, unpack


class Context:
    """A finished context: whose end, how many messages went each way, the key, the peer."""

    def __init__(self, packed: bytes) -> None:
        self.initiator, self.sent, self.received, self.key, self.peer = unpack(packed)

    def tag(self, initiators: bool, number: int, message: c.Message) -> tuple[c.SecBuffer, bytes]:
        tag = hmac.new(self.key, b"%d %d " % (initiators, number), "sha256")
        (token,) = (buffer for buffer in message if buffer.buffer_type is BufferType.TOKEN)
        for buffer in message:
            if buffer.buffer_type is BufferType.DATA:
                tag.update(buffer.data)
        return token, tag.digest()


class Keyring:
    """The user half: one object per process."""

    name = "Keyring"

    def init_user_mode_context(self, packed_context: bytes) -> Context:
        """SpInitUserModeContext."""
        return Context(packed_context)

    def make_signature(
        self, context: Context, quality_of_protection: int, message: c.Message, sequence_number: int
    ) -> None:
        """SpMakeSignature: each number once, and never one key for both directions."""
        token, tag = context.tag(context.initiator, context.sent, message)
        token.data, context.sent = tag, context.sent + 1

    def verify_signature(self, context: Context, message: c.Message, sequence_number: int) -> int:
        """SpVerifySignature: of the message that is due; a replayed one and an altered one look alike here."""
        token, tag = context.tag(not context.initiator, context.received, message)
        if not hmac.compare_digest(token.data, tag):
            raise c.SecurityError(c.Status.SEC_E_MESSAGE_ALTERED, reason="tag_mismatch")
        context.received += 1
        return 0

    def query_context_attributes(self, context: Context, attribute: int) -> c.ContextAttributes:
        """SpQueryContextAttributes."""
        if attribute == c.ContextAttribute.SIZES:
            return c.Sizes(512, 32, 1, 0)
        if attribute == c.ContextAttribute.NAMES:
            return c.Names(context.peer)
        raise c.SecurityError(c.Status.SEC_E_UNSUPPORTED_FUNCTION, reason="attribute_not_offered")

    def export_security_context(self, context: Context, flags: int) -> ExportedContext:
        """SpExportSecurityContext: with its counters; the host sees to it that one holder of the key is left (R203)."""
        return ExportedContext(pack(context.initiator, context.sent, context.received, context.key, context.peer))

    def import_security_context(self, packed_context: bytes, token: c.TokenReference | None) -> Context:
        """SpImportSecurityContext."""
        return Context(packed_context)


def user_mode_initialize(version: c.InterfaceVersion) -> c.UserModuleTables:
    """SpUserModeInitialize."""
    return c.UserModuleTables(c.InterfaceVersion.V1, (Keyring(),))
