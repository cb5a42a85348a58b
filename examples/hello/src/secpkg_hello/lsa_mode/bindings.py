"""Channel bindings: what SSPI's application data is to SCRAM, and what an acceptor expects of its client."""

from __future__ import annotations

from secpkg.contract import AscReq, ContextRequest
from secpkg.contract.channel_bindings import judge, unpack
from secpkg.contract.flags_seldom import ChannelBindingsResult
from secpkg.protocols import scram
from secpkg.protocols.scram import BindingPolicy, ChannelBinding, Reason, Rejected

_TLS = (scram.TLS_EXPORTER, scram.TLS_SERVER_END_POINT, scram.TLS_UNIQUE)


def binding_of(data: bytes | None) -> ChannelBinding | None:
    """SSPI's application data is ``tls-...:data``; other data is bound as it is. Empty and zeros are no binding."""
    if not data or not any(data):
        return None
    prefix, _, rest = data.partition(b":")
    for name in _TLS:
        if prefix == name.encode() and rest:
            return ChannelBinding(name, rest)
    return ChannelBinding("application-data", data)


def expected(state: scram.Challenged, request: ContextRequest) -> tuple[ChannelBinding | None, BindingPolicy, str]:
    """The binding that the client has to prove, whether it must, and a mismatch to report that does no harm.

    With bindings that are audit-only, and with PROXY_BINDINGS, it is the one that the client has, where `judge` lets
    that pass (R235, R238, R239).
    """
    given = request.channel_bindings or b""
    try:
        bindings = unpack(given)
    except ValueError:
        raise Rejected(Reason.BAD_ARGUMENT, "channel bindings with flags that nobody knows") from None
    if bindings.audit_only or request.requirements & AscReq.PROXY_BINDINGS:
        theirs = state.bound(request.token)
        supported = state.first.could_bind
        judgement = judge(given, _data_of(theirs), requirements=request.requirements, client_support=supported)
        if not judgement.status.is_error:
            report = judgement.result.native if judgement.result & ChannelBindingsResult.NOTVALID else ""
            return theirs, BindingPolicy.WHEN_SUPPORTED, report
    ours = binding_of(bindings.application_data)
    required = ours is not None and not request.requirements & AscReq.ALLOW_MISSING_BINDINGS  # R234
    return ours, BindingPolicy.REQUIRE if required else BindingPolicy.WHEN_SUPPORTED, ""


def _data_of(binding: ChannelBinding | None) -> bytes:
    if binding is None:
        return b""
    return b"%b:%b" % (binding.name.encode(), binding.data) if binding.name in _TLS else binding.data
