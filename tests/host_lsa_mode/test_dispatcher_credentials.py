"""The dispatcher: functions that a package lacks, and credential handles."""

from __future__ import annotations

from typing import Any

import pytest
from tests.host_lsa_mode.bench import INVALID, Bench, raises_at_once, refused_with, void
from tests.host_lsa_mode.fakes import CALLER, NOW, PARK, Lab, Plain, asks_first

from secpkg.contract.flags import CallAttribute, CredentialUse
from secpkg.contract.lsa_mode import ap, ssp
from secpkg.contract.reference import table
from secpkg.contract.signatures import signatures
from secpkg.contract.status import Status
from secpkg.contract.values import (
    Acquired,
    Call,
    ClientInfo,
    Complete,
    ContextRequest,
    PackageInfo,
    Step,
)
from secpkg.host.lsa_mode.channel import Channel, Role
from secpkg.host.lsa_mode.dispatcher import (
    _documented,
    unsupported,
)

CLEANUP = CallAttribute.CLEANUP
ACCEPTOR = Role.ACCEPTOR


# --- missing functions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(signatures(ap.PROTOCOLS)))
def test_spec_10_a_missing_function_of_an_ap_is_not_implemented(name: str) -> None:
    assert unsupported(name).status is Status.STATUS_NOT_IMPLEMENTED


@pytest.mark.parametrize("name", sorted(signatures(ssp.PROTOCOLS)))
def test_spec_10_a_missing_function_of_an_ssp_is_unsupported(name: str) -> None:
    assert unsupported(name).status is Status.SEC_E_UNSUPPORTED_FUNCTION
    assert unsupported(name).reason == f"no_{name}"


@pytest.mark.parametrize("row", [*table("lsa_mode"), *table("authentication_package")], ids=lambda row: row.function)
def test_the_trace_names_functions_as_the_documents_do(row: Any) -> None:
    assert _documented(row.python_name) == row.function


class Bare:
    info = PackageInfo("Bare")


class Acquires:
    info = PackageInfo("Acquires")

    async def acquire_credentials_handle(
        self, call: Call, principal: str | None, use: CredentialUse, logon_id: int | None, authorization_data: object
    ) -> Acquired:
        return Acquired("credential")


class Completes(Acquires):
    async def init_lsa_mode_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        return Complete("context")


def test_spec_10_every_door_answers_unsupported_for_what_a_package_lacks() -> None:
    lab = Lab(Bare(), Acquires(), Completes())
    unsupported_function = Status.SEC_E_UNSUPPORTED_FUNCTION
    with refused_with(unsupported_function, "no_acquire_credentials_handle"):
        lab.acquire(1)
    credential = lab.acquire(2)
    for role in Role:
        name = "init" if role is Role.INITIATOR else "accept"
        with refused_with(unsupported_function, f"no_{name}_lsa_mode_context"):
            lab.leg(credential, role=role)
    with refused_with(Status.STATUS_NOT_IMPLEMENTED, "no_logon_user_ex2"):
        lab.dispatcher.package_call(1, "logon_user_ex2", (), CALLER, lab.done)
    with refused_with(unsupported_function, "no_shutdown"):
        lab.dispatcher.package_call(1, "shutdown", (), CALLER, lab.done)
    with refused_with(unsupported_function, "no_no_such_function"):
        lab.dispatcher.package_call(1, "no_such_function", (), CALLER, lab.done)
    other = lab.acquire(3)
    context = lab.open(other)
    with refused_with(unsupported_function, "no_query_context_attributes"):
        lab.dispatcher.query(lab.channel, context, 1, lab.done)
    # Without delete_context and free_credentials_handle there is nobody to tell, and the handles go all the same.
    for close in (
        lambda: lab.dispatcher.delete(lab.channel, context, lab.done),
        lambda: lab.dispatcher.free(lab.channel, other, lab.done),
    ):
        void(close)
        assert lab.outcomes.pop() == (None, None)
    assert (lab.channel.contexts, list(lab.channel.credentials), lab.channel.half_open) == ({}, [credential], 0)


# --- credentials ------------------------------------------------------------------------------------------------------


@pytest.mark.breaks("R144", "secpkg.host.lsa_mode.dispatcher:Dispatcher.acquire")
def test_r144_a_luid_may_be_named_by_its_own_session_and_by_the_trusted_only() -> None:
    lab = Lab(Plain())
    with refused_with(Status.SEC_E_NOT_OWNER, "logon_id_needs_tcb"):
        lab.acquire(logon_id=5)
    package = Plain()
    lab = Lab(package)
    lab.channel = Channel(1, ClientInfo(1, 1, 1, logon_id=5))
    lab.acquire()
    lab.acquire(logon_id=5)
    with refused_with(Status.SEC_E_NOT_OWNER, "logon_id_needs_tcb"):
        lab.acquire(logon_id=6)
    lab.channel = Channel(2, ClientInfo(1, 0, 0, has_tcb_privilege=True, logon_id=5))
    lab.acquire(logon_id=6)
    lab.acquire()
    assert package.log == [("acquire", 5), ("acquire", 5), ("acquire", 6), ("acquire", 5)]


@pytest.mark.parametrize("use", [0, 4, 0x10, 1 << 40])
def test_a_use_that_is_neither_inbound_nor_outbound_is_refused(use: int) -> None:
    with refused_with(Status.SEC_E_UNSUPPORTED_FUNCTION, "credential_use_unknown"):
        Lab(Plain()).acquire(use=use)


@pytest.mark.parametrize(
    ("acquired", "reason"),
    [
        ("nonsense", "package_returned_str"),
        (Acquired(1, "soon"), "package_returned_Acquired"),  # type: ignore[arg-type]
        (Acquired(1, float("nan")), "package_returned_Acquired"),
        (Acquired(1, 1 << 70), "package_returned_Acquired"),
    ],
)
def test_an_acquisition_that_is_none_gives_no_handle(acquired: object, reason: str) -> None:
    lab = Lab(package := Plain())
    package.acquired = acquired
    lab.dispatcher.acquire(lab.channel, 1, 3, None, None, None, lab.done)
    assert (lab.failure().status, lab.failure().reason) == (Status.SEC_E_INTERNAL_ERROR, reason)
    assert not lab.channel.credentials
    assert not lab.channel.acquiring


def test_acquire_tells_handle_and_expiry_and_never_uses_a_number_twice() -> None:
    lab = Bench()
    lab.dispatcher.acquire(lab.channel, 1, 3, None, None, None, lab.done)
    ((value, error),) = lab.outcomes
    assert (value, error) == ((lab.credential + 1, NOW + 60), None)
    lab.dispatcher.free(lab.channel, lab.credential + 1, lab.done)
    assert lab.acquire() == lab.credential + 2


def test_r193_a_credential_vanishes_with_its_last_reference() -> None:
    lab = Bench()
    contexts = [lab.open(lab.credential), lab.open(lab.credential)]
    lab.dispatcher.free(lab.channel, lab.credential, lab.done)
    assert lab.outcomes == [(None, None)]
    with refused_with(INVALID, "credential_handle_unknown"):
        lab.dispatcher.free(lab.channel, lab.credential, lab.done)
    with refused_with(INVALID, "credential_handle_unknown"):
        lab.leg(lab.credential)
    lab.dispatcher.delete(lab.channel, contexts[0], lab.done)
    assert not lab.package.did("free")
    lab.dispatcher.delete(lab.channel, contexts[1], lab.done)
    assert [kind for kind, _state in lab.package.did("delete", "free")] == ["delete", "delete", "free"]
    assert not lab.package.calls[-1].attributes


def test_r193_a_parked_deletion_holds_the_credential() -> None:
    lab = Bench(open_sam_user=PARK)
    lab.package.before_delete = asks_first
    handle = lab.open(lab.credential)
    lab.dispatcher.free(lab.channel, lab.credential, lab.done)
    lab.dispatcher.delete(lab.channel, handle, lab.done)
    with refused_with(INVALID, "context_handle_unknown"):
        lab.dispatcher.delete(lab.channel, handle, lab.done)
    assert [kind for kind, _state in lab.package.did("delete", "free")] == ["delete"]
    lab.dispatcher.close(lab.channel)
    lab.link.resume()
    assert [kind for kind, _state in lab.package.did("delete", "free")] == ["delete", "free"]
    assert lab.package.calls[-1].attributes == CLEANUP
    assert lab.outcomes == [(None, None)]  # of free; the deletion's reply has nobody to go to


def test_a_failing_deletion_is_told_and_the_context_is_gone() -> None:
    lab = Bench()
    handle = lab.open(lab.credential)
    lab.hosted[0].table["delete_context"] = raises_at_once
    lab.dispatcher.delete(lab.channel, handle, lab.done)
    assert isinstance(lab.failure_of_last(), SystemExit)
    assert not lab.channel.contexts
