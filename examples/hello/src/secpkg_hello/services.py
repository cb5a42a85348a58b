"""What an application asks Hello for with LsaCallAuthenticationPackage: one service, and its submit buffer."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from secpkg.contract import SecurityError, Status
from secpkg.contract.values import Value

MAX_TEXT = 1024
_MAX_SUBMIT = 4 * 4 * MAX_TEXT + 64


class ChangePassword(Value, frozen=True, tag="ChangePassword"):
    """The old password is the right to set the new one. The reply has no data, only ProtocolStatus."""

    _secrets: ClassVar[tuple[str, ...]] = ("old_password", "new_password")

    domain_name: str
    account_name: str
    old_password: str
    new_password: str

    def pack(self) -> bytes:
        """The submit buffer."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def unpack(cls, data: bytes) -> ChangePassword:
        """Accepts what `pack` makes and nothing else: STATUS_INVALID_PARAMETER, and STATUS_NOT_IMPLEMENTED for one
        that names no service at all.
        """
        if not data:
            raise SecurityError(Status.STATUS_NOT_IMPLEMENTED, reason="no_service_named")
        try:
            if len(data) <= _MAX_SUBMIT:
                request = msgspec.msgpack.decode(data, type=cls)
                if all(len(getattr(request, name)) <= MAX_TEXT for name in request.__struct_fields__):
                    return request
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="submit_buffer_malformed")
