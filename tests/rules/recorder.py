"""A plain SSP that writes down what the host gives it: for rules that the host keeps before and after a package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from secpkg.contract import (
    Acquired,
    AscRet,
    Call,
    Capability,
    Complete,
    ContextAttribute,
    ContextAttributes,
    ContextRequest,
    CredentialUse,
    IscRet,
    Message,
    PackageInfo,
    SecBuffer,
    SecurityError,
    Sizes,
    Status,
    Step,
)
from secpkg.host.user_mode import providers
from secpkg.sspi import raw

PROTECTED = int(IscRet.INTEGRITY | IscRet.CONFIDENTIALITY)
Act = Callable[[Message], object]


class Recorder:
    """``act``, when it is given, does the work of every message function; without it a token is four bytes."""

    def __init__(self, attributes: int = PROTECTED, sizes: Sizes | None = None, act: Act | None = None) -> None:
        self.attributes, self.act = attributes, act
        self.sizes = sizes or Sizes(64, 4, 1, 4)
        self.seen: list[Message] = []

    def enumerate_security_packages(self) -> tuple[PackageInfo, ...]:
        return (
            PackageInfo("Recorder", capabilities=Capability.INTEGRITY | Capability.PRIVACY | Capability.CONNECTION),
        )

    def acquire_credentials_handle(
        self, call: Call, package: str, principal: str | None, use: CredentialUse, authorization_data: object
    ) -> Acquired:
        return Acquired("credential")

    def initialize_security_context(
        self, call: Call, credential: object, context: object, request: ContextRequest
    ) -> Step:
        return Complete("context", attributes=self.attributes)

    def accept_security_context(self, call: Call, credential: object, context: object, request: ContextRequest) -> Step:
        return Complete("context", attributes=int(AscRet.INTEGRITY))

    def _do(self, message: Message) -> int:
        self.seen.append([SecBuffer(buffer.type, buffer.data) for buffer in message])
        if self.act is not None:
            result = self.act(message)
            return result if isinstance(result, int) else 0
        for buffer in message:
            if buffer.type == 2:
                buffer.data = b"sign"
        return 0

    def given(self, buffer: SecBuffer) -> object:
        """The caller's own object behind what was seen."""
        return buffer.data.obj if isinstance(buffer.data, memoryview) else buffer.data

    def make_signature(
        self, context: object, quality_of_protection: int, message: Message, sequence_number: int
    ) -> None:
        self._do(message)

    def verify_signature(self, context: object, message: Message, sequence_number: int) -> int:
        return self._do(message)

    def seal_message(self, context: object, quality_of_protection: int, message: Message, sequence_number: int) -> None:
        self._do(message)

    def unseal_message(self, context: object, message: Message, sequence_number: int) -> int:
        return self._do(message)

    def query_context_attributes(self, context: object, attribute: int) -> ContextAttributes:
        if attribute == ContextAttribute.SIZES:
            return self.sizes
        raise SecurityError(Status.SEC_E_UNSUPPORTED_FUNCTION)


@contextmanager
def recording(recorder: Recorder) -> Iterator[raw.ContextHandle]:
    """A finished context of it."""
    providers.add("recorder", lambda: recorder)
    try:
        _, credential, _ = raw.acquire_credentials_handle(None, "Recorder", CredentialUse.BOTH)
        status, context, *_ = raw.initialize_security_context(credential, None, None, 0)
        assert status is Status.SEC_E_OK and context is not None
        yield context
    finally:
        providers.remove("recorder")
