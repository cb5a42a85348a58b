"""Context management."""

from __future__ import annotations

from types import NoneType
from typing import Final

from secpkg.contract.flags import SECURITY_NATIVE_DREP, BufferType
from secpkg.contract.floor import Given, floor
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import NEVER, Buffer, ContextAttributes, Message, SecBuffer
from secpkg.host.user_mode.messages import MAX_BUFFERS, TYPE_MASK
from secpkg.ipc.access_token import AccessToken
from secpkg.ipc.link import run
from secpkg.sspi import attributes, operations
from secpkg.sspi.operations import ContextHandle, CredentialHandle, LegResult
from secpkg.sspi.raw.handles import context_of

ACCESS_TOKEN: Final = 0x12

ContextResult = tuple[Status, ContextHandle | None, Message, int, float]
"""Status, new context, output buffers, attributes granted, expiry in UTC seconds."""
LEG_FAILED: Final[tuple[object, ...]] = (Given("context"), list, 0, NEVER)
"""What a leg that was refused gives: an existing context is the caller's still, and to be deleted."""


@floor("sspi", "InitializeSecurityContext", failed=LEG_FAILED)
def initialize_security_context(
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    target_name: str | None,
    context_req: int,
    input: Message | None = None,  # pInput
    target_data_rep: int = SECURITY_NATIVE_DREP,
) -> ContextResult:
    """InitializeSecurityContext: one leg. ``input`` takes at most one TOKEN and one CHANNEL_BINDINGS buffer (R233),
    whose data are the application's; buffers of other types go to the package as they are. Output: the TOKEN when there
    is one, also with an error (R185); EXTRA with the bytes that were not consumed; MISSING, whose data are the count
    as 4 bytes little-endian. Attributes count after SEC_E_OK only (R186). Page:
    sspi/nf-sspi-initializesecuritycontextw.
    """
    return _leg(False, credential, context, target_name, context_req, input, target_data_rep)


@floor("sspi", "AcceptSecurityContext", failed=LEG_FAILED)
def accept_security_context(
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    input: Message | None,  # pInput
    context_req: int,
    target_data_rep: int = SECURITY_NATIVE_DREP,
) -> ContextResult:
    """AcceptSecurityContext: one leg, as `initialize_security_context`; every output TOKEN goes to the client, whatever
    the status (R188). Page: sspi/nf-sspi-acceptsecuritycontext.
    """
    return _leg(True, credential, context, None, context_req, input, target_data_rep)


def _leg(
    accept: bool,
    credential: CredentialHandle | None,
    context: ContextHandle | None,
    target: str | None,
    requirements: int,
    given: Message | None,
    data_representation: int,
) -> ContextResult:
    token, bindings, others = _sorted(given or [])
    try:
        result = run(
            operations.leg(
                accept,
                credential,
                context,
                token,
                target=target,
                requirements=requirements,
                channel_bindings=bindings,
                data_representation=data_representation,
                buffers=others,
            )
        )
    except SecurityError as error:
        return error.status, context, _token(error.token or b""), 0, NEVER
    return result.status, result.context, _output(result, token), result.attributes, result.expiry


def _sorted(given: Message) -> tuple[bytes, bytes | None, tuple[SecBuffer, ...]]:
    token: bytes | None = None
    bindings: bytes | None = None
    others: list[SecBuffer] = []
    if len(given) > MAX_BUFFERS:
        raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="too_many_buffers")
    for buffer in given:
        kind = buffer.type & TYPE_MASK
        if kind == BufferType.TOKEN and token is None:
            token = bytes(buffer.data)
        elif kind == BufferType.CHANNEL_BINDINGS and bindings is None:
            bindings = bytes(buffer.data)
        elif kind in (BufferType.TOKEN, BufferType.CHANNEL_BINDINGS):
            raise SecurityError(Status.SEC_E_INVALID_TOKEN, reason="buffer_twice")
        elif kind != BufferType.EMPTY:
            others.append(buffer)
    return token or b"", bindings, tuple(others)


def _token(token: bytes) -> Message:
    return [SecBuffer(BufferType.TOKEN, token)] if token else []


def _output(result: LegResult, token: bytes) -> Message:
    output = _token(result.token)
    if 0 < result.leftover <= len(token):
        output.append(SecBuffer(BufferType.EXTRA, token[-result.leftover :]))
    if result.missing > 0:
        output.append(SecBuffer(BufferType.MISSING, min(result.missing, 0xFFFFFFFF).to_bytes(4, "little")))
    return output


@floor("sspi", "CompleteAuthToken")
def complete_auth_token(context: ContextHandle | None, token: Message) -> Status:
    """CompleteAuthToken: the TOKEN buffer's data become the token to send (R189). Page:
    sspi/nf-sspi-completeauthtoken.
    """
    buffer = next((b for b in token if b.type & TYPE_MASK == BufferType.TOKEN), None)
    if buffer is None:
        return Status.SEC_E_INVALID_TOKEN
    buffer.data = run(operations.complete_token(context_of(context), bytes(buffer.data)))
    return Status.SEC_E_OK


@floor("sspi", "DeleteSecurityContext")
def delete_security_context(context: ContextHandle | None) -> Status:
    """DeleteSecurityContext: due as soon as a context exists (R190); SEC_E_OK for one deleted already (R191). Page:
    sspi/nf-sspi-deletesecuritycontext.
    """
    run(operations.delete(context_of(context)))
    return Status.SEC_E_OK


@floor("sspi", "QueryContextAttributes")
def query_context_attributes(
    context: ContextHandle | None, attribute: int
) -> tuple[Status, ContextAttributes | AccessToken | None]:
    """QueryContextAttributes: SEC_E_UNSUPPORTED_FUNCTION for what the package does not offer. An attribute without a
    structure is bytes, in the documented layout. SECPKG_ATTR_ACCESS_TOKEN is the host's to answer; what it gives may be
    closed or not, unlike the documented handle, for it is another one. Page: sspi/nf-sspi-querycontextattributesw.
    """
    if attribute == ACCESS_TOKEN:
        return query_security_context_token(context)
    return Status.SEC_E_OK, run(attributes.query(context_of(context), int(attribute)))


@floor("sspi", "QueryContextAttributesEx")
def query_context_attributes_ex(
    context: ContextHandle | None, attribute: int, buffer_size: int = 0
) -> tuple[Status, ContextAttributes | AccessToken | None]:
    """QueryContextAttributesEx: as `query_context_attributes`; a size has no meaning for a value. Page:
    sspi/nf-sspi-querycontextattributesexw.
    """
    return query_context_attributes(context, attribute)


@floor("sspi", "QuerySecurityContextToken")
def query_security_context_token(context: ContextHandle | None) -> tuple[Status, AccessToken | None]:
    """QuerySecurityContextToken: the caller's to close (R202). Page: sspi/nf-sspi-querysecuritycontexttoken."""
    handle = context_of(context)
    opened = run(operations.query_token(handle))
    assert handle.backend.opened is not None
    return Status.SEC_E_OK, AccessToken(handle.backend.opened.connection, opened)


@floor("sspi", "ImpersonateSecurityContext")
def impersonate_security_context(context: ContextHandle | None) -> Status:
    """ImpersonateSecurityContext: the calling thread alone (lock 11). Anything but SEC_E_OK: do nothing on the client's
    behalf (R200). Page: sspi/nf-sspi-impersonatesecuritycontext.
    """
    from secpkg.sspi.impersonation import impersonate

    status, token = query_security_context_token(context)
    if token is None:
        return status
    with token:
        impersonate(token)
    return Status.SEC_E_OK


@floor("sspi", "RevertSecurityContext")
def revert_security_context(context: ContextHandle | None = None) -> Status:
    """RevertSecurityContext: the calling thread; a failure aborts the process (R201, lock 11). Page:
    sspi/nf-sspi-revertsecuritycontext.
    """
    from secpkg.sspi.impersonation import revert

    revert()
    return Status.SEC_E_OK


@floor("sspi", "FreeContextBuffer", "duty", "buffers are Python objects: there is nothing to release by hand")
def free_context_buffer(buffer: object = None) -> Status:
    """FreeContextBuffer: buffers are Python objects here; there is nothing to release. Page:
    sspi/nf-sspi-freecontextbuffer.
    """
    return Status.SEC_E_OK


@floor("sspi", "SetContextAttributes")
def set_context_attributes(context: ContextHandle | None, attribute: int, value: Buffer) -> Status:
    """SetContextAttributes: at most 64 KiB; SEC_E_UNSUPPORTED_FUNCTION where the package lets nobody set it, which in
    the documents is every package but Schannel (R205). Page: sspi/nf-sspi-setcontextattributesw.
    """
    run(attributes.set_context(context_of(context), attribute, bytes(value)))
    return Status.SEC_E_OK


@floor("sspi", "ApplyControlToken")
def apply_control_token(context: ContextHandle | None, input: Message) -> Status:  # pInput
    """ApplyControlToken: the one TOKEN buffer goes to the package's LSA half, whose next leg may obey it.
    SEC_E_INVALID_TOKEN without such a buffer, SEC_E_UNSUPPORTED_FUNCTION where the package has no such function. Page:
    sspi/nf-sspi-applycontroltoken.
    """
    tokens = [b for b in input if b.type & TYPE_MASK == BufferType.TOKEN]
    handle = context_of(context)
    if len(tokens) != 1:
        return Status.SEC_E_INVALID_TOKEN
    run(operations.call_context(handle, "apply_control_token", bytes(tokens[0].data), kind=NoneType))
    return Status.SEC_E_OK


@floor("sspi", "DelegateSecurityContext", "refused", "no function table has a slot in which a package could offer it")
def delegate_security_context(
    context: ContextHandle | None,
    target: str,
    delegation_type: int = 0,
    expiry: float = NEVER,
    package_parameters: SecBuffer | None = None,
) -> tuple[Status, Message]:
    """DelegateSecurityContext: SEC_E_UNSUPPORTED_FUNCTION. There is a page for applications, and neither the SSPI
    table nor that of a package has the function. Page: sspi/nf-sspi-delegatesecuritycontext.
    """
    context_of(context).require("control")
    return Status.SEC_E_UNSUPPORTED_FUNCTION, []
