"""A SASL exchange between two ends of one lab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.flags import AscReq, BufferType, CredentialUse, IscReq
from secpkg.contract.status import Status
from secpkg.contract.values import AuthIdentity, Message, SecBuffer
from secpkg.sspi import raw
from secpkg.testing import LabAuthority

PASSWORD: Final = "correct horse"
PRIVATE: Final = (int(IscReq.CONFIDENTIALITY), int(AscReq.CONFIDENTIALITY))
SIGNED: Final = (int(IscReq.INTEGRITY), int(AscReq.INTEGRITY))
PLAIN: Final = (0, 0)
CONTINUE: Final = Status.SEC_I_CONTINUE_NEEDED


def lab_of_hello() -> LabAuthority:
    lab = LabAuthority(domain="EXAMPLE", modules=["hello"])
    lab.add_user("alice", password=PASSWORD)
    return lab


def token(data: bytes) -> Message:
    return [SecBuffer(BufferType.TOKEN, data)]


class SaslTalk:
    """Both ends; `step` hands one message over. ``sent`` has every message, ``statuses`` what each leg answered."""

    def __init__(
        self,
        lab: object,
        wanted: tuple[int, int] = PLAIN,
        *,
        package: str = "Hello",
        password: str = PASSWORD,
        authorize: Callable[[raw.ContextHandle, str], bool] | None = None,
    ) -> None:
        identity = AuthIdentity("alice", "", password)
        use = CredentialUse
        self.outbound = raw.acquire_credentials_handle(None, package, use.OUTBOUND, None, identity, authority=lab)[1]
        self.inbound = raw.acquire_credentials_handle(None, package, use.INBOUND, authority=lab)[1]
        self.wanted = wanted
        self.authorize = authorize
        self.client: raw.ContextHandle | None = None
        self.server: raw.ContextHandle | None = None
        self.statuses: list[Status] = []
        self.sent: list[bytes] = []
        self.attributes = [0, 0]

    @property
    def clients_turn(self) -> bool:
        return len(self.statuses) % 2 == 0

    def step(self, given: bytes | None = None) -> Status:
        """One leg, by default with what the other end sent last."""
        data = self.sent[-1] if given is None and self.sent else given
        message = [] if data is None else token(data)
        if self.clients_turn:
            status, self.client, output, attributes, _ = raw.sasl_initialize_security_context(
                self.outbound, self.client, "host", self.wanted[0], message
            )
        else:
            status, self.server, output, attributes, _ = raw.sasl_accept_security_context(
                self.inbound, self.server, message, self.wanted[1], authorize=self.authorize
            )
        assert [buffer.type for buffer in output] == [BufferType.TOKEN], "exactly one TOKEN buffer (R274)"
        self.attributes[len(self.statuses) % 2] = attributes
        self.statuses.append(status)
        self.sent.append(bytes(output[0].data))
        return status

    def until_offer(self) -> None:
        """Up to the server's cookie, which is the last that was sent."""
        while self.client is None or self.server is None or not self._offered():
            assert not self.step().is_error

    def _offered(self) -> bool:
        assert self.server is not None
        from secpkg.sspi.raw.sasl import _contexts

        return _contexts[self.server].state == "choice"

    def finish(self) -> None:
        """To the end of both, or to an error."""
        while self.statuses[-2:] != [Status.SEC_E_OK, Status.SEC_E_OK]:
            if self.step().is_error:
                return
