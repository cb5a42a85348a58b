"""The package functions that applications reach: each one's effect, and what every one of them refuses alike."""

from __future__ import annotations

import msgspec
import pytest
from tests.host_lsa_mode.everything import Everything, Held, Talk
from tests.host_lsa_mode.fakes import CALLER, Lab, Plain

from secpkg.contract.flags import CallAttribute, CredentialUse, ExtendedInformationClass
from secpkg.contract.implements import IMPLEMENTED
from secpkg.contract.lsa_mode.ssp import TargetInfo, UserInfo
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import AuthIdentity, ClientInfo, Names
from secpkg.host.lsa_mode.channel import Channel, Phase, Role
from secpkg.host.lsa_mode.reachable import REACHABLE, SIGNATURES, UNDOCUMENTED, Target

GUID = bytes(range(16))
OTHER = ClientInfo(process_id=43, uid=1001, gid=1001)
OWN_SESSION = 0x1234

GIVEN: dict[str, tuple[object, ...]] = {
    "add_credentials": ("bob", "Everything", CredentialUse.OUTBOUND, AuthIdentity("bob", "", "secret")),
    "query_credentials_attributes": (1,),
    "set_credentials_attributes": (2, b"value"),
    "save_credentials": (b"key=value",),
    "get_credentials": (),
    "delete_credentials": (b"there",),
    "apply_control_token": (b"control",),
    "query_context_attributes": (1,),
    "set_context_attributes": (5, b"value"),
    "query_meta_data": ("host", 0),
    "exchange_meta_data": ("host", 0, b"from bob"),
    "get_cred_ui_context": (GUID,),
    "update_credentials": (GUID, b"flat"),
    "get_user_info": (OWN_SESSION, 1),
    "change_account_password": ("EXAMPLE", "alice", "old", "new", False),
    "get_extended_information": (ExtendedInformationClass.GSS_INFO,),
    "set_extended_information": (ExtendedInformationClass.GSS_INFO, b"oid"),
    "validate_target_info": (b"message to host", TargetInfo("S-1-5-21-1", "host")),
    "extract_target_info": (b"message@host",),
}
"""Arguments that every function takes."""

FUNCTIONS = sorted(REACHABLE)
OF_CREDENTIAL = [name for name in FUNCTIONS if REACHABLE[name].target is Target.CREDENTIAL]
OF_CONTEXT = [name for name in FUNCTIONS if REACHABLE[name].target is Target.CONTEXT]
OF_EITHER = [name for name in FUNCTIONS if REACHABLE[name].target is Target.EITHER]


class Reached(Lab):
    """A lab with `Everything`, a trusted application that presents a session, a credential and a context of each
    phase.
    """

    def __init__(self, *, traced: bool = True) -> None:
        self.everything = Everything()
        super().__init__(self.everything, traced=traced)
        self.channel.caller = msgspec.structs.replace(CALLER, has_tcb_privilege=True, logon_id=OWN_SESSION)
        self.everything.extended[ExtendedInformationClass.GSS_INFO] = b"its oid"
        self.credential = self.acquire()
        self.held.saved[b"there"] = b"it"
        self.complete = self.open(self.credential)
        self.leg(self.credential, token=b"more")
        self.partial = self.steps.pop()[0]
        self.events.clear()

    @property
    def held(self) -> Held:
        return self.everything.credentials[0]

    @property
    def talk(self) -> Talk:
        """The context that is complete."""
        return self.everything.contexts[0]

    def handle(self, function: str) -> int:
        """A context in which the function may be called."""
        return self.partial if Phase.COMPLETE not in REACHABLE[function].phases else self.complete

    def call(
        self,
        function: str,
        arguments: object = None,
        *,
        credential: int | None = None,
        handle: int | None = None,
        channel: Channel | None = None,
        package: int = 1,
    ) -> object:
        """Call a function and give back its result, decoded; raises what it was refused with."""
        given = GIVEN[function] if arguments is None else arguments
        self.dispatcher.call_function(
            channel or self.channel,
            function,
            msgspec.Raw(msgspec.msgpack.encode(given)),
            self.done,
            package_id=package,
            credential_handle=self.credential if credential is None else credential,
            handle=self.handle(function) if handle is None and function in REACHABLE else handle or 0,
        )
        (value, error) = self.outcomes.pop()
        if error is not None:
            raise error
        if not isinstance(value, msgspec.Raw):
            return value
        by_attribute = function in ("query_context_attributes", "query_credentials_attributes")
        return msgspec.msgpack.decode(value) if by_attribute else SIGNATURES[function].decode_result(value)

    def metadata(self) -> tuple[int, bytes]:
        """The context that metadata made, and the metadata."""
        value = self.call("query_meta_data", handle=0)
        assert isinstance(value, tuple)
        return value

    def state(self) -> object:
        """Everything that a refused call leaves as it is."""
        package, channel = self.everything, self.channel
        return (
            [vars(held).copy() for held in package.credentials],
            [vars(talk).copy() for talk in package.contexts],
            package.passwords.copy(),
            package.extended.copy(),
            list(package.validated),
            list(package.log),
            [(c.handle, c.phase, c.busy, c.role) for c in channel.contexts.values()],
            [(handle, c.contexts) for handle, c in channel.credentials.items()],
            channel.half_open,
        )

    def refused(self, function: str, status: Status, **how: object) -> str:
        """Call a function that must be refused with this status before the package is asked; the named reason."""
        before = self.state()
        with pytest.raises(SecurityError) as refused:
            self.call(function, **how)  # type: ignore[arg-type]  # the keywords of call
        assert refused.value.status is status
        assert self.state() == before
        return refused.value.reason


@pytest.fixture
def lab() -> Reached:
    return Reached()


# --- what each of them does ----------------------------------------------------------------------------------------


@pytest.mark.proves("lsa_mode.SpAddCredentials")
def test_a_credential_is_added_to_a_handle(lab: Reached) -> None:
    identity = AuthIdentity("bob", "", "secret")
    assert lab.call("add_credentials") == 1001.0
    assert lab.call("add_credentials", (None, "Everything", 3, b"blob")) == 1002.0
    assert lab.call("add_credentials", (None, "Everything", 1, None)) == 1003.0
    assert lab.held.added == [
        ("bob", "Everything", CredentialUse.OUTBOUND, identity),
        (None, "Everything", CredentialUse.INBOUND | CredentialUse.OUTBOUND, b"blob"),
        (None, "Everything", CredentialUse.INBOUND, None),
    ]


@pytest.mark.proves("lsa_mode.SpQueryCredentialsAttributes", "lsa_mode.SpSetCredentialsAttributes")
def test_attributes_of_a_credential(lab: Reached) -> None:
    assert lab.call("query_credentials_attributes") == ["session 4660"]
    assert lab.call("set_credentials_attributes", (2, b"value")) is None
    assert lab.call("query_credentials_attributes", (2,)) == b"value"
    with pytest.raises(SecurityError, match="UNSUPPORTED_FUNCTION"):
        lab.call("query_credentials_attributes", (77,))


@pytest.mark.proves("lsa_mode.SpSaveCredentials", "lsa_mode.SpGetCredentials", "lsa_mode.SpDeleteCredentials")
def test_credentials_are_kept_read_and_deleted_once(lab: Reached) -> None:
    assert lab.call("save_credentials", (b"key=value",)) is None
    assert lab.call("get_credentials") == b"key=value,there=it"
    assert lab.call("delete_credentials", (b"there",)) is None
    assert lab.call("get_credentials") == b"key=value"
    with pytest.raises(SecurityError) as second:
        lab.call("delete_credentials", (b"there",))
    assert second.value.status is Status.STATUS_NOT_FOUND


@pytest.mark.proves("lsa_mode.SpApplyControlToken")
def test_R171_a_control_token_reaches_the_package_which_may_refuse_it(lab: Reached) -> None:
    assert lab.call("apply_control_token") is None
    assert lab.call("apply_control_token", (b"again",), handle=lab.partial) is None
    assert [talk.controls for talk in lab.everything.contexts] == [[b"control"], [b"again"]]
    with pytest.raises(SecurityError) as refused:
        lab.call("apply_control_token", (b"bad",))
    assert refused.value.status is Status.SEC_E_INVALID_TOKEN


@pytest.mark.proves("lsa_mode.SpSetContextAttributes", "lsa_mode.SpQueryContextAttributes")
def test_attributes_of_a_context(lab: Reached) -> None:
    assert lab.call("set_context_attributes", (1234, b"value")) is None
    assert lab.talk.attributes == {1234: b"value"}
    told: list[object] = []
    lab.dispatcher.query(lab.channel, lab.complete, 1, lambda value, error: told.append(error or value))
    lab.dispatcher.query(lab.channel, lab.complete, 1234, lambda value, error: told.append(error or value))
    assert told == [Names("session 4660"), b"value"]


def test_R186_only_what_tells_of_the_handshake_is_asked_before_its_end(lab: Reached) -> None:
    told: list[object] = []
    lab.dispatcher.query(lab.channel, lab.partial, 0x1E, lambda value, error: told.append(error or value))
    assert "LastClientTokenStatus" in str(told)
    for attribute in (1, 2, 9):
        with pytest.raises(SecurityError) as refused:
            lab.dispatcher.query(lab.channel, lab.partial, attribute, lab.done)
        assert (refused.value.status, refused.value.reason) == (Status.SEC_E_INVALID_HANDLE, "context_is_partial")


@pytest.mark.proves("lsa_mode.SpGetCredUIContext", "lsa_mode.SpUpdateCredentials")
def test_prompting_for_a_context(lab: Reached) -> None:
    assert lab.call("get_cred_ui_context") == GUID[::-1] + b"session 4660"
    assert lab.call("update_credentials") is None
    assert lab.talk.prompts == [(GUID, b"flat")]


@pytest.mark.proves("lsa_mode.SpGetUserInfo")
def test_R261_who_a_session_is_with_a_long_name_or_a_short_one(lab: Reached) -> None:
    long = UserInfo("user 1234", "A-DOMAIN-WITH-A-LONG-NAME", "server", "S-1-5-21-1-2-3-500")
    assert lab.call("get_user_info") == long
    assert lab.call("get_user_info", (0, 2)) == msgspec.structs.replace(long, logon_domain_name="A-DOMAIN-WITH-A")


def test_R144_another_session_is_for_a_caller_with_the_privilege(lab: Reached) -> None:
    user = lab.call("get_user_info", (0x77, 1))
    assert isinstance(user, UserInfo)
    assert user.user_name == "user 77"
    lab.channel.caller = msgspec.structs.replace(lab.channel.caller, has_tcb_privilege=False)
    assert lab.call("get_user_info", (OWN_SESSION, 1))
    assert lab.refused("get_user_info", Status.SEC_E_NOT_OWNER, arguments=(0x77, 1)) == "logon_id_needs_tcb"
    lab.channel.caller = CALLER
    assert lab.refused("get_user_info", Status.SEC_E_NO_CREDENTIALS, arguments=(0, 1)) == "no_session_presented"


@pytest.mark.proves("lsa_mode.SpChangeAccountPassword")
def test_a_password_is_changed_by_whoever_knows_the_old_one(lab: Reached) -> None:
    assert lab.call("change_account_password") == b"policy"
    assert lab.everything.passwords == {"alice": "new"}
    with pytest.raises(SecurityError) as refused:
        lab.call("change_account_password")
    assert refused.value.status is Status.STATUS_WRONG_PASSWORD


@pytest.mark.proves("lsa_mode.SpGetExtendedInformation", "lsa_mode.SpSetExtendedInformation")
def test_extended_information_is_read_and_set(lab: Reached) -> None:
    assert lab.call("get_extended_information") == b"its oid"
    assert lab.call("set_extended_information") is None
    assert lab.call("get_extended_information") == b"oid"
    with pytest.raises(SecurityError, match="UNSUPPORTED_FUNCTION"):
        lab.call("get_extended_information", (ExtendedInformationClass.EXTRA_OIDS,))


@pytest.mark.proves("lsa_mode.SpValidateTargetInfo", "lsa_mode.SpExtractTargetInfo")
def test_targets_of_a_logon_message(lab: Reached) -> None:
    assert lab.call("validate_target_info") is None
    assert lab.everything.validated == [GIVEN["validate_target_info"]]
    with pytest.raises(SecurityError) as refused:
        lab.call("validate_target_info", (b"message to another", TargetInfo("S-1-5-21-1", "host")))
    assert refused.value.status is Status.STATUS_INVALID_PARAMETER
    assert lab.call("extract_target_info") == b"host"


@pytest.mark.proves("lsa_mode.SpQueryMetaData", "lsa_mode.SpExchangeMetaData")
@pytest.mark.breaks("R168", "secpkg.host.lsa_mode.dispatcher:Dispatcher._call_metadata")
def test_R168_R169_metadata_makes_a_context_which_its_first_leg_continues(lab: Reached) -> None:
    handle, data = lab.metadata()
    assert data == b"from session 4660"
    assert lab.call("exchange_meta_data", ("host", 0, data), handle=handle, credential=0) == (handle, None)
    lab.leg(lab.credential, handle, Role.ACCEPTOR, b"more")
    lab.leg(0, handle, Role.ACCEPTOR)
    assert [number for number, _ in lab.steps] == [handle, handle]
    talk = lab.channel.contexts[handle].state
    assert isinstance(talk, Talk)
    assert (talk.meta, talk.target, talk.words) == (b"from session 4660", "host", [b"more", b""])
    assert lab.refused("query_meta_data", Status.SEC_E_INVALID_HANDLE, handle=handle) == "context_is_complete"


def test_R168_a_context_of_metadata_has_the_role_of_its_first_leg(lab: Reached) -> None:
    handle, _ = lab.metadata()
    lab.leg(lab.credential, handle, Role.ACCEPTOR, b"more")
    with pytest.raises(SecurityError, match="context_is_partial"):
        lab.leg(lab.credential, handle, Role.INITIATOR)


def test_R168_metadata_needs_a_credential_and_the_contexts_own(lab: Reached) -> None:
    other = lab.acquire()
    for name in OF_EITHER:
        reason = lab.refused(name, Status.SEC_E_INVALID_HANDLE, credential=0, handle=0)
        assert reason == "both_handles_null"
        assert lab.refused(name, Status.SEC_E_WRONG_CREDENTIAL_HANDLE, credential=other, handle=lab.partial)


def test_a_context_that_metadata_did_not_make_is_none(lab: Reached) -> None:
    before = lab.state()
    with pytest.raises(SecurityError) as refused:
        lab.call("exchange_meta_data", (None, 0, b"refuse"), handle=0)
    assert refused.value.status is Status.SEC_E_INVALID_TOKEN
    lab.everything.log.clear()
    assert lab.state() == before


# --- what all of them refuse ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_call_is_traced_by_its_documented_name(lab: Reached, name: str) -> None:
    lab.call(name)
    (event,) = lab.events
    assert (event.function, event.status) == (REACHABLE[name].documented, Status.SEC_E_OK)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if SIGNATURES[name].takes_call])
def test_every_call_says_who_is_calling(lab: Reached, name: str) -> None:
    lab.call(name)
    call = lab.everything.calls[-1]
    assert (call.caller, call.attributes) == (lab.channel.caller, CallAttribute(0))


@pytest.mark.parametrize("name", [*OF_CREDENTIAL, *OF_EITHER])
@pytest.mark.breaks("R172", "secpkg.host.lsa_mode.channel:Channel.credential")
def test_R172_stale_foreign_and_impossible_credential_handles(lab: Reached, name: str) -> None:
    stranger = Channel(4, msgspec.structs.replace(OTHER, has_tcb_privilege=True))
    stale = lab.acquire()
    lab.dispatcher.free(lab.channel, stale, lab.done)
    for handle in (stale, 0xFFFF_FFFF_FFFF_FFFF, -1, 99):
        assert lab.refused(name, Status.SEC_E_INVALID_HANDLE, credential=handle, handle=0)
    assert lab.refused(name, Status.SEC_E_INVALID_HANDLE, channel=stranger, handle=0) == "credential_handle_unknown"


@pytest.mark.parametrize("name", [*OF_CONTEXT, *OF_EITHER])
def test_stale_foreign_and_impossible_context_handles(lab: Reached, name: str) -> None:
    stranger = Channel(4, msgspec.structs.replace(OTHER, has_tcb_privilege=True))
    stale = lab.open(lab.credential)
    lab.dispatcher.delete(lab.channel, stale, lab.done)
    for handle in (stale, 0xFFFF_FFFF_FFFF_FFFF, -1, 99):
        assert lab.refused(name, Status.SEC_E_INVALID_HANDLE, handle=handle) == "context_handle_unknown"
    assert lab.refused(name, Status.SEC_E_INVALID_HANDLE, channel=stranger, credential=0) == "context_handle_unknown"


@pytest.mark.parametrize("name", OF_CONTEXT)
def test_the_null_handle_is_no_context(lab: Reached, name: str) -> None:
    assert lab.refused(name, Status.SEC_E_INVALID_HANDLE, handle=0) == "context_handle_unknown"


@pytest.mark.parametrize("name", [*OF_CONTEXT, *OF_EITHER])
@pytest.mark.parametrize("phase", Phase)
def test_a_context_in_another_phase(lab: Reached, name: str, phase: Phase) -> None:
    if phase in REACHABLE[name].phases:
        return
    context = lab.channel.contexts[lab.handle(name)]
    context.phase = phase
    assert lab.refused(name, Status.SEC_E_INVALID_HANDLE) == f"context_is_{phase.value}"


@pytest.mark.parametrize("name", [*OF_CONTEXT, *OF_EITHER])
def test_a_context_that_is_busy(lab: Reached, name: str) -> None:
    lab.channel.contexts[lab.handle(name)].busy = True
    assert lab.refused(name, Status.SEC_E_INVALID_HANDLE) == "context_is_busy"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arguments_of_a_wrong_type_number_or_size(lab: Reached, name: str) -> None:
    good = GIVEN[name]
    bad: list[object] = [(*good, b"one more"), {}, 7, ""]
    for place, argument in enumerate(good):
        wrong: tuple[object, ...] = (3.5, [1], {"a": 1})
        if isinstance(argument, bytes):
            wrong = (*wrong, b"x" * 65537, 1, None)
        elif isinstance(argument, str):
            wrong = (*wrong, "x" * 1025, 1, b"x")
        elif isinstance(argument, int) and SIGNATURES[name].parameters[place] != "logon_id":
            wrong = (*wrong, 2**32, 2**63, -1, -5, -(2**40), "x", None)
        bad += [(*good[:place], value, *good[place + 1 :]) for value in wrong]
    if good:
        bad.append(good[:-1])
    for arguments in bad:
        assert lab.refused(name, Status.STATUS_INVALID_PARAMETER, arguments=arguments), arguments


@pytest.mark.parametrize("name", ["get_cred_ui_context", "update_credentials"])
def test_a_kind_of_credential_is_a_guid(lab: Reached, name: str) -> None:
    for wrong in (b"", GUID[:15], GUID + b"x"):
        assert lab.refused(name, Status.STATUS_INVALID_PARAMETER, arguments=(wrong, *GIVEN[name][1:]))


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if REACHABLE[name].privilege])
def test_what_only_the_lsa_asks_needs_the_privilege(lab: Reached, name: str) -> None:
    lab.channel.caller = CALLER
    assert lab.refused(name, Status.STATUS_PRIVILEGE_NOT_HELD) == f"{name}_needs_tcb"


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if not REACHABLE[name].privilege])
def test_the_others_need_none(lab: Reached, name: str) -> None:
    lab.channel.caller = msgspec.structs.replace(CALLER, logon_id=OWN_SESSION)
    lab.call(name)
    assert lab.events[-1].status == Status.SEC_E_OK


@pytest.mark.parametrize("name", FUNCTIONS)
def test_spec_10_a_package_without_the_function(name: str) -> None:
    class Bare(Plain):
        query_context_attributes = None  # type: ignore[assignment]  # a NULL entry

    lab = Lab(Bare())
    lab.channel.caller = msgspec.structs.replace(CALLER, has_tcb_privilege=True, logon_id=OWN_SESSION)
    credential = lab.acquire()
    with pytest.raises(SecurityError) as refused:
        lab.dispatcher.call_function(
            lab.channel,
            name,
            msgspec.Raw(msgspec.msgpack.encode(GIVEN[name])),
            lab.done,
            package_id=1,
            credential_handle=credential,
            handle=0 if REACHABLE[name].target is Target.EITHER else lab.open(credential),
        )
    assert (refused.value.status, refused.value.reason) == (Status.SEC_E_UNSUPPORTED_FUNCTION, f"no_{name}")


@pytest.mark.parametrize(
    "name",
    [*UNDOCUMENTED, "init_lsa_mode_context", "accept_credentials", "shutdown", "logon_user_ex2", "__init__", "no", ""],
)
def test_no_other_function_can_be_reached(lab: Reached, name: str) -> None:
    assert lab.refused(name, Status.SEC_E_UNSUPPORTED_FUNCTION, arguments=())


def test_the_undocumented_ones_say_so() -> None:
    states = {IMPLEMENTED["lsa_mode", documented].state for documented in UNDOCUMENTED.values()}
    assert states == {"undocumented"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_result_that_is_not_what_the_contract_asks(lab: Reached, name: str) -> None:
    credentials = lab.channel.credentials[lab.credential].contexts
    for nonsense in (object(), 3 + 4j, {"a": 1}):
        lab.everything.result = nonsense
        if name == "exchange_meta_data":
            continue  # a context may be any object
        with pytest.raises(SecurityError) as refused:
            lab.call(name)
        assert refused.value.status is Status.SEC_E_INTERNAL_ERROR
        assert refused.value.reason == f"package_returned_{type(nonsense).__name__}"
        assert lab.events[-1].status == Status.SEC_E_INTERNAL_ERROR
        lab.held.saved[b"there"] = b"it"
        lab.everything.passwords["alice"] = "old"
    assert lab.channel.credentials[lab.credential].contexts == credentials
    assert not any(context.busy for context in lab.channel.contexts.values())


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if REACHABLE[name].target is not Target.PACKAGE])
def test_a_package_that_was_taken_out_of_service(lab: Reached, name: str) -> None:
    lab.dispatcher.unload(1)
    assert lab.refused(name, Status.SEC_E_SECPKG_NOT_FOUND) == "package_unloaded"


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if REACHABLE[name].target is Target.PACKAGE])
def test_a_package_of_another_module(lab: Reached, name: str) -> None:
    assert lab.refused(name, Status.SEC_E_SECPKG_NOT_FOUND, package=2) == "package_not_in_module"


def test_a_draining_package_makes_no_context_from_metadata(lab: Reached) -> None:
    lab.hosted[0].draining = True
    for name in OF_EITHER:
        assert lab.refused(name, Status.SEC_E_SECPKG_NOT_FOUND, handle=0) == "package_draining"


def test_metadata_counts_against_the_quota(lab: Reached, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secpkg.host.lsa_mode.channel.MAX_HALF_OPEN", 1)
    assert lab.refused("query_meta_data", Status.SEC_E_INSUFFICIENT_MEMORY, handle=0) == "quota_half_open"
