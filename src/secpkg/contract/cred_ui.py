"""The flat form of a credential-UI context: what SpGetCredUIContext gives, SspiUnmarshalCredUIContext reads, and
SpUpdateCredentials is given back (docs/adr/0007).

It is a format version and the members of ``SEC_WINNT_CREDUI_CONTEXT`` that mean something here, in MessagePack. The
input identity in it may hold a secret: whoever keeps the form keeps a secret.
"""

from __future__ import annotations

from typing import Final

import msgspec

from secpkg.contract.values import AuthIdentity, Value

VERSION: Final = 1
MAX_SIZE: Final = 0xFFFF
MAX_TEXT: Final = 1024
"""Characters."""


class CredUIContext(Value, frozen=True):
    """``SEC_WINNT_CREDUI_CONTEXT``: what a dialog that asks for credentials begins with, or has gathered.

    ``auth_error`` says why it asks.
    """

    target_name: str = ""
    auth_error: int = 0
    message_text: str = ""
    caption_text: str = ""
    input_auth_identity: AuthIdentity | None = None


class _Flat(msgspec.Struct, frozen=True, array_like=True):
    version: int
    context: CredUIContext


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Flat).decode


def pack(context: CredUIContext) -> bytes:
    """The flat form. ValueError for one that is too large."""
    data = _encode(_Flat(VERSION, context))
    unpack(data)
    return data


def unpack(data: bytes) -> CredUIContext:
    """The context of a flat form; ValueError for anything else."""
    if len(data) > MAX_SIZE:
        raise ValueError("a credential-UI context has at most 65535 bytes")
    try:
        flat = _decode(data)
    except msgspec.MsgspecError as error:
        raise ValueError("no flat credential-UI context") from error
    context = flat.context
    if flat.version != VERSION:
        raise ValueError("a credential-UI context of another version")
    if max(map(len, (context.target_name, context.message_text, context.caption_text))) > MAX_TEXT:
        raise ValueError("a text of a credential-UI context is too long")
    return context


__all__ = ["VERSION", "CredUIContext", "pack", "unpack"]
