"""How an acceptor wants its channel bindings treated."""

from __future__ import annotations

from secpkg.contract import channel_bindings
from secpkg.contract.channel_bindings import ChannelBindings
from secpkg.contract.flags import BufferType
from secpkg.contract.floor import floor
from secpkg.contract.status import Status
from secpkg.contract.values import SecBuffer
from secpkg.host.user_mode.contexts import TYPE_MASK


@floor("sspi", "SspiSetChannelBindingFlags")
def sspi_set_channel_binding_flags(bindings: SecBuffer | None, flags: int) -> Status:
    """SspiSetChannelBindingFlags: ``bindings`` is a CHANNEL_BINDINGS buffer, whose data are replaced, and so are flags
    that were set before. SEC_CHANNEL_BINDINGS_AUDIT_BINDINGS is the one flag, 0 takes it away. SEC_E_INVALID_PARAMETER;
    nothing is changed then. Page: sspi/nf-sspi-sspisetchannelbindingflags.
    """
    if bindings is None or bindings.type & TYPE_MASK != BufferType.CHANNEL_BINDINGS:
        return Status.SEC_E_INVALID_PARAMETER
    if flags & ~channel_bindings.FLAGS:
        return Status.SEC_E_INVALID_PARAMETER
    try:
        data = channel_bindings.unpack(bytes(bindings.data)).application_data
    except ValueError:
        return Status.SEC_E_INVALID_PARAMETER
    bindings.data = channel_bindings.pack(ChannelBindings(data, flags))
    return Status.SEC_E_OK
