"""Section I of the rules: building a context between the LSA half and the application."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.rules.duo import Duo
from tests.rules.packages import Badge, lab_of, module

from secpkg.contract import AscReq, Capability, IscReq, PackageInfo, SecBuffer, Status
from secpkg.contract.flags import BufferType, CredentialUse
from secpkg.contract.values import Names, SessionKey, Sizes
from secpkg.sspi import raw
from secpkg.testing import LabAuthority
from secpkg.testing.lab import described

DATA, TOKEN = BufferType.DATA, BufferType.TOKEN
NAMES, SESSION_KEY, SIZES = 1, 9, 0


@pytest.fixture
def lab(duo: Duo) -> Iterator[LabAuthority]:
    with LabAuthority(modules=[duo.name]) as made:
        yield made


class Talk:
    """A handshake through the documented functions: what each leg gave."""

    def __init__(self, lab: LabAuthority, package: str = "One", target: str | None = "host") -> None:
        _, outbound, _ = raw.acquire_credentials_handle(None, package, CredentialUse.OUTBOUND, authority=lab)
        _, inbound, _ = raw.acquire_credentials_handle(None, package, CredentialUse.INBOUND, authority=lab)
        self.statuses: list[Status] = []
        self.tokens: list[bytes] = []
        self.outputs: list[object] = []
        client = server = None
        given: list[SecBuffer] = []
        wanted = IscReq.INTEGRITY | IscReq.CONFIDENTIALITY, AscReq.INTEGRITY | AscReq.CONFIDENTIALITY
        while not self.statuses or given:
            if len(self.statuses) % 2 == 0:
                status, client, given, *rest = raw.initialize_security_context(
                    outbound if client is None else None, client, target, wanted[0], given
                )
            else:
                status, server, given, *rest = raw.accept_security_context(
                    inbound if server is None else None, server, given, wanted[1]
                )
            self.statuses.append(status)
            self.tokens += [bytes(buffer.data) for buffer in given]
            self.outputs += [*self.tokens, *rest]
        assert client is not None and server is not None
        self.client, self.server = client, server
        self.credentials = outbound, inbound

    def close(self) -> None:
        for context in (self.client, self.server):
            assert raw.delete_security_context(context) is Status.SEC_E_OK
        for credential in self.credentials:
            assert raw.free_credentials_handle(credential) is Status.SEC_E_OK


@pytest.mark.breaks("R145", "secpkg.runtime.applications:_initialize")
@pytest.mark.breaks("R149", "secpkg.sspi.operations:leg")
def test_R145_initialize_and_accept_reach_the_lsa_half_each_its_own_function(duo: Duo, lab: LabAuthority) -> None:
    """R149: Init, Accept, Init, Accept, the last of which consumes the client's second token."""
    start = len(duo.calls())
    talk = Talk(lab)
    legs = [what.split()[0] for what in duo.calls(start) if "LsaModeContext" in what]
    assert legs == ["SpInitLsaModeContext", "SpAcceptLsaModeContext"] * 2
    assert talk.tokens == [b"1", b"2", b"3"]
    talk.close()


@pytest.mark.breaks("R147", "secpkg.runtime.applications:stepped")
@pytest.mark.breaks("R148", "secpkg.host.lsa_mode.steps:step_status")
def test_R147_R148_a_token_with_continue_needed_until_it_is_done_however_many_legs(lab: LabAuthority) -> None:
    more, done = Status.SEC_I_CONTINUE_NEEDED, Status.SEC_E_OK
    for package, expected in (("One", [more, more, done, done]), ("Two", [done, done])):
        talk = Talk(lab, package)
        assert talk.statuses == expected
        assert len(talk.tokens) == len(expected) - 1, "each leg but the last has a token for the peer"
        talk.close()


@pytest.mark.parametrize("target", ["HTTP/host", "\x00 no name \u202e", "x" * 1000, ""])
@pytest.mark.breaks("R153", "secpkg.runtime.applications:_initialize")
def test_R153_the_target_name_is_the_packages_to_read(duo: Duo, lab: LabAuthority, target: str) -> None:
    talk = Talk(lab, "Two", target)
    assert f"SpInitLsaModeContext Two {target!a}" in duo.calls()
    talk.close()


@pytest.mark.breaks("R155", "secpkg.host.user_mode.contexts:map_context")
@pytest.mark.breaks("R162", "secpkg.host.user_mode.contexts:check_packed_context")
def test_R155_R162_the_packed_context_is_for_the_user_half_and_for_nobody_else(lab: LabAuthority) -> None:
    """Neither MappedContext nor ContextData is among what the application gets, and what the user half was given is a
    value of its own: a context lives when the LSA half and its packing are gone (spec/README 11).
    """
    talk = Talk(lab)
    seen = repr((talk.outputs, talk.client, talk.server, talk.credentials))
    assert "secret" not in seen and not any("secret" in repr(output) for output in talk.outputs)
    status, key = raw.query_context_attributes(talk.client, SESSION_KEY)
    assert status is Status.SEC_E_OK and isinstance(key, SessionKey)
    assert key.session_key.startswith(b"initiator secret of One")
    talk.close()


@pytest.mark.breaks("R146", "secpkg.host.user_mode.load:user_package")
@pytest.mark.breaks("R157", "secpkg.host.user_mode.load:_load")
def test_R157_the_application_loads_the_user_half_at_its_first_mapped_context(duo: Duo, lab: LabAuthority) -> None:
    """spec/README 2: the application's process does, not the authority at its start; once. R146: it is no business of
    the application's.
    """
    user_start = "SpUserModeInitialize", "SpInstanceInit One", "SpInstanceInit Two"
    assert not duo.imported("user") and not set(user_start) & set(duo.calls())
    for _ in range(2):
        Talk(lab).close()
        Talk(lab, "Two").close()
    assert [what for what in duo.calls() if what in user_start] == list(user_start)


@pytest.mark.breaks("R160", "secpkg.runtime.applications:_query")
@pytest.mark.breaks("R161", "secpkg.host.user_mode.contexts:map_context")
def test_R160_R161_both_halves_speak_of_one_context_and_of_its_role(lab: LabAuthority) -> None:
    """What the user half knows is what was packed, the role included. It answers the session key, the LSA half the
    names: of the same context, whatever others there are.
    """
    talks = [Talk(lab) for _ in range(3)]
    seen = set()
    for talk in talks:
        for context, role in ((talk.client, b"initiator"), (talk.server, b"acceptor")):
            (_, key), (_, names) = (raw.query_context_attributes(context, which) for which in (SESSION_KEY, NAMES))
            assert isinstance(key, SessionKey) and isinstance(names, Names)
            assert key.session_key.partition(b" secret of ")[::2] == (role, names.user_name.encode())
            seen.add(key.session_key)
    assert len(seen) == 6
    for talk in talks:
        talk.close()


@pytest.mark.breaks("R163", "secpkg.host.user_mode.contexts:UserContext._use")
def test_R163_messages_are_the_user_halfs(duo: Duo, lab: LabAuthority) -> None:
    talk = Talk(lab)
    start = len(duo.calls())
    message = [SecBuffer(DATA, b"data"), SecBuffer(TOKEN, bytes(4))]
    assert raw.query_context_attributes(talk.client, SIZES) == (Status.SEC_E_OK, Sizes(64, 4, 1, 4))
    assert raw.make_signature(talk.client, 0, message, 0) is Status.SEC_E_OK
    assert raw.verify_signature(talk.server, message, 0)[0] is Status.SEC_E_OK
    assert raw.encrypt_message(talk.client, 0, message, 0) is Status.SEC_E_OK
    assert raw.decrypt_message(talk.server, message, 0)[0] is Status.SEC_E_OK
    called = [what.split()[0] for what in duo.calls(start) if not what.startswith("SpQueryContextAttributes")]
    assert called == ["SpMakeSignature", "SpVerifySignature", "SpSealMessage", "SpUnsealMessage"]
    talk.close()


class Extender(Badge):
    """Announces itself as one who extends negotiation."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.info = PackageInfo(name, capabilities=Capability.LOGON | Capability.NEGO_EXTENDER)


@pytest.mark.breaks("R170", "secpkg.authority.directory:PackageDirectory._extends_negotiation")
def test_R170_one_package_of_a_system_extends_negotiation() -> None:
    with lab_of(Extender("First"), Extender("Second"), Badge("Third")) as lab:
        states = {entry.name: (entry.state, entry.reason) for entry in lab.embedded.machine.directory.entries()}
        assert states == {
            "First": ("loaded", ""),
            "Second": ("broken", "second_nego_extender"),
            "Third": ("loaded", ""),
        }
        assert [package.name for package in raw.enumerate_security_packages(lab)[1]] == ["First", "Third"]
        assert raw.delete_security_package("First", lab) is Status.SEC_E_OK
        again = lab.embedded.add_module(described(module(Extender("Fourth"))))
        assert again.state == "loaded" and lab.embedded.machine.directory.find("Fourth").state == "loaded"
