"""The asynchronous calls of the raw floor, on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from secpkg.contract.flags import BufferType, CredentialUse, IscReq
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity, Message, SecBuffer
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

OK, PENDING = Status.SEC_E_OK, Status.SEC_I_ASYNC_CALL_PENDING
INVALID_HANDLE, INVALID = Status.SEC_E_INVALID_HANDLE, Status.STATUS_INVALID_PARAMETER
ALICE = AuthIdentity("alice", "", "correct horse")
PROTECTED = IscReq.INTEGRITY | IscReq.CONFIDENTIALITY


@pytest.fixture
def lab() -> Iterator[LabAuthority]:
    with LabAuthority(domain="EXAMPLE", modules=["hello"]) as made:
        made.add_user("alice", password="correct horse")
        yield made


def on_loop(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine function of a lab."""

    def test(lab: LabAuthority) -> None:
        asyncio.run(function(lab))

    test.__name__, test.__doc__ = function.__name__, function.__doc__
    test.__module__, test.__qualname__ = function.__module__, function.__qualname__
    return test


async def result(context: raw.SspiAsyncContext, queued: Status) -> Status:
    """Of a call that was queued: wait for its end without asking for its status before."""
    assert queued is OK
    while raw.sspi_get_async_call_status(context) is PENDING:
        await asyncio.sleep(0)
    return raw.sspi_get_async_call_status(context)


async def credential(lab: LabAuthority, use: CredentialUse, identity: AuthIdentity | None = None) -> Any:
    context = raw.sspi_create_async_context()
    queued = raw.sspi_acquire_credentials_handle_async(context, None, "Hello", use, None, identity, authority=lab)
    assert await result(context, queued) is OK and context.credential is not None
    return context.credential


@pytest.mark.proves(
    "sspi.SspiCreateAsyncContext",
    "sspi.SspiAcquireCredentialsHandleAsync",
    "sspi.SspiInitializeSecurityContextAsync",
    "sspi.SspiAcceptSecurityContextAsync",
)
@on_loop
async def test_a_handshake(lab: LabAuthority) -> None:
    outbound = await credential(lab, CredentialUse.OUTBOUND, ALICE)
    inbound = await credential(lab, CredentialUse.INBOUND)
    client = server = None
    output: Message = []
    statuses: list[Status] = []
    attributes = 0
    legs = raw.sspi_create_async_context()
    for leg in range(4):
        if leg % 2 == 0:
            queued = raw.sspi_initialize_security_context_async(legs, outbound, client, "host", PROTECTED, output)
            statuses.append(await result(legs, queued))
            client = legs.context
        else:
            queued = raw.sspi_accept_security_context_async(legs, inbound, server, output, 0x20010)
            statuses.append(await result(legs, queued))
            server = legs.context
        output = legs.output
        attributes = legs.attributes
        if leg < 3:
            assert raw.sspi_reinit_async_context(legs) is Status.STATUS_SUCCESS and legs.output == []
    assert statuses == [Status.SEC_I_CONTINUE_NEEDED] * 3 + [OK] and attributes & 0x20010 == 0x20010
    assert raw.sspi_reinit_async_context(legs) is OK
    queued = raw.sspi_initialize_security_context_async(legs, None, client, "host", PROTECTED, output)
    assert await result(legs, queued) is OK
    message = [SecBuffer(BufferType.DATA, b"text"), SecBuffer(BufferType.TOKEN)]
    assert raw.encrypt_message(client, 0, message) is OK
    assert raw.decrypt_message(server, message)[0] is OK and message[0].data == b"text"


@pytest.mark.proves("sspi.SspiGetAsyncCallStatus")
@pytest.mark.breaks("R207", "secpkg.sspi.raw.async_:sspi_get_async_call_status")
@on_loop
async def test_R207_a_call_gives_the_status_of_queueing_and_is_pending_until_it_is_done(lab: LabAuthority) -> None:
    context = raw.sspi_create_async_context()
    assert raw.sspi_get_async_call_status(context) is INVALID_HANDLE, "no call yet"
    queued = raw.sspi_acquire_credentials_handle_async(context, None, "None such", CredentialUse.INBOUND, authority=lab)
    assert queued is OK, "queued, whatever becomes of it"
    assert raw.sspi_get_async_call_status(context) is PENDING and context.credential is None
    assert await result(context, queued) is Status.SEC_E_SECPKG_NOT_FOUND and context.credential is None


@pytest.mark.proves("sspi.SspiReinitAsyncContext", "sspi.SspiFreeAsyncContext")
@pytest.mark.breaks("R208", "secpkg.sspi.raw.async_:sspi_free_async_context")
@on_loop
async def test_R208_a_context_serves_one_call_until_it_is_made_anew_or_freed(lab: LabAuthority) -> None:
    context = raw.sspi_create_async_context()

    def queue() -> Status:
        use = CredentialUse.INBOUND
        return raw.sspi_acquire_credentials_handle_async(context, None, "Hello", use, authority=lab)

    assert queue() is OK
    assert queue() is INVALID_HANDLE, "one call at a time"
    assert raw.sspi_reinit_async_context(context) is INVALID and raw.sspi_get_async_call_status(context) is PENDING
    assert await result(context, OK) is OK
    assert queue() is INVALID_HANDLE, "used"
    assert raw.sspi_reinit_async_context(context) is OK and context.credential is None
    assert raw.sspi_get_async_call_status(context) is INVALID_HANDLE
    assert await result(context, queue()) is OK
    raw.sspi_free_async_context(context)
    assert queue() is INVALID_HANDLE and raw.sspi_reinit_async_context(context) is INVALID
    assert raw.sspi_get_async_call_status(context) is INVALID_HANDLE
    raw.sspi_free_async_context(None)
    assert raw.sspi_reinit_async_context(None) is INVALID


@on_loop
async def test_freeing_a_context_ends_its_call_and_tells_nobody(lab: LabAuthority) -> None:
    context = raw.sspi_create_async_context()
    told: list[object] = []
    assert raw.sspi_set_async_notify_callback(context, lambda *given: told.append(given)) is OK
    assert raw.sspi_acquire_credentials_handle_async(context, None, "Hello", 1, authority=lab) is OK
    raw.sspi_free_async_context(context)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not told and context.credential is None and raw.sspi_get_async_call_status(context) is INVALID_HANDLE


@pytest.mark.proves("sspi.SspiSetAsyncNotifyCallback", "sspi.SspiAsyncContextRequiresNotify")
@on_loop
async def test_whoever_asked_to_be_told_of_the_end_is_told_once(lab: LabAuthority) -> None:
    context = raw.sspi_create_async_context()
    told: list[tuple[object, object, Status]] = []
    done = asyncio.Event()

    def callback(given: raw.SspiAsyncContext, data: object) -> None:
        told.append((given, data, raw.sspi_get_async_call_status(given)))
        done.set()

    assert not raw.sspi_async_context_requires_notify(context)
    assert raw.sspi_set_async_notify_callback(context, None) is Status.SEC_E_INVALID_PARAMETER  # type: ignore[arg-type]
    assert raw.sspi_set_async_notify_callback(context, callback, "data") is OK
    assert raw.sspi_async_context_requires_notify(context)
    assert raw.sspi_acquire_credentials_handle_async(context, None, "Hello", 1, authority=lab) is OK
    assert raw.sspi_set_async_notify_callback(context, callback) is INVALID_HANDLE, "too late"
    await done.wait()
    assert told == [(context, "data", OK)]
    assert raw.sspi_reinit_async_context(context) is OK and not raw.sspi_async_context_requires_notify(context)
    assert not raw.sspi_async_context_requires_notify(None)
    assert raw.sspi_set_async_notify_callback(None, callback) is INVALID_HANDLE


@pytest.mark.proves("sspi.SspiDeleteSecurityContextAsync", "sspi.SspiFreeCredentialsHandleAsync")
@on_loop
async def test_ends(lab: LabAuthority) -> None:
    outbound = await credential(lab, CredentialUse.OUTBOUND, ALICE)
    legs, ends = raw.sspi_create_async_context(), raw.sspi_create_async_context()
    queued = raw.sspi_initialize_security_context_async(legs, outbound, None, "host", 0)
    assert await result(legs, queued) is Status.SEC_I_CONTINUE_NEEDED
    assert await result(ends, raw.sspi_delete_security_context_async(ends, legs.context)) is OK
    assert raw.initialize_security_context(None, legs.context, "host", 0, [SecBuffer(2)])[0] is INVALID_HANDLE
    assert raw.sspi_reinit_async_context(ends) is OK
    assert await result(ends, raw.sspi_free_credentials_handle_async(ends, outbound)) is OK
    assert raw.initialize_security_context(outbound, None, "host", 0)[0] is INVALID_HANDLE
    assert raw.sspi_reinit_async_context(ends) is OK
    assert await result(ends, raw.sspi_free_credentials_handle_async(ends, outbound)) is INVALID_HANDLE
    for refused in (
        raw.sspi_delete_security_context_async(ends, None),
        raw.sspi_free_credentials_handle_async(ends, None),
        raw.sspi_delete_security_context_async(None, legs.context),
        raw.sspi_accept_security_context_async(None, outbound, None, [], 0),
    ):
        assert refused is INVALID_HANDLE


@on_loop
async def test_a_refusal_keeps_its_token_and_its_status(lab: LabAuthority) -> None:
    inbound = await credential(lab, CredentialUse.INBOUND)
    context = raw.sspi_create_async_context()
    queued = raw.sspi_accept_security_context_async(context, inbound, None, [SecBuffer(2, b"nonsense")], 0x8000)
    assert (await result(context, queued)).is_error and context.output and context.attributes == 0
    assert raw.sspi_reinit_async_context(context) is OK
    twice = [SecBuffer(2, b"x"), SecBuffer(2, b"y")]
    queued = raw.sspi_accept_security_context_async(context, inbound, None, twice, 0)
    assert await result(context, queued) is Status.SEC_E_INVALID_TOKEN


def test_outside_an_event_loop_nothing_is_queued(lab: LabAuthority) -> None:
    context = raw.sspi_create_async_context()
    queued = raw.sspi_acquire_credentials_handle_async(context, None, "Hello", 1, authority=lab)
    assert queued is Status.SEC_E_UNSUPPORTED_FUNCTION
    assert raw.sspi_get_async_call_status(context) is INVALID_HANDLE
